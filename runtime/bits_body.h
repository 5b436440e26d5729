/* The kernels of bits_kernels.c, for one level of CPU: see clones.h. */
#include "vector_body.h"

/* Rows of the LIST_BLOCK from k0 on, whole TABLE_BLOCKs: the number of its row of zeros. */
static inline KERNEL int64_t CLONE(block_rows)(const struct bits_product *p, int64_t k0)
{
	int64_t rows = (p->k - k0 + TABLE_BLOCK - 1) / TABLE_BLOCK * TABLE_BLOCK;

	return rows < LIST_BLOCK ? rows : LIST_BLOCK;
}

/* Rows k0.. of panel j of B, PANEL floats apart: `rows` of them and one of zeros.  k0 = 0 mod
 * LIST_BLOCK and rows = LIST_BLOCK, or fewer at the end of k, or k0 = 0 mod TABLE_BLOCK and rows =
 * TABLE_BLOCK without the row of zeros. */
static inline KERNEL const float *CLONE(block)(const struct bits_product *p, int64_t j, int64_t k0,
                                               int64_t rows, float *copy)
{
	const float *b = p->b + j * PANEL + k0 * p->ldb;
	int64_t width = p->n - j * PANEL;
	int64_t there = p->k - k0 < rows ? p->k - k0 : rows, i = 0;

	if (p->padded)
		return p->b + j * p->panel_stride + (k0 + k0 / LIST_BLOCK) * PANEL;
	for (; i < there; i++, b += p->ldb) {
		float *to = copy + i * PANEL;

		if (width >= PANEL) {
			CLONE(store)(to, CLONE(load)(b));
			CLONE(store)(to + 16, CLONE(load)(b + 16));
		} else {
			for (int64_t c = 0; c < PANEL; c++)
				to[c] = c < width ? b[c] : 0;
		}
	}
	for (; i < rows + 1; i++) {
		CLONE(store)(copy + i * PANEL, (f32x16){0});
		CLONE(store)(copy + i * PANEL + 16, (f32x16){0});
	}
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

static inline KERNEL f32x16 CLONE(sum8)(const f32x16 x[8])
{
	return ((x[0] + x[1]) + (x[2] + x[3])) + ((x[4] + x[5]) + (x[6] + x[7]));
}

/* Rows of C by subset tables: four bits of A name one of 16 sums. */
static KERNEL void CLONE(by_tables)(const struct bits_product *p, const uint16_t *row, int64_t nrow,
                                    int64_t row0)
{
	float sum[ROWS][PANEL] __attribute__((aligned(64)));
	float table[TABLE_BLOCK / 4][16][PANEL] __attribute__((aligned(64)));
	float copy[(TABLE_BLOCK + 1) * PANEL] __attribute__((aligned(64)));

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
				lo[0] = CLONE(sum8)(lo) + CLONE(load)(sum[i]);
				hi[0] = CLONE(sum8)(hi) + CLONE(load)(sum[i] + 16);
				CLONE(store)(sum[i], lo[0]);
				CLONE(store)(sum[i] + 16, hi[0]);
			}
		}
		for (int64_t i = 0; i < nrow; i++)
			CLONE(finish)(p, row0 + row[i], j, sum[i]);
	}
}

/* Rows of A by their set bits: entry i of `order` in block b says that row number `row` of C adds
 * 4*quads rows of B's block b, listed at `list`. */
struct CLONE(entry) {
	uint8_t row, quads;
	uint16_t list; /* in quads */
};

/* Lists the set bits of a word's block of a row, padded to whole quads with `zero`. */
static inline KERNEL uint8_t *CLONE(list_bits)(const uint64_t *a, int64_t words, uint8_t zero,
                                               uint8_t *list)
{
	uint8_t *start = list;

	for (int64_t w = 0; w < words; w++)
		for (uint64_t bits = a[w]; bits; bits &= bits - 1)
			*list++ = (uint8_t)(w * 64 + __builtin_ctzll(bits));
	while ((list - start) % 4)
		*list++ = zero;
	return list;
}

/* The rows of a block in order of their number of quads, so that the loop over quads runs equally
 * long for many rows and its end is foreseen. */
static inline KERNEL void CLONE(sort_rows)(const struct CLONE(entry) * from, int64_t n,
                                           struct CLONE(entry) * to)
{
	int place[LIST_BLOCK / 4 + 2] = {0};

	for (int64_t i = 0; i < n; i++)
		place[from[i].quads + 1]++;
	for (int q = 0; q < LIST_BLOCK / 4; q++)
		place[q + 1] += place[q];
	for (int64_t i = 0; i < n; i++)
		to[place[from[i].quads]++] = from[i];
}

/* sum += the listed rows of b: even and odd places apart, for two chains of additions. */
static inline KERNEL void CLONE(add_rows)(float *sum, const float *b, const uint8_t *list,
                                          int64_t quads)
{
	f32x16 lo = CLONE(load)(sum), hi = CLONE(load)(sum + 16), lo1 = {0}, hi1 = {0};

	for (const uint8_t *end = list + 4 * quads; list < end; list += 4) {
		const float *r0, *r1, *r2, *r3;
		uint32_t four;

		memcpy(&four, list, 4); /* one load: they are what limits this loop */
		r0 = b + PANEL * (four & 0xff);
		r1 = b + PANEL * (four >> 8 & 0xff);
		r2 = b + PANEL * (four >> 16 & 0xff);
		r3 = b + PANEL * (four >> 24);
		lo += CLONE(load)(r0);
		hi += CLONE(load)(r0 + 16);
		lo1 += CLONE(load)(r1);
		hi1 += CLONE(load)(r1 + 16);
		lo += CLONE(load)(r2);
		hi += CLONE(load)(r2 + 16);
		lo1 += CLONE(load)(r3);
		hi1 += CLONE(load)(r3 + 16);
	}
	CLONE(store)(sum, lo + lo1);
	CLONE(store)(sum + 16, hi + hi1);
}

/* Rows of C by adding the rows of B that A's set bits name. */
static KERNEL void CLONE(by_lists)(const struct bits_product *p, const uint16_t *row, int64_t nrow,
                                   int64_t row0)
{
	float sum[ROWS][PANEL] __attribute__((aligned(64)));
	float copy[(LIST_BLOCK + 1) * PANEL] __attribute__((aligned(64)));
	struct CLONE(entry) order[MAX_K / LIST_BLOCK][ROWS], entry[ROWS];
	int64_t nblock = (p->k + LIST_BLOCK - 1) / LIST_BLOCK;
	int64_t room = LIST / (p->k * DENSE_K / DENSE_ONES + 4 * nblock); /* rows that fit the list */
	uint8_t list[LIST];

	for (int64_t first = 0, rows; first < nrow; first += rows) {
		uint8_t *at = list;

		rows = nrow - first < room ? nrow - first : room;
		for (int64_t block = 0; block < nblock; block++) {
			int64_t k0 = block * LIST_BLOCK, left = p->k - k0;
			int64_t words = left < LIST_BLOCK ? (left + 63) / 64 : LIST_BLOCK / 64;

			for (int64_t i = 0; i < rows; i++) {
				const uint64_t *a = p->a + (row0 + row[first + i]) * p->lda + k0 / 64;
				uint8_t *start = at;

				at = CLONE(list_bits)(a, words, (uint8_t)CLONE(block_rows)(p, k0), at);
				entry[i] = (struct CLONE(entry)){(uint8_t)i, (uint8_t)((at - start) / 4),
				                                 (uint16_t)((start - list) / 4)};
			}
			CLONE(sort_rows)(entry, rows, order[block]);
		}
		for (int64_t j = 0; j * PANEL < p->n; j++) {
			memset(sum, 0, (size_t)rows * sizeof sum[0]);
			for (int64_t block = 0; block < nblock; block++) {
				int64_t k0 = block * LIST_BLOCK;
				const float *b = CLONE(block)(p, j, k0, CLONE(block_rows)(p, k0), copy);

				for (int64_t i = 0; i < rows; i++) {
					struct CLONE(entry) e = order[block][i];

					if (block == nblock - 1) {
						const float *c = p->c + (row0 + row[first + e.row]) * p->ldc + j * PANEL;

						__builtin_prefetch(c, 1);
						__builtin_prefetch(c + 16, 1);
					}
					CLONE(add_rows)(sum[e.row], b, list + 4 * e.list, e.quads);
				}
			}
			for (int64_t i = 0; i < rows; i++)
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

/* C = alpha * ones + beta * C for up to 16 columns. */
static inline KERNEL void CLONE(count16)(const struct bits_count *p, u32x16 ones, float *c,
                                         int64_t width)
{
	f32x16 v = p->alpha * __builtin_convertvector((i32x16)ones, f32x16);

	if (width >= 16) {
		if (p->beta != 0)
			v += p->beta * CLONE(load)(c);
		CLONE(store)(c, v);
	} else {
		for (int64_t l = 0; l < width; l++)
			c[l] = v[l] + (p->beta != 0 ? p->beta * c[l] : 0);
	}
}

static KERNEL void CLONE(count)(const struct bits_count *p)
{
	for (int64_t i = 0; i < p->m; i++) {
		const uint32_t *a = p->a + i * p->words;
		float *c = p->c + i * p->ldc;

		for (int64_t j = 0; j < p->n; j += 64) {
			u32x16 ones[4] = {{0}};

			for (int64_t w = 0; w < p->words; w++) {
				const u32x16 *b = (const void *)(p->b + w * p->bstride + j);

				for (int h = 0; h < 4; h++)
					ones[h] += CLONE(popcount)(b[h] & a[w]);
			}
			for (int h = 0; h < 4; h++)
				CLONE(count16)(p, ones[h], c + j + 16 * h, p->n - j - 16 * h);
		}
	}
}

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
			for (int j = 0; j < PANEL; j += 16)
				CLONE(transpose16)(b + j * ldb + done, ldb, panel + done * PANEL + j);
#endif
	for (int64_t i = done; i < k; i++)
		for (int64_t j = 0; j < PANEL; j++)
			panel[i * PANEL + j] = j < width ? b[j * ldb + i] : 0;
}
