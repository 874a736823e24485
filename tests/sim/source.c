/* source.c: where documents come from and where memory goes, with their faults. */
#include <stdlib.h>
#include <string.h>

#include "berth/assert.h"
#include "berth/memory.h"
#include "tests/sim/sim.h"

void source_publish(struct world *world, int64_t revision, const char *document)
{
    free(world->published);
    world->published = memory_strdup(document);
    world->published_revision = revision;
    world_trace(world, "document revision %lld is published", (long long)revision);
}

static struct desired *parse(const char *text)
{
    struct findings findings = { 0 };
    struct desired *desired = desired_parse(text, strlen(text), &findings);
    char first[ERR_TEXT_MAX];
    if (!desired) {
        fprintf(stderr, "sim: bad document: %s\n%s\n",
                findings_first_error(&findings, first, sizeof first), text);
        abort();
    }
    findings_release(&findings);
    return desired;
}

static void answer_older(struct later *later)
{
    static const char older[] = "{\"revision\":1,\"taskDefinitions\":[],\"services\":[]}";
    struct findings findings = { 0 };
    later->event.desired = desired_parse(older, strlen(older), &findings);
    findings_release(&findings);
    later->event.fetched = later->event.desired ? FETCH_NEW : FETCH_BAD;
}

void source_perform(struct world *world, const struct action *action)
{
    bool fails = world_chance(world, world->knobs.fetch_fails);
    bool garbage = world_chance(world, world->knobs.fetch_garbage);
    bool is_older =
        world_chance(world, world->knobs.fetch_older) && world->core->revision_floor > 1;
    msec at = world->now + world_between(world, 1, fails ? 30000 : world->knobs.fetch_max);
    struct later *later = world_later(world, at, LATER_REPLY);
    later->event = (struct event){ .kind = EV_FETCHED,
                                   .action = action->id,
                                   .fetched = FETCH_FAILED,
                                   .retry_after_ms = world->retry_after_ms,
                                   .accept_older = action->accept_older };
    (void)snprintf(later->text, sizeof later->text, "GET answered 500");
    if (fails || !world->published)
        return;
    if (garbage) {
        later->event.fetched = FETCH_BAD;
        (void)snprintf(later->text, sizeof later->text, "not JSON");
        return;
    }
    if (is_older) {
        answer_older(later);
        return;
    }
    later->event.fetched = FETCH_NEW;
    later->event.desired = parse(world->published);
    /* The host keeps what will be in effect; the core refuses nothing that is published here. */
    free(world->stored);
    world->stored = memory_strdup(world->published);
}

void save_perform(struct world *world, const struct action *action)
{
    bool fails = world_chance(world, world->knobs.save_fails);
    struct later *later = world_later(world, world->now + world_between(world, 1, 40), LATER_REPLY);
    later->event = (struct event){ .kind = EV_DONE,
                                   .action = action->id,
                                   .outcome = fails ? OUTCOME_REFUSED : OUTCOME_OK };
    (void)snprintf(later->text, sizeof later->text, "no space left on device");
    if (fails) {
        checks_save_failed(world);
        return;
    }
    memory_free(world->memory);
    world->memory = core_memory(world->core);
}
