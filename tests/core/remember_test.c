/* What survives a restart of the agent: facts -> memory -> text -> memory -> facts. */
#include <stdlib.h>
#include <string.h>

#include "berth/memory.h"
#include "berth/store.h"
#include "tests/lib/script.h"
#include "tests/lib/test.h"

static char *text_of(const struct core *core)
{
    struct memory *memory = core_memory(core);
    struct str text;
    str_init(&text, 4 << 20);
    memory_render(memory, &text);
    memory_free(memory);
    assert_false(text.truncated);
    return str_take(&text);
}

/* A new agent from that text, that remembers the same. */
static char *text_after_restart(const struct core_options *options, const char *text)
{
    struct err err = ERR_NONE;
    struct memory *memory = memory_parse(text, strlen(text), &err);
    if (!memory)
        fail_msg("%s\n%s", err.text, text);
    struct core *core = core_new(options);
    struct effects *effects = memory_alloc(sizeof *effects);
    struct event start = { .kind = EV_START, .now = 1000, .wall = 1, .seed = 1 };
    start.remembered = memory;
    core_step(core, &start, effects);
    char *again = text_of(core);
    memory_free(memory);
    core_free(core);
    free(effects);
    return again;
}

TEST(remember, gives_back_what_was_saved)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct world *world = memory_alloc(sizeof *world);
        world_init(world, seed, false);
        world->tracing = false;
        scenario_knobs(world);
        world->knobs.agent_killed = 0;
        world_start_agent(world);
        for (int i = 0; i < 6; i++) {
            scenario_publish(world, false, false);
            (void)world_run_until(world, world->now + SECONDS(90));
            AUTO_FREE char *before = text_of(world->core);
            AUTO_FREE char *after = text_after_restart(&world->options, before);
            assert_string_equal(before, after);
        }
        world_release(world);
        free(world);
    }
}

/* A service that comes back is not mistaken for the one that left: its tasks have other ids. */
TEST(remember, gives_no_two_tasks_the_same_id)
{
    struct script *script = script_begin();
    char first[TASK_ID_LEN + 1];
    script_publish(script, "web:1 check");
    script_run(script, SECONDS(30));
    memcpy(first, script_core(script)->tasks->id, sizeof first);
    script_publish(script, "");
    script_run(script, SECONDS(30));
    assert_null(core_service(script_core(script), "web"));
    script_restart_agent(script);
    script_run(script, SECONDS(30));
    script_publish(script, "web:1 check");
    script_run(script, SECONDS(30));
    assert_string_not_equal(first, script_core(script)->tasks->id);
    script_end(script);
}
