/* main.c: make sim SEEDS=n: many seeds, each twice (the same seed must give the same trace). */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "berth/str.h"
#include "tests/sim/sim.h"

static const char *const kind_names[] = {
    [SIM_CHAOS] = "chaos", [SIM_STRICT] = "strict", [SIM_FAILING] = "failing"
};

struct totals {
    uint64_t passed, failed, steps;
    msec virtual_ms;
    uint64_t first_failed;
    enum sim_kind first_kind;
};

static enum sim_kind kind_of(uint64_t seed)
{
    static const enum sim_kind turn[] = { SIM_CHAOS, SIM_STRICT, SIM_CHAOS, SIM_FAILING };
    return turn[seed % 4];
}

static void report(uint64_t seed, enum sim_kind kind, const char *why)
{
    printf("seed %llu (%s): %s\n", (unsigned long long)seed, kind_names[kind], why);
}

static void run_one(struct totals *totals, uint64_t seed, bool once)
{
    enum sim_kind kind = kind_of(seed);
    struct sim_result result = sim_run(seed, kind, false);
    totals->steps += result.steps;
    totals->virtual_ms += result.virtual_ms;
    bool ok = result.ok;
    if (!ok)
        report(seed, kind, result.failure);
    if (ok && !once) {
        struct sim_result again = sim_run(seed, kind, false);
        ok = again.trace_hash == result.trace_hash;
        if (!ok)
            report(seed, kind, "the same seed gave another trace");
    }
    if (ok) {
        totals->passed++;
        return;
    }
    if (totals->failed++ == 0) {
        totals->first_failed = seed;
        totals->first_kind = kind;
    }
}

static void print_trace(uint64_t seed)
{
    struct sim_result result = sim_run(seed, kind_of(seed), true);
    fputs(result.trace, stdout);
    free(result.trace);
}

static double seconds_since(const struct timespec *begun)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - begun->tv_sec) + (double)(now.tv_nsec - begun->tv_nsec) / 1e9;
}

static int64_t number(const char *text)
{
    int64_t value = 0;
    if (!text || parse_int(text, 0, INT64_MAX, &value) < 0) {
        fprintf(stderr, "usage: sim [--seeds N] [--from SEED] [--trace SEED] [--once] "
                        "[--stop-at-first]\n");
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    int64_t seeds = 200, from = 1;
    bool once = false, stop_at_first = false;
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (str_equal(argv[i], "--once"))
            once = true;
        else if (str_equal(argv[i], "--stop-at-first"))
            stop_at_first = true;
        else if (str_equal(argv[i], "--seeds"))
            seeds = number(next), i++;
        else if (str_equal(argv[i], "--from"))
            from = number(next), i++;
        else if (str_equal(argv[i], "--trace")) {
            print_trace((uint64_t)number(next));
            return 0;
        } else
            (void)number(NULL);
    }
    struct timespec begun;
    (void)clock_gettime(CLOCK_MONOTONIC, &begun);
    struct totals totals = { 0 };
    for (int64_t seed = from; seed < from + seeds; seed++) {
        run_one(&totals, (uint64_t)seed, once);
        if (totals.failed && stop_at_first)
            break;
    }
    if (totals.failed && !stop_at_first)
        print_trace(totals.first_failed);
    printf("sim: seeds %lld..%lld, each %s, %.1f virtual hours, %llu steps, %.1f s\n",
           (long long)from, (long long)(from + seeds - 1), once ? "once" : "twice",
           (double)totals.virtual_ms / 3600000, (unsigned long long)totals.steps,
           seconds_since(&begun));
    printf("%llu passed, %llu failed\n", (unsigned long long)totals.passed,
           (unsigned long long)totals.failed);
    return totals.failed ? 1 : 0;
}
