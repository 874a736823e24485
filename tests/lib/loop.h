/* loop.h: a libuv loop in a test.
 *
 * loop_run_until() runs it until *flag is true and fails the test at the deadline, which is there
 * for a broken test only: nothing waits for it when all is well. loop_must_close() proves that
 * every handle was closed. */
#ifndef BERTH_TESTS_LOOP_H
#define BERTH_TESTS_LOOP_H

#include <stdbool.h>
#include <uv.h>

#define LOOP_PATIENCE_MS 20000

void loop_run_until(uv_loop_t *loop, const bool *flag);
void loop_run_until_count(uv_loop_t *loop, const int *count, int at_least);
/* Run for a time: only to show that something does not happen. */
void loop_run_for(uv_loop_t *loop, unsigned ms);
void loop_must_close(uv_loop_t *loop);

/* The longest time between two turns of the loop, asked of a timer that is always due. */
struct loop_latency {
    uv_timer_t timer;
    uint64_t last_ns, worst_ns;
};
void loop_latency_start(uv_loop_t *loop, struct loop_latency *latency);
void loop_latency_stop(struct loop_latency *latency); /* closes the timer: run the loop after it */

#endif
