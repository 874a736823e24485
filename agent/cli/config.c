/* berth config, and where the control socket is: the daemon's options as seen from outside it. */
#include "berth/config.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cli/cli.h"
#include "berth/assert.h"
#include "berth/memory.h"
#include "berth/str.h"

#define CONFIG_FILE "/etc/berth/berth.conf"
#define CONFIG_BYTES_MAX (256 * 1024)

static const char *environment(const char *name)
{
    return getenv(name);
}

/* ------------------------------------------------------------------ files */

static int read_file(struct config_set *set, const char *path, bool required, struct err *err)
{
    AUTO_FREE char *text = NULL;
    size_t len;
    int rc = read_whole(path, CONFIG_BYTES_MAX, &text, &len, err);
    if (rc == -ENOENT && !required)
        return 0;
    return rc < 0 ? rc : config_read_text(set, text, path, err);
}

static int is_conf(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return entry->d_name[0] != '.' && len > 5 && str_equal(entry->d_name + len - 5, ".conf");
}

/* conf.d beside the file, in the order of names. */
static int read_drop_ins(struct config_set *set, const char *file, struct err *err)
{
    const char *slash = strrchr(file, '/');
    int directory = slash ? (int)(slash - file) : 1;
    AUTO_FREE char *path = memory_printf("%.*s/conf.d", directory, slash ? file : ".");
    AUTO_FREE struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_conf, alphasort), rc = 0;
    for (int i = 0; i < count; i++) {
        AUTO_FREE char *drop_in = memory_printf("%s/%s", path, entries[i]->d_name);
        free(entries[i]);
        if (rc == 0)
            rc = read_file(set, drop_in, false, err);
    }
    return rc;
}

static int read_local(const char *file, struct config_set *set, struct err *err)
{
    int rc = read_file(set, file ? file : CONFIG_FILE, file != NULL, err);
    if (rc < 0)
        return rc;
    rc = read_drop_ins(set, file ? file : CONFIG_FILE, err);
    if (rc < 0)
        return rc;
    return config_read_environment(set, environment, err);
}

/* ------------------------------------------------------------------ the socket */

/* A configuration that the daemon would refuse is no reason not to ask it: its files are read for
 * the socket as far as they can be, and the environment goes before them. */
int cli_find_socket(struct cli *cli)
{
    int rc = 0;
    struct config_set set;
    const char *flag = cli->args.socket, *variable = getenv("BERTH_SOCKET");
    config_init(&set);
    (void)read_local(cli->args.config, &set, NULL);
    const char *path = set.values.socket;
    if (variable && *variable)
        path = variable;
    if (flag)
        path = flag;
    if (strlen(path) >= sizeof cli->socket) {
        cli_error(cli, "Usage", "the path of the socket is longer than %zu bytes: %s",
                  sizeof cli->socket - 1, path);
        rc = EXIT_USAGE;
    }
    (void)snprintf(cli->socket, sizeof cli->socket, "%s", path);
    config_release(&set);
    return rc;
}

/* ------------------------------------------------------------------ the command */

static void print_config(const struct cli *cli, const cJSON *config)
{
    static const struct column columns[] = { { .title = "KEY" },
                                             { .title = "VALUE", .cut = true },
                                             { .title = "ORIGIN" } };
    const cJSON *it;
    struct table *table = table_open(cli, columns, COUNT_OF(columns));
    cJSON_ArrayForEach(it, config) {
        const cJSON *value = json_get(it, "value");
        AUTO_FREE char *text = cJSON_IsString(value) ? memory_strdup(value->valuestring)
                               : value               ? cJSON_PrintUnformatted(value)
                                                     : NULL;
        table_row(table);
        table_text(table, it->string);
        table_text(table, text);
        table_text(table, json_string(it, "origin", ""));
    }
    table_print(table);
}

static int show(const struct cli *cli, const struct reply *reply)
{
    if (cli->json)
        return print_reply(reply);
    print_config(cli, reply->json);
    return EXIT_OK;
}

static int show_local(struct cli *cli)
{
    AUTO_REPLY struct reply reply = { 0 };
    struct config_set set;
    struct err err = ERR_NONE;
    struct str out;
    struct json_writer writer;
    config_init(&set);
    if (read_local(cli->args.config, &set, &err) < 0) {
        cli_error(cli, "InvalidConfiguration", "%s", err.text);
        config_release(&set);
        return EXIT_FAILED;
    }
    str_init(&out, 1024 * 1024);
    json_begin(&writer, &out);
    config_render(&set, &writer);
    config_release(&set);
    reply.len = out.len;
    reply.body = str_take(&out);
    int rc = json_parse(reply.body, reply.len, &reply.json, &err);
    ASSERT(rc == 0); /* our own writer's */
    cli_note(cli, "the daemon is not reachable: this is what files and environment say");
    return show(cli, &reply);
}

int command_config(struct cli *cli)
{
    AUTO_REPLY struct reply reply = { 0 };
    long status = 0;
    const struct request request = { .path = "/v1/config", .timeout_ms = SECONDS(5) };
    if (cli->args.config)
        return show_local(cli);
    int rc = client_try(cli, &request, &reply, &status);
    if (rc == 0)
        return show(cli, &reply);
    if (status != 0)
        return client_call(cli, &request, &reply); /* it is there and says no: pass it on */
    return show_local(cli);
}
