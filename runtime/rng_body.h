/* The kernels of rng.c, for one level of CPU: see clones.h. */
#include "vector_body.h"

/* Low halves of the 64-bit lanes times m. */
static inline KERNEL u64x8 CLONE(mul)(u64x8 a, uint32_t m)
{
#if LEVEL == 2
	return (u64x8)_mm512_mul_epu32((__m512i)a, _mm512_set1_epi64(m));
#elif LEVEL == 1
	union {
		u64x8 v;
		__m256i part[2];
	} x = {a};
	for (int i = 0; i < 2; i++)
		x.part[i] = _mm256_mul_epu32(x.part[i], _mm256_set1_epi64x(m));
	return x.v;
#elif defined(__x86_64__)
	union {
		u64x8 v;
		__m128i part[4];
	} x = {a};
	for (int i = 0; i < 4; i++)
		x.part[i] = _mm_mul_epu32(x.part[i], _mm_set1_epi64x(m));
	return x.v;
#else
	return (a & 0xffffffff) * (uint64_t)m;
#endif
}

/* Four words of the 16 counters from first on: word w of counter first + 2 i + odd is the low half
 * of x[odd][w][i].  The high halves are garbage. */
static inline KERNEL void CLONE(philox)(uint32_t first, const struct stream *s, u64x8 x[2][4])
{
	const u64x8 even = {0, 2, 4, 6, 8, 10, 12, 14};

	for (int odd = 0; odd < 2; odd++) {
		x[odd][0] = even + (uint64_t)(first + (uint32_t)odd);
		x[odd][1] = (u64x8){0} + s->chain;
		x[odd][2] = (u64x8){0} + s->step;
		x[odd][3] = (u64x8){0} + s->stream;
	}
#pragma GCC unroll 10
	for (int round = 0; round < ROUNDS; round++) {
#pragma GCC unroll 2
		for (int odd = 0; odd < 2; odd++) {
			u64x8 *c = x[odd];
			u64x8 p0 = CLONE(mul)(c[0], 0xD2511F53), p1 = CLONE(mul)(c[2], 0xCD9E8D57);

			c[0] = (p1 >> 32) ^ c[1] ^ s->key[round][0];
			c[2] = (p0 >> 32) ^ c[3] ^ s->key[round][1];
			c[1] = p1;
			c[3] = p0;
		}
	}
}

/* Low halves of a and of b, alternating. */
static inline KERNEL u32x16 CLONE(weave)(u64x8 a, u64x8 b)
{
	return (u32x16)((a & 0xffffffff) | (b << 32));
}

static KERNEL void CLONE(uniform64)(float *dst, uint32_t first, const struct stream *s)
{
	u64x8 x[2][4];

	CLONE(philox)(first, s, x);
	for (int w = 0; w < 4; w++) {
		i32x16 word = (i32x16)(CLONE(weave)(x[0][w], x[1][w]) >> 9);

		*(f32x16 *)(dst + 16 * w) = (__builtin_convertvector(word, f32x16) + 0.5f) * 0x1p-23f;
	}
}

/* ln x for 0 < x <= 1, within 1e-7 + 1e-7 |ln x|: x = 2^e m with m in [sqrt(1/2), sqrt 2), then the
 * polynomial of Cephes' logf in m - 1. */
static inline KERNEL f32x16 CLONE(log)(f32x16 x)
{
	static const float c[9] = {7.0376836292e-2f,  -1.1514610310e-1f, 1.1676998740e-1f,
	                           -1.2420140846e-1f, 1.4249322787e-1f,  -1.6668057665e-1f,
	                           2.0000714765e-1f,  -2.4999993993e-1f, 3.3333331174e-1f};
	i32x16 bits = (i32x16)x, e = (bits - 0x3f3504f3) >> 23;
	f32x16 f = (f32x16)(bits - (e << 23)) - 1.0f, square = f * f, p = f * 0.0f + c[0];
	f32x16 fe = __builtin_convertvector(e, f32x16);

	for (int i = 1; i < 9; i++)
		p = p * f + c[i];
	return fe * 0.693147181f + (f + square * (f * p - 0.5f));
}

static inline KERNEL f32x16 CLONE(pick)(i32x16 mask, f32x16 yes, f32x16 no)
{
	return (f32x16)((mask & (i32x16)yes) | (~mask & (i32x16)no));
}

/* cos and sin of 2 pi y/2^32, within 1e-7: the nearest quarter turn q is split off exactly, Cephes'
 * sinf and cosf polynomials on [-pi/4, pi/4] do the rest. */
static inline KERNEL void CLONE(turn)(u32x16 y, f32x16 *cosine, f32x16 *sine)
{
	u32x16 q = (y + 0x20000000u) >> 30;
	f32x16 a = __builtin_convertvector((i32x16)(y - (q << 30)), f32x16) * 1.46291807926716e-9f;
	f32x16 z = a * a;
	f32x16 s = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * a + a;
	f32x16 c = (2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f;
	i32x16 swap = -(i32x16)(q & 1);
	u32x16 cos_sign = ((q + 1) & 2) << 30, sin_sign = (q & 2) << 30;

	c = c * z * z - 0.5f * z + 1.0f;
	*cosine = (f32x16)((u32x16)CLONE(pick)(swap, s, c) ^ cos_sign);
	*sine = (f32x16)((u32x16)CLONE(pick)(swap, c, s) ^ sin_sign);
}

static KERNEL void CLONE(normal64)(float *dst, uint32_t first, const struct stream *s)
{
	const uint64_t low = 0xffffffff;
	u64x8 x[2][4];

	CLONE(philox)(first, s, x);
	for (int w = 0; w < 4; w += 2) { /* the pairs of words w and w+1 alternate in the lanes */
		u32x16 even = CLONE(weave)(x[0][w], x[0][w + 1]);
		u32x16 odd = CLONE(weave)(x[1][w], x[1][w + 1]);
		f32x16 u = (__builtin_convertvector(even, f32x16) + 0.5f) * 0x1p-32f, cosine, sine;
		f32x16 r = CLONE(root)(-2.0f * CLONE(log)(u));

		CLONE(turn)(odd, &cosine, &sine);
		cosine *= r;
		sine *= r;
		*(u64x8 *)(void *)(dst + 16 * w) = ((u64x8)cosine & low) | ((u64x8)sine << 32);
		*(u64x8 *)(void *)(dst + 16 * w + 16) = ((u64x8)cosine >> 32) | ((u64x8)sine & ~low);
	}
}

static KERNEL void CLONE(fill_uniform)(float *dst, int64_t n, const struct stream *s)
{
	float last[64];
	int64_t u = 0;

	for (; u + 64 <= n; u += 64)
		CLONE(uniform64)(dst + u, (uint32_t)((s->first + u) / 4), s);
	if (u < n) {
		CLONE(uniform64)(last, (uint32_t)((s->first + u) / 4), s);
		memcpy(dst + u, last, (size_t)(n - u) * sizeof *dst);
	}
}

static KERNEL void CLONE(fill_normal)(float *dst, int64_t n, const struct stream *s)
{
	float last[64];
	int64_t u = 0;

	for (; u + 64 <= n; u += 64)
		CLONE(normal64)(dst + u, (uint32_t)((s->first + u) / 4), s);
	if (u < n) {
		CLONE(normal64)(last, (uint32_t)((s->first + u) / 4), s);
		memcpy(dst + u, last, (size_t)(n - u) * sizeof *dst);
	}
}
