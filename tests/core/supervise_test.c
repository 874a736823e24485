/* One task as a graph of containers: the order of dependsOn, its ends, restartPolicy. */
#include "tests/lib/script.h"
#include "tests/lib/test.h"

TEST(supervise, starts_a_dependent_when_the_other_has_started)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 + app needs=log:START + log");
    script_run(script, SECONDS(10));
    script_expect(script, "   0.2  web: deployment 1 of web:1 begins\n"
                          "   0.2  pull web:1\n"
                          "   0.2  pull log:1\n"
                          "   2.3  web/0@1 create app\n"
                          "   2.3  web/0@1 create log\n"
                          "   2.4  web/0@1 start log\n"
                          "   2.6  web/0@1 start app\n");
    script_end(script);
}

TEST(supervise, starts_a_dependent_when_the_other_is_complete_whatever_its_code)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 + app needs=init:COMPLETE + init optional image=init:1-fails");
    script_run(script, SECONDS(10));
    script_expect(script, "   0.2  web: deployment 1 of web:1 begins\n"
                          "   0.2  pull web:1\n"
                          "   0.2  pull init:1-fails\n"
                          "   2.3  web/0@1 create app\n"
                          "   2.3  web/0@1 create init\n"
                          "   2.4  web/0@1 start init\n"
                          "   4.0  web/0@1 init: exited with code 3\n"
                          "   4.0  web/0@1 start app\n");
    script_end(script);
}

TEST(supervise, starts_a_dependent_when_the_other_has_succeeded)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 + app needs=init:SUCCESS + init optional image=init:1-ends");
    script_run(script, SECONDS(10));
    script_expect(script, "   0.2  web: deployment 1 of web:1 begins\n"
                          "   0.2  pull web:1\n"
                          "   0.2  pull init:1-ends\n"
                          "   2.3  web/0@1 create app\n"
                          "   2.3  web/0@1 create init\n"
                          "   2.4  web/0@1 start init\n"
                          "   4.0  web/0@1 init: exited with code 0\n"
                          "   4.0  web/0@1 start app\n");
    script_end(script);
}

/* The task fails at once: a dependency that failed can never succeed. */
TEST(supervise, fails_the_task_when_a_dependency_fails)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 + app needs=init:SUCCESS + init optional image=init:1-fails");
    script_run(script, SECONDS(10));
    script_expect(script,
                  "   0.2  web: deployment 1 of web:1 begins\n"
                  "   0.2  pull web:1\n"
                  "   0.2  pull init:1-fails\n"
                  "   2.3  web/0@1 create app\n"
                  "   2.3  web/0@1 create init\n"
                  "   2.4  web/0@1 start init\n"
                  "   4.0  web/0@1 init: exited with code 3\n"
                  "   4.0  web/0@1 app: TaskDependencyError: init ended and will never be "
                  "SUCCESS\n"
                  "   4.0  web/0@1: stopping: app: TaskDependencyError: init ended and will "
                  "never be SUCCESS\n");
    script_end(script);
}

TEST(supervise, starts_a_dependent_when_the_other_is_healthy)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 + app needs=db:HEALTHY + db check image=db:1-slow");
    script_run(script, SECONDS(60));
    script_expect(script,
                  "   0.2  web: deployment 1 of web:1 begins\n"
                  "   0.2  pull web:1\n"
                  "   0.2  pull db:1-slow\n"
                  "   2.3  web/0@1 create app\n"
                  "   2.3  web/0@1 create db\n"
                  "   2.4  web/0@1 start db\n"
                  "  27.5  web/0@1 start app\n"
                  "  27.7  web/0@1 is HEALTHY\n"
                  "  27.7  web: deployment 1 of web:1 is COMPLETED: all tasks became healthy\n");
    script_end(script);
}

/* ECS's synthetic exit code of a container whose dependency was not ready in time is 143. */
TEST(supervise, gives_up_after_the_start_timeout_of_a_dependency)
{
    struct script *script = script_begin();
    script_show(script, SHOW_REMOVE);
    script_publish(script, "web:1 + app needs=db:HEALTHY + db check start=5 image=db:1-slow");
    script_run(script, SECONDS(12));
    script_expect(script,
                  "   0.2  web: deployment 1 of web:1 begins\n"
                  "   0.2  pull web:1\n"
                  "   0.2  pull db:1-slow\n"
                  "   2.3  web/0@1 create app\n"
                  "   2.3  web/0@1 create db\n"
                  "   2.4  web/0@1 start db\n"
                  "   7.4  web/0@1 app: TaskDependencyError: db did not become HEALTHY within "
                  "its startTimeout\n"
                  "   7.4  web/0@1 stop db (app: TaskDependencyError: db did not become "
                  "HEALTHY within its startTimeout)\n"
                  "   8.1  web/0@1 db: exited with code 143\n");
    const struct task *task = script_core(script)->tasks;
    assert_string_equal(task->containers[0].name, "app");
    assert_true(task->containers[0].exit_known);
    assert_int_equal(task->containers[0].exit_code, 143);
    script_end(script);
}

/* What depends on something stops before it. */
TEST(supervise, stops_in_reverse_order)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 + log + db needs=log:START + app needs=db:START,log:START");
    script_run(script, SECONDS(60));
    script_skip(script);
    script_publish(script, "");
    script_run(script, SECONDS(10));
    script_expect(script, "   0.2  web/0@1 stop app (service web is not in the document)\n"
                          "   0.9  web/0@1 app: exited with code 143\n"
                          "   0.9  web/0@1 stop db (service web is not in the document)\n"
                          "   1.6  web/0@1 db: exited with code 143\n"
                          "   1.6  web/0@1 stop log (service web is not in the document)\n"
                          "   2.3  web/0@1 log: exited with code 143\n"
                          "   2.4  web: removed: it is not in the document\n");
    script_end(script);
}

TEST(supervise, stops_the_task_when_an_essential_container_ends)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 + app + proxy needs=app:START + log optional");
    script_run(script, SECONDS(60));
    script_skip(script);
    script_exits(script, "web", 0, "app", 3);
    script_run(script, SECONDS(5));
    script_expect(script,
                  "   0.1  web/0@1 app: exited with code 3\n"
                  "   0.1  web/0@1 is UNKNOWN\n"
                  "   0.1  web/0@1 stop log (Essential container app exited with code 3)\n"
                  "   0.1  web/0@1 stop proxy (Essential container app exited with code 3)\n"
                  "   0.1  web/0@1.2 create app\n"
                  "   0.1  web/0@1.2 create proxy\n"
                  "   0.1  web/0@1.2 create log\n"
                  "   0.2  web/0@1.2 start app\n"
                  "   0.2  web/0@1.2 start log\n"
                  "   0.4  web/0@1.2 start proxy\n"
                  "   0.8  web/0@1 log: exited with code 143\n"
                  "   0.8  web/0@1 proxy: exited with code 143\n");
    script_end(script);
}

TEST(supervise, goes_on_without_a_container_that_is_not_essential)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 + app + log optional");
    script_run(script, SECONDS(60));
    script_skip(script);
    script_exits(script, "web", 0, "log", 3);
    script_run(script, SECONDS(60));
    script_expect(script, "   0.1  web/0@1 log: exited with code 3\n");
    script_end(script);
}

/* The whole deadline of stopTimeout passes, and nothing else waits for it. */
TEST(supervise, waits_for_what_is_slow_to_stop_and_holds_up_nobody_else)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 stop=20 image=web:1-deaf; db:1");
    script_run(script, SECONDS(60));
    script_skip(script);
    script_publish(script, "db:2");
    script_run(script, SECONDS(60));
    script_expect(script,
                  "   0.2  db: deployment 2 of db:2 begins\n"
                  "   0.2  pull db:2\n"
                  "   0.2  web/0@1 stop app (service web is not in the document)\n"
                  "   2.3  db/0@2 create app\n"
                  "   2.4  db/0@2 start app\n"
                  "  20.4  web/0@1 app: exited with code 143\n"
                  "  20.5  web: removed: it is not in the document\n"
                  "  42.5  db/0@2 is HEALTHY\n"
                  "  42.6  db/0@1 stop app (replaced by a newer deployment)\n"
                  "  43.3  db/0@1 app: exited with code 143\n"
                  "  43.3  db: deployment 2 of db:2 is COMPLETED: all tasks became healthy\n");
    script_end(script);
}

/* A container is restarted in place when it ran for the attempt period; sooner, it is over. */
TEST(supervise, restarts_a_container_that_ran_for_its_attempt_period)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 + app restart=60");
    script_run(script, SECONDS(90));
    script_skip(script);
    script_exits(script, "web", 0, "app", 1);
    script_run(script, SECONDS(59));
    script_expect(script, "   0.1  web/0@1 app: exited with code 1\n"
                          "   0.1  web/0@1 is UNKNOWN\n"
                          "   0.1  web/0@1 app: exited with code 1, restarted by its restartPolicy "
                          "(restart 1)\n"
                          "   0.1  web/0@1 start app\n"
                          "   0.3  web/0@1 is HEALTHY\n");
    script_exits(script, "web", 0, "app", 1);
    script_run(script, SECONDS(5));
    script_expect(script, "   0.1  web/0@1 app: exited with code 1\n"
                          "   0.1  web/0@1 is UNKNOWN\n"
                          "   0.1  web/0@1.2 create app\n"
                          "   0.2  web/0@1.2 start app\n");
    script_end(script);
}

TEST(supervise, does_not_restart_a_container_whose_exit_code_is_ignored)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 + app restart=60");
    script_run(script, SECONDS(90));
    script_skip(script);
    script_exits(script, "web", 0, "app", 77);
    script_run(script, SECONDS(5));
    script_expect(script, "   0.1  web/0@1 app: exited with code 77\n"
                          "   0.1  web/0@1 is UNKNOWN\n"
                          "   0.1  web/0@1.2 create app\n"
                          "   0.2  web/0@1.2 start app\n");
    script_end(script);
}

TEST(supervise, starts_at_most_as_many_at_once_as_the_host_allows)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 count=20 check");
    script_run(script, 2450);
    assert_int_equal(script_core(script)->starts, 8);
    script_run(script, SECONDS(60));
    assert_int_equal(core_service(script_core(script), "web")->healthy, 20);
    script_end(script);
}

TEST(supervise, is_stopped_by_an_operator_and_replaced_without_blame)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 check");
    script_run(script, SECONDS(60));
    script_skip(script);
    script_command(script, COMMAND_STOP_TASK, script_core(script)->tasks->id);
    script_run(script, SECONDS(10));
    script_expect(script, "   0.0  web/0@1 stop app (stopped by an operator)\n"
                          "   0.0  web/0@1.2 create app\n"
                          "   0.1  web/0@1.2 start app\n"
                          "   0.7  web/0@1 app: exited with code 143\n"
                          "   0.7  web/0@1.2 is HEALTHY\n");
    assert_int_equal(core_service(script_core(script), "web")->primary->failed_tasks, 0);
    script_end(script);
}
