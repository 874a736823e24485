/* Any bytes as the text of struct memory: refused with a reason, or understood so well that
 * writing and reading it again changes nothing. */
#include <stdint.h>
#include <string.h>

#include "berth/assert.h"
#include "berth/store.h"

#define TEXT_MAX ((size_t)8 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct memory *memory)
{
    AUTO_STR struct str first;
    AUTO_STR struct str second;
    str_init(&first, TEXT_MAX);
    str_init(&second, TEXT_MAX);
    memory_render(memory, &first);
    struct memory *again = memory_parse(str_text(&first), first.len, NULL);
    ASSERT(again);
    memory_render(again, &second);
    ASSERT(str_equal(str_text(&first), str_text(&second)));
    memory_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_NONE;
    struct memory *memory = memory_parse((const char *)data, size, &err);
    ASSERT((memory == NULL) == (err.text[0] != '\0'));
    if (memory)
        check_round_trip(memory);
    memory_free(memory);
    return 0;
}
