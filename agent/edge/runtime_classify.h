/* runtime_classify.h: what the runtime's answer means. Pure.
 *
 * Docker and Podman say most of it only in prose, and each version a little differently, so the
 * knowledge is one table of call, status and words; the first row that fits decides. */
#ifndef BERTH_RUNTIME_CLASSIFY_H
#define BERTH_RUNTIME_CLASSIFY_H

#include <stdbool.h>

#include "berth/core.h"
#include "berth/http.h"
#include "berth/runtime.h"

enum runtime_call {
    CALL_PULL,
    CALL_CREATE,
    CALL_START,
    CALL_STOP,
    CALL_KILL,
    CALL_REMOVE,
    CALL_LIST,
    CALL_INSPECT,
    CALL_LOGS,
    CALL_WATCH,
};

struct verdict {
    enum outcome outcome;
    enum blame blame;
    const char *error; /* ECS error name, "" when OK */
    bool transient;    /* the same call may well succeed a little later */
};

/* status 0 = an error line inside a 200 answer. message may be "". */
struct verdict runtime_classify(enum runtime_call call, long status, const char *message);

const char *runtime_call_name(enum runtime_call call);  /* "create" */
const char *runtime_call_error(enum runtime_call call); /* "CannotCreateContainerError" */

/* A whole answer, or the lack of one, as a result with a sentence. */
struct judgement {
    struct runtime_result result; /* text points below */
    bool transient;
    char text[1024];
};
void runtime_judge(enum runtime_call call, const char *subject, const struct http_answer *answer,
                   struct judgement *ret);
void runtime_judge_message(enum runtime_call call, const char *subject, long status,
                           const char *message, struct judgement *ret);

#endif
