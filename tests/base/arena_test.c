#include <stdlib.h>
#include <string.h>

#include "berth/arena.h"
#include "tests/lib/test.h"

TEST(arena, gives_zeroed_aligned_memory_of_any_size)
{
    struct arena arena = { 0 };
    for (size_t size = 0; size < 3000; size += 7) {
        unsigned char *piece = arena_alloc(&arena, size);
        assert_int_equal((uintptr_t)piece % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(piece[i], 0);
        memset(piece, 0xAA, size); /* would show in the next piece if they overlapped */
    }
    arena_release(&arena);
}

TEST(arena, holds_pieces_larger_than_a_chunk)
{
    struct arena arena = { 0 };
    char *small = arena_strdup(&arena, "before");
    char *large = arena_alloc(&arena, 5 * 1000 * 1000);
    char *after = arena_strdup(&arena, "after");
    large[0] = large[5 * 1000 * 1000 - 1] = 'x';
    assert_string_equal(small, "before");
    assert_string_equal(after, "after");
    assert_true(arena.used >= 5 * 1000 * 1000);
    arena_release(&arena);
}

TEST(arena, is_ready_again_after_release_and_may_be_released_twice)
{
    struct arena arena = { 0 };
    (void)arena_alloc(&arena, 10);
    arena_release(&arena);
    arena_release(&arena);
    assert_int_equal(arena.used, 0);
    assert_string_equal(arena_printf(&arena, "%s-%d", "a", 7), "a-7");
    arena_release(&arena);
}

TEST(arena, copies_texts_up_to_a_length)
{
    struct arena arena = { 0 };
    assert_null(arena_strdup(&arena, NULL));
    assert_string_equal(arena_strndup(&arena, "abcdef", 3), "abc");
    assert_string_equal(arena_strndup(&arena, "ab", 30), "ab");
    const int *numbers = arena_array(&arena, 100, sizeof(int));
    assert_int_equal(numbers[99], 0);
    arena_release(&arena);
}
