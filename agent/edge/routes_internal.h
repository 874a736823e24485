/* routes_internal.h: what the files behind routes.h share.
 *
 * A route is run with a call: the request, the named part of the path and the facts. It answers
 * at once, or makes a `pending` (poll, why) or a stream (logs, events), which hangs in a list of
 * struct routes until it is over. */
#ifndef BERTH_ROUTES_INTERNAL_H
#define BERTH_ROUTES_INTERNAL_H

#include "berth/json.h"
#include "berth/routes.h"
#include "berth/str.h"

#define ROUTES_ANSWER_MAX (64 * 1024 * 1024)
#define ROUTES_QUEUE_MARK (256 * 1024) /* a stream with more queued is not fed */
#define ROUTES_PART_MAX 256

/* Anything that outlives its routes_handle(). Embedded first in the thing itself. */
struct routes_item {
    struct routes *routes;
    /* Facts may have changed, time has passed, or routes close: answer if it is time. */
    void (*look)(struct routes_item *item);
    bool timed;     /* look at it every ROUTES_LOOK_MS as well */
    unsigned round; /* of looks: the last one that saw it */
    struct routes_item *next;
};

struct routes {
    struct routes_options options;
    char *version;
    uv_timer_t timer;
    struct routes_item *items;
    unsigned round;
    bool closing, timer_closed;
    void (*on_closed)(void *ctx);
    void *on_closed_ctx;
};

struct route_call {
    struct routes *routes;
    struct control_request *request;
    const struct core *core;
    msec now, wall;
    char part[ROUTES_PART_MAX]; /* what stood for "*" in the path */
};

void routes_item_add(struct routes *routes, struct routes_item *item);
void routes_item_remove(struct routes_item *item); /* the last use: then the caller frees it */
void routes_call_init(struct routes *routes, struct control_request *request,
                      struct route_call *ret);

/* Who asked for something that changes what runs. */
void routes_log_change(struct control_request *request);
/* Answer with JSON; out is released. */
void routes_answer(struct control_request *request, int status, struct str *out);
/* An integer of the query: 0 and fallback when absent; answers 400 itself when it is none. */
int routes_query_int(struct route_call *call, const char *key, int64_t min, int64_t max,
                     int64_t fallback, int64_t *ret);
bool routes_query_flag(struct route_call *call, const char *key);

/* A monotonic time as wall time; 0 stays 0 ("not yet"). */
msec routes_wall(const struct route_call *call, msec at);

/* One per route, in its own file. */
void route_status(struct route_call *call);
void route_services(struct route_call *call);
void route_service(struct route_call *call);
void route_restart(struct route_call *call);
void route_tasks(struct route_call *call);
void route_stop(struct route_call *call);
void route_logs(struct route_call *call);
void route_validate(struct route_call *call);
void route_plan(struct route_call *call);
void route_poll(struct route_call *call);
void route_events(struct route_call *call);
void route_why(struct route_call *call);

/* Pieces of JSON that more than one route shows. */
void routes_text_member(struct json_writer *writer, const char *key, const char *text);
/* {"reason","text","since","detail"}; subject may be NULL. WAIT_NONE adds nothing. */
void routes_wait(const struct route_call *call, const struct wait *wait, const char *subject,
                 struct json_writer *writer);
/* What the agent itself waits for; nothing when it is ready and the runtime answers. */
void routes_agent_waits(const struct route_call *call, const char *subject,
                        struct json_writer *writer);
/* A task that somebody named; exactly one is set. */
struct task_found {
    const struct task *task;
    const struct stopped_task *stopped;  /* it is gone */
    const struct one_off_record *record; /* all that is left of a one-off task */
};
/* By id, unique prefix of it, or one-off id. False: there is none such. */
bool routes_find_task(const struct core *core, const char *name, struct task_found *ret);
const char *routes_task_id(const struct task_found *found);
void routes_no_task(struct route_call *call); /* the 404 for it */
/* A whole task as an object. */
void routes_task(const struct route_call *call, const struct task_found *found,
                 struct json_writer *writer);
void routes_exit_code(struct json_writer *writer, bool known, int64_t code);
/* The object of /v1/services. */
void routes_service(const struct route_call *call, const struct service_fact *service,
                    struct json_writer *writer);
/* Of those that are gone, counted from the newest: i < core->stopped_count. */
const struct stopped_task *routes_stopped(const struct core *core, size_t i);

/* ---- why (routes_why_facts.c): whose facts are shown */
struct why_subject {
    const struct service_fact *service; /* NULL for a one-off task */
    const struct task *task;            /* NULL: the whole service */
};
const struct task *why_subject_next(const struct why_subject *subject, const struct task *after,
                                    const struct core *core);
#define WHY_EACH_TASK(task_, subject_, core_)                                                      \
    for (const struct task *task_ = why_subject_next(subject_, NULL, core_); task_;                \
         task_ = why_subject_next(subject_, task_, core_))
/* The members of an open object. */
void why_facts(const struct route_call *call, const struct why_subject *subject,
               struct json_writer *writer);
/* Of a task that is no longer held: what it was and how it ended. */
void why_end(const struct route_call *call, const struct task_found *found,
             struct json_writer *writer);

#endif
