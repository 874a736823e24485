/* Backoff of a slot whose tasks die. */
#include "tests/lib/script.h"
#include "tests/lib/test.h"

static int64_t attempt(struct script *script)
{
    return core_service(script_core(script), "web")->primary->slots[0].attempt;
}

/* How long after its task's death at that age slot 0 gets the next one. */
static msec dies_after(struct script *script, msec age)
{
    script_run(script, SECONDS(3) + age); /* the first to be created and started */
    int64_t before = attempt(script);
    script_exits(script, "web", 0, "app", 1);
    msec died = script_world(script)->now;
    for (int i = 0; i < 5000; i++) {
        script_run(script, 100);
        if (attempt(script) != before)
            return script_world(script)->now - died;
    }
    fail_msg("no next attempt");
    return -1;
}

static void expect_about(msec actual, msec expected)
{
    if (actual < expected * 3 / 4 - 400 || actual > expected * 5 / 4 + 400)
        fail_msg("%lld ms instead of %lld +- 25%%", (long long)actual, (long long)expected);
}

/* The first death of a task that had run for 10 s is repaired at once; from the second on 10 s,
 * doubled each time, up to 300 s, +-25 %. */
TEST(deployment, backs_off_exponentially_from_the_second_death)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 check");
    script_run(script, SECONDS(5));
    expect_about(dies_after(script, SECONDS(15)), 0);
    static const msec delays[] = { 10, 20, 40, 80, 160, 300, 300 };
    for (size_t i = 0; i < sizeof delays / sizeof *delays; i++)
        expect_about(dies_after(script, SECONDS(15)), SECONDS(delays[i]));
    script_end(script);
}

TEST(deployment, backs_off_from_the_first_death_of_what_never_lived)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 check");
    script_run(script, SECONDS(2));
    expect_about(dies_after(script, 0), SECONDS(10));
    expect_about(dies_after(script, 0), SECONDS(20));
    script_end(script);
}

TEST(deployment, forgets_earlier_deaths_after_ten_minutes_of_running)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 check");
    script_run(script, SECONDS(5));
    expect_about(dies_after(script, SECONDS(15)), 0);
    expect_about(dies_after(script, SECONDS(15)), SECONDS(10));
    expect_about(dies_after(script, SECONDS(15)), SECONDS(20));
    expect_about(dies_after(script, MINUTES(11)), 0);
    expect_about(dies_after(script, SECONDS(15)), SECONDS(10));
    script_end(script);
}

/* A new generation starts with a clean sheet. */
TEST(deployment, does_not_hold_old_deaths_against_a_new_generation)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 check image=web:1-crash");
    script_run(script, SECONDS(100));
    script_skip(script);
    script_publish(script, "web:2 check");
    script_run(script, SECONDS(10));
    script_expect(script,
                  "   0.2  web: deployment 2 of web:2 begins\n"
                  "   0.2  pull web:2\n"
                  "   2.3  web/0@2 create app\n"
                  "   2.4  web/0@2 start app\n"
                  "   3.0  web/0@2 is HEALTHY\n"
                  "   3.0  web: deployment 2 of web:2 is COMPLETED: all tasks became healthy\n");
    script_end(script);
}

/* Blame is only for the image and its configuration. */
TEST(deployment, counts_only_what_the_image_is_to_blame_for)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 check");
    script_run(script, SECONDS(60));
    runtime_vanish(script_world(script), script_container(script, "web", 0, "app"));
    script_run(script, SECONDS(60));
    const struct deployment *deployment = core_service(script_core(script), "web")->primary;
    assert_int_equal(deployment->failed_tasks, 0);
    script_exits(script, "web", 0, "app", 1);
    script_run(script, SECONDS(60));
    assert_int_equal(deployment->failed_tasks, 1);
    script_end(script);
}
