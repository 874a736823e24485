/* The agent goes and comes back; the runtime goes and comes back; what nobody wants is removed. */
#include <stdlib.h>
#include <string.h>

#include "berth/memory.h"
#include "berth/store.h"
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
                  "  18.3  web: deployment 2 of web:2 is COMPLETED: all tasks became healthy\n");
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
    script_expect(script,
                  "   0.1  web/0@2 is HEALTHY\n"
                  "   0.1  web: deployment 2 of web:2 is COMPLETED: all tasks became healthy\n"
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
                  "   3.8  web: deployment 3 of web:3 is COMPLETED: all tasks became healthy\n");
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
    script_expect(script,
                  "   0.1  db/0@1 is HEALTHY\n"
                  "   0.1  web/0@1 is HEALTHY\n"
                  "   0.1  web: deployment 1 of web:1 is COMPLETED: all tasks became healthy\n"
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

/* Somebody removed the container of a job that was done: the job is not done again. */
TEST(adopt, does_not_repeat_an_init_container_that_was_pruned)
{
    struct script *script = script_begin();
    script_publish(script,
                   "web:1 + app check needs=init:SUCCESS + init optional image=init:1-ends");
    script_run(script, SECONDS(60));
    script_skip(script);
    struct world *world = script_world(script);
    world_kill_agent(world);
    runtime_vanish(world, script_container(script, "web", 0, "init"));
    world_start_agent(world);
    script_run(script, MINUTES(10));
    script_expect(script, "   0.1  web/0@1 is HEALTHY\n");
    script_end(script);
}

/* ------------------------------------------------------------------ labels are outside input */

static void expect_memory_is_readable(struct script *script)
{
    struct memory *memory = core_memory(script_core(script));
    struct str text;
    struct err err = ERR_NONE;
    str_init(&text, 1 << 20);
    memory_render(memory, &text);
    struct memory *again = memory_parse(str_text(&text), text.len, &err);
    if (!again)
        fail_msg("%s\n%s", err.text, str_text(&text));
    memory_free(again);
    memory_free(memory);
    str_release(&text);
}

TEST(adopt, survives_numbers_on_labels_that_nobody_counted_to)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 check");
    script_run(script, SECONDS(30));
    static const int64_t numbers[] = { (1LL << 53) - 1,   INT64_MAX, 1LL << 40,
                                       DESIRED_COUNT_MAX, -1,        INT64_MIN };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct fake_container *planted =
            script_plant(script, i % 2 ? "web" : "old", (char)('a' + i));
        planted->generation = planted->slot = planted->attempt = numbers[i];
        planted->stop_timeout_s = numbers[i] < INT64_MAX / 1000 ? numbers[i] : 10;
    }
    script_command(script, COMMAND_RUNTIME_UP, NULL); /* a full look */
    script_run(script, SECONDS(5));
    expect_memory_is_readable(script);
    script_run(script, MINUTES(2));
    script_publish(script, "web:2 check");
    script_run(script, MINUTES(2));
    expect_memory_is_readable(script);
    const struct service_fact *web = core_service(script_core(script), "web");
    assert_int_equal(web->primary->state, DEPLOYMENT_COMPLETED);
    assert_int_equal(script_core(script)->task_count, 1);
    script_end(script);
}

/* One label that is no digest must not cost the memory of everything else. */
TEST(adopt, survives_texts_on_labels_that_mean_nothing)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 check; once migrate job:1 image=job:1-ends");
    script_run(script, SECONDS(30));
    struct fake_container *planted = script_plant(script, "old", 'a');
    (void)snprintf(planted->digest, sizeof planted->digest, "no digest");
    planted->generation = 2;
    (void)snprintf(planted->depends_on, sizeof planted->depends_on, ":,::,x:,:START,app:NEVER,,");
    planted = script_plant(script, "old", 'b');
    (void)snprintf(planted->one_off, sizeof planted->one_off, "migrate");
    planted = script_plant(script, "", 'c');
    (void)snprintf(planted->one_off, sizeof planted->one_off, "migrate");
    planted = script_plant(script, "", 'd');
    planted = script_plant(script, "old", 'e');
    planted->container[0] = '\0';
    script_command(script, COMMAND_RUNTIME_UP, NULL);
    script_run(script, 400);
    expect_memory_is_readable(script);
    script_run(script, MINUTES(2));
    expect_memory_is_readable(script);
    assert_null(core_service(script_core(script), "old"));
    script_end(script);
}

/* No order can be kept where each depends on the other. */
TEST(adopt, stops_a_task_whose_labels_depend_in_a_circle)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 count=0");
    script_run(script, SECONDS(10));
    script_world(script)->strict = false; /* its rule on the order of stops cannot be kept */
    struct fake_container *first = script_plant(script, "old", 'a');
    struct fake_container *second = script_plant(script, "old", 'a');
    (void)snprintf(second->container, sizeof second->container, "db");
    (void)snprintf(first->depends_on, sizeof first->depends_on, "db:START");
    (void)snprintf(second->depends_on, sizeof second->depends_on, "app:HEALTHY");
    script_command(script, COMMAND_RUNTIME_UP, NULL);
    script_run(script, SECONDS(10));
    assert_false(first->exists);
    assert_false(second->exists);
    script_end(script);
}

/* An image that was committed from a container of ours carries its labels, and somebody runs it. */
TEST(adopt, takes_no_copy_for_the_container_that_it_copies)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 check");
    script_run(script, SECONDS(30));
    struct world *world = script_world(script);
    const struct fake_container *ours =
        runtime_find(world, script_container(script, "web", 0, "app"));
    struct fake_container *copy = script_plant(script, "web", 'a');
    memcpy(copy->task_id, ours->task_id, sizeof copy->task_id);
    memcpy(copy->digest, ours->digest, sizeof copy->digest);
    copy->state = RUNTIME_EXITED;
    script_skip(script);
    for (int i = 0; i < 5; i++) {
        script_command(script, COMMAND_RUNTIME_UP, NULL);
        script_run(script, SECONDS(60));
    }
    script_expect(script, "");
    script_end(script);
}

/* Other agents recreate containers under the same name and with the same labels. */
TEST(adopt, starts_what_somebody_recreated_and_did_not_start)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 check");
    script_run(script, SECONDS(30));
    script_skip(script);
    struct world *world = script_world(script);
    struct fake_container *ours = runtime_find(world, script_container(script, "web", 0, "app"));
    ours->state = RUNTIME_CREATED;
    ours->started = false;
    (void)snprintf(ours->id, sizeof ours->id, "another");
    script_command(script, COMMAND_RUNTIME_UP, NULL);
    script_run(script, SECONDS(30));
    script_expect(script, "   0.1  web/0@1 is UNKNOWN\n"
                          "   0.1  web/0@1 start app\n"
                          "   0.7  web/0@1 is HEALTHY\n");
    script_end(script);
}

TEST(adopt, stops_what_somebody_recreated_while_it_was_stopped)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 check");
    script_run(script, SECONDS(30));
    struct world *world = script_world(script);
    struct fake_container *ours = runtime_find(world, script_container(script, "web", 0, "app"));
    script_publish(script, "web:1 count=0 check");
    script_run(script, 850); /* the stop has been answered, the look has not */
    ours->state = RUNTIME_CREATED;
    ours->started = false;
    script_run(script, SECONDS(30));
    assert_int_equal(script_core(script)->task_count, 0);
    assert_false(ours->exists);
    script_end(script);
}

/* The wall clock of the host was in 1970 when it started, or is in 1970 now. */
TEST(adopt, believes_no_impossible_age)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 check");
    script_run(script, SECONDS(30));
    struct world *world = script_world(script);
    struct fake_container *ours = runtime_find(world, script_container(script, "web", 0, "app"));
    const int64_t walls[] = { 1000, world_wall(world) + 86400000LL * 365 };
    for (size_t i = 0; i < 2; i++) {
        ours->started_wall = walls[i];
        script_restart_agent(script);
        script_run(script, SECONDS(5));
        const struct task *task = script_core(script)->tasks;
        assert_true(task->running_at > 0);
        assert_true(task->containers[0].started_at > 0);
        assert_true(task->running_at <= world->now);
        assert_int_equal(task->last_health, TASK_HEALTHY);
    }
    script_end(script);
}

TEST(adopt, keeps_a_task_of_very_many_containers_within_bounds)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 count=0");
    script_run(script, SECONDS(10));
    for (int i = 0; i < 1000; i++) {
        struct fake_container *planted = script_plant(script, "old", 'a');
        (void)snprintf(planted->container, sizeof planted->container, "c%d", i);
    }
    script_command(script, COMMAND_RUNTIME_UP, NULL);
    script_run(script, 300);
    assert_true(script_core(script)->tasks->container_count <= 100);
    assert_true(script_core(script)->tasks->arena.used < 16 << 20);
    script_end(script);
}
