/* Which images are pulled when: ECS's four behaviours, and images that cannot be had. */
#include <stdlib.h>

#include "tests/lib/script.h"
#include "tests/lib/test.h"

static struct script *begin(enum pull_behavior behavior)
{
    struct core_options options;
    core_options_default(&options);
    options.pull_behavior = behavior;
    return script_begin_with(&options);
}

/* Deploys, lets a task die, restarts the agent, lets another die: the pulls tell the behaviour. */
static void story(struct script *script, const char *document)
{
    script_publish(script, document);
    script_run(script, SECONDS(60));
    script_exits(script, "web", 0, "app", 1);
    script_run(script, SECONDS(30));
    struct world *world = script_world(script);
    free(world->published); /* the source is gone: only the stored document */
    world->published = NULL;
    script_restart_agent(script);
    script_run(script, SECONDS(60));
    script_exits(script, "web", 0, "app", 1);
    script_run(script, SECONDS(60));
}

TEST(image, prefer_cached_pulls_what_is_not_there_and_nothing_else)
{
    struct script *script = begin(PULL_PREFER_CACHED);
    story(script, "web:1 check");
    script_expect(script,
                  "   0.2  web: deployment 1 of web:1 begins\n"
                  "   0.2  pull web:1\n"
                  "   2.3  web/0@1 create app\n"
                  "   2.4  web/0@1 start app\n"
                  "   3.0  web/0@1 is HEALTHY\n"
                  "   3.0  web: deployment 1 of web:1 is COMPLETED: all tasks became healthy\n"
                  "  60.1  web/0@1 app: exited with code 1\n"
                  "  60.1  web/0@1 is UNKNOWN\n"
                  "  60.1  web/0@1.2 create app\n"
                  "  60.2  web/0@1.2 start app\n"
                  "  60.9  web/0@1.2 is HEALTHY\n"
                  "  90.1  web/0@1 app: exited with code 1\n"
                  "  90.1  web/0@1.2 is HEALTHY\n"
                  "  90.2  document: GET answered 500\n"
                  " 150.1  web/0@1.2 app: exited with code 1\n"
                  " 150.1  web/0@1.2 is UNKNOWN\n"
                  " 150.1  pull web:1\n"
                  " 150.2  web/0@1.3 create app\n"
                  " 150.3  web/0@1.3 start app\n"
                  " 151.0  web/0@1.3 is HEALTHY\n");
    script_end(script);
}

/* A moving tag: a new deployment asks its registry once; replacements and restarts do not. */
TEST(image, prefer_cached_asks_once_per_deployment_for_latest)
{
    struct script *script = begin(PULL_PREFER_CACHED);
    story(script, "web:1 check image=web:latest");
    script_expect(script,
                  "   0.2  web: deployment 1 of web:1 begins\n"
                  "   0.2  pull web:latest, ask the registry\n"
                  "   2.3  web/0@1 create app\n"
                  "   2.4  web/0@1 start app\n"
                  "   3.0  web/0@1 is HEALTHY\n"
                  "   3.0  web: deployment 1 of web:1 is COMPLETED: all tasks became healthy\n"
                  "  60.1  web/0@1 app: exited with code 1\n"
                  "  60.1  web/0@1 is UNKNOWN\n"
                  "  60.1  web/0@1.2 create app\n"
                  "  60.2  web/0@1.2 start app\n"
                  "  60.9  web/0@1.2 is HEALTHY\n"
                  "  90.1  web/0@1 app: exited with code 1\n"
                  "  90.1  web/0@1.2 is HEALTHY\n"
                  "  90.2  document: GET answered 500\n"
                  " 150.1  web/0@1.2 app: exited with code 1\n"
                  " 150.1  web/0@1.2 is UNKNOWN\n"
                  " 150.1  pull web:latest\n"
                  " 150.2  web/0@1.3 create app\n"
                  " 150.3  web/0@1.3 start app\n"
                  " 151.0  web/0@1.3 is HEALTHY\n");
    script_end(script);
}

TEST(image, default_asks_the_registry_for_every_task)
{
    struct script *script = begin(PULL_DEFAULT);
    story(script, "web:1 check");
    script_expect(script,
                  "   0.2  web: deployment 1 of web:1 begins\n"
                  "   0.2  pull web:1, ask the registry\n"
                  "   2.3  web/0@1 create app\n"
                  "   2.4  web/0@1 start app\n"
                  "   3.0  web/0@1 is HEALTHY\n"
                  "   3.0  web: deployment 1 of web:1 is COMPLETED: all tasks became healthy\n"
                  "  60.1  web/0@1 app: exited with code 1\n"
                  "  60.1  web/0@1 is UNKNOWN\n"
                  "  60.1  pull web:1, ask the registry\n"
                  "  60.2  web/0@1.2 create app\n"
                  "  60.3  web/0@1.2 start app\n"
                  "  61.0  web/0@1.2 is HEALTHY\n"
                  "  90.1  web/0@1 app: exited with code 1\n"
                  "  90.1  web/0@1.2 is HEALTHY\n"
                  "  90.2  document: GET answered 500\n"
                  " 150.1  web/0@1.2 app: exited with code 1\n"
                  " 150.1  web/0@1.2 is UNKNOWN\n"
                  " 150.1  pull web:1\n"
                  " 150.2  web/0@1.3 create app\n"
                  " 150.3  web/0@1.3 start app\n"
                  " 151.0  web/0@1.3 is HEALTHY\n");
    script_end(script);
}

TEST(image, always_must_have_an_answer_for_every_task)
{
    struct script *script = begin(PULL_ALWAYS);
    story(script, "web:1 check");
    script_expect(script,
                  "   0.2  web: deployment 1 of web:1 begins\n"
                  "   0.2  pull web:1, the registry must answer\n"
                  "   2.3  web/0@1 create app\n"
                  "   2.4  web/0@1 start app\n"
                  "   3.0  web/0@1 is HEALTHY\n"
                  "   3.0  web: deployment 1 of web:1 is COMPLETED: all tasks became healthy\n"
                  "  60.1  web/0@1 app: exited with code 1\n"
                  "  60.1  web/0@1 is UNKNOWN\n"
                  "  60.1  pull web:1, the registry must answer\n"
                  "  60.2  web/0@1.2 create app\n"
                  "  60.3  web/0@1.2 start app\n"
                  "  61.0  web/0@1.2 is HEALTHY\n"
                  "  90.1  web/0@1 app: exited with code 1\n"
                  "  90.1  web/0@1.2 is HEALTHY\n"
                  "  90.2  document: GET answered 500\n"
                  " 150.1  web/0@1.2 app: exited with code 1\n"
                  " 150.1  web/0@1.2 is UNKNOWN\n"
                  " 150.1  pull web:1, the registry must answer\n"
                  " 150.2  web/0@1.3 create app\n"
                  " 150.3  web/0@1.3 start app\n"
                  " 151.0  web/0@1.3 is HEALTHY\n");
    script_end(script);
}

/* What the deployment was told before the old task stopped is enough: the registry has no part in
 * the gap. */
TEST(image, always_asks_before_a_stop_first_replacement_and_not_in_its_gap)
{
    struct script *script = begin(PULL_ALWAYS);
    script_publish(script, "web:1 check port=80");
    script_run(script, SECONDS(10));
    script_skip(script);
    script_publish(script, "web:2 check port=80");
    script_run(script, SECONDS(30));
    script_expect(script,
                  "   0.2  web: deployment 2 of web:2 begins\n"
                  "   0.2  web: stop-first replacement: host port 80/tcp is fixed, so the "
                  "old task must stop before the new one can have it\n"
                  "   0.2  pull web:2, the registry must answer\n"
                  "   2.4  web/0@1 stop app (replaced by a newer deployment, stop first: its "
                  "host port is fixed)\n"
                  "   3.1  web/0@1 app: exited with code 143\n"
                  "   3.1  web/0@2 create app\n"
                  "   3.2  web/0@2 start app\n"
                  "   3.8  web/0@2 is HEALTHY\n"
                  "   3.8  web: deployment 2 of web:2 is COMPLETED: all tasks became healthy\n");
    script_end(script);
}

TEST(image, once_is_once)
{
    struct script *script = begin(PULL_ONCE);
    story(script, "web:1 check");
    script_expect(script,
                  "   0.2  web: deployment 1 of web:1 begins\n"
                  "   0.2  pull web:1, the registry must answer\n"
                  "   2.3  web/0@1 create app\n"
                  "   2.4  web/0@1 start app\n"
                  "   3.0  web/0@1 is HEALTHY\n"
                  "   3.0  web: deployment 1 of web:1 is COMPLETED: all tasks became healthy\n"
                  "  60.1  web/0@1 app: exited with code 1\n"
                  "  60.1  web/0@1 is UNKNOWN\n"
                  "  60.1  web/0@1.2 create app\n"
                  "  60.2  web/0@1.2 start app\n"
                  "  60.9  web/0@1.2 is HEALTHY\n"
                  "  90.1  web/0@1 app: exited with code 1\n"
                  "  90.1  web/0@1.2 is HEALTHY\n"
                  "  90.2  document: GET answered 500\n"
                  " 150.1  web/0@1.2 app: exited with code 1\n"
                  " 150.1  web/0@1.2 is UNKNOWN\n"
                  " 150.1  pull web:1\n"
                  " 150.2  web/0@1.3 create app\n"
                  " 150.3  web/0@1.3 start app\n"
                  " 151.0  web/0@1.3 is HEALTHY\n");
    script_end(script);
}

/* An image that nobody has fails the task, and the deployment by its deadline. */
TEST(image, that_does_not_exist_is_the_deployments_failure)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 image=web:1-absent");
    script_run(script, SECONDS(5));
    script_expect(script,
                  "   0.2  web: deployment 1 of web:1 begins\n"
                  "   0.2  pull web:1-absent\n"
                  "   2.3  image: web:1-absent could not be pulled: CannotPullContainerError: "
                  "404 manifest unknown\n"
                  "   2.3  web/0@1 app: CannotPullContainerError: 404 manifest unknown\n");
    assert_int_equal(core_service(script_core(script), "web")->primary->failed_tasks, 1);
    script_end(script);
}

TEST(image, is_pulled_once_for_all_who_wait)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 count=5 image=same:1; api:1 count=5 image=same:1");
    script_run(script, 2300);
    script_expect(script, "   0.2  web: deployment 1 of web:1 begins\n"
                          "   0.2  api: deployment 1 of api:1 begins\n"
                          "   0.2  pull same:1\n"
                          "   2.3  web/0@1 create app\n"
                          "   2.3  web/1@1 create app\n"
                          "   2.3  web/2@1 create app\n"
                          "   2.3  web/3@1 create app\n"
                          "   2.3  web/4@1 create app\n"
                          "   2.3  api/0@1 create app\n"
                          "   2.3  api/1@1 create app\n"
                          "   2.3  api/2@1 create app\n");
    script_end(script);
}

TEST(image, pulls_are_bounded)
{
    struct script *script = script_begin();
    script_publish(script, "a:1 image=a:1; b:1 image=b:1; c:1 image=c:1; d:1 image=d:1");
    script_run(script, SECONDS(1));
    script_expect(script, "   0.2  a: deployment 1 of a:1 begins\n"
                          "   0.2  b: deployment 1 of b:1 begins\n"
                          "   0.2  c: deployment 1 of c:1 begins\n"
                          "   0.2  d: deployment 1 of d:1 begins\n"
                          "   0.2  pull a:1\n"
                          "   0.2  pull b:1\n"
                          "   0.2  pull c:1\n");
    const struct task *last = script_core(script)->last_task;
    assert_int_equal(last->containers[0].wait.reason, WAIT_TURN);
    assert_string_equal(last->containers[0].wait.detail, "3 pulls under way");
    script_end(script);
}

/* Somebody removed the image after it was pulled. */
TEST(image, that_was_removed_is_pulled_again)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 check");
    script_run(script, SECONDS(60));
    script_world(script)->images[0].local = false;
    script_skip(script);
    script_exits(script, "web", 0, "app", 1);
    script_run(script, SECONDS(20));
    script_expect(script, "   0.1  web/0@1 app: exited with code 1\n"
                          "   0.1  web/0@1 is UNKNOWN\n"
                          "   0.1  web/0@1.2 create app\n"
                          "   0.2  pull web:1\n"
                          "   2.3  web/0@1.2 create app\n"
                          "   2.4  web/0@1.2 start app\n"
                          "   3.1  web/0@1.2 is HEALTHY\n");
    assert_int_equal(core_service(script_core(script), "web")->primary->failed_tasks, 1);
    script_end(script);
}
