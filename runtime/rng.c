/* Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers:
 * as easy as 1, 2, 3; SC 2011; the constants are Random123's).  There is no state: a number is a
 * function of (seed, chain, step, stream, unit), so it is the same on every thread and in every
 * order of evaluation.
 *
 * Unit u takes word (u%64)/16 of counter (u/64)*16 + u%16: the four words of 16 consecutive
 * counters are 64 consecutive units, which vectors of 16 lanes write in order. uniform   ((word >>
 * 9) + 1/2) / 2^23: exact in float, never 0, never 1, mean 1/2 normal    Box and Muller 1958: units
 * 2k and 2k+1 (same word, neighbouring counters) give r = sqrt(-2 ln((word_2k + 1/2) / 2^32)),
 * angle = 2 pi word_2k+1 / 2^32, unit 2k = r cos(angle), unit 2k+1 = r sin(angle); |normal| <= 6.77
 * Uniforms are the same bits on every CPU; normals are not where one fuses multiply and add. */
#include "dgm_rt.h"
#include "cpu.h"

#include <string.h>

enum { ROUNDS = 10 };

struct stream {
	uint64_t key[ROUNDS]
	            [2]; /* the two words of each round's key, where a vector of one is a load */
	uint32_t chain, step, stream;
	int64_t first; /* unit that goes to dst[0], a multiple of 64 */
};

#define BODY "rng_body.h"
#include "clones.h"

typedef void fill_fn(float *dst, int64_t n, const struct stream *s);

static struct stream stream_of(uint64_t seed, uint32_t chain, uint32_t step, uint32_t stream,
                               int64_t first)
{
	struct stream s = {.chain = chain, .step = step, .stream = stream, .first = first};
	uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);

	for (int round = 0; round < ROUNDS; round++, k0 += 0x9E3779B9, k1 += 0xBB67AE85) {
		s.key[round][0] = k0;
		s.key[round][1] = k1;
	}
	return s;
}

void dgm_uniform_at(float *dst, int64_t n, uint64_t seed, uint32_t chain, uint32_t step,
                    uint32_t stream, int64_t first)
{
	static fill_fn *const clone[DGM_CPU_LEVELS] = CLONES(fill_uniform);
	struct stream s = stream_of(seed, chain, step, stream, first);

	clone[dgm_cpu()](dst, n, &s);
}

void dgm_normal_at(float *dst, int64_t n, uint64_t seed, uint32_t chain, uint32_t step,
                   uint32_t stream, int64_t first)
{
	static fill_fn *const clone[DGM_CPU_LEVELS] = CLONES(fill_normal);
	struct stream s = stream_of(seed, chain, step, stream, first);

	clone[dgm_cpu()](dst, n, &s);
}

void dgm_uniform(float *dst, int64_t n, uint64_t seed, uint32_t chain, uint32_t step,
                 uint32_t stream)
{
	dgm_uniform_at(dst, n, seed, chain, step, stream, 0);
}

void dgm_normal(float *dst, int64_t n, uint64_t seed, uint32_t chain, uint32_t step,
                uint32_t stream)
{
	dgm_normal_at(dst, n, seed, chain, step, stream, 0);
}
