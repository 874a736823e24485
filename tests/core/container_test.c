/* What a look, a hint or a call that ended makes of one container. */
#include <string.h>

#include "tests/lib/script.h"
#include "tests/lib/test.h"

/* An event about a name that is not there yet: its image is still being pulled. */
TEST(container, is_not_missed_before_it_was_created)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 check");
    script_run(script, SECONDS(1));
    const struct task *task = script_core(script)->tasks;
    assert_int_equal(task->containers[0].state, CONTAINER_PULLING);
    struct event hint = { .kind = EV_HINT, .hint = task->containers[0].runtime_name };
    world_event(script_world(script), &hint);
    script_run(script, SECONDS(10));
    script_expect(script,
                  "   0.2  web: deployment 1 of web:1 begins\n"
                  "   0.2  pull web:1\n"
                  "   2.3  web/0@1 create app\n"
                  "   2.4  web/0@1 start app\n"
                  "   3.0  web/0@1 is HEALTHY\n"
                  "   3.0  web: deployment 1 of web:1 is COMPLETED: all tasks became healthy\n");
    script_end(script);
}

/* db runs, app still waits for its image: there is nothing of app to stop first. */
TEST(container, that_never_was_holds_up_no_stop)
{
    struct script *script = script_begin();
    script_publish(script, "db:1 check"); /* its image is here then */
    script_run(script, SECONDS(10));
    script_publish(script, "db:1 check; web:1 + app needs=db:START + db");
    script_run(script, 700);
    script_skip(script);
    script_publish(script, "db:1 check");
    script_run(script, SECONDS(10));
    script_expect(script, "   0.2  web/0@1 stop db (service web is not in the document)\n"
                          "   0.9  web/0@1 db: exited with code 143\n"
                          "   1.0  web: removed: it is not in the document\n");
    script_end(script);
}

/* What waits for it hears of its end in the same step, in whatever order they are written. */
TEST(container, that_fails_tells_its_dependents_at_once)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 + app needs=init:SUCCESS + init optional image=init:1-absent");
    script_run(script, 2500);
    script_expect(script,
                  "   0.2  web: deployment 1 of web:1 begins\n"
                  "   0.2  pull web:1\n"
                  "   0.2  pull init:1-absent\n"
                  "   2.3  web/0@1 create app\n"
                  "   2.3  image: init:1-absent could not be pulled: "
                  "CannotPullContainerError: 404 manifest unknown\n"
                  "   2.3  web/0@1 init: CannotPullContainerError: 404 manifest unknown\n"
                  "   2.4  web/0@1 app: TaskDependencyError: init ended and will never be "
                  "SUCCESS\n"
                  "   2.4  web/0@1: stopping: app: TaskDependencyError: init ended and will "
                  "never be SUCCESS\n");
    script_end(script);
}
