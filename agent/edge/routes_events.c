/* GET /v1/events: the core's state changes, one JSON object per line, once or for ever.
 *
 * The ring in the core is the only queue: a follower remembers the number that it had last and is
 * fed from the ring while its connection keeps up. One that is so slow that changes left the ring
 * is told how many it missed. */
#include <stdlib.h>

#include "agent/edge/routes_internal.h"
#include "berth/memory.h"

struct follower {
    struct routes_item item;
    struct control_stream *stream;
    uint64_t sequence; /* the last one written */
    bool full, ended;
};

static void change_render(const struct change *change, struct str *out)
{
    struct json_writer writer;
    json_begin(&writer, out);
    json_object(&writer);
    json_int_member(&writer, "sequence", (int64_t)change->sequence);
    json_time_member(&writer, "time", change->wall);
    json_string_member(&writer, "kind", change_kind_text(change->kind));
    json_bool_member(&writer, "warning", change->warning);
    routes_text_member(&writer, "service", change->service);
    routes_text_member(&writer, "taskId", change->task_id);
    routes_text_member(&writer, "container", change->container);
    json_string_member(&writer, "text", change->text);
    json_object_end(&writer);
    str_add_char(out, '\n');
}

static uint64_t oldest_kept(const struct core *core)
{
    uint64_t newest = core->change_sequence;
    return newest >= CHANGES_KEPT ? newest - CHANGES_KEPT + 1 : 1;
}

/* A number from before a restart of the agent may be higher than any now: begin anew. */
static uint64_t start_after(const struct core *core, int64_t after)
{
    return (uint64_t)after > core->change_sequence ? 0 : (uint64_t)after;
}

static void missed_render(uint64_t missed, struct str *out)
{
    str_addf(out,
             "{\"sequence\":null,\"time\":null,\"kind\":\"gap\",\"warning\":true,\"service\":null,"
             "\"taskId\":null,\"container\":null,\"text\":\"%llu older events are no longer "
             "kept\"}\n",
             (unsigned long long)missed);
}

/* One change, or the news that some are lost. Returns false when there is nothing new. */
static bool next_render(const struct core *core, uint64_t *sequence, struct str *out)
{
    uint64_t oldest = oldest_kept(core);
    if (*sequence >= core->change_sequence)
        return false;
    if (*sequence + 1 < oldest) {
        missed_render(oldest - *sequence - 1, out);
        *sequence = oldest - 1;
        return true;
    }
    const struct change *change = core_change(core, ++*sequence);
    if (change)
        change_render(change, out);
    return true;
}

static void events_once(struct route_call *call, uint64_t sequence)
{
    struct str out;
    str_init(&out, ROUTES_ANSWER_MAX);
    /* Whoever asks for everything knows that history has a beginning. */
    if (sequence == 0)
        sequence = oldest_kept(call->core) - 1;
    while (next_render(call->core, &sequence, &out))
        ;
    control_answer(call->request, 200, "application/x-ndjson", str_text(&out), out.len);
    str_release(&out);
}

/* ------------------------------------------------------------------ follow */

static void follower_feed(struct follower *follower)
{
    const struct core *core = follower->item.routes->options.driver->core;
    struct str out AUTO_STR;
    str_init(&out, ROUTES_ANSWER_MAX);
    while (!follower->full && next_render(core, &follower->sequence, &out)) {
        size_t queued = control_stream_write(follower->stream, str_text(&out), out.len);
        follower->full = queued > ROUTES_QUEUE_MARK;
        str_clear(&out);
    }
}

static void follower_look(struct routes_item *item)
{
    struct follower *follower = (struct follower *)item;
    if (follower->ended)
        return;
    if (!item->routes->closing) {
        follower_feed(follower);
        return;
    }
    follower->ended = true;
    control_stream_end(follower->stream);
}

static void follower_on_drained(void *ctx)
{
    struct follower *follower = ctx;
    follower->full = false;
    if (!follower->ended)
        follower_feed(follower);
}

static void follower_on_close(void *ctx)
{
    struct follower *follower = ctx;
    routes_item_remove(&follower->item);
    free(follower);
}

static void events_follow(struct route_call *call, uint64_t sequence)
{
    struct follower *follower = memory_alloc(sizeof *follower);
    follower->item.look = follower_look;
    follower->sequence = sequence == 0 ? oldest_kept(call->core) - 1 : sequence;
    follower->stream =
        control_stream(call->request, "application/x-ndjson", follower_on_close, follower);
    routes_item_add(call->routes, &follower->item);
    control_stream_on_drained(follower->stream, follower_on_drained);
    follower_feed(follower);
}

void route_events(struct route_call *call)
{
    int64_t after;
    if (routes_query_int(call, "after", 0, JSON_INTEGER_MAX, 0, &after) < 0)
        return;
    uint64_t sequence = start_after(call->core, after);
    if (routes_query_flag(call, "follow"))
        events_follow(call, sequence);
    else
        events_once(call, sequence);
}
