/* observed.c: the runtime's inspect answer -> one struct observed_container.
 *
 * The shape is Docker's; what Podman does differently is said where it matters. */
#include "berth/observed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "berth/assert.h"
#include "berth/json.h"
#include "berth/memory.h"

#define OUTPUT_MAX 1024
#define ID_LETTERS "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.-"

struct observed *observed_new(bool full, const char *asked)
{
    struct observed *observed = memory_alloc(sizeof *observed);
    observed->full = full;
    observed->asked = arena_strdup(&observed->arena, asked);
    return observed;
}

void observed_free(struct observed *observed)
{
    if (!observed)
        return;
    arena_release(&observed->arena);
    free(observed);
}

static struct observed_container *observed_append(struct observed *observed)
{
    if (observed->count >= observed->capacity) {
        size_t capacity = observed->count > 0 ? observed->count * 2 : 1;
        struct observed_container *larger = arena_array(&observed->arena, capacity, sizeof *larger);
        if (observed->count > 0)
            memcpy(larger, observed->containers, observed->count * sizeof *larger);
        observed->containers = larger;
        observed->capacity = capacity;
    }
    return &observed->containers[observed->count++];
}

/* Text of a program that may print anything: one line of valid UTF-8, at most OUTPUT_MAX bytes. */
static const char *read_output(struct arena *arena, const char *text)
{
    AUTO_STR struct str clean;
    str_init(&clean, OUTPUT_MAX);
    while (*text && !clean.truncated) {
        size_t step = utf8_length(text, strnlen(text, 4));
        unsigned char c = (unsigned char)*text;
        bool space = c == ' ' || c == '\n' || c == '\t' || c == '\r';
        if (space && clean.len > 0 && clean.data[clean.len - 1] != ' ')
            str_add_char(&clean, ' ');
        else if (!space && step > 0 && c >= 0x20 && c != 0x7F)
            str_add_len(&clean, text, step);
        text += step > 0 ? step : 1;
    }
    size_t len = clean.len;
    while (len > 0 && clean.data[len - 1] == ' ')
        len--;
    return arena_strndup(arena, str_text(&clean), len);
}

/* ------------------------------------------------------------------ state */

/* Docker's words and Podman's own ("configured", "initialized", "stopped", "stopping"). */
static const struct {
    const char *word;
    enum runtime_state state;
} state_words[] = {
    { "created", RUNTIME_CREATED },     { "configured", RUNTIME_CREATED },
    { "initialized", RUNTIME_CREATED }, { "running", RUNTIME_RUNNING },
    { "paused", RUNTIME_RUNNING },      { "restarting", RUNTIME_RUNNING },
    { "stopping", RUNTIME_RUNNING },    { "exited", RUNTIME_EXITED },
    { "stopped", RUNTIME_EXITED },      { "dead", RUNTIME_DEAD },
    { "removing", RUNTIME_REMOVING },
};

static enum runtime_state read_state(const cJSON *state, bool started)
{
    const char *word = json_string(state, "Status", "");
    for (size_t i = 0; i < COUNT_OF(state_words); i++)
        if (str_equal(word, state_words[i].word))
            return state_words[i].state;

    /* An unknown word: only a clear "not running" may make it removable. */
    if (json_bool(state, "Running", true))
        return RUNTIME_RUNNING;
    return started ? RUNTIME_EXITED : RUNTIME_CREATED;
}

static const struct {
    const char *word;
    enum container_health health;
} health_words[] = {
    { "starting", HEALTH_STARTING },
    { "healthy", HEALTH_HEALTHY },
    { "unhealthy", HEALTH_UNHEALTHY },
};

/* Docker leaves Health out where there is no check; Podman gives it with an empty status. */
static enum container_health read_health(const cJSON *health)
{
    const char *word = json_string(health, "Status", "");
    for (size_t i = 0; i < COUNT_OF(health_words); i++)
        if (str_equal(word, health_words[i].word))
            return health_words[i].health;
    return HEALTH_NONE;
}

static const char *last_health_output(const cJSON *health)
{
    const cJSON *last = NULL, *entry = NULL;
    const cJSON *log = json_get(health, "Log");
    cJSON_ArrayForEach(entry, log) {
        last = entry;
    }
    return json_string(last, "Output", "");
}

static void read_life(struct arena *arena, const cJSON *state, struct observed_container *ret)
{
    const cJSON *health = json_get(state, "Health");
    ret->started_wall_ms = time_parse_wall_ms(json_string(state, "StartedAt", ""));
    ret->finished_wall_ms = time_parse_wall_ms(json_string(state, "FinishedAt", ""));
    ret->started = ret->started_wall_ms > 0; /* never started: year 0001 */
    ret->state = read_state(state, ret->started);
    ret->pid = json_integer(state, "Pid", 0);
    ret->exit_code = json_integer(state, "ExitCode", -1);
    ret->oom_killed = json_bool(state, "OOMKilled", false);
    ret->error = read_output(arena, json_string(state, "Error", ""));
    ret->health = read_health(health);
    ret->health_output = read_output(arena, last_health_output(health));
}

/* ------------------------------------------------------------------ network */

static bool is_ipv4(const char *text)
{
    for (int part = 0; part < 4; part++) {
        char number[4] = "";
        int64_t value = 0;
        size_t len = strspn(text, "0123456789");
        if (len == 0 || len > 3)
            return false;
        memcpy(number, text, len);
        if (parse_int(number, 0, 255, &value) < 0)
            return false;
        text += len;
        if (part < 3 && *text++ != '.')
            return false;
    }
    return *text == '\0';
}

/* The default bridge puts the address at the top; other networks have it in their own entry. */
static const char *read_address(struct arena *arena, const cJSON *settings)
{
    const char *address = json_string(settings, "IPAddress", "");
    if (is_ipv4(address))
        return arena_strdup(arena, address);
    const cJSON *network = NULL;
    cJSON_ArrayForEach(network, json_get(settings, "Networks")) {
        address = json_string(network, "IPAddress", "");
        if (is_ipv4(address))
            return arena_strdup(arena, address);
    }
    return "";
}

/* "80/tcp" */
static bool read_port_key(const char *key, struct observed_port *ret)
{
    const char *slash = key ? strchr(key, '/') : NULL;
    char number[8] = "";
    if (!slash || (size_t)(slash - key) >= sizeof number)
        return false;
    memcpy(number, key, (size_t)(slash - key));
    bool tcp = str_equal(slash, "/tcp"), udp = str_equal(slash, "/udp");
    ret->protocol = udp ? PROTOCOL_UDP : PROTOCOL_TCP;
    return (tcp || udp) && parse_int(number, 1, 65535, &ret->container_port) == 0;
}

/* Docker lists the IPv4 and the IPv6 binding of one port apart. */
static bool port_is_listed(const struct observed_port *ports, size_t count,
                           const struct observed_port *port)
{
    for (size_t i = 0; i < count; i++)
        if (ports[i].host_port == port->host_port)
            return true;
    return false;
}

/* Add the bindings of one port; `ports` has room for all of them. */
static size_t read_bindings(const cJSON *bindings, struct observed_port *ports)
{
    struct observed_port port = { 0 };
    size_t count = 0;
    if (!read_port_key(bindings->string, &port))
        return 0;
    const cJSON *binding = NULL;
    cJSON_ArrayForEach(binding, bindings) {
        const char *number = json_string(binding, "HostPort", "");
        if (parse_int(number, 1, 65535, &port.host_port) == 0 &&
            !port_is_listed(ports, count, &port))
            ports[count++] = port;
    }
    return count;
}

static void read_ports(struct arena *arena, const cJSON *ports, struct observed_container *ret)
{
    size_t room = 0;
    const cJSON *bindings = NULL;
    cJSON_ArrayForEach(bindings, ports) {
        if (cJSON_IsArray(bindings)) /* null: exposed, not published */
            room += (size_t)cJSON_GetArraySize(bindings);
    }
    ret->ports = arena_array(arena, room, sizeof *ret->ports);
    cJSON_ArrayForEach(bindings, ports) {
        if (cJSON_IsArray(bindings))
            ret->port_count += read_bindings(bindings, ret->ports + ret->port_count);
    }
}

/* ------------------------------------------------------------------ labels */

static const struct {
    const char *label;
    size_t offset; /* of a const char * */
} text_labels[] = {
    { LABEL_HOST, offsetof(struct observed_container, host) },
    { LABEL_CLUSTER, offsetof(struct observed_container, cluster) },
    { LABEL_SERVICE, offsetof(struct observed_container, service) },
    { LABEL_ONE_OFF, offsetof(struct observed_container, one_off) },
    { LABEL_TASK, offsetof(struct observed_container, task_id) },
    { LABEL_CONTAINER, offsetof(struct observed_container, container_name) },
    { LABEL_DIGEST, offsetof(struct observed_container, digest_hex) },
    { LABEL_DEPENDS_ON, offsetof(struct observed_container, depends_on) },
};

static const struct {
    const char *label;
    size_t offset; /* of an int64_t */
} number_labels[] = {
    { LABEL_GENERATION, offsetof(struct observed_container, generation) },
    { LABEL_SLOT, offsetof(struct observed_container, slot) },
    { LABEL_ATTEMPT, offsetof(struct observed_container, attempt) },
    { LABEL_STOP_TIMEOUT, offsetof(struct observed_container, stop_timeout_s) },
    { LABEL_CONTAINERS, offsetof(struct observed_container, task_container_count) },
};

static const char *read_definition(struct arena *arena, const cJSON *labels)
{
    const char *family = json_string(labels, LABEL_ECS_FAMILY, "");
    const char *revision = json_string(labels, LABEL_ECS_REVISION, "");
    if (!*family || !*revision)
        return "";
    return arena_printf(arena, "%s:%s", family, revision);
}

static void read_labels(struct arena *arena, const cJSON *labels, struct observed_container *ret)
{
    for (size_t i = 0; i < COUNT_OF(text_labels); i++) {
        const char *text = json_string(labels, text_labels[i].label, "");
        *(const char **)((char *)ret + text_labels[i].offset) = arena_strdup(arena, text);
    }
    for (size_t i = 0; i < COUNT_OF(number_labels); i++) {
        int64_t *number = (int64_t *)((char *)ret + number_labels[i].offset);
        *number = -1;
        (void)parse_int(json_string(labels, number_labels[i].label, ""), 0, JSON_INTEGER_MAX,
                        number);
    }
    ret->definition = read_definition(arena, labels);
    /* ECS's default; a container that wrongly counts as essential stops its task, one that wrongly
     * does not would leave a dead task running. */
    ret->essential = !str_equal(json_string(labels, LABEL_ESSENTIAL, ""), "false");
}

/* ------------------------------------------------------------------ the whole */

/* Ids and names become parts of request paths. */
static bool is_plain_name(const char *text)
{
    return *text && text[strspn(text, ID_LETTERS)] == '\0';
}

static int check_shape(const cJSON *json, struct err *err)
{
    const char *id = json_string(json, "Id", "");
    const char *name = json_string(json, "Name", "");
    if (!is_plain_name(id))
        return err_say(err, -EPROTO, "inspect answer: Id \"%.80s\" is no container id", id);
    if (!is_plain_name(name[0] == '/' ? name + 1 : name))
        return err_say(err, -EPROTO,
                       "inspect answer for %.80s: Name \"%.80s\" is no container name", id, name);
    if (!cJSON_IsObject(json_get(json, "State")))
        return err_say(err, -EPROTO, "inspect answer for %.80s: no State", id);
    return 0;
}

/* Podman leaves out the algorithm. */
static const char *read_image_id(struct arena *arena, const char *image_id)
{
    bool bare = strlen(image_id) == 64 && !strchr(image_id, ':');
    return arena_printf(arena, "%s%s", bare ? "sha256:" : "", image_id);
}

int observed_add(struct observed *observed, const char *json, size_t len, struct err *err)
{
    AUTO_JSON cJSON *answer = NULL;
    int rc = json_parse_answer(json, len, &answer, err);
    if (rc < 0) {
        (void)err_wrap(err, "inspect answer");
        return -EPROTO;
    }
    rc = check_shape(answer, err);
    if (rc < 0)
        return rc;

    struct arena *arena = &observed->arena;
    const cJSON *config = json_get(answer, "Config");
    const cJSON *network = json_get(answer, "NetworkSettings");
    const char *name = json_string(answer, "Name", "");
    struct observed_container *ret = observed_append(observed);
    ret->runtime_id = arena_strdup(arena, json_string(answer, "Id", ""));
    ret->name = arena_strdup(arena, name[0] == '/' ? name + 1 : name);
    ret->image = arena_strdup(arena, json_string(config, "Image", ""));
    ret->image_id = read_image_id(arena, json_string(answer, "Image", ""));
    ret->created_wall_ms = time_parse_wall_ms(json_string(answer, "Created", ""));
    ret->address = read_address(arena, network);
    read_life(arena, json_get(answer, "State"), ret);
    read_ports(arena, json_get(network, "Ports"), ret);
    read_labels(arena, json_get(config, "Labels"), ret);
    return 0;
}

void observed_add_unclear(struct observed *observed, const cJSON *listed)
{
    struct arena *arena = &observed->arena;
    const char *id = json_string(listed, "Id", "");
    const cJSON *first_name = cJSON_GetArrayItem(json_get(listed, "Names"), 0);
    const char *name = cJSON_IsString(first_name) ? first_name->valuestring : "";
    name += name[0] == '/';
    if (!is_plain_name(id) || !is_plain_name(name))
        return;
    struct observed_container *container = observed_append(observed);
    *container = (struct observed_container){
        .unclear = true,
        .runtime_id = arena_strdup(arena, id),
        .name = arena_strdup(arena, name),
        .image = arena_strdup(arena, json_string(listed, "Image", "")),
        .image_id = "",
        .state = RUNTIME_RUNNING,
        .exit_code = -1,
        .error = "",
        .health_output = "",
        .address = "",
    };
    read_labels(arena, json_get(listed, "Labels"), container);
}
