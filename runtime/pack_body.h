/* The kernels of pack_kernels.c, for one level of CPU: see clones.h. */
#include "vector_body.h"

#if LEVEL == 2
/* 16 columns of 16 floats, ld apart, to rows PANEL apart: pairs, quadruples, then 128-bit lanes. */
static inline KERNEL void CLONE(transpose16)(const float *b, int64_t ld, float *to)
{
	__m512 x[16], y[16];

	for (int i = 0; i < 16; i++)
		x[i] = (__m512)CLONE(load)(b + i * ld);
	for (int i = 0; i < 16; i += 2) {
		y[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
		y[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
	}
	for (int i = 0; i < 16; i += 4)
		for (int h = 0; h < 2; h++) {
			__m512d p = (__m512d)y[i + h], q = (__m512d)y[i + h + 2];

			x[i + 2 * h] = (__m512)_mm512_unpacklo_pd(p, q);
			x[i + 2 * h + 1] = (__m512)_mm512_unpackhi_pd(p, q);
		}
	for (int i = 0; i < 4; i++)
		for (int h = 0; h < 2; h++) {
			y[8 * h + i] = _mm512_shuffle_f32x4(x[8 * h + i], x[8 * h + i + 4], 0x88);
			y[8 * h + i + 4] = _mm512_shuffle_f32x4(x[8 * h + i], x[8 * h + i + 4], 0xdd);
		}
	for (int i = 0; i < 8; i++) {
		int row = i % 4 + i / 4 * 4;

		CLONE(store)(to + row * PANEL, (f32x16)_mm512_shuffle_f32x4(y[i], y[i + 8], 0x88));
		CLONE(store)(to + (row + 8) * PANEL, (f32x16)_mm512_shuffle_f32x4(y[i], y[i + 8], 0xdd));
	}
}
#endif

static KERNEL void CLONE(transpose)(const float *b, int64_t ldb, int64_t width, int64_t k,
                                    float *panel)
{
	int64_t done = 0;

#if LEVEL == 2
	if (width >= PANEL)
		for (; done + 16 <= k; done += 16)
			CLONE(transpose16)(b + done, ldb, panel + done * PANEL);
#endif
	for (int64_t i = done; i < k; i++)
		for (int64_t j = 0; j < PANEL; j++)
			panel[i * PANEL + j] = j < width ? b[j * ldb + i] : 0;
}
