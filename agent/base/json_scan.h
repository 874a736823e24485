/* json_scan.h: is this text strict JSON? Runs before cJSON, which lets too much through. */
#ifndef BERTH_BASE_JSON_SCAN_H
#define BERTH_BASE_JSON_SCAN_H

#include <stddef.h>

#include "berth/err.h"

/* 0, or -EINVAL with "line L, column C: what is wrong" (columns count characters). */
int json_scan(const char *text, size_t len, struct err *err);

#endif
