/* json_scan.h: is this text strict JSON? Runs before cJSON, which lets too much through. */
#ifndef BERTH_BASE_JSON_SCAN_H
#define BERTH_BASE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "berth/err.h"

/* 0, or -EINVAL with "line L, column C: what is wrong" (columns count characters).
 * nul_allowed: \u0000 may stand in a string. */
int json_scan(const char *text, size_t len, bool nul_allowed, struct err *err);

#endif
