/* runtime_parse.h: the runtime's bytes, taken apart. Pure; fuzzed.
 *
 * Lines: both /events and /images/create answer with a stream of JSON objects, one per line, cut
 * anywhere by the network. A line beyond the bound is dropped and given as NULL, so that its
 * reader knows that it missed something.
 *
 * Log frames: 8 bytes {stream, 0, 0, 0, length as big-endian u32} and that many bytes, cut
 * anywhere. With a tty there are no frames. */
#ifndef BERTH_RUNTIME_PARSE_H
#define BERTH_RUNTIME_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "berth/str.h"

#define RUNTIME_MESSAGE_MAX 512

struct lines {
    struct str partial;
};
/* line is NUL-terminated, without the line end; NULL = one was too long. */
typedef void (*line_fn)(void *ctx, const char *line, size_t len);
void lines_init(struct lines *lines, size_t line_max);
void lines_release(struct lines *lines);
void lines_feed(struct lines *lines, const char *bytes, size_t len, line_fn fn, void *ctx);
void lines_end(struct lines *lines, line_fn fn, void *ctx); /* a last line without its end */

struct runtime_event {
    char container[256]; /* name where the runtime tells it, else id */
    char action[64];
    int64_t time_s; /* 0 = unknown */
};
int runtime_event_parse(const char *line, size_t len, struct runtime_event *ret); /* or -EPROTO */

struct pull_line {
    char error[RUNTIME_MESSAGE_MAX]; /* "" = progress */
    char text[160];                  /* "3f4d90098f5b: Downloading 1.2MB/3MB" */
    bool up_to_date;                 /* nothing was transferred */
    bool waits;                      /* for layers of this or another pull */
};
int pull_line_parse(const char *line, size_t len, struct pull_line *ret); /* or -EPROTO */

struct log_frames {
    bool raw; /* a tty */
    unsigned char head[8];
    size_t head_len;
    uint32_t left; /* of the frame's bytes */
    bool is_stderr, failed;
};
typedef bool (*log_fn)(void *ctx, bool is_stderr, const char *bytes, size_t len);
/* 0; -EPROTO = these are no frames; -ECANCELED = fn returned false. */
int log_frames_feed(struct log_frames *frames, const char *bytes, size_t len, log_fn fn, void *ctx);

/* The message of an error answer: {"message"} of Docker and Podman, else the beginning of the
 * text, as one printable line. */
void runtime_message(const char *body, size_t len, char ret[RUNTIME_MESSAGE_MAX]);

/* "repo/name:tag@sha256:..." -> what /images/create wants. An absent tag is "latest": without any
 * the runtime would pull every tag of the repository. */
struct image_reference {
    char name[512];
    char tag[160]; /* or digest */
};
int image_reference_parse(const char *image, struct image_reference *ret); /* or -EINVAL */

/* "1.41" -> 1041; -1 when it is none. */
int api_version_parse(const char *text);

/* Append text escaped for a URL; '/' stays only where keep_slash. */
void url_escape(struct str *out, const char *text, bool keep_slash);

#endif
