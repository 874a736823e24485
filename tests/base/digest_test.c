#include <errno.h>
#include <string.h>

#include "berth/digest.h"
#include "tests/lib/test.h"

#define EMPTY_HEX "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC_HEX "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

TEST(digest, is_sha256)
{
    struct digest digest;
    char hex[DIGEST_HEX_LEN + 1];
    digest_of("abc", 3, &digest);
    digest_hex(&digest, hex);
    assert_string_equal(hex, ABC_HEX);
    digest_of(NULL, 0, &digest);
    digest_hex(&digest, hex);
    assert_string_equal(hex, EMPTY_HEX);
}

TEST(digest, text_form_comes_back_as_it_was)
{
    struct digest digest, back;
    digest_of("abc", 3, &digest);
    assert_int_equal(digest_parse(ABC_HEX, &back), 0);
    assert_true(digest_equal(&digest, &back));
    assert_int_equal(digest_parse(EMPTY_HEX, &back), 0);
    assert_false(digest_equal(&digest, &back));
}

TEST(digest, refuses_anything_but_64_lower_case_digits)
{
    struct digest digest = { { 7 } };
    char upper[] = ABC_HEX;
    upper[0] = 'B';
    assert_int_equal(digest_parse(NULL, &digest), -EINVAL);
    assert_int_equal(digest_parse("", &digest), -EINVAL);
    assert_int_equal(digest_parse(upper, &digest), -EINVAL);
    assert_int_equal(digest_parse(ABC_HEX "0", &digest), -EINVAL);
    assert_int_equal(digest_parse("sha256:" ABC_HEX, &digest), -EINVAL);
    assert_int_equal(digest.bytes[0], 7);
}
