/* digest.c: SHA-256 by libcrypto, and its text form. */
#include "berth/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "berth/assert.h"

void digest_of(const void *bytes, size_t len, struct digest *ret)
{
    struct digest digest;
    unsigned written = 0;
    int ok = EVP_Digest(len > 0 ? bytes : "", len, digest.bytes, &written, EVP_sha256(), NULL);
    ASSERT(ok == 1);
    ASSERT(written == sizeof digest.bytes);
    *ret = digest;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

void digest_hex(const struct digest *digest, char ret[DIGEST_HEX_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof digest->bytes; i++) {
        ret[2 * i] = digits[digest->bytes[i] >> 4];
        ret[2 * i + 1] = digits[digest->bytes[i] & 15];
    }
    ret[DIGEST_HEX_LEN] = '\0';
}

static int digest_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

int digest_parse(const char *hex, struct digest *ret)
{
    if (!hex || strlen(hex) != DIGEST_HEX_LEN)
        return -EINVAL;
    struct digest digest;
    for (size_t i = 0; i < sizeof digest.bytes; i++) {
        int high = digest_digit(hex[2 * i]), low = digest_digit(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return -EINVAL;
        digest.bytes[i] = (uint8_t)(high * 16 + low);
    }
    *ret = digest;
    return 0;
}
