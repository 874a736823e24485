/* fake_agent.h: the real core, driver, routes and control socket over a fake host.
 *
 * Actions of the core are answered from the loop, as in berthd, by a runtime that lives in memory:
 * everything succeeds at once unless a test says otherwise. Time is the loop's, plus what a test
 * adds to it.
 *
 *     fake_agent_open(&agent, loop, NULL);
 *     fake_agent_publish(&agent, "{\"revision\":1,...}");   the source has it from now on
 *     fake_agent_run_until(&agent, ready);
 *     ... a client on agent.socket ...
 *     fake_agent_close(&agent);                            runs the loop until all is closed */
#ifndef BERTH_TESTS_FAKE_AGENT_H
#define BERTH_TESTS_FAKE_AGENT_H

#include <stdbool.h>
#include <uv.h>

#include "berth/routes.h"

#define FAKE_CONTAINERS_MAX 64
#define FAKE_ACTIONS_MAX 512

struct fake_container {
    char name[160], task_id[TASK_ID_LEN + 1], container[64], image[128];
    struct observed_container seen; /* strings are filled in when it is looked at */
    bool exists;
};

struct fake_agent {
    uv_loop_t *loop;
    uv_timer_t timer; /* answers what is pending */
    struct core *core;
    struct driver driver;
    struct config_set config;
    struct control *control;
    struct routes *routes;
    char directory[64], socket[108];
    msec ahead; /* added to the loop's clock */
    struct fake_pending {
        enum action_kind kind;
        uint64_t id;
        char name[160], task_id[TASK_ID_LEN + 1];
        size_t container;
        bool accept_older;
    } pending[FAKE_ACTIONS_MAX];
    size_t pending_count;
    bool hold[ACT_SAVE + 1]; /* kinds of actions that get no answer */
    struct fake_container containers[FAKE_CONTAINERS_MAX];
    const char *source;     /* the document's text; NULL: the source does not answer */
    const char *pull_error; /* every pull is refused with this */
    bool probes_fail;
    int closed;
};

void fake_agent_open(struct fake_agent *agent, uv_loop_t *loop, struct runtime *runtime);
void fake_agent_publish(struct fake_agent *agent, const char *document); /* and fetch it */
/* Run the loop until the claim holds; the test fails when it never does. */
void fake_agent_run_until(struct fake_agent *agent, bool (*holds)(const struct fake_agent *agent));
bool fake_agent_ready(const struct fake_agent *agent);
bool fake_agent_steady(const struct fake_agent *agent); /* every service COMPLETED */
/* A running container of the service ends with this code. */
void fake_agent_exit(struct fake_agent *agent, const char *service, int64_t code);
void fake_agent_close(struct fake_agent *agent);

#endif
