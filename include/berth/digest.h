/* digest.h: SHA-256, the identity of specifications, documents and stored files. */
#ifndef BERTH_DIGEST_H
#define BERTH_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_HEX_LEN 64

struct digest {
    uint8_t bytes[32];
};

void digest_of(const void *bytes, size_t len, struct digest *ret);
bool digest_equal(const struct digest *a, const struct digest *b);
void digest_hex(const struct digest *digest, char ret[DIGEST_HEX_LEN + 1]);
int digest_parse(const char *hex, struct digest *ret); /* 0 or -EINVAL */

#endif
