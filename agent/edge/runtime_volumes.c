/* The volumes of one task, taken away with its last container: the runtime removes anonymous
 * ones with their container, but a task's volumes are shared by its containers and so have names.
 *
 * Volumes are found by the prefix that render_volume_name() gives them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/edge/runtime_inside.h"
#include "berth/json.h"
#include "berth/memory.h"
#include "berth/render.h"

struct volumes {
    struct runtime *runtime;
    runtime_done_fn done;
    void *ctx;
    char prefix[RENDER_VOLUME_MAX];
    size_t in_flight;
    bool failed;
    struct err err;
};

static void volumes_fail(struct volumes *volumes, const struct http_answer *answer,
                         const char *what)
{
    if (volumes->failed)
        return;
    char message[RUNTIME_MESSAGE_MAX] = "";
    if (answer->rc == 0)
        runtime_message(answer->body, answer->len, message);
    volumes->failed = true;
    (void)err_say(&volumes->err, -EIO, "%s %s: %s", what, volumes->prefix,
                  answer->rc < 0 ? answer->error : message);
}

static void volumes_end(struct volumes *volumes)
{
    struct runtime_result result = { .outcome = volumes->failed ? OUTCOME_REFUSED : OUTCOME_OK,
                                     .error = volumes->failed ? "CannotRemoveVolumeError" : "",
                                     .text = volumes->err.text };
    volumes->done(volumes->ctx, &result);
    free(volumes);
}

static void volumes_on_removed(void *ctx, const struct http_answer *answer)
{
    struct volumes *volumes = ctx;
    bool gone = answer->rc == 0 && (answer->status < 300 || answer->status == 404);
    if (!gone)
        volumes_fail(volumes, answer, "remove volume of");
    if (--volumes->in_flight == 0)
        volumes_end(volumes);
}

static void volumes_remove(struct volumes *volumes, const char *name)
{
    AUTO_STR struct str path;
    str_init(&path, URL_MAX);
    str_add(&path, "/volumes/");
    url_escape(&path, name, false);
    volumes->in_flight++;
    (void)exchange_send(volumes->runtime,
                        &(struct exchange_spec){
                            .method = "DELETE",
                            .path = str_text(&path),
                            .timeout_ms = volumes->runtime->options.call_timeout_ms,
                            .done = volumes_on_removed,
                            .ctx = volumes,
                        });
}

static void volumes_on_list(void *ctx, const struct http_answer *answer)
{
    struct volumes *volumes = ctx;
    AUTO_JSON cJSON *json = NULL;
    if (answer->rc < 0 || answer->status != 200 ||
        json_parse_answer(answer->body, answer->len, &json, NULL) < 0) {
        volumes_fail(volumes, answer, "list volumes");
        volumes_end(volumes);
        return;
    }
    volumes->in_flight = 1; /* this function's own, so that it cannot end under its feet */
    const cJSON *volume;
    cJSON_ArrayForEach(volume, json_get(json, "Volumes")) {
        /* The runtime's filter finds the text anywhere in a name. */
        const char *name = json_string(volume, "Name", "");
        if (str_starts(name, volumes->prefix))
            volumes_remove(volumes, name);
    }
    if (--volumes->in_flight == 0)
        volumes_end(volumes);
}

void runtime_remove_volumes(struct runtime *runtime, const char *task_id, runtime_done_fn done,
                            void *ctx)
{
    struct volumes *volumes = memory_alloc(sizeof *volumes);
    *volumes = (struct volumes){ .runtime = runtime, .done = done, .ctx = ctx };
    render_volume_name(task_id, "", volumes->prefix);
    AUTO_FREE char *filters = memory_printf("{\"name\":[\"%s\"]}", volumes->prefix);
    AUTO_STR struct str path;
    str_init(&path, URL_MAX);
    str_add(&path, "/volumes?filters=");
    url_escape(&path, filters, false);
    (void)exchange_send(runtime,
                        &(struct exchange_spec){ .path = str_text(&path),
                                                 .timeout_ms = runtime->options.call_timeout_ms,
                                                 .done = volumes_on_list,
                                                 .ctx = volumes });
}
