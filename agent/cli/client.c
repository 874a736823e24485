/* One request to the daemon at a time, over its unix socket. */
#include <ctype.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/cli/cli.h"
#include "berth/assert.h"
#include "berth/memory.h"
#include "berth/str.h"

#define CALL_TIMEOUT_MS SECONDS(30)
#define IDLE_TIMEOUT_MS SECONDS(30)
#define READER_CHECK_MS 250

/* What came back, kept beyond done(). */
struct answer {
    struct cli *cli;
    int rc;
    long status;
    char *body, *error;
    size_t len;
    bool done;
};

static void answer_release(struct answer *answer)
{
    free(answer->body);
    free(answer->error);
}

static void on_done(void *ctx, const struct http_answer *answer)
{
    struct answer *ret = ctx;
    ret->rc = answer->rc;
    ret->status = answer->rc == 0 ? answer->status : 0;
    ret->len = answer->len;
    ret->body = memory_strndup(answer->body ? answer->body : "", answer->len);
    ret->error = memory_strdup(answer->error ? answer->error : "no answer");
    ret->done = true;
    uv_stop(&ret->cli->loop);
}

static struct http_request *send_call(struct cli *cli, struct http_call *call, const char *path,
                                      struct answer *ret)
{
    AUTO_FREE char *url = memory_printf("http://berth%s", path);
    *ret = (struct answer){ .cli = cli };
    if (!cli->pool)
        cli->pool = http_pool_open(&cli->loop);
    call->url = url;
    call->unix_socket = cli->socket;
    call->connect_timeout_ms = SECONDS(5);
    call->done = on_done;
    call->ctx = ret;
    return http_send(cli->pool, call);
}

static void await(struct cli *cli, const struct answer *answer)
{
    while (!answer->done)
        uv_run(&cli->loop, UV_RUN_DEFAULT);
}

/* ------------------------------------------------------------------ when it fails */

/* What the kernel says of the socket; 0 when somebody listens there. */
static int socket_trouble(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return connect(fd, (struct sockaddr *)&address, sizeof address) < 0 ? errno : 0;
}

static const char *advice(int trouble)
{
    switch (trouble) {
    case ENOENT:
    case ECONNREFUSED:
        return "; is berthd running?";
    case EACCES:
    case EPERM:
        return "; only root and members of group berth may";
    default:
        return "";
    }
}

static int fail_unreachable(struct cli *cli, const struct answer *answer)
{
    int trouble = socket_trouble(cli->socket);
    if (trouble)
        cli_error(cli, "DaemonNotReachable", "cannot connect to %s: %s%s", cli->socket,
                  strerror(trouble), advice(trouble));
    else
        cli_error(cli, "DaemonNotReachable", "the daemon at %s gives no answer: %s", cli->socket,
                  answer->error);
    return EXIT_UNREACHABLE;
}

/* The daemon's own words where it has some. */
static int fail_status(struct cli *cli, const struct answer *answer)
{
    cJSON *json AUTO_JSON = NULL;
    (void)json_parse(answer->body, answer->len, &json, NULL);
    const char *message = json_string(json, "message", NULL);
    const char *code = json_string(json, "code", "RequestFailed");
    if (message)
        cli_error(cli, code, "%s", message);
    else
        cli_error(cli, code, "the daemon answered with HTTP status %ld", answer->status);
    return answer->status == 504 ? EXIT_TIMED_OUT : EXIT_FAILED;
}

static int fail(struct cli *cli, const struct answer *answer)
{
    if (answer->rc == -ETIMEDOUT) {
        cli_error(cli, "TimedOut", "the daemon at %s took too long to answer", cli->socket);
        return EXIT_TIMED_OUT;
    }
    if (answer->rc < 0)
        return fail_unreachable(cli, answer);
    return fail_status(cli, answer);
}

/* ------------------------------------------------------------------ whole answers */

void reply_release(struct reply *reply)
{
    free(reply->body);
    cJSON_Delete(reply->json);
    *reply = (struct reply){ 0 };
}

static void call_daemon(struct cli *cli, const struct request *request, struct answer *ret)
{
    struct http_call call = {
        .method = request->method,
        .body = request->body,
        .body_len = request->body_len,
        .timeout_ms = request->timeout_ms ? request->timeout_ms : CALL_TIMEOUT_MS,
    };
    (void)send_call(cli, &call, request->path, ret);
    await(cli, ret);
}

static int take_reply(struct cli *cli, struct answer *answer, struct reply *ret)
{
    struct err err = ERR_NONE;
    cJSON *json = NULL;
    if (json_parse(answer->body, answer->len, &json, &err) < 0) {
        cli_error(cli, "BadAnswer", "the daemon's answer is not JSON: %s", err.text);
        return EXIT_FAILED;
    }
    if (!cli->json)
        json_tame(json);
    *ret = (struct reply){ .body = TAKE(answer->body), .len = answer->len, .json = json };
    return 0;
}

int client_call(struct cli *cli, const struct request *request, struct reply *ret)
{
    struct answer answer;
    int rc;
    call_daemon(cli, request, &answer);
    if (answer.rc < 0 || answer.status / 100 != 2)
        rc = fail(cli, &answer);
    else
        rc = take_reply(cli, &answer, ret);
    answer_release(&answer);
    return rc;
}

int client_get(struct cli *cli, const char *path, struct reply *ret)
{
    return client_call(cli, &(struct request){ .path = path }, ret);
}

int client_try(struct cli *cli, const struct request *request, struct reply *ret, long *ret_status)
{
    struct answer answer;
    int rc = EXIT_FAILED;
    call_daemon(cli, request, &answer);
    *ret_status = answer.status;
    if (answer.rc < 0)
        rc = answer.rc == -ETIMEDOUT ? EXIT_TIMED_OUT : EXIT_UNREACHABLE;
    else if (answer.status / 100 == 2)
        rc = take_reply(cli, &answer, ret);
    answer_release(&answer);
    return rc;
}

/* ------------------------------------------------------------------ streams */

struct stream {
    struct answer answer; /* first: it is the ctx of the call */
    client_take_fn take;
    void *take_ctx;
    struct http_request *request;
    uv_timer_t reader_check;
    bool had_enough, check_closed;
};

static bool stream_on_data(void *ctx, const char *bytes, size_t len)
{
    struct stream *stream = ctx;
    stream->had_enough = !stream->take(stream->take_ctx, bytes, len);
    return !stream->had_enough;
}

/* `berth events -f | head -1` shall end with head, not with the next event. */
static void stream_on_check(uv_timer_t *timer)
{
    struct stream *stream = timer->data;
    struct pollfd reader = { .fd = STDOUT_FILENO };
    bool gone = poll(&reader, 1, 0) > 0 && (reader.revents & (POLLERR | POLLHUP | POLLNVAL));
    if (!gone || stream->answer.done || stream->had_enough)
        return;
    stream->had_enough = true;
    http_cancel(stream->request);
}

static void stream_on_check_closed(uv_handle_t *handle)
{
    struct stream *stream = handle->data;
    stream->check_closed = true;
    uv_stop(handle->loop);
}

static void stream_run(struct cli *cli, struct stream *stream)
{
    (void)uv_timer_init(&cli->loop, &stream->reader_check);
    stream->reader_check.data = stream;
    (void)uv_timer_start(&stream->reader_check, stream_on_check, READER_CHECK_MS, READER_CHECK_MS);
    await(cli, &stream->answer);
    uv_close((uv_handle_t *)&stream->reader_check, stream_on_check_closed);
    while (!stream->check_closed)
        uv_run(&cli->loop, UV_RUN_DEFAULT);
}

int client_stream(struct cli *cli, const char *path, bool follow, client_take_fn take, void *ctx)
{
    struct stream stream = { .take = take, .take_ctx = ctx };
    struct http_call call = { .on_data = stream_on_data, .idle_ms = follow ? 0 : IDLE_TIMEOUT_MS };
    int rc = EXIT_OK;
    stream.request = send_call(cli, &call, path, &stream.answer);
    stream_run(cli, &stream);
    bool ended_well = stream.answer.rc == 0 && stream.answer.status / 100 == 2;
    if (!stream.had_enough && !ended_well)
        rc = fail(cli, &stream.answer);
    answer_release(&stream.answer);
    return rc;
}

void client_close(struct cli *cli)
{
    if (cli->pool)
        http_pool_close(TAKE(cli->pool), NULL, NULL);
    while (uv_run(&cli->loop, UV_RUN_DEFAULT) != 0)
        ;
    int rc = uv_loop_close(&cli->loop);
    ASSERT(rc == 0);
}

/* ------------------------------------------------------------------ paths */

static void add_escaped(struct str *path, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c < 0x80 && isalnum(c)) || strchr("-_.~", c))
            str_add_char(path, (char)c);
        else
            str_addf(path, "%%%02X", c);
    }
}

void path_add(struct str *path, const char *before, const char *name, const char *after)
{
    str_add(path, before);
    add_escaped(path, name);
    str_add(path, after);
}

void path_query(struct str *path, const char *key, const char *value)
{
    if (!value)
        return;
    str_add_char(path, strchr(str_text(path), '?') ? '&' : '?');
    str_add(path, key);
    str_add_char(path, '=');
    add_escaped(path, value);
}
