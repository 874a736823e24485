/* prng.h: one small seeded generator (xoshiro256**). Same seed, same sequence, on every machine.
 * For jitter and simulation, never for secrets. */
#ifndef BERTH_PRNG_H
#define BERTH_PRNG_H

#include <stdbool.h>
#include <stdint.h>

struct prng {
    uint64_t state[4];
};

void prng_seed(struct prng *prng, uint64_t seed);
uint64_t prng_next(struct prng *prng);
int64_t prng_range(struct prng *prng, int64_t min, int64_t max); /* both included */
bool prng_chance(struct prng *prng, double probability);
/* value +- percent, uniformly; jitter(100, 25) is in 75..125 */
int64_t prng_jitter(struct prng *prng, int64_t value, int percent);

#endif
