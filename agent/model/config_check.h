/* config_check.h: what single values of the configuration may look like. Leaves of config.c. */
#ifndef BERTH_MODEL_CONFIG_CHECK_H
#define BERTH_MODEL_CONFIG_CHECK_H

#include <stdbool.h>

#include "berth/err.h"
#include "berth/str.h"

bool check_desired_url(const char *value);
bool check_report_url(const char *value); /* or empty */
bool check_runtime(const char *value);    /* or empty */
bool check_path(const char *value);
bool check_path_or_empty(const char *value);
bool check_cluster(const char *value);
bool check_host_id(const char *value); /* or empty */
bool check_name(const char *value);
bool check_log_level(const char *value);
bool check_log_format(const char *value);

/* Both work in place. */
char *config_trim(char *text);
char *config_unquote(char *text);

/* Append value, without the user and password of a URL (url: it was meant to be one). */
void config_redact(const char *value, bool url, struct str *out);
/* Append url with {cluster} and {host} replaced; {host} stays while host is "". */
int config_expand(const char *url, const char *cluster, const char *host, struct str *out,
                  struct err *err);

#endif
