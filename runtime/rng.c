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

struct stream {
	uint64_t seed;
	uint32_t chain, step, stream;
	int64_t first; /* unit that goes to dst[0], a multiple of 64 */
};

#define BODY "rng_body.h"
#include "clones.h"

typedef void fill_fn(float *dst, int64_t n, const struct stream *s);

void dgm_uniform_at(float *dst, int64_t n, uint64_t seed, uint32_t chain, uint32_t step,
                    uint32_t stream, int64_t first)
{
	static fill_fn *const clone[DGM_CPU_LEVELS] = CLONES(fill_uniform);

	clone[dgm_cpu()](dst, n, &(struct stream){seed, chain, step, stream, first});
}

void dgm_normal_at(float *dst, int64_t n, uint64_t seed, uint32_t chain, uint32_t step,
                   uint32_t stream, int64_t first)
{
	static fill_fn *const clone[DGM_CPU_LEVELS] = CLONES(fill_normal);

	clone[dgm_cpu()](dst, n, &(struct stream){seed, chain, step, stream, first});
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
