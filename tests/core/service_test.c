/* Rollouts, told as transcripts: which task is created, awaited and stopped when. */
#include "tests/lib/script.h"
#include "tests/lib/test.h"

TEST(service, deploys_what_is_new)
{
    struct script *script = script_begin();
    script_show(script, SHOW_CAUSE | SHOW_STATUS | SHOW_SAVE);
    script_publish(script, "web:1 count=2 check");
    script_run(script, SECONDS(60));
    script_expect(script,
                  "   0.2  web: deployment 1 of web:1 begins\n"
                  "   0.2  web/0@1: task of web:1 for slot 0, attempt 1\n"
                  "   0.2  web/1@1: task of web:1 for slot 1, attempt 1\n"
                  "   0.2  pull web:1 (web:1 is needed here)\n"
                  "   0.2  save (what was decided must survive a restart)\n"
                  "   2.3  web/0@1: PROVISIONING -> PENDING\n"
                  "   2.3  web/1@1: PROVISIONING -> PENDING\n"
                  "   2.3  web/0@1 create app (web:1 slot 0 needs app)\n"
                  "   2.3  web/1@1 create app (web:1 slot 1 needs app)\n"
                  "   2.3  save (what was decided must survive a restart)\n"
                  "   2.4  web/0@1 start app (created, and what it depends on is there)\n"
                  "   2.4  web/1@1 start app (created, and what it depends on is there)\n"
                  "   2.6  web/0@1: PENDING -> RUNNING\n"
                  "   2.6  web/1@1: PENDING -> RUNNING\n"
                  "   3.0  web/0@1 is HEALTHY\n"
                  "   3.0  web/1@1 is HEALTHY\n"
                  "   3.0  web: deployment 1 of web:1 is COMPLETED: all tasks became healthy\n"
                  "   3.0  save (what was decided must survive a restart)\n");
    script_end(script);
}

/* minimumHealthyPercent 100, maximumPercent 200: the new ones first, then the old ones go. */
TEST(service, starts_the_new_tasks_first_where_there_is_room)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 count=2 check");
    script_run(script, SECONDS(60));
    script_skip(script);
    script_publish(script, "web:2 count=2 check");
    script_run(script, SECONDS(60));
    script_expect(script,
                  "   0.2  web: deployment 2 of web:2 begins\n"
                  "   0.2  pull web:2\n"
                  "   2.3  web/0@2 create app\n"
                  "   2.3  web/1@2 create app\n"
                  "   2.4  web/0@2 start app\n"
                  "   2.4  web/1@2 start app\n"
                  "   3.0  web/0@2 is HEALTHY\n"
                  "   3.0  web/1@2 is HEALTHY\n"
                  "   3.1  web/0@1 stop app (replaced by a newer deployment)\n"
                  "   3.1  web/1@1 stop app (replaced by a newer deployment)\n"
                  "   3.8  web/0@1 app: exited with code 143\n"
                  "   3.8  web/1@1 app: exited with code 143\n"
                  "   3.8  web: deployment 2 of web:2 is COMPLETED: all tasks became healthy\n");
    script_end(script);
}

TEST(service, keeps_the_old_task_until_the_new_one_is_healthy)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 check");
    script_run(script, SECONDS(60));
    script_skip(script);
    script_publish(script, "web:2 check image=web:2-slow");
    script_run(script, SECONDS(20));
    script_expect(script, "   0.2  web: deployment 2 of web:2 begins\n"
                          "   0.2  pull web:2-slow\n"
                          "   2.3  web/0@2 create app\n"
                          "   2.4  web/0@2 start app\n");
    script_expect_wait(script, "web", "tasks of the new deployment are not healthy yet");
    script_run(script, SECONDS(20));
    script_expect(script,
                  "   7.5  web/0@2 is HEALTHY\n"
                  "   7.6  web/0@1 stop app (replaced by a newer deployment)\n"
                  "   8.3  web/0@1 app: exited with code 143\n"
                  "   8.3  web: deployment 2 of web:2 is COMPLETED: all tasks became healthy\n");
    script_end(script);
}

/* minimumHealthyPercent 50, maximumPercent 100: half of the old ones make room. */
TEST(service, stops_half_first_where_there_is_no_room)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 count=4 min=50 max=100 check");
    script_run(script, SECONDS(60));
    script_skip(script);
    script_publish(script, "web:2 count=4 min=50 max=100 check");
    script_run(script, SECONDS(60));
    script_expect(script,
                  "   0.2  web: deployment 2 of web:2 begins\n"
                  "   0.2  pull web:2\n"
                  "   2.4  web/0@1 stop app (replaced by a newer deployment)\n"
                  "   2.4  web/1@1 stop app (replaced by a newer deployment)\n"
                  "   3.1  web/0@1 app: exited with code 143\n"
                  "   3.1  web/0@2 create app\n"
                  "   3.1  web/1@1 app: exited with code 143\n"
                  "   3.1  web/1@2 create app\n"
                  "   3.2  web/0@2 start app\n"
                  "   3.2  web/1@2 start app\n"
                  "   3.8  web/0@2 is HEALTHY\n"
                  "   3.8  web/2@1 stop app (replaced by a newer deployment)\n"
                  "   3.8  web/1@2 is HEALTHY\n"
                  "   3.8  web/3@1 stop app (replaced by a newer deployment)\n"
                  "   4.5  web/2@1 app: exited with code 143\n"
                  "   4.5  web/2@2 create app\n"
                  "   4.5  web/3@1 app: exited with code 143\n"
                  "   4.5  web/3@2 create app\n"
                  "   4.6  web/2@2 start app\n"
                  "   4.6  web/3@2 start app\n"
                  "   5.3  web/2@2 is HEALTHY\n"
                  "   5.3  web/3@2 is HEALTHY\n"
                  "   5.3  web: deployment 2 of web:2 is COMPLETED: all tasks became healthy\n");
    script_end(script);
}

/* DAEMON: 0 and 100 percent by default, so the one task of this host stops first. */
TEST(service, replaces_the_task_of_a_daemon_stop_first)
{
    struct script *script = script_begin();
    script_publish(script, "agent:1 daemon check");
    script_run(script, SECONDS(60));
    script_skip(script);
    script_publish(script, "agent:2 daemon check");
    script_run(script, SECONDS(60));
    script_expect(
        script, "   0.2  agent: deployment 2 of agent:2 begins\n"
                "   0.2  pull agent:2\n"
                "   2.4  agent/0@1 stop app (replaced by a newer deployment)\n"
                "   3.1  agent/0@1 app: exited with code 143\n"
                "   3.1  agent/0@2 create app\n"
                "   3.2  agent/0@2 start app\n"
                "   3.8  agent/0@2 is HEALTHY\n"
                "   3.8  agent: deployment 2 of agent:2 is COMPLETED: all tasks became healthy\n");
    script_end(script);
}

TEST(service, replaces_stop_first_and_says_so_where_a_host_port_is_fixed)
{
    struct script *script = script_begin();
    script_publish(script, "db:1 port=5432 check");
    script_run(script, SECONDS(60));
    script_skip(script);
    const struct service_fact *db = core_service(script_core(script), "db");
    assert_true(db->stop_first);
    assert_string_equal(db->stop_first_reason,
                        "host port 5432/tcp is fixed, so the old task must stop before the new "
                        "one can have it");
    struct desired *desired = script_desired("db:2 port=5432 check", 2);
    struct plan *plan = core_plan(script_core(script), desired);
    assert_int_equal(plan->note_count, 1);
    assert_string_equal(plan->notes[0].service, "db");
    assert_string_equal(plan->notes[0].text,
                        "replacement is stop-first: host port 5432/tcp is fixed, so the old task "
                        "must stop before the new one can have it");
    plan_free(plan);
    desired_unref(desired);

    script_publish(script, "db:2 port=5432 check");
    script_run(script, SECONDS(60));
    script_expect(script,
                  "   0.2  db: deployment 2 of db:2 begins\n"
                  "   0.2  db: stop-first replacement: host port 5432/tcp is fixed, so the "
                  "old task must stop before the new one can have it\n"
                  "   0.2  pull db:2\n"
                  "   2.4  db/0@1 stop app (replaced by a newer deployment, stop first: its "
                  "host port is fixed)\n"
                  "   3.1  db/0@1 app: exited with code 143\n"
                  "   3.1  db/0@2 create app\n"
                  "   3.2  db/0@2 start app\n"
                  "   3.8  db/0@2 is HEALTHY\n"
                  "   3.8  db: deployment 2 of db:2 is COMPLETED: all tasks became healthy\n");
    script_end(script);
}

TEST(service, refuses_two_tasks_on_one_host_port)
{
    struct script *script = script_begin();
    script_publish(script, "db:1 count=2 port=5432; web:1");
    script_run(script, SECONDS(60));
    script_expect(script,
                  "   0.2  db: refused: desiredCount 2, but a fixed host port fits one task "
                  "on this host; use desiredCount 1 or a dynamic host port\n"
                  "   0.2  web: deployment 1 of web:1 begins\n"
                  "   0.2  pull web:1\n"
                  "   2.3  web/0@1 create app\n"
                  "   2.4  web/0@1 start app\n"
                  "  42.5  web/0@1 is HEALTHY\n"
                  "  42.5  web: deployment 1 of web:1 is COMPLETED: all tasks became healthy\n");
    script_expect_wait(
        script, "db",
        "this host cannot do what the document asks: desiredCount 2, but a fixed host port fits "
        "one task on this host; use desiredCount 1 or a dynamic host port");
    script_end(script);
}

/* Tasks of a deployment that was superseded before they were healthy are not waited for. */
TEST(service, goes_on_to_a_newer_document_in_the_middle_of_a_rollout)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 count=2 check");
    script_run(script, SECONDS(60));
    script_publish(script, "web:2 count=2 check image=web:2-slow");
    script_run(script, SECONDS(10));
    script_skip(script);
    script_publish(script, "web:3 count=2 check");
    script_run(script, SECONDS(60));
    script_expect(script,
                  "   0.2  web: deployment 3 of web:3 begins\n"
                  "   0.2  pull web:3\n"
                  "   0.3  web/0@2 stop app (replaced by a newer deployment)\n"
                  "   0.3  web/1@2 stop app (replaced by a newer deployment)\n"
                  "   1.0  web/0@2 app: exited with code 143\n"
                  "   1.0  web/1@2 app: exited with code 143\n"
                  "   2.3  web/0@3 create app\n"
                  "   2.3  web/1@3 create app\n"
                  "   2.4  web/0@3 start app\n"
                  "   2.4  web/1@3 start app\n"
                  "   3.0  web/0@3 is HEALTHY\n"
                  "   3.0  web/0@1 stop app (replaced by a newer deployment)\n"
                  "   3.0  web/1@3 is HEALTHY\n"
                  "   3.0  web/1@1 stop app (replaced by a newer deployment)\n"
                  "   3.7  web/0@1 app: exited with code 143\n"
                  "   3.7  web/1@1 app: exited with code 143\n"
                  "   3.7  web: deployment 3 of web:3 is COMPLETED: all tasks became healthy\n");
    script_end(script);
}

/* A, B, A again is not "nothing to do", and it is not the first deployment come back. */
TEST(service, treats_a_return_to_an_old_definition_as_a_new_generation)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 check");
    script_run(script, SECONDS(60));
    script_publish(script, "web:2 check");
    script_run(script, SECONDS(60));
    script_skip(script);
    script_publish(script, "web:1 check");
    script_run(script, SECONDS(60));
    script_expect(script,
                  "   0.2  web: deployment 3 of web:1 begins\n"
                  "   0.2  pull web:1\n"
                  "   0.3  web/0@3 create app\n"
                  "   0.4  web/0@3 start app\n"
                  "   1.0  web/0@3 is HEALTHY\n"
                  "   1.1  web/0@2 stop app (replaced by a newer deployment)\n"
                  "   1.8  web/0@2 app: exited with code 143\n"
                  "   1.8  web: deployment 3 of web:1 is COMPLETED: all tasks became healthy\n");
    script_end(script);
}

TEST(service, restarts_by_replacing_every_task)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 count=2 check");
    script_run(script, SECONDS(60));
    script_skip(script);
    script_command(script, COMMAND_RESTART, "web");
    script_run(script, SECONDS(60));
    script_expect(script,
                  "   0.0  web: deployment 2 of web:1 begins\n"
                  "   0.0  web/0@2 create app\n"
                  "   0.0  web/1@2 create app\n"
                  "   0.1  web/0@2 start app\n"
                  "   0.1  web/1@2 start app\n"
                  "   0.8  web/0@2 is HEALTHY\n"
                  "   0.8  web/1@2 is HEALTHY\n"
                  "   0.9  web/0@1 stop app (replaced by a newer deployment)\n"
                  "   0.9  web/1@1 stop app (replaced by a newer deployment)\n"
                  "   1.6  web/0@1 app: exited with code 143\n"
                  "   1.6  web/1@1 app: exited with code 143\n"
                  "   1.6  web: deployment 2 of web:1 is COMPLETED: all tasks became healthy\n");
    script_end(script);
}

/* Only desiredCount changes: the deployment is the same one, and nobody is replaced. */
TEST(service, scales_out_and_keeps_what_runs)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 count=1 check");
    script_run(script, SECONDS(60));
    script_skip(script);
    script_publish(script, "web:1 count=3 check");
    script_run(script, SECONDS(60));
    script_expect(script, "   0.2  web/1@1 create app\n"
                          "   0.2  web/2@1 create app\n"
                          "   0.3  web/1@1 start app\n"
                          "   0.3  web/2@1 start app\n"
                          "   0.9  web/1@1 is HEALTHY\n"
                          "   0.9  web/2@1 is HEALTHY\n");
    script_end(script);
}

/* A slot is a name, not a rank: slot 0, whose task waits for its backoff, is the one that goes. */
TEST(service, scales_in_and_keeps_the_healthy_ones)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 count=3 check");
    script_run(script, SECONDS(5));
    script_exits(script, "web", 0, "app", 1);
    script_run(script, SECONDS(5));
    script_expect_wait(script, "web", "restart backoff: slot 0, 1 death in a row");
    script_skip(script);
    script_publish(script, "web:1 count=2 check");
    script_run(script, SECONDS(60));
    script_expect(script, "");
    script_publish(script, "web:1 count=1 check");
    script_run(script, SECONDS(60));
    script_expect(script, "   0.3  web/2@1 stop app (desiredCount is lower now)\n"
                          "   1.0  web/2@1 app: exited with code 143\n");
    script_end(script);
}

TEST(service, stops_a_service_that_has_left_the_document)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 count=2 check; db:1");
    script_run(script, SECONDS(60));
    script_skip(script);
    script_show(script, SHOW_REMOVE);
    script_publish(script, "db:1");
    script_run(script, SECONDS(60));
    script_expect(script, "   0.2  web/0@1 stop app (service web is not in the document)\n"
                          "   0.2  web/1@1 stop app (service web is not in the document)\n"
                          "   0.9  web/0@1 app: exited with code 143\n"
                          "   0.9  web/0@1 remove app\n"
                          "   0.9  web/1@1 app: exited with code 143\n"
                          "   0.9  web/1@1 remove app\n"
                          "   1.0  web: removed: it is not in the document\n");
    assert_null(core_service(script_core(script), "web"));
    script_end(script);
}

/* maximumPercent 200: the sick one goes only when its replacement is healthy. */
TEST(service, replaces_a_sick_task_before_it_stops_where_there_is_room)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 count=2 min=100 max=200 check");
    script_run(script, SECONDS(60));
    script_skip(script);
    script_sickens(script, "web", 0, true);
    script_run(script, SECONDS(60));
    script_expect(script, "   0.1  web/0@1 is UNHEALTHY\n"
                          "   0.1  web/0@1.2 create app\n"
                          "   0.2  web/0@1.2 start app\n"
                          "   0.9  web/0@1.2 is HEALTHY\n"
                          "   0.9  web/0@1 stop app (failed its health checks)\n"
                          "   1.6  web/0@1 app: exited with code 143\n");
    script_end(script);
}

TEST(service, replaces_sick_tasks_one_by_one_where_there_is_no_room)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 count=3 min=50 max=100 check");
    script_run(script, SECONDS(60));
    script_skip(script);
    script_sickens(script, "web", 0, true);
    script_sickens(script, "web", 1, true);
    script_run(script, SECONDS(120));
    script_expect(script, "   0.1  web/0@1 is UNHEALTHY\n"
                          "   0.1  web/1@1 is UNHEALTHY\n"
                          "   0.2  web/0@1 stop app (failed its health checks)\n"
                          "   0.9  web/0@1 app: exited with code 143\n"
                          "   0.9  web/0@1.2 create app\n"
                          "   1.0  web/0@1.2 start app\n"
                          "   1.7  web/0@1.2 is HEALTHY\n"
                          "   1.7  web/1@1 stop app (failed its health checks)\n"
                          "   2.4  web/1@1 app: exited with code 143\n"
                          "   2.4  web/1@1.2 create app\n"
                          "   2.5  web/1@1.2 start app\n"
                          "   3.1  web/1@1.2 is HEALTHY\n");
    script_end(script);
}

/* It serves again at once; when its replacement is healthy as well, one is too many. */
TEST(service, lets_a_sick_task_recover)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 count=1 check image=web:1-slow");
    script_run(script, SECONDS(60));
    script_skip(script);
    script_sickens(script, "web", 0, true);
    script_run(script, SECONDS(20));
    script_sickens(script, "web", 0, false);
    script_run(script, SECONDS(60));
    script_expect(script, "   0.1  web/0@1 is UNHEALTHY\n"
                          "   0.1  web/0@1.2 create app\n"
                          "   0.2  web/0@1.2 start app\n"
                          "  20.1  web/0@1 is HEALTHY\n"
                          "  25.4  web/0@1.2 is HEALTHY\n"
                          "  25.5  web/0@1 stop app (its replacement is healthy)\n"
                          "  26.2  web/0@1 app: exited with code 143\n");
    script_end(script);
}

TEST(service, pulls_the_new_image_before_anything_old_stops)
{
    struct script *script = script_begin();
    script_publish(script, "agent:1 daemon check");
    script_run(script, SECONDS(60));
    script_skip(script);
    script_publish(script, "agent:2 daemon check image=agent:2-absent");
    script_run(script, SECONDS(40));
    script_expect(script, "   0.2  agent: deployment 2 of agent:2 begins\n"
                          "   0.2  pull agent:2-absent\n"
                          "   2.3  image: agent:2-absent could not be pulled: "
                          "CannotPullContainerError: 404 manifest unknown\n"
                          "  ~8.1  pull agent:2-absent\n"
                          " ~10.2  image: agent:2-absent could not be pulled: "
                          "CannotPullContainerError: 404 manifest unknown\n"
                          " ~22.2  pull agent:2-absent\n"
                          " ~24.3  image: agent:2-absent could not be pulled: "
                          "CannotPullContainerError: 404 manifest unknown\n");
    script_expect_wait(
        script, "agent",
        "an image could not be pulled; trying again later: CannotPullContainerError: 404 manifest "
        "unknown");
    script_end(script);
}

/* ECS without a circuit breaker would try for ever; here a deployment that gets nowhere FAILS, says
 * why, launches no more, and leaves the old tasks where they are. */
TEST(service, fails_a_deployment_without_progress_and_keeps_the_old_task)
{
    struct core_options options;
    core_options_default(&options);
    options.progress_deadline_ms = SECONDS(60);
    struct script *script = script_begin_with(&options);
    script_publish(script, "web:1 check");
    script_run(script, SECONDS(60));
    script_skip(script);
    script_publish(script, "web:2 check image=web:2-crash");
    script_run(script, MINUTES(3));
    script_expect(script,
                  "   0.2  web: deployment 2 of web:2 begins\n"
                  "   0.2  pull web:2-crash\n"
                  "   2.3  web/0@2 create app\n"
                  "   2.4  web/0@2 start app\n"
                  "   4.5  web/0@2 app: exited with code 1\n"
                  " ~15.3  web/0@2.2 create app\n"
                  " ~15.4  web/0@2.2 start app\n"
                  " ~17.6  web/0@2.2 app: exited with code 1\n"
                  " ~40.9  web/0@2.3 create app\n"
                  " ~41.0  web/0@2.3 start app\n"
                  " ~43.2  web/0@2.3 app: exited with code 1\n"
                  " ~62.2  web: deployment 2 of web:2 is FAILED: no progress for 60 s; last: "
                  "Essential container app exited with code 1\n");
    script_expect_wait(script, "web",
                       "the deployment failed; a new revision or a restart is needed");
    script_run(script, MINUTES(60));
    script_expect(script, "");
    script_end(script);
}

/* With nothing older to keep the service alive the agent goes on trying after FAILED. */
TEST(service, recovers_a_failed_deployment_that_is_all_there_is)
{
    struct core_options options;
    core_options_default(&options);
    options.progress_deadline_ms = SECONDS(30);
    struct script *script = script_begin_with(&options);
    struct world *world = script_world(script);
    world->knobs.pull_fails = 1;
    script_publish(script, "web:1 check");
    script_run(script, SECONDS(72));
    script_expect(script,
                  "   0.2  web: deployment 1 of web:1 begins\n"
                  "   0.2  pull web:1\n"
                  "   2.3  image: web:1 could not be pulled: CannotPullContainerError: the "
                  "registry does not answer\n"
                  "  ~7.6  pull web:1\n"
                  "  ~9.7  image: web:1 could not be pulled: CannotPullContainerError: the "
                  "registry does not answer\n"
                  " ~21.1  pull web:1\n"
                  " ~23.2  image: web:1 could not be pulled: CannotPullContainerError: the "
                  "registry does not answer\n"
                  " ~30.2  web: deployment 1 of web:1 is FAILED: no progress for 30 s; last: "
                  "an image could not be pulled; trying again later: "
                  "CannotPullContainerError: the registry does not answer\n"
                  " ~40.1  pull web:1\n"
                  " ~42.2  image: web:1 could not be pulled: CannotPullContainerError: the "
                  "registry does not answer\n"
                  " ~55.7  web: 0 of 1 tasks are healthy: an image could not be pulled; "
                  "trying again later: CannotPullContainerError: the registry does not answer\n");
    world->knobs.pull_fails = 0;
    script_run(script, MINUTES(6));
    script_expect(script, "  ~6.2  pull web:1\n"
                          "  ~8.3  web/0@1 create app\n"
                          "  ~8.4  web/0@1 start app\n"
                          "  ~9.1  web/0@1 is HEALTHY\n"
                          "  ~9.1  web: deployment 1 of web:1 is COMPLETED: recovered after its "
                          "deadline\n"
                          "  ~9.1  web: healthy again: 1 of 1 tasks\n");
    script_end(script);
}
