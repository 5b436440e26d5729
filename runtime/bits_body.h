/* The kernels of bits_kernels.c, for one level of CPU: see clones.h. */
#include "vector_body.h"

/* Rows of the PACK_BLOCK from k0 on, whole PACK_ROWSs: the number of its row of zeros. */
static inline KERNEL int64_t CLONE(block_rows)(const struct bits_product *p, int64_t k0)
{
	int64_t rows = (p->k - k0 + PACK_ROWS - 1) / PACK_ROWS * PACK_ROWS;

	return rows < PACK_BLOCK ? rows : PACK_BLOCK;
}

/* Rows k0.. of panel j of B, PANEL floats apart: `rows` of them and one of zeros.  k0 = 0 mod
 * PACK_BLOCK and rows = PACK_BLOCK, or fewer at the end of k, or k0 = 0 mod TABLE_BLOCK and rows =
 * TABLE_BLOCK or fewer at the end of k, without the row of zeros. */
static inline KERNEL const float *CLONE(block)(const struct bits_product *p, int64_t j, int64_t k0,
                                               int64_t rows, float *copy)
{
	const float *b = p->b + j * PANEL + k0 * p->ldb;
	int64_t width = p->n - j * PANEL;
	int64_t there = p->k - k0 < rows ? p->k - k0 : rows, i = 0;

	if (p->padded)
		return p->b + j * p->panel_stride + dgm_pack_row(k0);
	for (; i < there; i++, b += p->ldb) {
		float *to = copy + i * PANEL;

		if (width >= PANEL)
			CLONE(store)(to, CLONE(load)(b));
		else
			for (int64_t c = 0; c < PANEL; c++)
				to[c] = c < width ? b[c] : 0;
	}
	for (; i < rows + 1; i++)
		CLONE(store)(copy + i * PANEL, (f32x16){0});
	return copy;
}

/* C = alpha * sum + beta * C for one row of a panel. */
static inline KERNEL void CLONE(finish)(const struct bits_product *p, int64_t row, int64_t j,
                                        const float *sum)
{
	float *c = p->c + row * p->ldc + j * PANEL;
	int64_t width = p->n - j * PANEL;

	if (width >= PANEL) {
		f32x16 v = p->alpha * CLONE(load)(sum);

		if (p->beta != 0)
			v += p->beta * CLONE(load)(c);
		CLONE(store)(c, v);
	} else {
		for (int64_t i = 0; i < width; i++)
			c[i] = p->alpha * sum[i] + (p->beta != 0 ? p->beta * c[i] : 0);
	}
}

/* table[s] = sum of the rows of b whose bit is set in s, for 4 rows.  Stores in the order of their
 * addresses take half the time, and the compiler keeps that order only where it is told to. */
static inline KERNEL void CLONE(subsets)(const float *b, float (*table)[PANEL])
{
	const f32x16 b0 = CLONE(load)(b), b1 = CLONE(load)(b + PANEL);
	const f32x16 b2 = CLONE(load)(b + 2 * PANEL), b3 = CLONE(load)(b + 3 * PANEL);
	const f32x16 b01 = b0 + b1, b23 = b2 + b3;
#define SUM(s, x) \
	CLONE(store)(table[s], x); \
	__asm__ volatile("" ::: "memory");
	SUM(0, (f32x16){0})
	SUM(1, b0)
	SUM(2, b1)
	SUM(3, b01)
	SUM(4, b2)
	SUM(5, b0 + b2)
	SUM(6, b1 + b2)
	SUM(7, b01 + b2)
	SUM(8, b3)
	SUM(9, b0 + b3)
	SUM(10, b1 + b3)
	SUM(11, b01 + b3)
	SUM(12, b23)
	SUM(13, b0 + b23)
	SUM(14, b1 + b23)
	SUM(15, b01 + b23)
#undef SUM
}

/* The sum of the tables' rows that the lowest 16 * units bits name. */
static inline KERNEL __attribute__((always_inline)) f32x16 CLONE(look_up)(
    float (*table)[16][PANEL], uint64_t bits, int64_t units)
{
	const char *t = (const char *)table;
	f32x16 sum = {0};

	for (int64_t u = 0; u < units; u++, t += PACK_ROWS / 4 * sizeof *table, bits >>= PACK_ROWS) {
		f32x16 x0 = *(const f32x16 *)(const void *)(t + (bits << 6 & 0x3c0));
		f32x16 x1 = *(const f32x16 *)(const void *)(t + 0x400 + (bits << 2 & 0x3c0));
		f32x16 x2 = *(const f32x16 *)(const void *)(t + 0x800 + (bits >> 2 & 0x3c0));
		f32x16 x3 = *(const f32x16 *)(const void *)(t + 0xc00 + (bits >> 6 & 0x3c0));

		sum += (x0 + x1) + (x2 + x3);
	}
	return sum;
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
			int64_t units = (p->k - k0 + PACK_ROWS - 1) / PACK_ROWS;
			bool whole = units >= TABLE_BLOCK / PACK_ROWS;
			const float *b;

			units = whole ? TABLE_BLOCK / PACK_ROWS : units;
			b = CLONE(block)(p, j, k0, units * PACK_ROWS, copy);
			for (int64_t g = 0; g < units * PACK_ROWS / 4; g++)
				CLONE(subsets)(b + g * 4 * PANEL, table[g]);
			b += TABLE_BLOCK * PANEL;
			for (int64_t i = 0; i < nrow; i++) {
				uint64_t bits = p->a[(row0 + row[i]) * p->lda + k0 / 64];
				f32x16 s = whole ? CLONE(look_up)(table, bits, TABLE_BLOCK / PACK_ROWS)
				                 : CLONE(look_up)(table, bits, units);

				CLONE(store)(sum[i], CLONE(load)(sum[i]) + s);
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
	int place[PACK_BLOCK / 4 + 2] = {0};

	for (int64_t i = 0; i < n; i++)
		place[from[i].quads + 1]++;
	for (int q = 0; q < PACK_BLOCK / 4; q++)
		place[q + 1] += place[q];
	for (int64_t i = 0; i < n; i++)
		to[place[from[i].quads]++] = from[i];
}

/* sum += the listed rows of two panels, four at a time: one addition in four waits for the one
 * before. */
static inline KERNEL void CLONE(add_rows)(float (*sum)[PANEL], const float *b, const float *b1,
                                          const uint8_t *list, int64_t quads)
{
	f32x16 all = CLONE(load)(sum[0]), all1 = CLONE(load)(sum[1]);

	for (const uint8_t *end = list + 4 * quads; list < end; list += 4) {
		int64_t r0, r1, r2, r3;
		uint32_t four;

		memcpy(&four, list, 4); /* one load: they are what limits this loop */
		r0 = PANEL * (four & 0xff);
		r1 = PANEL * (four >> 8 & 0xff);
		r2 = PANEL * (four >> 16 & 0xff);
		r3 = PANEL * (four >> 24);
		all += (CLONE(load)(b + r0) + CLONE(load)(b + r1)) +
		       (CLONE(load)(b + r2) + CLONE(load)(b + r3));
		all1 += (CLONE(load)(b1 + r0) + CLONE(load)(b1 + r1)) +
		        (CLONE(load)(b1 + r2) + CLONE(load)(b1 + r3));
	}
	CLONE(store)(sum[0], all);
	CLONE(store)(sum[1], all1);
}

/* Rows of C by adding the rows of B that A's set bits name. */
static KERNEL void CLONE(by_lists)(const struct bits_product *p, const uint16_t *row, int64_t nrow,
                                   int64_t row0)
{
	float sum[ROWS][2][PANEL] __attribute__((aligned(64)));
	float copy[2][(PACK_BLOCK + 1) * PANEL] __attribute__((aligned(64)));
	struct CLONE(entry) order[MAX_K / PACK_BLOCK][ROWS], entry[ROWS];
	int64_t nblock = (p->k + PACK_BLOCK - 1) / PACK_BLOCK;
	int64_t room = LIST / (p->k * DENSE_K / DENSE_ONES + 4 * nblock); /* rows that fit the list */
	uint8_t list[LIST];

	for (int64_t first = 0, rows; first < nrow; first += rows) {
		uint8_t *at = list;

		rows = nrow - first < room ? nrow - first : room;
		for (int64_t block = 0; block < nblock; block++) {
			int64_t k0 = block * PACK_BLOCK, left = p->k - k0;
			int64_t words = left < PACK_BLOCK ? (left + 63) / 64 : PACK_BLOCK / 64;

			for (int64_t i = 0; i < rows; i++) {
				const uint64_t *a = p->a + (row0 + row[first + i]) * p->lda + k0 / 64;
				uint8_t *start = at;

				at = CLONE(list_bits)(a, words, (uint8_t)CLONE(block_rows)(p, k0), at);
				entry[i] = (struct CLONE(entry)){(uint8_t)i, (uint8_t)((at - start) / 4),
				                                 (uint16_t)((start - list) / 4)};
			}
			CLONE(sort_rows)(entry, rows, order[block]);
		}
		for (int64_t j = 0; j * PANEL < p->n; j += 2) {
			bool pair = (j + 1) * PANEL < p->n;

			memset(sum, 0, (size_t)rows * sizeof sum[0]);
			for (int64_t block = 0; block < nblock; block++) {
				int64_t k0 = block * PACK_BLOCK;
				int64_t k = CLONE(block_rows)(p, k0);
				const float *b = CLONE(block)(p, j, k0, k, copy[0]);
				const float *b1 = pair ? CLONE(block)(p, j + 1, k0, k, copy[1]) : b;

				for (int64_t i = 0; i < rows; i++) {
					struct CLONE(entry) e = order[block][i];

					if (block == nblock - 1) {
						const float *c = p->c + (row0 + row[first + e.row]) * p->ldc + j * PANEL;

						__builtin_prefetch(c, 1);
					}
					CLONE(add_rows)(sum[e.row], b, b1, list + 4 * e.list, e.quads);
				}
			}
			for (int64_t i = 0; i < rows; i++) {
				CLONE(finish)(p, row0 + row[first + i], j, sum[i][0]);
				if (pair)
					CLONE(finish)(p, row0 + row[first + i], j + 1, sum[i][1]);
			}
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
