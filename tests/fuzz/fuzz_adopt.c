/* What containers say of themselves in their labels reaches the core, and anybody can write
 * labels: whatever a look brings, the core adopts, plans and plans again without breaking an
 * assertion. Input: one inspect answer per line. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "berth/core.h"
#include "berth/desired.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char document[] =
    "{\"revision\":1,\"taskDefinitions\":[{\"family\":\"web\",\"containerDefinitions\":[{"
    "\"name\":\"app\",\"image\":\"web:1\",\"memory\":16},{\"name\":\"side\",\"image\":\"s:1\","
    "\"memory\":16,\"essential\":false}]}],\"services\":[{\"serviceName\":\"web\","
    "\"taskDefinition\":\"web\",\"desiredCount\":2}],\"tasks\":[{\"id\":\"job\","
    "\"taskDefinition\":\"web\"}]}";

static struct observed *look(const char *text, size_t len)
{
    struct observed *observed = observed_new(true, "");
    while (len > 0) {
        const char *end = memchr(text, '\n', len);
        size_t line = end ? (size_t)(end - text) : len;
        (void)observed_add(observed, text, line, NULL);
        len -= line + (end ? 1 : 0);
        text += line + (end ? 1 : 0);
    }
    return observed;
}

static uint64_t action_of(const struct effects *effects, enum action_kind kind)
{
    for (size_t i = 0; i < effects->count; i++)
        if (effects->list[i].kind == kind)
            return effects->list[i].id;
    return 0;
}

/* Every call is refused by the host: facts must survive that as well. */
static void answer_all(struct core *core, struct effects *effects, msec now)
{
    struct effects asked = *effects;
    for (size_t i = 0; i < asked.count; i++) {
        enum action_kind kind = asked.list[i].kind;
        struct event event = { .kind = EV_DONE,
                               .now = now,
                               .wall = now,
                               .action = asked.list[i].id,
                               .outcome = OUTCOME_REFUSED,
                               .blame = BLAME_HOST,
                               .text = "no",
                               .error = "" };
        if (kind == ACT_PROBE)
            event.kind = EV_PROBED;
        if (kind == ACT_FETCH) {
            event.kind = EV_FETCHED;
            event.fetched = FETCH_FAILED;
        }
        core_step(core, &event, effects);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct core_options options;
    core_options_default(&options);
    options.host_id = "h";
    struct core *core = core_new(&options);
    struct effects effects;
    struct event event = { .kind = EV_START, .now = 1000, .wall = 1000, .seed = 1 };
    core_step(core, &event, &effects);
    uint64_t asked = action_of(&effects, ACT_OBSERVE);
    struct findings findings = { 0 };
    event = (struct event){ .kind = EV_FETCHED,
                            .now = 1000,
                            .wall = 1000,
                            .fetched = FETCH_STORED,
                            .desired = desired_parse(document, strlen(document), &findings) };
    core_step(core, &event, &effects);
    findings_release(&findings);
    event = (struct event){ .kind = EV_OBSERVED,
                            .now = 1100,
                            .wall = 1100,
                            .action = asked,
                            .observed = look((const char *)data, size) };
    core_step(core, &event, &effects);
    for (msec now = 2000; now < 4000; now += 1000)
        answer_all(core, &effects, now);
    event = (struct event){ .kind = EV_TICK, .now = 700000, .wall = 700000 };
    core_step(core, &event, &effects);
    plan_free(core_plan(core, NULL));
    struct memory *memory = core_memory(core);
    memory_free(memory);
    core_free(core);
    return 0;
}
