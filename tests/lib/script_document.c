/* The words of script_document(), as JSON. */
#include <stdlib.h>
#include <string.h>

#include "berth/assert.h"
#include "berth/memory.h"
#include "tests/lib/script.h"
#include "tests/lib/test.h"

#define TEXT_MAX (4 * 1024 * 1024)

/* Where a word's value goes: a member of the service, of its deploymentConfiguration, or of the
 * container; %s is the value. */
enum place { SERVICE, DEPLOYMENT, CONTAINER };

static const struct word {
    const char *name;
    enum place place;
    const char *json;
} words[] = {
    { "count", SERVICE, ",\"desiredCount\":%s" },
    { "daemon", SERVICE, ",\"schedulingStrategy\":\"DAEMON\"%s" },
    { "grace", SERVICE, ",\"healthCheckGracePeriodSeconds\":%s" },
    { "publish", SERVICE,
      ",\"publish\":[{\"hostPort\":%s,\"containerName\":\"app\",\"containerPort\":80,"
      "\"healthCheck\":{\"protocol\":\"HTTP\",\"intervalSeconds\":10,\"timeoutSeconds\":5}}]" },
    { "min", DEPLOYMENT, "\"minimumHealthyPercent\":%s" },
    { "max", DEPLOYMENT, "\"maximumPercent\":%s" },
    { "check", CONTAINER,
      ",\"healthCheck\":{\"command\":[\"CMD-SHELL\",\"true\"],\"interval\":10}%s" },
    { "port", CONTAINER, ",\"portMappings\":[{\"containerPort\":80,\"hostPort\":%s}]" },
    { "optional", CONTAINER, ",\"essential\":false%s" },
    { "start", CONTAINER, ",\"startTimeout\":%s" },
    { "stop", CONTAINER, ",\"stopTimeout\":%s" },
};

struct writer {
    struct str definitions, services, tasks;
    /* of the service or task being read */
    char family[100], revision[20];
    struct str service, deployment, containers, container;
    char image[200];
};

static void comma(struct str *list)
{
    if (list->len > 0)
        str_add(list, ",");
}

static void end_container(struct writer *writer)
{
    if (writer->container.len == 0)
        return;
    comma(&writer->containers);
    str_addf(&writer->containers, "{%s,\"memory\":16,\"image\":\"%s\"}",
             str_text(&writer->container), writer->image);
    str_clear(&writer->container);
}

static void begin_container(struct writer *writer, const char *name)
{
    end_container(writer);
    str_addf(&writer->container, "\"name\":\"%s\"", name);
    if (str_equal(name, "app"))
        (void)snprintf(writer->image, sizeof writer->image, "%s:%s", writer->family,
                       writer->revision);
    else
        (void)snprintf(writer->image, sizeof writer->image, "%.100s:1", name);
}

/* "db:HEALTHY,cache:START" */
static void add_needs(struct str *out, const char *value)
{
    str_add(out, ",\"dependsOn\":[");
    while (*value) {
        size_t len = strcspn(value, ","), name = strcspn(value, ":");
        ASSERT(name < len);
        str_addf(out, "{\"containerName\":\"%.*s\",\"condition\":\"%.*s\"}", (int)name, value,
                 (int)(len - name - 1), value + name + 1);
        value += len;
        if (*value)
            value++, str_add(out, ",");
    }
    str_add(out, "]");
}

static void add_container_word(struct writer *writer, const char *name, const char *value)
{
    if (str_equal(name, "image"))
        (void)snprintf(writer->image, sizeof writer->image, "%s", value);
    else if (str_equal(name, "needs"))
        add_needs(&writer->container, value);
    else if (str_equal(name, "restart"))
        str_addf(&writer->container,
                 ",\"restartPolicy\":{\"enabled\":true,\"restartAttemptPeriod\":%s,"
                 "\"ignoredExitCodes\":[77]}",
                 value);
    else
        fail_msg("script: what is \"%s\"?", name);
}

static void add_word(struct writer *writer, const char *text)
{
    char name[100], value[500] = "";
    size_t len = strcspn(text, "=");
    (void)snprintf(name, sizeof name, "%.*s", (int)len, text);
    if (text[len])
        (void)snprintf(value, sizeof value, "%s", text + len + 1);
    const struct word *word = NULL;
    for (size_t i = 0; i < COUNT_OF(words) && !word; i++)
        word = str_equal(words[i].name, name) ? &words[i] : NULL;
    if ((!word || word->place == CONTAINER) && writer->container.len == 0)
        begin_container(writer, "app");
    if (!word) {
        add_container_word(writer, name, value);
        return;
    }
    struct str *out = word->place == SERVICE     ? &writer->service
                      : word->place == CONTAINER ? &writer->container
                                                 : &writer->deployment;
    if (word->place == DEPLOYMENT)
        comma(out);
    const char *at = strstr(word->json, "%s");
    str_add_len(out, word->json, (size_t)(at - word->json));
    str_add(out, value);
    str_add(out, at + 2);
}

/* ------------------------------------------------------------------ services and tasks */

static const char *next_word(const char *text, char ret[500])
{
    text += strspn(text, " \n");
    size_t len = strcspn(text, " \n;");
    ASSERT(len < 500);
    memcpy(ret, text, len);
    ret[len] = '\0';
    return text + len;
}

static const char *read_family(struct writer *writer, const char *text)
{
    char word[500];
    text = next_word(text, word);
    size_t colon = strcspn(word, ":");
    ASSERT(word[colon] == ':');
    (void)snprintf(writer->family, sizeof writer->family, "%.*s", (int)colon, word);
    (void)snprintf(writer->revision, sizeof writer->revision, "%.19s", word + colon + 1);
    return text;
}

static const char *read_one(struct writer *writer, const char *text)
{
    char word[500], once[500] = "";
    const char *after = next_word(text, word);
    if (str_equal(word, "once"))
        text = next_word(after, once);
    text = read_family(writer, text);
    for (text = next_word(text, word); *word; text = next_word(text, word)) {
        if (!str_equal(word, "+")) {
            add_word(writer, word);
            continue;
        }
        text = next_word(text, word);
        begin_container(writer, word);
    }
    if (writer->container.len == 0 && writer->containers.len == 0)
        begin_container(writer, "app");
    end_container(writer);
    comma(&writer->definitions);
    str_addf(&writer->definitions,
             "{\"family\":\"%s\",\"revision\":%s,\"containerDefinitions\":[%s]}", writer->family,
             writer->revision, str_text(&writer->containers));
    struct str *list = *once ? &writer->tasks : &writer->services;
    comma(list);
    str_addf(list, "{\"%s\":\"%s\",\"taskDefinition\":\"%s:%s\"", *once ? "id" : "serviceName",
             *once ? once : writer->family, writer->family, writer->revision);
    str_add(list, str_text(&writer->service));
    if (!*once && !strstr(str_text(&writer->service), "desiredCount") &&
        !strstr(str_text(&writer->service), "DAEMON"))
        str_add(list, ",\"desiredCount\":1");
    if (writer->deployment.len > 0)
        str_addf(list, ",\"deploymentConfiguration\":{%s}", str_text(&writer->deployment));
    str_add(list, "}");
    str_clear(&writer->service);
    str_clear(&writer->deployment);
    str_clear(&writer->containers);
    return text;
}

char *script_document(const char *text, int64_t revision)
{
    struct writer writer = { 0 };
    struct str *all[] = { &writer.definitions, &writer.services,   &writer.tasks,
                          &writer.service,     &writer.deployment, &writer.containers,
                          &writer.container };
    for (size_t i = 0; i < COUNT_OF(all); i++)
        str_init(all[i], TEXT_MAX);
    for (text += strspn(text, " ;\n"); *text; text += strspn(text, " ;\n"))
        text = read_one(&writer, text);
    char *document = memory_printf(
        "{\"revision\":%lld,\"taskDefinitions\":[%s],\"services\":[%s],\"tasks\":[%s]}",
        (long long)revision, str_text(&writer.definitions), str_text(&writer.services),
        str_text(&writer.tasks));
    for (size_t i = 0; i < COUNT_OF(all); i++)
        str_release(all[i]);
    return document;
}

struct desired *script_desired(const char *text, int64_t revision)
{
    AUTO_FREE char *document = script_document(text, revision);
    struct findings findings = { 0 };
    struct desired *desired = desired_parse(document, strlen(document), &findings);
    char first[ERR_TEXT_MAX];
    if (!desired)
        fail_msg("%s\n%s", findings_first_error(&findings, first, sizeof first), document);
    findings_release(&findings);
    return desired;
}
