/* The kernels of bits_kernels.c, for one level of CPU: see clones.h. */
#include "vector_body.h"

/* Rows k0..k0+rows of panel j of B, PANEL floats apart: in place, or copied with zeros behind the
 * last row and column. */
static inline KERNEL const float *CLONE(block)(const struct bits_product *p, int64_t j, int64_t k0,
                                               int64_t rows, float *copy)
{
	const float *b = p->b + j * p->panel_stride + k0 * p->row_stride;
	int64_t width = p->n - j * PANEL < PANEL ? p->n - j * PANEL : PANEL;
	int64_t there = p->k - k0 < rows ? p->k - k0 : rows;

	if (p->padded)
		return b;
	for (int64_t i = 0; i < there; i++) {
		float *to = copy + i * PANEL;

		if (width == PANEL) {
			CLONE(store)(to, CLONE(load)(b));
			CLONE(store)(to + 16, CLONE(load)(b + 16));
		} else {
			for (int64_t c = 0; c < PANEL; c++)
				to[c] = c < width ? b[c] : 0;
		}
		b += p->row_stride;
	}
	for (int64_t i = there * PANEL; i < rows * PANEL; i += 16)
		CLONE(store)(copy + i, (f32x16){0});
	return copy;
}

/* C = alpha * sum + beta * C for one row of a panel. */
static inline KERNEL void CLONE(finish)(const struct bits_product *p, int64_t row, int64_t j,
                                        const float *sum)
{
	float *c = p->c + row * p->ldc + j * PANEL;
	int64_t width = p->n - j * PANEL;
	int64_t i = 0;

	for (; i < PANEL && i + 16 <= width; i += 16) {
		f32x16 v = p->alpha * CLONE(load)(sum + i);

		if (p->beta != 0)
			v += p->beta * CLONE(load)(c + i);
		CLONE(store)(c + i, v);
	}
	for (; i < PANEL && i < width; i++)
		c[i] = p->alpha * sum[i] + (p->beta != 0 ? p->beta * c[i] : 0);
}

/* table[s] = sum of the rows of b whose bit is set in s, for 4 rows. */
static inline KERNEL void CLONE(subsets)(const float *b, float (*table)[PANEL])
{
	for (int h = 0; h < PANEL; h += 16) {
		f32x16 t[16];

		t[0] = (f32x16){0};
		for (int bit = 0; bit < 4; bit++) {
			f32x16 row = CLONE(load)(b + bit * PANEL + h);

			t[1 << bit] = row;
			for (int s = 1; s < 1 << bit; s++)
				t[s + (1 << bit)] = t[s] + row;
		}
		for (int s = 0; s < 16; s++)
			CLONE(store)(table[s] + h, t[s]);
	}
}

/* Rows of C by subset tables: four bits of A name one of 16 sums. */
static KERNEL void CLONE(by_tables)(const struct bits_product *p, const uint16_t *row, int64_t nrow,
                                    int64_t row0)
{
	float sum[ROWS][PANEL] __attribute__((aligned(64)));
	float table[TABLE_BLOCK / 4][16][PANEL] __attribute__((aligned(64)));
	float copy[TABLE_BLOCK * PANEL] __attribute__((aligned(64)));

	for (int64_t j = 0; j * PANEL < p->n; j++) {
		memset(sum, 0, (size_t)nrow * sizeof sum[0]);
		for (int64_t k0 = 0; k0 < p->k; k0 += TABLE_BLOCK) {
			const float *b = CLONE(block)(p, j, k0, TABLE_BLOCK, copy);

			for (int g = 0; g < TABLE_BLOCK / 4; g++)
				CLONE(subsets)(b + g * 4 * PANEL, table[g]);
			for (int64_t i = 0; i < nrow; i++) {
				const char *t = (const char *)table;
				uint64_t bits = p->a[(row0 + row[i]) * p->lda + k0 / 64] >> k0 % 64;
				f32x16 lo[8], hi[8];

				for (int g = 0; g < 8; g++) {
					uint64_t at = (g < 2 ? bits << (7 - 4 * g) : bits >> (4 * g - 7)) & 0x780;

					lo[g] = *(const f32x16 *)(const void *)(t + g * 2048 + at);
					hi[g] = *(const f32x16 *)(const void *)(t + g * 2048 + at + 64);
				}
				CLONE(store)
				(sum[i], CLONE(load)(sum[i]) + (((lo[0] + lo[1]) + (lo[2] + lo[3])) +
				                                ((lo[4] + lo[5]) + (lo[6] + lo[7]))));
				CLONE(store)
				(sum[i] + 16, CLONE(load)(sum[i] + 16) + (((hi[0] + hi[1]) + (hi[2] + hi[3])) +
				                                          ((hi[4] + hi[5]) + (hi[6] + hi[7]))));
			}
		}
		for (int64_t i = 0; i < nrow; i++)
			CLONE(finish)(p, row0 + row[i], j, sum[i]);
	}
}

/* Lists the set bits of a row of A in each LIST_BLOCK of k, and how many each has.  Returns the
 * end. */
static inline KERNEL uint8_t *CLONE(list_bits)(const uint64_t *a, int64_t k, uint8_t *list,
                                               uint16_t *count)
{
	for (int64_t word = 0; word * 64 < k; word += LIST_BLOCK / 64) {
		uint8_t *start = list;

		for (int64_t w = 0; w < LIST_BLOCK / 64 && (word + w) * 64 < k; w++)
			for (uint64_t bits = a[word + w]; bits; bits &= bits - 1)
				*list++ = (uint8_t)(w * 64 + __builtin_ctzll(bits));
		*count++ = (uint16_t)(list - start);
	}
	return list;
}

/* sum += the listed rows of b: even and odd places apart, for two chains of additions. */
static inline KERNEL void CLONE(add_rows)(float *sum, const float *b, const uint8_t *list,
                                          int64_t n)
{
	f32x16 lo = CLONE(load)(sum), hi = CLONE(load)(sum + 16), lo1 = {0}, hi1 = {0};
	int64_t i = 0;

	for (; i + 2 <= n; i += 2) {
		const float *r = b + list[i] * (int64_t)PANEL, *r1 = b + list[i + 1] * (int64_t)PANEL;

		lo += CLONE(load)(r);
		hi += CLONE(load)(r + 16);
		lo1 += CLONE(load)(r1);
		hi1 += CLONE(load)(r1 + 16);
	}
	if (i < n) {
		const float *r = b + list[i] * (int64_t)PANEL;

		lo += CLONE(load)(r);
		hi += CLONE(load)(r + 16);
	}
	CLONE(store)(sum, lo + lo1);
	CLONE(store)(sum + 16, hi + hi1);
}

/* Rows of C by adding the rows of B that A's set bits name. */
static KERNEL void CLONE(by_lists)(const struct bits_product *p, const uint16_t *row, int64_t nrow,
                                   int64_t row0)
{
	float sum[ROWS][PANEL] __attribute__((aligned(64)));
	float copy[LIST_BLOCK * PANEL] __attribute__((aligned(64)));
	uint8_t list[LIST], *start[ROWS];
	uint16_t count[ROWS][MAX_K / LIST_BLOCK + 1];

	for (int64_t first = 0, end; first < nrow; first = end) {
		uint8_t *at = list;

		for (end = first; end < nrow && at + p->k <= list + LIST; end++) {
			start[end - first] = at;
			at = CLONE(list_bits)(p->a + (row0 + row[end]) * p->lda, p->k, at, count[end - first]);
		}
		for (int64_t j = 0; j * PANEL < p->n; j++) {
			const uint8_t *next[ROWS];

			memcpy(next, start, sizeof next);
			memset(sum, 0, (size_t)(end - first) * sizeof sum[0]);
			for (int64_t k0 = 0; k0 < p->k; k0 += LIST_BLOCK) {
				const float *b =
				    CLONE(block)(p, j, k0, LIST_BLOCK < p->k - k0 ? LIST_BLOCK : p->k - k0, copy);

				for (int64_t i = 0; i < end - first; i++) {
					int64_t n = count[i][k0 / LIST_BLOCK];

					CLONE(add_rows)(sum[i], b, next[i], n);
					next[i] += n;
				}
			}
			for (int64_t i = 0; i < end - first; i++)
				CLONE(finish)(p, row0 + row[first + i], j, sum[i]);
		}
	}
}

static KERNEL void CLONE(product)(const struct bits_product *p)
{
	uint16_t dense[ROWS], sparse[ROWS];

	for (int64_t row0 = 0; row0 < p->m; row0 += ROWS) {
		int64_t rows = p->m - row0 < ROWS ? p->m - row0 : ROWS, ndense = 0, nsparse = 0;

		for (int64_t i = 0; i < rows; i++) {
			const uint64_t *a = p->a + (row0 + i) * p->lda;
			int64_t ones = 0;

			for (int64_t w = 0; w * 64 < p->k; w++)
				ones += __builtin_popcountll(a[w]);
			if (ones * DENSE_ONES > p->k * DENSE_K)
				dense[ndense++] = (uint16_t)i;
			else
				sparse[nsparse++] = (uint16_t)i;
		}
		if (ndense)
			CLONE(by_tables)(p, dense, ndense, row0);
		if (nsparse)
			CLONE(by_lists)(p, sparse, nsparse, row0);
	}
}

static inline KERNEL u32x16 CLONE(popcount)(u32x16 x)
{
#if LEVEL == 2
	return (u32x16)_mm512_popcnt_epi32((__m512i)x);
#else
	x -= (x >> 1) & 0x55555555;
	x = (x & 0x33333333) + ((x >> 2) & 0x33333333);
	x = (x + (x >> 4)) & 0x0f0f0f0f;
	x += x >> 8;
	return (x + (x >> 16)) & 0x3f;
#endif
}

static KERNEL void CLONE(count)(const struct bits_count *p)
{
	for (int64_t i = 0; i < p->m; i++) {
		const uint32_t *a = p->a + i * p->words;
		float *c = p->c + i * p->ldc;

		for (int64_t j = 0; j < p->n; j += 16) {
			const uint32_t *b = p->b + j;
			u32x16 ones = {0};

			for (int64_t w = 0; w < p->words; w++)
				ones += CLONE(popcount)(*(const u32x16 *)(b + w * p->bstride) & a[w]);
			f32x16 v = p->alpha * __builtin_convertvector((i32x16)ones, f32x16);
			if (j + 16 <= p->n) {
				if (p->beta != 0)
					v += p->beta * CLONE(load)(c + j);
				CLONE(store)(c + j, v);
			} else {
				for (int64_t l = 0; j + l < p->n; l++)
					c[j + l] = v[l] + (p->beta != 0 ? p->beta * c[j + l] : 0);
			}
		}
	}
}

static KERNEL void CLONE(transpose)(const float *b, int64_t ldb, int64_t width, int64_t k,
                                    float *panel)
{
	for (int64_t i = 0; i < k; i++)
		for (int64_t j = 0; j < PANEL; j++)
			panel[i * PANEL + j] = j < width ? b[j * ldb + i] : 0;
}
