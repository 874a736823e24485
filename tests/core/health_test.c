/* When is a task healthy: checks, the agent's own probes, settling. */
#include "tests/lib/script.h"
#include "tests/lib/test.h"

TEST(health, without_a_check_means_having_run_for_the_settling_time)
{
    struct script *script = script_begin();
    script_publish(script, "web:1");
    script_run(script, SECONDS(60));
    script_expect(script,
                  "   0.2  web: deployment 1 of web:1 begins\n"
                  "   0.2  pull web:1\n"
                  "   2.3  web/0@1 create app\n"
                  "   2.4  web/0@1 start app\n"
                  "  42.5  web/0@1 is HEALTHY\n"
                  "  42.5  web: deployment 1 of web:1 is COMPLETED: all tasks became healthy\n");
    script_end(script);
}

/* The first at once, then every second until the first healthy verdict (two in a row), then at the
 * interval of 10 s. */
TEST(health, is_probed_at_once_and_often_until_the_first_verdict)
{
    struct script *script = script_begin();
    script_show(script, SHOW_PROBE);
    script_publish(script, "web:1 publish=80");
    script_run(script, SECONDS(23));
    script_expect(script,
                  "   0.2  web: deployment 1 of web:1 begins\n"
                  "   0.2  pull web:1\n"
                  "   2.3  web/0@1 create app\n"
                  "   2.4  web/0@1 start app\n"
                  "   2.6  web/0@1 probe\n"
                  "  ~3.7  web/0@1 probe\n"
                  "  ~4.8  web/0@1 probe\n"
                  "  ~4.9  web/0@1 is HEALTHY\n"
                  "  ~4.9  web: deployment 1 of web:1 is COMPLETED: all tasks became healthy\n"
                  " ~14.9  web/0@1 probe\n");
    script_end(script);
}

/* Quick probes do not declare a slow starter dead: three failures count, one per interval. */
TEST(health, counts_a_failed_probe_once_per_interval)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 publish=80 image=web:1-never");
    script_run(script, SECONDS(30));
    script_expect(script, "   0.2  web: deployment 1 of web:1 begins\n"
                          "   0.2  pull web:1-never\n"
                          "   2.3  web/0@1 create app\n"
                          "   2.4  web/0@1 start app\n"
                          " ~24.5  web/0@1 is UNHEALTHY\n"
                          " ~24.6  web/0@1 stop app (failed its health checks)\n"
                          " ~25.3  web/0@1 app: exited with code 143\n"
                          " ~25.3  web/0@1.2 create app\n"
                          " ~25.4  web/0@1.2 start app\n");
    script_end(script);
}

/* healthCheckGracePeriodSeconds: failures count only after it. */
TEST(health, waits_for_the_grace_period)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 publish=80 grace=60 image=web:1-never");
    script_run(script, SECONDS(70));
    script_expect(script, "   0.2  web: deployment 1 of web:1 begins\n"
                          "   0.2  pull web:1-never\n"
                          "   2.3  web/0@1 create app\n"
                          "   2.4  web/0@1 start app\n"
                          "  62.4  web/0@1 is UNHEALTHY\n"
                          "  62.5  web/0@1 stop app (failed its health checks)\n"
                          "  63.2  web/0@1 app: exited with code 143\n"
                          "  63.2  web/0@1.2 create app\n"
                          "  63.3  web/0@1.2 start app\n");
    script_end(script);
}

TEST(health, is_lost_after_three_failures_and_found_after_two_successes)
{
    struct script *script = script_begin();
    script_publish(script, "web:1 publish=80");
    script_run(script, SECONDS(30));
    script_skip(script);
    script_sickens(script, "web", 0, true);
    script_run(script, SECONDS(60));
    script_expect(script, " ~35.5  web/0@1 is UNHEALTHY\n"
                          " ~35.6  web/0@1 stop app (failed its health checks)\n"
                          " ~36.3  web/0@1 app: exited with code 143\n"
                          " ~36.3  web/0@1.2 create app\n"
                          " ~36.4  web/0@1.2 start app\n"
                          " ~38.9  web/0@1.2 is HEALTHY\n");
    script_end(script);
}

TEST(health, has_at_most_64_probes_in_flight)
{
    struct script *script = script_begin();
    struct str document;
    str_init(&document, 1 << 20);
    for (int i = 0; i < 100; i++)
        str_addf(&document, "s%d:1 publish=%d image=same:1;", i, 1000 + i);
    script_world(script)->options.max_starts = 100;
    core_set_options(script_core(script), &script_world(script)->options);
    script_publish(script, str_text(&document));
    script_run(script, SECONDS(60));
    for (int i = 0; i < 100; i++) {
        char name[20];
        (void)snprintf(name, sizeof name, "s%d", i);
        assert_int_equal(core_service(script_core(script), name)->healthy, 1);
    }
    int64_t most = 0;
    script_world(script)->knobs.latency_max = SECONDS(20); /* longer than their interval */
    for (int i = 0; i < 600; i++) {
        script_run(script, 100);
        if (script_core(script)->probes > most)
            most = script_core(script)->probes;
    }
    assert_int_equal(most, 64);
    str_release(&document);
    script_end(script);
}
