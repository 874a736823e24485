#include "tests/lib/loop.h"

#include "tests/lib/test.h"

struct deadline {
    uv_timer_t timer;
    bool late, closed;
};

static void loop_on_deadline(uv_timer_t *timer)
{
    struct deadline *deadline = timer->data;
    deadline->late = true;
}

static void loop_on_deadline_closed(uv_handle_t *handle)
{
    struct deadline *deadline = handle->data;
    deadline->closed = true;
}

/* False at the deadline. */
static bool loop_run(uv_loop_t *loop, const bool *flag, const int *count, int at_least, unsigned ms)
{
    struct deadline deadline = { .late = false };
    (void)uv_timer_init(loop, &deadline.timer);
    deadline.timer.data = &deadline;
    uv_update_time(loop);
    (void)uv_timer_start(&deadline.timer, loop_on_deadline, ms, 0);
    while (!deadline.late && !(flag && *flag) && !(count && *count >= at_least))
        (void)uv_run(loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&deadline.timer, loop_on_deadline_closed);
    while (!deadline.closed)
        (void)uv_run(loop, UV_RUN_NOWAIT);
    return !deadline.late;
}

void loop_run_until(uv_loop_t *loop, const bool *flag)
{
    if (!loop_run(loop, flag, NULL, 0, LOOP_PATIENCE_MS))
        fail_msg("what the test waits for did not happen within %d ms", LOOP_PATIENCE_MS);
}

void loop_run_until_count(uv_loop_t *loop, const int *count, int at_least)
{
    if (!loop_run(loop, NULL, count, at_least, LOOP_PATIENCE_MS))
        fail_msg("%d of %d happened within %d ms", *count, at_least, LOOP_PATIENCE_MS);
}

void loop_run_for(uv_loop_t *loop, unsigned ms)
{
    (void)loop_run(loop, NULL, NULL, 0, ms);
}

static void loop_report_open(uv_handle_t *handle, void *unused)
{
    (void)unused;
    printf("still open: %s\n", uv_handle_type_name(handle->type));
}

/* What is being closed may need a few turns; an active handle that nobody closes would make
 * uv_run() wait for ever, hence no UV_RUN_DEFAULT. */
void loop_must_close(uv_loop_t *loop)
{
    int rc = uv_loop_close(loop);
    for (int turn = 0; turn < 100 && rc == UV_EBUSY; turn++) {
        (void)uv_run(loop, UV_RUN_NOWAIT);
        rc = uv_loop_close(loop);
    }
    if (rc == UV_EBUSY)
        uv_walk(loop, loop_report_open, NULL);
    assert_int_equal(rc, 0);
}

static void loop_on_latency(uv_timer_t *timer)
{
    struct loop_latency *latency = timer->data;
    uint64_t now = uv_hrtime();
    if (now - latency->last_ns > latency->worst_ns)
        latency->worst_ns = now - latency->last_ns;
    latency->last_ns = now;
}

void loop_latency_start(uv_loop_t *loop, struct loop_latency *latency)
{
    (void)uv_timer_init(loop, &latency->timer);
    latency->timer.data = latency;
    latency->worst_ns = 0;
    latency->last_ns = uv_hrtime();
    (void)uv_timer_start(&latency->timer, loop_on_latency, 1, 1);
}

void loop_latency_stop(struct loop_latency *latency)
{
    uv_close((uv_handle_t *)&latency->timer, NULL);
}
