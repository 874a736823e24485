/* Tasks that run exactly once per id. */
#include "tests/lib/script.h"
#include "tests/lib/test.h"

TEST(one_off, runs_once_and_keeps_its_result)
{
    struct script *script = script_begin();
    script_show(script, SHOW_REMOVE);
    script_publish(script, "once migrate job:1 image=job:1-fails");
    script_run(script, MINUTES(10));
    script_expect(script, "   0.2  pull job:1-fails\n"
                          "   2.3  migrate create app\n"
                          "   2.4  migrate start app\n"
                          "   4.1  migrate app: exited with code 3\n"
                          "   4.1  migrate: one-off task migrate ended with exit code 3\n");
    const struct one_off_record *record = core_one_off(script_core(script), "migrate");
    assert_int_equal(record->state, ONE_OFF_STOPPED);
    assert_true(record->exit_known);
    assert_int_equal(record->exit_code, 3);

    script_restart_agent(script);
    script_run(script, MINUTES(10));
    script_expect(script, "   0.1  migrate app: exited with code 3\n");
    record = core_one_off(script_core(script), "migrate");
    assert_int_equal(record->state, ONE_OFF_STOPPED);
    assert_int_equal(record->exit_code, 3);
    script_end(script);
}

/* Its container is the second copy of the fact that it ran, until the id leaves the document. */
TEST(one_off, is_removed_when_its_id_leaves_the_document)
{
    struct script *script = script_begin();
    script_show(script, SHOW_REMOVE);
    script_publish(script, "once migrate job:1 image=job:1-ends");
    script_run(script, SECONDS(10));
    script_skip(script);
    script_publish(script, "web:1");
    script_run(script, 900);
    script_expect(script, "   0.2  web: deployment 1 of web:1 begins\n"
                          "   0.2  pull web:1\n"
                          "   0.2  migrate remove app\n");
    script_publish(script, "web:1; once migrate job:1 image=job:1-ends");
    script_run(script, SECONDS(5));
    script_expect(script, "   1.4  web/0@1 create app\n"
                          "   1.5  web/0@1 start app\n");
    script_end(script);
}

TEST(one_off, is_stopped_when_its_id_leaves_the_document)
{
    struct script *script = script_begin();
    script_publish(script, "once migrate job:1");
    script_run(script, SECONDS(10));
    script_skip(script);
    script_publish(script, "web:1 count=0");
    script_run(script, SECONDS(10));
    script_expect(script,
                  "   0.2  web: deployment 1 of web:1 begins\n"
                  "   0.2  web: deployment 1 of web:1 is COMPLETED: all tasks became healthy\n"
                  "   0.2  migrate stop app (one-off task migrate is not in the document)\n"
                  "   0.9  migrate app: exited with code 143\n"
                  "   0.9  migrate: one-off task migrate ended with exit code 143\n");
    script_end(script);
}

/* It was started, and its container is gone: nobody knows how it ended, and it is not repeated. */
TEST(one_off, is_lost_when_its_container_vanished_while_nobody_looked)
{
    struct script *script = script_begin();
    script_publish(script, "once migrate job:1");
    script_run(script, SECONDS(10));
    script_skip(script);
    struct world *world = script_world(script);
    world_kill_agent(world);
    runtime_vanish(world, script_container(script, "migrate", 0, "app"));
    world_start_agent(world);
    script_run(script, MINUTES(10));
    script_expect(script,
                  "   0.1  migrate: one-off task migrate is lost: started, but its containers "
                  "are gone and its result is unknown; it is not run again (use another id "
                  "for that)\n");
    assert_int_equal(core_one_off(script_core(script), "migrate")->state, ONE_OFF_LOST);
    script_end(script);
}

/* The containers say that it ran, if memory no longer does. */
TEST(one_off, is_not_repeated_after_memory_was_lost)
{
    struct script *script = script_begin();
    script_publish(script, "once migrate job:1 image=job:1-fails");
    script_run(script, SECONDS(10));
    script_skip(script);
    struct world *world = script_world(script);
    world_kill_agent(world);
    memory_free(world->memory);
    world->memory = NULL;
    world_start_agent(world);
    script_run(script, MINUTES(10));
    script_expect(script, "   0.1  migrate app: exited with code 3\n"
                          "   0.1  migrate: one-off task migrate ended with exit code 3\n");
    const struct one_off_record *record = core_one_off(script_core(script), "migrate");
    assert_int_equal(record->state, ONE_OFF_STOPPED);
    assert_int_equal(record->exit_code, 3);
    script_end(script);
}

TEST(one_off, is_made_anew_when_the_document_changes_before_it_ran)
{
    struct script *script = script_begin();
    script_publish(script, "once migrate job:1");
    script_run(script, SECONDS(1));
    script_publish(script, "once migrate job:2 image=job:2-ends");
    script_run(script, SECONDS(30));
    script_expect(script, "   0.2  pull job:1\n"
                          "   1.2  pull job:2-ends\n"
                          "   3.3  migrate create app\n"
                          "   3.4  migrate start app\n"
                          "   5.1  migrate app: exited with code 0\n"
                          "   5.1  migrate: one-off task migrate ended with exit code 0\n");
    assert_string_equal(core_one_off(script_core(script), "migrate")->definition_name, "job:2");
    script_end(script);
}

/* A changed document does not make it run again. */
TEST(one_off, is_not_repeated_when_the_document_changes_after_it_ran)
{
    struct script *script = script_begin();
    script_publish(script, "once migrate job:1 image=job:1-ends");
    script_run(script, SECONDS(30));
    script_skip(script);
    script_publish(script, "once migrate job:2 image=job:2-ends");
    script_run(script, MINUTES(10));
    script_expect(script, "");
    script_end(script);
}
