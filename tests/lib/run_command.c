#include "tests/lib/run_command.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "berth/limits.h"
#include "berth/memory.h"
#include "tests/lib/loop.h"
#include "tests/lib/test.h"

/* ------------------------------------------------------------------ where and how */

static char *program(void)
{
    const char *given = getenv("BERTH_COMMAND");
    char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    if (given && *given)
        return memory_strdup(given);
    assert_true(len > 0);
    path[len] = '\0';
    for (int i = 0; i < 3; i++)
        *strrchr(path, '/') = '\0';
    return memory_printf("%s/berth", path);
}

static size_t split(char *words, const char *socket, char **ret)
{
    size_t count = 0;
    char *word;
    while ((word = strsep(&words, " "))) {
        if (!*word)
            continue;
        assert_true(count + 1 < COMMAND_ARGUMENTS_MAX);
        ret[count++] = memory_strdup(str_equal(word, "$S") ? socket : word);
    }
    return count;
}

/* ------------------------------------------------------------------ on the loop */

static void on_closed(uv_handle_t *handle)
{
    struct command_run *run = handle->data;
    run->open_handles--;
    run->done = run->open_handles == 0;
}

static void close_once(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_closed);
}

static void on_process_exit(uv_process_t *process, int64_t status, int signal)
{
    struct command_run *run = process->data;
    run->status = status;
    run->signal = signal;
    close_once((uv_handle_t *)process);
    close_once((uv_handle_t *)&run->in_pipe);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    (void)handle;
    ret->base = memory_alloc(suggested);
    ret->len = suggested;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct command_run *run = stream->data;
    struct str *text = stream == (uv_stream_t *)&run->out_pipe ? &run->out : &run->err;
    if (n > 0)
        str_add_len(text, buffer->base, (size_t)n);
    free(buffer->base);
    if (n < 0)
        close_once((uv_handle_t *)stream);
}

static void open_pipe(uv_loop_t *loop, struct command_run *run, uv_pipe_t *pipe)
{
    (void)uv_pipe_init(loop, pipe, 0);
    pipe->data = run;
    run->open_handles++;
}

static void spawn(uv_loop_t *loop, struct command_run *run, int out_fd, const char *socket,
                  const char *words)
{
    *run = (struct command_run){ .signal = 0 };
    str_init(&run->out, 64 * 1024 * 1024);
    str_init(&run->err, 1024 * 1024);
    AUTO_FREE char *copy = memory_strdup(words);
    char *arguments[COMMAND_ARGUMENTS_MAX + 1] = { program() };
    size_t count = 1 + split(copy, socket, arguments + 1);
    char locale[] = "LC_ALL=C.UTF-8", path[] = "PATH=/usr/bin:/bin";
    char *environment[] = { locale, path, NULL };
    open_pipe(loop, run, &run->in_pipe);
    open_pipe(loop, run, &run->out_pipe);
    open_pipe(loop, run, &run->err_pipe);
    uv_stdio_container_t stdio[] = {
        { .flags = UV_CREATE_PIPE | UV_READABLE_PIPE, .data.stream = (uv_stream_t *)&run->in_pipe },
        { .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
          .data.stream = (uv_stream_t *)&run->out_pipe },
        { .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
          .data.stream = (uv_stream_t *)&run->err_pipe },
    };
    if (out_fd >= 0)
        stdio[1] = (uv_stdio_container_t){ .flags = UV_INHERIT_FD, .data.fd = out_fd };
    const uv_process_options_t options = { .file = arguments[0],
                                           .args = arguments,
                                           .env = environment,
                                           .stdio = stdio,
                                           .stdio_count = 3,
                                           .exit_cb = on_process_exit };
    run->process.data = run;
    run->open_handles++;
    int rc = uv_spawn(loop, &run->process, &options);
    if (rc < 0)
        fail_msg("cannot run %s: %s", arguments[0], uv_strerror(rc));
    if (out_fd >= 0)
        close_once((uv_handle_t *)&run->out_pipe);
    else
        (void)uv_read_start((uv_stream_t *)&run->out_pipe, on_alloc, on_read);
    (void)uv_read_start((uv_stream_t *)&run->err_pipe, on_alloc, on_read);
    for (size_t i = 0; i < count; i++)
        free(arguments[i]);
}

void command_start(uv_loop_t *loop, struct command_run *run, const char *socket, const char *words)
{
    spawn(loop, run, -1, socket, words);
}

void command_run_into(uv_loop_t *loop, struct command_run *run, const char *file, const char *words)
{
    AUTO_FD int fd = open(file, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    spawn(loop, run, fd, "", words);
    command_await(run);
}

void command_feed(struct command_run *run, const char *input)
{
    uv_buf_t buffer = uv_buf_init((char *)(uintptr_t)input, (unsigned)strlen(input));
    if (buffer.len > 0)
        assert_int_equal(uv_try_write((uv_stream_t *)&run->in_pipe, &buffer, 1), (int)buffer.len);
    close_once((uv_handle_t *)&run->in_pipe);
}

void command_stop_reading(struct command_run *run)
{
    close_once((uv_handle_t *)&run->out_pipe);
}

void command_await(struct command_run *run)
{
    loop_run_until(run->process.loop, &run->done);
    assert_int_equal(run->signal, 0);
}

void command_release(struct command_run *run)
{
    str_release(&run->out);
    str_release(&run->err);
}

void command_run(uv_loop_t *loop, struct command_run *run, const char *socket, const char *words)
{
    command_start(loop, run, socket, words);
    command_await(run);
}
