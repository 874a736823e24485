/* environment.c: duplicates are found by sorting, as an environment may have thousands. */
#include "agent/model/environment.h"

#include <stdlib.h>
#include <string.h>

#include "berth/memory.h"
#include "berth/str.h"

struct numbered {
    const char *name;
    size_t index;
};

static int numbered_compare(const void *a, const void *b)
{
    const struct numbered *left = a;
    const struct numbered *right = b;
    int order = strcmp(left->name, right->name);
    if (order != 0)
        return order;
    return left->index < right->index ? -1 : 1;
}

static size_t names_sorted(const struct key_value *list, size_t count, struct numbered *ret)
{
    size_t named = 0;
    for (size_t i = 0; i < count; i++) {
        if (list[i].name)
            ret[named++] = (struct numbered){ list[i].name, i };
    }
    if (named > 1)
        qsort(ret, named, sizeof *ret, numbered_compare);
    return named;
}

size_t environment_settle(struct key_value *list, size_t count, const struct place *place,
                          struct findings *findings)
{
    if (count < 2)
        return count;
    AUTO_FREE struct numbered *sorted = memory_array(count, sizeof *sorted);
    AUTO_FREE bool *replaced = memory_array(count, sizeof *replaced);
    size_t named = names_sorted(list, count, sorted);
    for (size_t i = 0; i + 1 < named; i++) {
        if (!str_equal(sorted[i].name, sorted[i + 1].name))
            continue;
        replaced[sorted[i].index] = true;
        if (findings)
            place_warning(findings, AT_INDEX(place, sorted[i].index), FINDING_DUPLICATE,
                          "\"%.60s\" is given again later in the list, and the last value counts",
                          sorted[i].name);
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (!replaced[i])
            list[kept++] = list[i];
    }
    return kept;
}
