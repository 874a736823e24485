/* List and inspect: the only truth about what runs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/edge/runtime_inside.h"
#include "berth/assert.h"
#include "berth/json.h"
#include "berth/memory.h"

#define INSPECTS_AT_ONCE 8
#define DEADLINE_FACTOR 4 /* of the whole look, in call timeouts; what is left then is unclear */

struct listed {
    const char *id, *name;
    const cJSON *entry; /* in look->list */
};

struct look {
    struct runtime *runtime;
    runtime_look_fn done;
    void *ctx;
    char *container; /* NULL = full */
    struct observed *observed;
    struct arena arena; /* what was listed */
    struct listed *listed;
    size_t listed_count, next;
    cJSON *list;
    size_t in_flight;
    uint64_t deadline; /* uv_now() */
    bool failed;
    struct judgement judgement; /* of the first failure */
};

struct inspect {
    struct look *look;
    struct listed listed;
};

static void look_list(struct look *look);
static void look_on_list(void *ctx, const struct http_answer *answer);
static int look_take_list(struct look *look, const struct http_answer *answer, struct err *err);
static void look_inspect_more(struct look *look);
static void look_inspect(struct look *look, const struct listed *listed);
static void look_on_inspect(void *ctx, const struct http_answer *answer);
static void look_take_inspect(struct look *look, const struct listed *listed,
                              const struct http_answer *answer);
static void look_fail(struct look *look, const struct judgement *judgement);
static void look_end(struct look *look);

void runtime_look(struct runtime *runtime, const char *container, runtime_look_fn done, void *ctx)
{
    struct look *look = memory_alloc(sizeof *look);
    bool full = !container || !container[0];
    look->runtime = runtime;
    look->done = done;
    look->ctx = ctx;
    look->container = full ? NULL : memory_strdup(container);
    look->observed = observed_new(full, full ? "" : container);
    uv_update_time(runtime->loop);
    look->deadline =
        uv_now(runtime->loop) + (uint64_t)runtime->options.call_timeout_ms * DEADLINE_FACTOR;
    look->judgement.result = (struct runtime_result){ .error = "", .text = "" };
    if (full)
        look_list(look);
    else
        look_inspect(look, &(struct listed){ look->container, look->container, NULL });
}

/* {"label":["io.berth.host=ID"]}, escaped for the query */
static void look_list(struct look *look)
{
    AUTO_STR struct str filters, path;
    str_init(&filters, URL_MAX);
    str_init(&path, URL_MAX);
    struct json_writer writer;
    json_begin(&writer, &filters);
    json_object(&writer);
    json_key(&writer, "label");
    json_array(&writer);
    AUTO_FREE char *label = memory_printf("%s=%s", LABEL_HOST, look->runtime->host_id);
    json_put_string(&writer, label);
    json_array_end(&writer);
    json_object_end(&writer);
    str_add(&path, "/containers/json?all=true&filters=");
    url_escape(&path, str_text(&filters), false);
    (void)exchange_send(look->runtime, &(struct exchange_spec){
                                           .path = str_text(&path),
                                           .timeout_ms = look->runtime->options.call_timeout_ms,
                                           .done = look_on_list,
                                           .ctx = look,
                                       });
}

static void look_on_list(void *ctx, const struct http_answer *answer)
{
    struct look *look = ctx;
    struct judgement judgement;
    struct err err = ERR_NONE;
    runtime_judge(CALL_LIST, "containers", answer, &judgement);
    if (judgement.result.outcome == OUTCOME_OK && look_take_list(look, answer, &err) < 0) {
        judgement.result.outcome = OUTCOME_UNKNOWN;
        judgement.result.error = runtime_call_error(CALL_LIST);
        (void)snprintf(judgement.text, sizeof judgement.text, "list containers: %s", err.text);
    }
    if (judgement.result.outcome != OUTCOME_OK)
        look_fail(look, &judgement);
    look_inspect_more(look);
}

static int look_take_list(struct look *look, const struct http_answer *answer, struct err *err)
{
    if (json_parse_answer(answer->body, answer->len, &look->list, err) < 0)
        return -EPROTO;
    cJSON *json = look->list;
    if (!cJSON_IsArray(json))
        return err_say(err, -EPROTO, "the answer is no array");
    size_t count = (size_t)cJSON_GetArraySize(json);
    if (count > 0)
        look->listed = arena_array(&look->arena, count, sizeof *look->listed);
    const cJSON *item;
    cJSON_ArrayForEach(item, json) {
        const char *id = json_string(item, "Id", "");
        const cJSON *first_name = cJSON_GetArrayItem(json_get(item, "Names"), 0);
        const char *name = cJSON_IsString(first_name) ? first_name->valuestring : id;
        if (!id[0])
            return err_say(err, -EPROTO, "a container without Id");
        look->listed[look->listed_count++] =
            (struct listed){ arena_strdup(&look->arena, id),
                             arena_strdup(&look->arena, name[0] == '/' ? name + 1 : name), item };
    }
    return 0;
}

/* Inspects that all hang would otherwise add up to hours on a full host. */
static void look_inspect_more(struct look *look)
{
    bool late = look->listed_count > 0 && uv_now(look->runtime->loop) >= look->deadline;
    while (late && !look->failed && look->next < look->listed_count)
        observed_add_unclear(look->observed, look->listed[look->next++].entry);
    while (!look->failed && look->in_flight < INSPECTS_AT_ONCE && look->next < look->listed_count)
        look_inspect(look, &look->listed[look->next++]);
    if (look->in_flight == 0)
        look_end(look);
}

static void look_inspect(struct look *look, const struct listed *listed)
{
    AUTO_STR struct str path;
    str_init(&path, URL_MAX);
    str_add(&path, "/containers/");
    url_escape(&path, listed->id, false);
    str_add(&path, "/json");
    struct inspect *inspect = memory_alloc(sizeof *inspect);
    inspect->look = look;
    inspect->listed = *listed;
    look->in_flight++;
    (void)exchange_send(look->runtime, &(struct exchange_spec){
                                           .path = str_text(&path),
                                           .timeout_ms = look->runtime->options.call_timeout_ms,
                                           .done = look_on_inspect,
                                           .ctx = inspect,
                                       });
}

static void look_on_inspect(void *ctx, const struct http_answer *answer)
{
    struct inspect *inspect = ctx;
    struct look *look = inspect->look;
    look->in_flight--;
    look_take_inspect(look, &inspect->listed, answer);
    free(inspect);
    look_inspect_more(look);
}

/* In a full look one container that cannot be read (its daemon-side lock is held by a hanging
 * removal, say) must not hide all the others; a lost connection must. */
static void look_take_inspect(struct look *look, const struct listed *listed,
                              const struct http_answer *answer)
{
    struct judgement judgement;
    struct err err = ERR_NONE;
    runtime_judge(CALL_INSPECT, listed->name, answer, &judgement);
    if (judgement.result.outcome == OUTCOME_REFUSED)
        return; /* "no such container": gone */
    if (judgement.result.outcome == OUTCOME_OK) {
        if (observed_add(look->observed, answer->body, answer->len, &err) == 0)
            return;
        judgement.result.outcome = OUTCOME_UNKNOWN;
        judgement.result.error = runtime_call_error(CALL_INSPECT);
        (void)snprintf(judgement.text, sizeof judgement.text, "inspect %.255s: %s", listed->name,
                       err.text);
    }
    if (listed->entry && (answer->rc == 0 || answer->rc == -ETIMEDOUT))
        observed_add_unclear(look->observed, listed->entry);
    else
        look_fail(look, &judgement);
}

static void look_fail(struct look *look, const struct judgement *judgement)
{
    if (look->failed)
        return;
    look->failed = true;
    look->judgement = *judgement;
    look->judgement.result.text = look->judgement.text;
}

static void look_end(struct look *look)
{
    if (look->failed)
        observed_free(TAKE(look->observed));
    look->done(look->ctx, look->observed, &look->judgement.result);
    arena_release(&look->arena);
    cJSON_Delete(look->list);
    free(look->container);
    free(look);
}
