/* quantity.c: decimal sizes without floating point. */
#include "agent/model/quantity.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <strings.h>

#define DIGITS_MAX 9

struct decimal {
    int64_t whole, fraction, divisor; /* whole + fraction / divisor */
    bool has_point;
    const char *rest;
};

static const char *digits_read(const char *text, int64_t *value, int64_t *divisor, size_t *count)
{
    for (; *text >= '0' && *text <= '9' && *count < DIGITS_MAX; text++, ++*count) {
        *value = *value * 10 + (*text - '0');
        *divisor *= 10;
    }
    return text;
}

static int decimal_read(const char *text, struct decimal *ret)
{
    struct decimal decimal = { .divisor = 1 };
    int64_t ignored = 1;
    size_t digits = 0;
    text = digits_read(text, &decimal.whole, &ignored, &digits);
    size_t fraction_digits = 0;
    if (*text == '.') {
        decimal.has_point = true;
        text = digits_read(text + 1, &decimal.fraction, &decimal.divisor, &fraction_digits);
    }
    if (digits + fraction_digits == 0)
        return -EINVAL;
    while (*text == ' ')
        text++;
    decimal.rest = text;
    *ret = decimal;
    return 0;
}

static int quantity_read(const char *text, const char *unit, int64_t *ret)
{
    struct decimal decimal;
    int rc = decimal_read(text, &decimal);
    if (rc < 0)
        return rc;
    if (*decimal.rest == '\0' && !decimal.has_point) {
        *ret = decimal.whole;
        return 0;
    }
    if (strcasecmp(decimal.rest, unit) != 0)
        return -EINVAL;
    *ret = decimal.whole * 1024 + decimal.fraction * 1024 / decimal.divisor;
    return 0;
}

int quantity_cpu(const char *text, int64_t *ret)
{
    return quantity_read(text, "vCPU", ret);
}

int quantity_memory(const char *text, int64_t *ret)
{
    return quantity_read(text, "GB", ret);
}
