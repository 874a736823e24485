/* source_inside.h: what the files of the source share.
 *
 * source.c        fetches: one at a time, from a file or a server
 * source_url.c    pure: what a URL names
 * source_watch.c  notices that a file has changed */
#ifndef BERTH_SOURCE_INSIDE_H
#define BERTH_SOURCE_INSIDE_H

#include <uv.h>

#include "berth/err.h"

/* The path of a file:// URL, decoded; NULL for http and https. Free both. shown is the URL for
 * messages: without user, password and query, which may be secrets. */
int source_url_parse(const char *url, char **ret_path, char **ret_shown, struct err *err);

struct source_watch;
/* changed() runs from the loop whenever the file may have become another. */
struct source_watch *source_watch_open(uv_loop_t *loop, const char *path,
                                       void (*changed)(void *ctx), void *ctx);
void source_watch_close(struct source_watch *watch, void (*on_closed)(void *ctx), void *ctx);

#endif
