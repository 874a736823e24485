/* assert.c: the end of the road for a broken invariant. */
#include "berth/assert.h"

#include <stdio.h>
#include <stdlib.h>

void assert_failed(const char *condition, const char *file, int line, const char *function)
{
    (void)fprintf(stderr, "berth: %s:%d: %s: broken invariant: %s\n", file, line, function,
                  condition);
    abort();
}
