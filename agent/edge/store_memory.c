/* text <-> struct memory. The format is read by older and newer agents: fields are added, never
 * given another meaning; unknown ones are ignored, missing ones make the text unusable. */
#include <stdlib.h>

#include "berth/assert.h"
#include "berth/digest.h"
#include "berth/json.h"
#include "berth/memory.h"
#include "berth/store.h"

/* More than the core ever keeps: a text beyond these is not its own. */
#define SERVICES_KEPT (100 * 1000)
#define ONE_OFFS_KEPT (100 * 1000)
#define IMAGES_KEPT (100 * 1000)

static const char *const deployment_names[] = {
    [DEPLOYMENT_IN_PROGRESS] = "IN_PROGRESS",
    [DEPLOYMENT_COMPLETED] = "COMPLETED",
    [DEPLOYMENT_FAILED] = "FAILED",
};

static const char *const one_off_names[] = {
    [ONE_OFF_NEW] = "NEW",
    [ONE_OFF_STARTED] = "STARTED",
    [ONE_OFF_STOPPED] = "STOPPED",
    [ONE_OFF_LOST] = "LOST",
};

/* ------------------------------------------------------------------ render */

/* What the core does not know of is written as "". */
static const char *known(const char *text)
{
    return text ? text : "";
}

static void render_service(struct json_writer *writer, const struct memory_service *service)
{
    json_object(writer);
    json_string_member(writer, "name", known(service->name));
    json_int_member(writer, "generation", service->generation);
    json_string_member(writer, "digest", known(service->digest_hex));
    json_string_member(writer, "definition", known(service->definition_name));
    json_string_member(writer, "state", deployment_names[service->state]);
    json_string_member(writer, "reason", known(service->reason));
    json_int_member(writer, "failedTasks", service->failed_tasks);
    json_int_member(writer, "documentRevision", service->document_revision);
    json_bool_member(writer, "completedOnce", service->completed_once);
    json_int_member(writer, "createdAt", service->created_wall);
    json_int_member(writer, "updatedAt", service->updated_wall);
    json_object_end(writer);
}

static void render_one_off(struct json_writer *writer, const struct one_off_record *record)
{
    json_object(writer);
    json_string_member(writer, "id", known(record->id));
    json_string_member(writer, "definition", known(record->definition_name));
    json_string_member(writer, "taskId", record->task_id);
    json_string_member(writer, "state", one_off_names[record->state]);
    json_bool_member(writer, "exitKnown", record->exit_known);
    json_int_member(writer, "exitCode", record->exit_code);
    json_string_member(writer, "reason", known(record->reason));
    json_int_member(writer, "startedAt", record->started_wall);
    json_int_member(writer, "stoppedAt", record->stopped_wall);
    json_object_end(writer);
}

void memory_render(const struct memory *memory, struct str *out)
{
    struct json_writer writer;
    char epoch[17];
    /* As text: a JSON number is exact up to 2^53 only. */
    (void)snprintf(epoch, sizeof epoch, "%016llx", (unsigned long long)memory->epoch);
    json_begin(&writer, out);
    json_object(&writer);
    json_string_member(&writer, "epoch", epoch);
    json_int_member(&writer, "revision", memory->revision);
    json_int_member(&writer, "generationFloor", memory->generation_floor);
    json_key(&writer, "services");
    json_array(&writer);
    for (size_t i = 0; i < memory->service_count; i++)
        render_service(&writer, &memory->services[i]);
    json_array_end(&writer);
    json_key(&writer, "oneOffs");
    json_array(&writer);
    for (size_t i = 0; i < memory->one_off_count; i++)
        render_one_off(&writer, &memory->one_offs[i]);
    json_array_end(&writer);
    json_key(&writer, "pulledImages");
    json_array(&writer);
    for (size_t i = 0; i < memory->pulled_image_count; i++)
        json_put_string(&writer, memory->pulled_images[i]);
    json_array_end(&writer);
    json_object_end(&writer);
}

/* ------------------------------------------------------------------ parse */

/* Reads members of one object; the first that is wrong is kept in err, the rest is skipped, so
 * that a caller reads everything and checks once. */
struct reader {
    struct arena *arena;
    const cJSON *object;
    const char *what; /* "services[3]" */
    int rc;
    struct err *err;
};

static void reader_fail(struct reader *reader, const char *key, const char *why)
{
    if (reader->rc == 0)
        reader->rc = err_say(reader->err, -EBADMSG, "its %s%s%s %s", reader->what,
                             *reader->what ? "." : "", key, why);
}

static char *read_string(struct reader *reader, const char *key, size_t max)
{
    const cJSON *item = json_get(reader->object, key);
    if (!cJSON_IsString(item)) {
        reader_fail(reader, key, "is no string");
        return arena_strdup(reader->arena, "");
    }
    if (strlen(item->valuestring) > max)
        reader_fail(reader, key, "is too long");
    return arena_strdup(reader->arena, item->valuestring);
}

static int64_t read_int(struct reader *reader, const char *key, int64_t min)
{
    const cJSON *item = json_get(reader->object, key);
    int64_t value = min;
    if (!cJSON_IsNumber(item) || json_exact(item, &value) < 0 || value < min)
        reader_fail(reader, key, "is no number that can be");
    return value;
}

static bool read_bool(struct reader *reader, const char *key)
{
    const cJSON *item = json_get(reader->object, key);
    if (!cJSON_IsBool(item))
        reader_fail(reader, key, "is neither true nor false");
    return cJSON_IsTrue(item);
}

static int read_name(struct reader *reader, const char *key, const char *const *names, size_t count)
{
    const char *text = json_string(reader->object, key, "");
    for (size_t i = 0; i < count; i++) {
        if (str_equal(text, names[i]))
            return (int)i;
    }
    reader_fail(reader, key, "is not known");
    return 0;
}

static const char *read_digest(struct reader *reader, const char *key)
{
    char *text = read_string(reader, key, DIGEST_HEX_LEN);
    struct digest digest;
    if (*text && digest_parse(text, &digest) < 0)
        reader_fail(reader, key, "is no digest");
    return text;
}

static uint64_t read_epoch(struct reader *reader, const char *key)
{
    const char *text = json_string(reader->object, key, "");
    if (strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
        reader_fail(reader, key, "is not 16 hexadecimal digits");
    return strtoull(text, NULL, 16);
}

static void parse_service(struct reader *reader, struct memory_service *ret)
{
    *ret = (struct memory_service){
        .name = read_string(reader, "name", NAME_MAX_LEN),
        .generation = read_int(reader, "generation", 0),
        .digest_hex = read_digest(reader, "digest"),
        .definition_name = read_string(reader, "definition", 2 * NAME_MAX_LEN),
        .state = (enum deployment_state)read_name(reader, "state", deployment_names,
                                                  COUNT_OF(deployment_names)),
        .reason = read_string(reader, "reason", SIZE_MAX),
        .failed_tasks = read_int(reader, "failedTasks", 0),
        .document_revision = read_int(reader, "documentRevision", -1),
        .completed_once = read_bool(reader, "completedOnce"),
        .created_wall = read_int(reader, "createdAt", -JSON_INTEGER_MAX),
        .updated_wall = read_int(reader, "updatedAt", -JSON_INTEGER_MAX),
    };
}

static void parse_one_off(struct reader *reader, struct one_off_record *ret)
{
    *ret = (struct one_off_record){
        .id = read_string(reader, "id", NAME_MAX_LEN),
        .definition_name = read_string(reader, "definition", 2 * NAME_MAX_LEN),
        .state =
            (enum one_off_state)read_name(reader, "state", one_off_names, COUNT_OF(one_off_names)),
        .exit_known = read_bool(reader, "exitKnown"),
        .exit_code = read_int(reader, "exitCode", -JSON_INTEGER_MAX),
        .started_wall = read_int(reader, "startedAt", -JSON_INTEGER_MAX),
        .stopped_wall = read_int(reader, "stoppedAt", -JSON_INTEGER_MAX),
    };
    (void)snprintf(ret->task_id, sizeof ret->task_id, "%s",
                   read_string(reader, "taskId", TASK_ID_LEN));
    (void)snprintf(ret->reason, sizeof ret->reason, "%s",
                   read_string(reader, "reason", REASON_MAX - 1));
}

/* An array member, its length checked before anything of it is used. */
static const cJSON *read_array(struct reader *reader, const char *key, size_t max, size_t *ret_len)
{
    const cJSON *array = json_get(reader->object, key);
    int len = cJSON_IsArray(array) ? cJSON_GetArraySize(array) : -1;
    *ret_len = 0;
    if (len < 0 || (size_t)len > max) {
        reader_fail(reader, key, len < 0 ? "is no array" : "has too many elements");
        return NULL;
    }
    *ret_len = (size_t)len;
    return array;
}

static void parse_services(struct reader *reader, struct memory *memory)
{
    const cJSON *array = read_array(reader, "services", SERVICES_KEPT, &memory->service_count);
    memory->services = arena_array(reader->arena, memory->service_count, sizeof *memory->services);
    size_t i = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, array) {
        struct reader inner = { reader->arena, item, "services", 0, reader->err };
        inner.rc = reader->rc;
        parse_service(&inner, &memory->services[i++]);
        reader->rc = inner.rc;
    }
}

static void parse_one_offs(struct reader *reader, struct memory *memory)
{
    const cJSON *array = read_array(reader, "oneOffs", ONE_OFFS_KEPT, &memory->one_off_count);
    memory->one_offs = arena_array(reader->arena, memory->one_off_count, sizeof *memory->one_offs);
    size_t i = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, array) {
        struct reader inner = { reader->arena, item, "oneOffs", 0, reader->err };
        inner.rc = reader->rc;
        parse_one_off(&inner, &memory->one_offs[i++]);
        reader->rc = inner.rc;
    }
}

static void parse_images(struct reader *reader, struct memory *memory)
{
    const cJSON *array =
        read_array(reader, "pulledImages", IMAGES_KEPT, &memory->pulled_image_count);
    memory->pulled_images =
        arena_array(reader->arena, memory->pulled_image_count, sizeof *memory->pulled_images);
    size_t i = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, array) {
        if (!cJSON_IsString(item))
            reader_fail(reader, "pulledImages", "holds something that is no string");
        const char *text = cJSON_IsString(item) ? item->valuestring : "";
        memory->pulled_images[i++] = arena_strdup(reader->arena, text);
    }
}

struct memory *memory_parse(const char *text, size_t len, struct err *err)
{
    AUTO_JSON cJSON *root = NULL;
    if (json_parse(text, len, &root, err) < 0)
        return NULL;
    if (!cJSON_IsObject(root)) {
        (void)err_say(err, -EBADMSG, "it is no JSON object");
        return NULL;
    }
    struct memory *memory = memory_alloc(sizeof *memory);
    struct reader reader = { &memory->arena, root, "", 0, err };
    memory->epoch = read_epoch(&reader, "epoch");
    memory->revision = read_int(&reader, "revision", -1);
    if (json_get(root, "generationFloor")) /* younger than the others */
        memory->generation_floor = read_int(&reader, "generationFloor", 0);
    parse_services(&reader, memory);
    parse_one_offs(&reader, memory);
    parse_images(&reader, memory);
    if (reader.rc == 0)
        return memory;
    memory_free(memory);
    return NULL;
}
