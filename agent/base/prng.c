/* prng.c: xoshiro256** (Blackman and Vigna), seeded through splitmix64 as they advise. */
#include "berth/prng.h"

#include <stddef.h>

#include "berth/assert.h"

static uint64_t splitmix_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

void prng_seed(struct prng *prng, uint64_t seed)
{
    for (size_t i = 0; i < COUNT_OF(prng->state); i++)
        prng->state[i] = splitmix_next(&seed);
}

uint64_t prng_next(struct prng *prng)
{
    uint64_t *state = prng->state;
    uint64_t result = rotate_left(state[1] * 5, 7) * 9;
    uint64_t shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotate_left(state[3], 45);
    return result;
}

int64_t prng_range(struct prng *prng, int64_t min, int64_t max)
{
    ASSERT(min <= max);
    uint64_t span = (uint64_t)max - (uint64_t)min + 1; /* 0 stands for all 2^64 values */
    if (span == 0)
        return (int64_t)prng_next(prng);

    /* The values above the last whole multiple of span would favour small results. */
    uint64_t excess = (UINT64_MAX % span + 1) % span;
    uint64_t value = prng_next(prng);
    while (value > UINT64_MAX - excess)
        value = prng_next(prng);
    return (int64_t)((uint64_t)min + value % span);
}

bool prng_chance(struct prng *prng, double probability)
{
    double uniform = (double)(prng_next(prng) >> 11) * 0x1.0p-53; /* in [0, 1) */
    return uniform < probability;
}

int64_t prng_jitter(struct prng *prng, int64_t value, int percent)
{
    ASSERT(percent >= 0 && percent <= 100);
    ASSERT(value >= 0);
    /* Divide first where the product would not fit; a hundredth off does not matter there. */
    int64_t spread = value > INT64_MAX / 100 ? value / 100 * percent : value * percent / 100;
    int64_t high = value > INT64_MAX - spread ? INT64_MAX : value + spread;
    return prng_range(prng, value - spread, high);
}
