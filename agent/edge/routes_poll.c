/* POST /v1/poll: fetch now, and answer when the fetch has been decided on and planned. */
#include <stdlib.h>

#include "agent/edge/routes_internal.h"
#include "berth/memory.h"

struct poll {
    struct routes_item item;
    struct control_request *request;
    uint64_t ended_at;    /* core->fetch_count that ends the wait */
    msec deadline;        /* on the host's clock */
    struct digest before; /* of the document in effect; zero = none */
};

static void document_digest(const struct core *core, struct digest *ret)
{
    *ret = core->desired ? core->desired->digest : (struct digest){ { 0 } };
}

/* A source that answered with a document that will not do is another trouble than silence. */
static const char *poll_result(const struct poll *poll, const struct core *core)
{
    struct digest now;
    document_digest(core, &now);
    if (*core->last_error)
        return core->fetch_failures > 0 ? "failed" : "refused";
    return digest_equal(&now, &poll->before) ? "same" : "new";
}

static void poll_answer(struct poll *poll, const struct core *core)
{
    struct str out;
    struct json_writer writer;
    str_init(&out, ROUTES_ANSWER_MAX);
    json_begin(&writer, &out);
    json_object(&writer);
    json_key(&writer, "revision");
    if (core->desired)
        json_put_int(&writer, core->desired->revision);
    else
        json_put_null(&writer);
    json_string_member(&writer, "result", poll_result(poll, core));
    routes_text_member(&writer, "error", core->last_error);
    json_key(&writer, "refusedRevision");
    if (core->refused_revision > 0)
        json_put_int(&writer, core->refused_revision);
    else
        json_put_null(&writer);
    json_object_end(&writer);
    routes_answer(poll->request, 200, &out);
}

static void poll_look(struct routes_item *item)
{
    struct poll *poll = (struct poll *)item;
    struct routes *routes = item->routes;
    const struct core *core = routes->options.driver->core;
    const struct host *host = &routes->options.driver->host;
    bool late = host->now(host->self) >= poll->deadline;
    if (core->fetch_count >= poll->ended_at)
        poll_answer(poll, core);
    else if (routes->closing)
        control_error(poll->request, 503, "ShuttingDown", "the agent is shutting down");
    else if (late)
        control_error(poll->request, 504, "TimedOut",
                      "the source has not answered within %lld s; the fetch goes on",
                      (long long)(routes->options.poll_timeout_ms / 1000));
    else
        return;
    routes_item_remove(item);
    free(poll);
}

void route_poll(struct route_call *call)
{
    const struct core *core = call->core;
    struct poll *poll = memory_alloc(sizeof *poll);
    poll->item.look = poll_look;
    poll->item.timed = true;
    poll->request = call->request;
    poll->deadline = call->now + call->routes->options.poll_timeout_ms;
    document_digest(core, &poll->before);
    /* One that is under way was asked before the caller changed the document: wait for the next. */
    poll->ended_at = core->fetch_count + (core->fetch_action ? 2 : 1);

    struct event event = { .kind = EV_COMMAND,
                           .command = COMMAND_POLL,
                           .accept_older = routes_query_flag(call, "acceptOlder") };
    if (event.accept_older)
        routes_log_change(call->request);
    driver_event(call->routes->options.driver, &event);
    routes_item_add(call->routes, &poll->item);
}
