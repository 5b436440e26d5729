/* The kernels of dense_kernels.c, for one level of CPU: see clones.h.
 *
 * A tile of C stays in registers while k runs: TILE_ROWS rows of TILE_PANELS panels. */
#include "vector_body.h"

#if LEVEL == 2
#define TILE_ROWS 12
#define TILE_PANELS 2
typedef f32x16 CLONE(part);
#elif LEVEL == 1
#define TILE_ROWS 6
#define TILE_PANELS 1
typedef float CLONE(part) __attribute__((vector_size(32), aligned(4), may_alias));
#else
#define TILE_ROWS 2
#define TILE_PANELS 1
typedef float CLONE(part) __attribute__((vector_size(16), aligned(4), may_alias));
#endif
#define LANES ((int)(sizeof(CLONE(part)) / sizeof(float)))
#define TILE_COLUMNS (TILE_PANELS * PANEL)
#define PARTS (TILE_COLUMNS / LANES) /* vectors in a row of a tile */

/* Do the sums begin with C? */
static inline KERNEL bool CLONE(onto)(const struct dense_product *p)
{
	return p->alpha == 1 && p->beta == 1;
}

/* sum = C for `rows` rows, `width` columns of them. */
static KERNEL __attribute__((noinline)) void CLONE(begin)(float *sum, int64_t columns, int64_t rows,
                                                          const float *c, int64_t ldc, int64_t width)
{
	for (; rows > 0; rows--, c += ldc, sum += columns)
		memcpy(sum, c, (size_t)(width < columns ? width : columns) * sizeof *c);
}

/* C = alpha * sum + beta * C for `rows` rows of C, `columns` of them or `width`. */
static KERNEL __attribute__((noinline)) void CLONE(finish)(const struct dense_product *p, const float *sum,
                                                           int64_t columns, int64_t rows, float *c,
                                                           int64_t width)
{
	float beta = CLONE(onto)(p) ? 0 : p->beta;

	for (; rows > 0; rows--, c += p->ldc, sum += columns) {
		int64_t i = 0;

		for (; i < columns && i + 16 <= width; i += 16) {
			f32x16 v = p->alpha * CLONE(load)(sum + i);

			if (beta != 0)
				v += beta * CLONE(load)(c + i);
			CLONE(store)(c + i, v);
		}
		for (; i < columns && i < width; i++)
			c[i] = p->alpha * sum[i] + (beta != 0 ? beta * c[i] : 0);
	}
}

/* `rows` rows of C from row i on, the TILE_PANELS panels from j on. */
static inline KERNEL __attribute__((always_inline)) void CLONE(tile)(const struct dense_product *p,
                                                                     int64_t i, int64_t j, int rows)
{
	float out[TILE_ROWS * TILE_COLUMNS] __attribute__((aligned(64)));
	CLONE(part) sum[TILE_ROWS][PARTS];
	const float *a = p->a + i * p->arow, *b[TILE_PANELS], *from = out;
	float *c = p->c + i * p->ldc + j * PANEL;
	int64_t arow = p->arow, acol = p->acol, width = p->n - j * PANEL, step = TILE_COLUMNS;
	bool onto = CLONE(onto)(p), whole = width >= TILE_COLUMNS;

	for (int t = 0; t < TILE_PANELS; t++) /* behind the last panel: that one again, not stored */
		b[t] = p->b + (j + ((j + t) * PANEL < p->n ? t : 0)) * p->panel_stride;
	if (onto && whole) {
		from = c;
		step = p->ldc;
	} else if (onto) {
		CLONE(begin)(out, TILE_COLUMNS, rows, c, p->ldc, width);
	}
#pragma GCC unroll 12
	for (int r = 0; r < rows; r++)
		for (int h = 0; h < PARTS; h++)
			sum[r][h] = onto ? *(const CLONE(part) *)(from + r * step + h * LANES) : (CLONE(part)){0};
	for (int64_t k0 = 0, k; k0 < p->k; k0 += k) {
		k = p->k - k0 < PACK_BLOCK ? p->k - k0 : PACK_BLOCK;
		for (int64_t l = 0; l < k; l++, a += acol) {
			CLONE(part) x[PARTS];

			for (int h = 0; h < PARTS; h++)
				x[h] = *(const CLONE(part) *)(b[h * LANES / PANEL] + l * PANEL + h * LANES % PANEL);
#pragma GCC unroll 12
			for (int r = 0; r < rows; r++)
				for (int h = 0; h < PARTS; h++)
					sum[r][h] += a[r * arow] * x[h];
		}
		for (int t = 0; t < TILE_PANELS; t++)
			b[t] += (PACK_BLOCK + 1) * PANEL;
	}
	if (whole && (onto || (p->alpha == 1 && p->beta == 0))) {
#pragma GCC unroll 12
		for (int r = 0; r < rows; r++)
			for (int h = 0; h < PARTS; h++)
				*(CLONE(part) *)(c + r * p->ldc + h * LANES) = sum[r][h];
		return;
	}
#pragma GCC unroll 12
	for (int r = 0; r < rows; r++)
		for (int h = 0; h < PARTS; h++)
			*(CLONE(part) *)(out + r * TILE_COLUMNS + h * LANES) = sum[r][h];
	CLONE(finish)(p, out, TILE_COLUMNS, rows, c, width);
}

static KERNEL void CLONE(dense)(const struct dense_product *p)
{
	int64_t tiles = (p->m + TILE_ROWS - 1) / TILE_ROWS;

	for (int64_t j = 0; j * PANEL < p->n; j += TILE_PANELS)
		for (int64_t t = 0; t < tiles; t++) {
			int64_t i = p->m * t / tiles;

			switch (p->m * (t + 1) / tiles - i) {
#define CASE(rows) \
	case rows: \
		CLONE(tile)(p, i, j, rows); \
		break;
				CASE(1)
				CASE(2)
#if TILE_ROWS > 2
				CASE(3)
				CASE(4)
				CASE(5)
				CASE(6)
#endif
#if TILE_ROWS > 6
				CASE(7)
				CASE(8)
				CASE(9)
				CASE(10)
				CASE(11)
				CASE(12)
#endif
#undef CASE
			}
		}
}
#undef TILE_ROWS
#undef TILE_PANELS
#undef TILE_COLUMNS
#undef LANES
#undef PARTS

#include "sparse_body.h"
