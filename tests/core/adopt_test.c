/* The agent goes and comes back; the runtime goes and comes back; what nobody wants is removed. */
#include <stdlib.h>

#include "berth/memory.h"
#include "tests/lib/script.h"
#include "tests/lib/test.h"

/* With health unknown at first, and nothing is disturbed. */
TEST(adopt, takes_over_what_runs_after_a_restart_of_the_agent)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 count=2 check");
    script_run(script, SECONDS(60));
    script_skip(script);
    script_restart_agent(script);
    script_run(script, 150);
    for (const struct task *task = script_core(script)->tasks; task; task = task->next)
        assert_int_equal(task->last_health, TASK_HEALTHY); /* the look tells Docker's verdict */
    script_run(script, MINUTES(10));
    script_expect(script, "   0.1  web/1@1 is HEALTHY\n"
                          "   0.1  web/0@1 is HEALTHY\n");
    script_end(script);
}

/* What the agent's own probes say must be asked again. */
TEST(adopt, does_not_know_the_health_of_what_it_must_probe_itself)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 publish=80");
    script_run(script, SECONDS(60));
    script_skip(script);
    script_restart_agent(script);
    script_run(script, 150);
    assert_non_null(script_core(script)->tasks);
    assert_int_equal(script_core(script)->tasks->last_health, TASK_HEALTH_UNKNOWN);
    script_run(script, SECONDS(20));
    script_expect(script, "  ~1.2  web/0@1 is HEALTHY\n");
    script_end(script);
}

TEST(adopt, goes_on_with_a_rollout_where_it_was)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 count=2 check");
    script_run(script, SECONDS(60));
    script_publish(script, "web:2 count=2 check image=web:2-slow");
    script_run(script, SECONDS(10));
    script_skip(script);
    script_restart_agent(script);
    script_run(script, SECONDS(60));
    script_expect(script,
                  "   0.1  web/1@1 is HEALTHY\n"
                  "   0.1  web/0@1 is HEALTHY\n"
                  "   0.1  pull web:2-slow\n"
                  "  17.5  web/0@2 is HEALTHY\n"
                  "  17.5  web/1@2 is HEALTHY\n"
                  "  17.6  web/1@1 stop app (replaced by a newer deployment)\n"
                  "  17.6  web/0@1 stop app (replaced by a newer deployment)\n"
                  "  18.3  web/1@1 app: exited with code 143\n"
                  "  18.3  web/0@1 app: exited with code 143\n"
                  "  18.3  web: deployment 2 of web:2 is COMPLETED: all tasks are healthy\n");
    script_end(script);
}

/* Labels tell the rest. The next generation is the highest on a label plus one. */
TEST(adopt, works_without_memory)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 check");
    script_run(script, SECONDS(60));
    script_publish(script, "web:2 check");
    script_run(script, SECONDS(60));
    script_skip(script);
    struct world *world = script_world(script);
    world_kill_agent(world);
    memory_free(world->memory);
    world->memory = NULL;
    world_start_agent(world);
    script_run(script, SECONDS(30));
    script_expect(script, "   0.1  web/0@2 is HEALTHY\n"
                          "   0.1  web: deployment 2 of web:2 is COMPLETED: all tasks are healthy\n"
                          "   0.1  pull web:2\n");
    script_publish(script, "web:3 check");
    script_run(script, SECONDS(30));
    script_expect(script,
                  "   0.2  web: deployment 3 of web:3 begins\n"
                  "   0.2  pull web:3\n"
                  "   2.3  web/0@3 create app\n"
                  "   2.4  web/0@3 start app\n"
                  "   3.0  web/0@3 is HEALTHY\n"
                  "   3.1  web/0@2 stop app (replaced by a newer deployment)\n"
                  "   3.8  web/0@2 app: exited with code 143\n"
                  "   3.8  web: deployment 3 of web:3 is COMPLETED: all tasks are healthy\n");
    script_end(script);
}

TEST(adopt, removes_orphans_and_touches_nothing_else)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 check; db:1 check");
    script_run(script, SECONDS(60));
    runtime_add_foreign(script_world(script));
    struct world *world = script_world(script);
    world_kill_agent(world);
    memory_free(world->memory);
    world->memory = NULL;
    free(world->stored);
    world->stored = NULL;
    AUTO_FREE char *document = script_document("web:1 check", 2);
    source_publish(world, 2, document);
    script_skip(script);
    script_show(script, SHOW_REMOVE);
    world_start_agent(world);
    script_run(script, SECONDS(30));
    script_expect(script, "   0.1  db/0@1 is HEALTHY\n"
                          "   0.1  web/0@1 is HEALTHY\n"
                          "   0.1  web: deployment 1 of web:1 is COMPLETED: all tasks are healthy\n"
                          "   0.1  pull web:1\n"
                          "   0.1  db/0@1 stop app (service db is not in the document)\n"
                          "   0.8  db/0@1 app: exited with code 143\n"
                          "   0.8  db/0@1 remove app\n"
                          "   0.9  db: removed: it is not in the document\n");
    assert_non_null(runtime_find(world, "postgres"));
    assert_non_null(runtime_find(world, "berth-web-app-000000000000"));
    script_end(script);
}

/* A restart of the runtime that takes every container with it is nobody's failure, each time. */
TEST(adopt, repairs_an_outage_of_the_runtime_without_blame_and_without_backoff)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 check");
    script_run(script, SECONDS(60));
    script_skip(script);
    for (int i = 0; i < 3; i++) {
        runtime_restart(script_world(script), true);
        script_run(script, SECONDS(60));
    }
    script_expect(script, "   0.0  runtime: the container runtime is gone: event stream closed\n"
                          "  30.1  runtime: the container runtime answers again\n"
                          "  30.1  web/0@1 app: exited with code 137\n"
                          "  30.1  web/0@1 is UNKNOWN\n"
                          "  30.1  web/0@1.2 create app\n"
                          "  30.2  web/0@1.2 start app\n"
                          "  30.8  web/0@1.2 is HEALTHY\n"
                          "  60.0  runtime: the container runtime is gone: event stream closed\n"
                          "  90.1  runtime: the container runtime answers again\n"
                          "  90.1  web/0@1.2 app: exited with code 137\n"
                          "  90.1  web/0@1.2 is UNKNOWN\n"
                          "  90.1  web/0@1.3 create app\n"
                          "  90.2  web/0@1.3 start app\n"
                          "  90.8  web/0@1.3 is HEALTHY\n"
                          " 120.0  runtime: the container runtime is gone: event stream closed\n"
                          " 150.1  runtime: the container runtime answers again\n"
                          " 150.1  web/0@1.3 app: exited with code 137\n"
                          " 150.1  web/0@1.3 is UNKNOWN\n"
                          " 150.1  web/0@1.4 create app\n"
                          " 150.2  web/0@1.4 start app\n"
                          " 150.8  web/0@1.4 is HEALTHY\n");
    const struct deployment *deployment = core_service(script_core(script), "web")->primary;
    assert_int_equal(deployment->failed_tasks, 0);
    assert_int_equal(deployment->slots[0].deaths, 0);
    script_end(script);
}

TEST(adopt, loses_nothing_when_the_runtime_restarts_alone)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 check");
    script_run(script, SECONDS(60));
    script_skip(script);
    runtime_restart(script_world(script), false);
    script_run(script, MINUTES(10));
    script_expect(script, "   0.0  runtime: the container runtime is gone: event stream closed\n"
                          "  30.1  runtime: the container runtime answers again\n");
    script_end(script);
}

