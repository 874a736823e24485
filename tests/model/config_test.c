#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "berth/assert.h"
#include "berth/config.h"
#include "berth/json.h"
#include "berth/memory.h"
#include "tests/lib/test.h"

static void reads(struct config_set *set, const char *text)
{
    struct err err = ERR_NONE;
    int rc = config_read_text(set, text, "berth.conf", &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
}

static void refuses(const char *text, const char *message)
{
    struct config_set set;
    config_init(&set);
    struct err err = ERR_NONE;
    assert_int_equal(config_read_text(&set, text, "/etc/berth/berth.conf", &err), -EINVAL);
    assert_string_equal(err.text, message);
    config_release(&set);
}

static const char *origin_of(const struct config_set *set, const char *key)
{
    size_t count = 0;
    const struct config_row *rows = config_rows(&count);
    for (size_t i = 0; i < count; i++)
        if (str_equal(rows[i].key, key))
            return set->origins[i].text;
    fail_msg("no row %s", key);
    return NULL;
}

TEST(config, has_the_defaults_that_are_documented)
{
    struct config_set set;
    config_init(&set);
    const struct config *values = &set.values;
    assert_string_equal(values->desired_url, "file:///etc/berth/desired.json");
    assert_string_equal(values->report_url, "");
    assert_string_equal(values->runtime, "");
    assert_string_equal(values->socket, "/run/berth/berth.sock");
    assert_string_equal(values->state_dir, "/var/lib/berth");
    assert_string_equal(values->cluster, "default");
    assert_string_equal(values->cgroup_parent, "berth");
    assert_string_equal(values->cgroup_root, "/sys/fs/cgroup");
    assert_string_equal(values->log_level, "info");
    assert_string_equal(values->log_format, "text");
    assert_int_equal(values->pull_behavior, PULL_PREFER_CACHED);
    assert_int_equal(values->poll_interval_ms, 15000);
    assert_int_equal(values->stop_timeout_ms, 30000);
    assert_int_equal(values->start_timeout_ms, 180000);
    assert_int_equal(values->settle_ms, 40000);
    assert_int_equal(values->progress_deadline_ms, 600000);
    assert_int_equal(values->backoff_base_ms, 10000);
    assert_int_equal(values->backoff_max_ms, 300000);
    assert_int_equal(values->backoff_reset_ms, 600000);
    assert_int_equal(values->quick_death_ms, 10000);
    assert_int_equal(values->resync_ms, 300000);
    assert_int_equal(values->keep_stopped_ms, 3600000);
    assert_int_equal(values->pull_inactivity_ms, 60000);
    assert_int_equal(values->max_pulls, 3);
    assert_int_equal(values->max_starts, 8);
    assert_int_equal(values->max_stops, 16);
    assert_string_equal(values->group, "berth");
    assert_string_equal(values->ca_file, "");
    assert_string_equal(origin_of(&set, "BERTH_GROUP"), "default");
    struct err err = ERR_NONE;
    assert_int_equal(config_finish(&set, &err), 0);
    config_release(&set);
}

TEST(config, every_row_is_complete_and_unlike_the_others)
{
    size_t count = 0;
    const struct config_row *rows = config_rows(&count);
    for (size_t i = 0; i < count; i++) {
        assert_true(str_starts(rows[i].flag, "--"));
        assert_true(str_starts(rows[i].key, "BERTH_"));
        assert_non_null(rows[i].argument);
        assert_non_null(rows[i].fallback);
        assert_true(strlen(rows[i].help) > 5);
        assert_true(rows[i].kind != CONFIG_TEXT || (rows[i].size > 0 && rows[i].allowed));
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(rows[i].flag, rows[j].flag);
            assert_string_not_equal(rows[i].key, rows[j].key);
            assert_true(rows[i].offset != rows[j].offset);
        }
    }
}

TEST(config, reads_files_with_comments_spaces_and_quotes)
{
    struct config_set set;
    config_init(&set);
    reads(&set, "# a comment\n"
                "\n"
                "  BERTH_CLUSTER = prod \r\n"
                "\t# another\n"
                "BERTH_DESIRED_URL=\"https://config.example/{cluster}?a=b#c\"\n"
                "BERTH_GROUP='ops'\n"
                "BERTH_SOCKET=/run/with \"quotes\".sock\n"
                "BERTH_MAX_PULLS=5\n"
                "BERTH_SETTLE_TIME=1500ms\n"
                "BERTH_IMAGE_PULL_BEHAVIOR=once\n"
                "BERTH_POLL_INTERVAL=20");
    assert_string_equal(set.values.cluster, "prod");
    assert_string_equal(set.values.desired_url, "https://config.example/{cluster}?a=b#c");
    assert_string_equal(set.values.group, "ops");
    assert_string_equal(set.values.socket, "/run/with \"quotes\".sock");
    assert_int_equal(set.values.max_pulls, 5);
    assert_int_equal(set.values.settle_ms, 1500);
    assert_int_equal(set.values.pull_behavior, PULL_ONCE);
    assert_int_equal(set.values.poll_interval_ms, 20000);
    assert_string_equal(origin_of(&set, "BERTH_CLUSTER"), "berth.conf:3");
    assert_string_equal(origin_of(&set, "BERTH_POLL_INTERVAL"), "berth.conf:11");
    config_release(&set);
}

TEST(config, messages_name_origin_key_value_and_what_is_allowed)
{
    refuses("\nBERTH_MAX_PULLS=0", "/etc/berth/berth.conf:2: BERTH_MAX_PULLS: \"0\" is not "
                                   "allowed; allowed: 1 to 64");
    refuses("BERTH_POLL_INTERVAL=1d",
            "/etc/berth/berth.conf:1: BERTH_POLL_INTERVAL: \"1d\" is not allowed; allowed: 1s to "
            "24h, written like 500ms, 30s, 5m or 1h");
    refuses("BERTH_IMAGE_PULL_BEHAVIOR=never",
            "/etc/berth/berth.conf:1: BERTH_IMAGE_PULL_BEHAVIOR: \"never\" is not allowed; "
            "allowed: default, always, once or prefer-cached");
    refuses("BERTH_CLUSTER=a b",
            "/etc/berth/berth.conf:1: BERTH_CLUSTER: \"a b\" is not allowed; allowed: up to 255 "
            "letters, digits, '-' and '_', in at most 255 bytes");
    refuses("BERTH_CLUSTR=prod", "/etc/berth/berth.conf:1: there is no option BERTH_CLUSTR");
    refuses("cluster=prod",
            "/etc/berth/berth.conf:1: there is no option cluster (all begin with BERTH_)");
    refuses("BERTH_CLUSTER", "/etc/berth/berth.conf:1: \"BERTH_CLUSTER\" is not KEY=VALUE");
}

TEST(config, refuses_values_that_could_do_harm)
{
    static const char *const bad[] = {
        "BERTH_CLUSTER=",
        "BERTH_CLUSTER=../x",
        "BERTH_HOST_ID=a/b",
        "BERTH_DESIRED_URL=",
        "BERTH_DESIRED_URL=/etc/berth/desired.json",
        "BERTH_DESIRED_URL=file://relative",
        "BERTH_DESIRED_URL=http://",
        "BERTH_DESIRED_URL=http://a b",
        "BERTH_DESIRED_URL=ftp://x",
        "BERTH_REPORT_URL=file:///x",
        "BERTH_RUNTIME=tcp://127.0.0.1:2375",
        "BERTH_RUNTIME=unix://relative",
        "BERTH_RUNTIME=unix:///",
        "BERTH_SOCKET=relative",
        "BERTH_STATE_DIR=/",
        "BERTH_CGROUP_PARENT=../x",
        "BERTH_CGROUP_PARENT=-x",
        "BERTH_LOG_LEVEL=loud",
        "BERTH_LOG_FORMAT=JSON",
        "BERTH_CA_FILE=ca.pem",
        "BERTH_MAX_STARTS=3.5",
        "BERTH_MAX_STOPS=99999999999999999999",
        "BERTH_STOP_TIMEOUT=-1s",
        "BERTH_STOP_TIMEOUT=25h",
        "BERTH_GROUP=\xFF",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct config_set set;
        config_init(&set);
        assert_int_equal(config_read_text(&set, bad[i], "f", NULL), -EINVAL);
        config_release(&set);
    }
}

TEST(config, a_socket_path_fits_into_its_address)
{
    char text[200];
    struct config_set set;
    config_init(&set);
    (void)snprintf(text, sizeof text, "BERTH_SOCKET=/%0106d", 0);
    reads(&set, text);
    assert_int_equal(strlen(set.values.socket), 107);
    (void)snprintf(text, sizeof text, "BERTH_SOCKET=/%0107d", 0);
    assert_int_equal(config_read_text(&set, text, "f", NULL), -EINVAL);
    (void)snprintf(text, sizeof text, "BERTH_RUNTIME=unix:///%0106d", 0);
    reads(&set, text);
    (void)snprintf(text, sizeof text, "BERTH_RUNTIME=unix:///%0107d", 0);
    assert_int_equal(config_read_text(&set, text, "f", NULL), -EINVAL);
    config_release(&set);
}

TEST(config, a_bad_value_leaves_the_old_one)
{
    struct config_set set;
    config_init(&set);
    reads(&set, "BERTH_MAX_PULLS=7");
    struct err err = ERR_NONE;
    assert_int_equal(config_read_flag(&set, "--max-pulls", "x", &err), -EINVAL);
    assert_string_equal(err.text, "flag: BERTH_MAX_PULLS: \"x\" is not allowed; allowed: 1 to 64");
    assert_int_equal(set.values.max_pulls, 7);
    assert_string_equal(origin_of(&set, "BERTH_MAX_PULLS"), "berth.conf:1");
    config_release(&set);
}

static const char *lookup_few(const char *name)
{
    if (str_equal(name, "BERTH_CLUSTER"))
        return "from-environment";
    if (str_equal(name, "BERTH_GROUP"))
        return "";
    if (str_equal(name, "DOCKER_HOST"))
        return "unix:///run/elsewhere.sock";
    return NULL;
}

static const char *lookup_tcp(const char *name)
{
    return str_equal(name, "DOCKER_HOST") ? "tcp://user:secret@host:2375" : NULL;
}

TEST(config, flags_win_over_environment_over_files)
{
    struct config_set set;
    config_init(&set);
    reads(&set, "BERTH_CLUSTER=from-file\nBERTH_GROUP=ops\nBERTH_MAX_STOPS=4");
    struct err err = ERR_NONE;
    assert_int_equal(config_read_environment(&set, lookup_few, &err), 0);
    assert_string_equal(set.values.cluster, "from-environment");
    assert_string_equal(origin_of(&set, "BERTH_CLUSTER"), "environment");
    assert_string_equal(set.values.group, "ops"); /* empty counts as absent */
    assert_int_equal(config_read_flag(&set, "--cluster", "from-flag", &err), 0);
    assert_string_equal(set.values.cluster, "from-flag");
    assert_string_equal(origin_of(&set, "BERTH_CLUSTER"), "flag");
    assert_int_equal(set.values.max_stops, 4);
    config_release(&set);
}

TEST(config, docker_host_stands_in_for_a_runtime_that_nobody_named)
{
    struct config_set set;
    config_init(&set);
    struct err err = ERR_NONE;
    assert_int_equal(config_read_environment(&set, lookup_few, &err), 0);
    assert_string_equal(set.values.runtime, "unix:///run/elsewhere.sock");
    assert_string_equal(origin_of(&set, "BERTH_RUNTIME"), "environment (DOCKER_HOST)");
    config_release(&set);

    config_init(&set);
    reads(&set, "BERTH_RUNTIME=unix:///run/mine.sock");
    assert_int_equal(config_read_environment(&set, lookup_few, &err), 0);
    assert_string_equal(set.values.runtime, "unix:///run/mine.sock");
    config_release(&set);
}

TEST(config, a_message_shows_no_password)
{
    struct config_set set;
    config_init(&set);
    struct err err = ERR_NONE;
    assert_int_equal(config_read_environment(&set, lookup_tcp, &err), -EINVAL);
    assert_null(strstr(err.text, "secret"));
    assert_non_null(strstr(err.text, "tcp://***@host:2375"));
    assert_int_equal(config_read_flag(&set, "--report", "user:secret@host", &err), -EINVAL);
    assert_null(strstr(err.text, "secret"));
    config_release(&set);
}

TEST(config, an_unknown_flag_is_told_apart_from_a_bad_value)
{
    struct config_set set;
    config_init(&set);
    struct err err = ERR_NONE;
    assert_int_equal(config_read_flag(&set, "--check-config", NULL, &err), -ENOENT);
    assert_int_equal(config_read_flag(&set, "--cluster", NULL, &err), -EINVAL);
    assert_string_equal(err.text, "--cluster needs a value: NAME");
    assert_int_equal(config_read_flag(&set, "cluster", "x", &err), -ENOENT);
    config_release(&set);
}

TEST(config, expands_placeholders_once_the_host_is_known)
{
    struct config_set set;
    config_init(&set);
    reads(&set, "BERTH_CLUSTER=prod\n"
                "BERTH_DESIRED_URL=https://c.example/{cluster}/{host}/{cluster}.json\n"
                "BERTH_REPORT_URL=https://r.example/{host}");
    struct err err = ERR_NONE;
    assert_int_equal(config_finish(&set, &err), 0);
    assert_string_equal(set.values.desired_url, "https://c.example/prod/{host}/prod.json");
    assert_int_equal(config_read_flag(&set, "--host-id", "i-0abc", &err), 0);
    assert_int_equal(config_finish(&set, &err), 0);
    assert_string_equal(set.values.desired_url, "https://c.example/prod/i-0abc/prod.json");
    assert_string_equal(set.values.report_url, "https://r.example/i-0abc");
    config_release(&set);
}

TEST(config, refuses_unknown_placeholders_and_urls_that_grow_too_long)
{
    struct config_set set;
    config_init(&set);
    reads(&set, "BERTH_REPORT_URL=https://r.example/{region}/x");
    struct err err = ERR_NONE;
    assert_int_equal(config_finish(&set, &err), -EINVAL);
    assert_string_equal(err.text, "berth.conf:1: BERTH_REPORT_URL: \"{region}/x\" is no "
                                  "placeholder; there are {cluster} and {host}");
    config_release(&set);

    AUTO_STR struct str url;
    str_init(&url, 2047);
    str_add(&url, "https://r.example/");
    while (!url.truncated)
        str_add(&url, "{cluster}");
    config_init(&set);
    url.len = 18 + 9 * 200;
    url.data[url.len] = '\0';
    assert_int_equal(config_read_flag(&set, "--report", str_text(&url), &err), 0);
    assert_int_equal(config_read_flag(&set, "--cluster", "a-cluster-of-some-length", &err), 0);
    assert_int_equal(config_finish(&set, &err), -EINVAL);
    assert_string_equal(set.values.report_url, str_text(&url));
    config_release(&set);
}

TEST(config, refuses_a_backoff_that_ends_before_it_begins)
{
    struct config_set set;
    config_init(&set);
    reads(&set, "BERTH_RESTART_BACKOFF=10m");
    struct err err = ERR_NONE;
    assert_int_equal(config_finish(&set, &err), -EINVAL);
    assert_string_equal(err.text, "BERTH_RESTART_BACKOFF_MAX (300000 ms) is less than "
                                  "BERTH_RESTART_BACKOFF (600000 ms)");
    config_release(&set);
}

static void expect_shown(const cJSON *json, const char *key, const char *value, const char *origin)
{
    const cJSON *member = json_get(json, key);
    assert_string_equal(json_string(member, "value", "none"), value);
    assert_string_equal(json_string(member, "origin", "none"), origin);
}

TEST(config, renders_every_value_with_its_origin_and_no_password)
{
    struct config_set set;
    config_init(&set);
    reads(&set, "BERTH_REPORT_URL=https://me:p@ss@r.example/x@y\nBERTH_SETTLE_TIME=90s\n"
                "BERTH_STOP_TIMEOUT=0");
    AUTO_STR struct str out;
    str_init(&out, 100000);
    struct json_writer writer;
    json_begin(&writer, &out);
    config_render(&set, &writer);
    AUTO_JSON cJSON *json = NULL;
    struct err err = ERR_NONE;
    assert_int_equal(json_parse(str_text(&out), out.len, &json, &err), 0);
    expect_shown(json, "BERTH_REPORT_URL", "https://***@r.example/x@y", "berth.conf:1");
    expect_shown(json, "BERTH_SETTLE_TIME", "90s", "berth.conf:2");
    expect_shown(json, "BERTH_STOP_TIMEOUT", "0s", "berth.conf:3");
    expect_shown(json, "BERTH_RESTART_BACKOFF_MAX", "5m", "default");
    expect_shown(json, "BERTH_TASK_CLEANUP_WAIT", "1h", "default");
    expect_shown(json, "BERTH_IMAGE_PULL_BEHAVIOR", "prefer-cached", "default");
    assert_int_equal(json_integer(json_get(json, "BERTH_MAX_PULLS"), "value", 0), 3);
    size_t count = 0;
    (void)config_rows(&count);
    assert_int_equal(cJSON_GetArraySize(json), count);
    config_release(&set);
}

/* What berth config prints can be put into a file again. */
TEST(config, shown_values_are_read_back_as_they_were)
{
    struct config_set set, again;
    config_init(&set);
    config_init(&again);
    reads(&set, "BERTH_SETTLE_TIME=1234ms\nBERTH_RESYNC_INTERVAL=7200\nBERTH_MAX_PULLS=9");
    size_t count = 0;
    const struct config_row *rows = config_rows(&count);
    for (size_t i = 0; i < count; i++) {
        AUTO_STR struct str line;
        str_init(&line, 5000);
        str_addf(&line, "%s=", rows[i].key);
        config_value_text(&set.values, &rows[i], &line);
        reads(&again, str_text(&line));
    }
    assert_memory_equal(&set.values, &again.values, sizeof set.values);
    config_release(&set);
    config_release(&again);
}
