/* Documents that are refused, the polls of the source, saves that fail. */
#include "tests/lib/script.h"
#include "tests/lib/test.h"

TEST(fold, takes_documents_only_forward)
{
    struct script *script = script_begin();
    script_show(script, SHOW_DOCUMENT);
    script_publish_as(script, 5, "web:1 check");
    script_run(script, SECONDS(10));
    script_skip(script);
    script_publish_as(script, 4, "web:2 check");
    script_run(script, SECONDS(5));
    script_expect(script, "   0.2  document: document revision 4 refused: 5 is in effect and "
                          "revisions only grow; publish a higher one, or go back with `berth poll "
                          "--accept-older`\n");
    script_publish_as(script, 5, "web:2 check");
    script_run(script, SECONDS(5));
    script_expect(script,
                  "   0.2  document: document revision 5 refused: its content is not that of "
                  "the revision 5 in effect; a changed document needs a higher revision\n");
    script_publish_as(script, 6, "web:2 check");
    script_run(script, SECONDS(1));
    script_expect(script, "   0.2  document: document revision 6 is in effect\n"
                          "   0.2  web: deployment 2 of web:2 begins\n"
                          "   0.2  pull web:2\n");
    assert_string_equal(script_core(script)->last_error, "");
    script_end(script);
}

TEST(fold, goes_back_when_an_operator_says_so)
{
    struct script *script = script_begin();
    script_show(script, SHOW_DOCUMENT);
    script_publish_as(script, 5, "web:1 check");
    script_run(script, SECONDS(10));
    script_skip(script);
    script_publish_as(script, 4, "web:2 check");
    script_run(script, SECONDS(1));
    script_skip(script);
    struct event back = { .kind = EV_COMMAND, .command = COMMAND_POLL, .accept_older = true };
    world_event(script_world(script), &back);
    script_run(script, SECONDS(1));
    script_expect(script, "   0.2  document: document revision 4 is in effect\n"
                          "   0.2  web: deployment 2 of web:2 begins\n"
                          "   0.2  pull web:2\n");
    script_end(script);
}

TEST(fold, changes_nothing_for_a_bad_document)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 check");
    script_run(script, SECONDS(10));
    script_skip(script);
    script_world(script)->knobs.fetch_garbage = 1;
    script_run(script, MINUTES(5));
    script_expect(script, "  ~2.5  document: not JSON\n");
    assert_int_equal(script_core(script)->desired->revision, 1);
    assert_string_equal(script_core(script)->last_error, "not JSON");
    script_end(script);
}

/* ------------------------------------------------------------------ when to poll */

static struct core *core_with(msec poll_interval_ms, uint64_t seed)
{
    struct core_options options;
    core_options_default(&options);
    options.host_id = "host-1";
    options.poll_interval_ms = poll_interval_ms;
    struct core *core = core_new(&options);
    struct effects effects;
    struct event start = { .kind = EV_START, .now = 1000, .seed = seed };
    core_step(core, &start, &effects);
    assert_true(core->fetch_action != 0);
    return core;
}

static msec fetched(struct core *core, enum fetch_result result, msec retry_after_ms)
{
    struct effects effects;
    struct event event = { .kind = EV_FETCHED,
                           .now = core->now,
                           .action = core->fetch_action,
                           .fetched = result,
                           .text = "no",
                           .retry_after_ms = retry_after_ms };
    core_step(core, &event, &effects);
    msec delay = core->fetch_at - core->now;
    struct event tick = { .kind = EV_TICK, .now = core->fetch_at };
    core_step(core, &tick, &effects);
    assert_true(core->fetch_action != 0);
    return delay;
}

/* Full jitter: hosts that were started together do not stay together. */
TEST(fold, polls_with_full_jitter)
{
    msec lowest = MSEC_NEVER, highest = 0;
    struct core *core = core_with(SECONDS(15), 3);
    for (int i = 0; i < 500; i++) {
        msec delay = fetched(core, FETCH_SAME, 0);
        lowest = delay < lowest ? delay : lowest;
        highest = delay > highest ? delay : highest;
    }
    core_free(core);
    assert_in_range(lowest, SECONDS(1), 1500);
    assert_in_range(highest, 14500, SECONDS(15));
}

TEST(fold, obeys_the_source_within_a_second_and_an_hour)
{
    struct core *core = core_with(SECONDS(15), 3);
    for (int i = 0; i < 20; i++) {
        assert_in_range(fetched(core, FETCH_SAME, 1), SECONDS(1), 1100);
        assert_in_range(fetched(core, FETCH_SAME, SECONDS(60)), SECONDS(60), SECONDS(66));
        assert_in_range(fetched(core, FETCH_SAME, MINUTES(600)), MINUTES(60), MINUTES(66));
        assert_in_range(fetched(core, FETCH_FAILED, SECONDS(60)), SECONDS(60), SECONDS(66));
        assert_in_range(fetched(core, FETCH_SAME, MSEC_NEVER), MINUTES(60), MINUTES(66));
    }
    core_free(core);
}

TEST(fold, backs_off_on_errors_up_to_five_minutes)
{
    msec highest = 0;
    struct core *core = core_with(SECONDS(15), 3);
    assert_in_range(fetched(core, FETCH_FAILED, 0), SECONDS(1), SECONDS(15));
    assert_in_range(fetched(core, FETCH_FAILED, 0), SECONDS(1), SECONDS(30));
    assert_in_range(fetched(core, FETCH_FAILED, 0), SECONDS(1), SECONDS(60));
    for (int i = 0; i < 100; i++) {
        msec delay = fetched(core, FETCH_FAILED, 0);
        assert_in_range(delay, SECONDS(1), MINUTES(5));
        highest = delay > highest ? delay : highest;
    }
    assert_true(highest > MINUTES(4));
    assert_in_range(fetched(core, FETCH_SAME, 0), SECONDS(1), SECONDS(15));
    assert_in_range(fetched(core, FETCH_FAILED, 0), SECONDS(1), SECONDS(15));
    core_free(core);
}

/* ------------------------------------------------------------------ saves */

/* A full disk does not stop supervision: what was decided is acted on after one attempt. */
TEST(fold, goes_on_when_nothing_can_be_saved)
{
    struct script *script = script_begin();
    script_world(script)->knobs.save_fails = 1;
    script_show(script, SHOW_SAVE);
    script_publish(script, "web:1 check");
    script_run(script, SECONDS(20));
    script_expect(script,
                  "   0.2  web: deployment 1 of web:1 begins\n"
                  "   0.2  pull web:1\n"
                  "   0.2  save\n"
                  "   0.2  agent: saving failed, trying again: no space left on device\n"
                  "   2.3  web/0@1 create app\n"
                  "   2.3  save\n"
                  "   2.4  web/0@1 start app\n"
                  "   3.0  web/0@1 is HEALTHY\n"
                  "   3.0  web: deployment 1 of web:1 is COMPLETED: all tasks became healthy\n"
                  "   3.0  save\n"
                  "  13.1  save\n");
    script_world(script)->knobs.save_fails = 0;
    script_run(script, SECONDS(20));
    script_expect(script, "   3.1  save\n");
    script_end(script);
}
