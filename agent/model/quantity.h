/* quantity.h: the task sizes of ECS, which are strings: "512", "0.5 vCPU", ".25 vcpu", "2 GB".
 *
 * 0, or -EINVAL when the text is none of these. The range is the caller's to check. */
#ifndef BERTH_MODEL_QUANTITY_H
#define BERTH_MODEL_QUANTITY_H

#include <stdint.h>

int quantity_cpu(const char *text, int64_t *ret);    /* 1024ths of a vCPU */
int quantity_memory(const char *text, int64_t *ret); /* MiB */

#endif
