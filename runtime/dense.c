/* Products of dense matrices on the calling thread.  B is packed, beforehand or a block at a time;
 * the kernel does a block of k for a block of rows, so that the panels of B that it goes through
 * and those rows of A stay in the caches.  Where A has many zeros, such as behind a rectifier or in
 * an image, a kernel that passes over them does it.  An element's sum depends on k alone: any split
 * of the rows gives the same bits. */
#include "dense.h"
#include "dgm_rt.h"
#include "pack.h"

enum {
	DENSE_ROWS = 192,   /* rows of A at a time */
	DENSE_COLUMNS = 96, /* columns of B that are packed at a time, DENSE_DEPTH rows of them; ... */
	PACKED = DENSE_COLUMNS * (DENSE_DEPTH + DENSE_DEPTH / PACK_BLOCK),
	CLOSE_COLUMNS = 32,        /* ... or fewer */
	SPARSE_DEPTH = PACK_BLOCK, /* ... for the sparse kernel so many rows, and the more columns */
	SPARSE_WIDTH = 96,         /* columns that are worth a list of what is not zero */
	SAMPLE = 16                /* one value in so many is looked at */
};

void dgm_scale(int64_t m, int64_t n, float beta, float *c, int64_t ldc)
{
	for (int64_t i = 0; i < m; i++)
		for (int64_t j = 0; j < n; j++)
			c[i * ldc + j] = beta != 0 ? beta * c[i * ldc + j] : 0;
}

/* Is so much of A zero that lists of the rest pay? */
static bool is_sparse(const struct dense_product *p)
{
	int64_t zeros = 0, all = 0;

	if (p->n < SPARSE_WIDTH || p->k < SAMPLE)
		return false;
	for (int64_t i = 0; i < p->m; i++)
		for (int64_t l = i % SAMPLE; l < p->k; l += SAMPLE, all++)
			zeros += p->a[i * p->arow + l * p->acol] == 0;
	return 8 * zeros > 3 * all;
}

static void multiply(const struct dense_product *p, bool sparse)
{
	struct dense_product part = *p;

	if (sparse) {
		dgm_sparse_kernel()(p);
		return;
	}
	for (int64_t i = 0; i < p->m; i += DENSE_ROWS) {
		part.m = dgm_min(p->m - i, DENSE_ROWS);
		part.a = p->a + i * p->arow;
		part.c = p->c + i * p->ldc;
		dgm_dense_kernel()(&part);
	}
}

void dgm_mm(int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
            const float *packed, float beta, float *c, int64_t ldc)
{
	struct dense_product p = {
	    .m = m,
	    .n = n,
	    .k = k,
	    .alpha = alpha,
	    .beta = beta,
	    .a = a,
	    .arow = lda,
	    .acol = 1,
	    .panel_stride = dgm_pack_size(k, 1),
	    .c = c,
	    .ldc = ldc,
	};
	bool sparse = is_sparse(&p);

	if (k <= 0)
		dgm_scale(m, n, beta, c, ldc);
	for (int64_t k0 = 0; k0 < k; k0 += DENSE_DEPTH) {
		p.k = dgm_min(k - k0, DENSE_DEPTH);
		p.beta = k0 ? 1 : beta;
		p.a = a + k0;
		p.b = packed + dgm_pack_row(k0);
		multiply(&p, sparse);
	}
}

/* n in as few equal parts of at most `most` as can be: the size of one, in whole units. */
static int64_t equal_part(int64_t n, int64_t most, int64_t unit)
{
	int64_t parts = n > most ? (n + most - 1) / most : 1;

	return ((n + parts - 1) / parts + unit - 1) / unit * unit;
}

/* Columns of B to pack at a time, `depth` rows of them, n in all: few where those have to lie
 * close. */
static int64_t columns_of(bool sparse, bool close, int64_t depth, int64_t n)
{
	int64_t room = PACKED / dgm_pack_size(depth, 1) * PANEL;

	if (close)
		return sparse ? SPARSE_WIDTH : CLOSE_COLUMNS;
	return sparse ? equal_part(n, room / SPARSE_COLUMNS * SPARSE_COLUMNS, SPARSE_COLUMNS)
	              : DENSE_COLUMNS;
}

/* The elements [i, j] of a matrix with row*i + column*j + constant >= 0. */
struct cut {
	int64_t row, column, constant;
};
struct range {
	int64_t lo, hi;
};

/* The rows of 0..n that have an element of the cut in columns j0..j1. */
static struct range rows_in(struct cut x, int64_t j0, int64_t j1, int64_t n)
{
	int64_t most = x.constant + x.column * (x.column > 0 ? j1 - 1 : j0);
	struct range r = {0, n};

	if (most < 0)
		r.lo = x.row > 0 ? dgm_min(n, (x.row - 1 - most) / x.row) : n;
	else if (x.row < 0)
		r.hi = dgm_min(n, most / -x.row + 1);
	return r;
}

/* Zeros for what is outside of the cut: in C, and in columns j..j+n of B from row k0 on, packed. */
static void clear_outside(struct cut x, int64_t m, int64_t n, float *c, int64_t ldc)
{
	struct cut turned = {x.column, x.row, x.constant};

	for (int64_t i = 0; i < m; i++, c += ldc) {
		struct range r = rows_in(turned, i, i + 1, n);

		dgm_scale(1, r.lo, 0, c, 0);
		dgm_scale(1, n - r.hi, 0, c + r.hi, 0);
	}
}

static void clear_packed(struct cut x, int64_t k0, int64_t k, int64_t j, int64_t n, float *packed)
{
	for (int64_t at = 0; at < n; at++) {
		float *column = packed + at / PANEL * dgm_pack_size(k, 1) + at % PANEL;
		struct range r = rows_in(x, j + at, j + at + 1, k0 + k);

		for (int64_t l = k0; l < dgm_min(r.lo, k0 + k); l++)
			column[dgm_pack_row(l - k0)] = 0;
		for (int64_t l = r.hi > k0 ? r.hi : k0; l < k0 + k; l++)
			column[dgm_pack_row(l - k0)] = 0;
	}
}

/* Of a product of rows with themselves, C = A B' with A rows lo..hi of B, the columns lo..hi: they
 * are symmetric, to the bit, for every element is summed in the order of k. */
static struct range own_columns(const struct dense_product *p, const float *b, int64_t ldb)
{
	int64_t apart = p->a - b, lo = ldb > 0 ? apart / ldb : 0;

	if (p->acol != 1 || p->arow != ldb || lo < 0 || lo * ldb != apart || lo + p->m > p->n)
		return (struct range){0, 0};
	return (struct range){lo, lo + p->m};
}

/* C[m,n] = from[n,m]', both in rows ldc apart. */
static void mirror(int64_t m, int64_t n, const float *from, float *c, int64_t ldc)
{
	for (int64_t i0 = 0; i0 < m; i0 += PANEL)
		for (int64_t j = 0; j < n; j++)
			for (int64_t i = i0; i < dgm_min(m, i0 + PANEL); i++)
				c[i * ldc + j] = from[j * ldc + i];
}

void dgm_cut_sgemm(int32_t ta, int32_t tb, int64_t m, int64_t n, int64_t k, float alpha,
                   const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                   int64_t ldc, int64_t b_row, int64_t b_column, int64_t b_constant, int64_t c_row,
                   int64_t c_column, int64_t c_constant)
{
	float packed[PACKED] __attribute__((aligned(64)));
	struct cut of_b = {b_row, b_column, b_constant}, of_c = {c_row, c_column, c_constant};
	struct dense_product p = {
	    .m = m,
	    .n = n,
	    .k = k,
	    .alpha = 1,
	    .a = a,
	    .arow = ta ? 1 : lda,
	    .acol = ta ? lda : 1,
	    .b = packed,
	    .ldc = ldc,
	};
	bool sparse = is_sparse(&p), b_is_cut = b_row || b_column, c_is_cut = c_row || c_column;
	int64_t depth = equal_part(k > 0 ? k : 1, sparse ? SPARSE_DEPTH : DENSE_DEPTH, PACK_ROWS);
	int64_t width = columns_of(sparse, b_is_cut || c_is_cut, depth, n);
	bool plain = tb && alpha == 1 && beta == 0 && !b_is_cut && !c_is_cut;
	struct range own = plain ? own_columns(&p, b, ldb) : (struct range){0, 0};

	for (int64_t j = 0; j < n; j += width) {
		int64_t columns = dgm_min(n - j, width);
		struct range row = rows_in(of_c, j, j + columns, m), l = rows_in(of_b, j, j + columns, k);

		if (j > own.lo && j + columns <= own.hi) {
			row.lo = j - own.lo;
			mirror(row.lo, columns, c + row.lo * ldc + own.lo, c + j, ldc);
		}
		p.n = columns;
		p.m = row.hi - row.lo;
		p.c = c + row.lo * ldc + j;
		if (p.m > 0 && (l.lo >= l.hi || (beta != 0 && beta != 1)))
			dgm_scale(p.m, columns, beta, p.c, ldc);
		p.beta = beta != 0;
		for (int64_t k0 = l.lo; k0 < l.hi && p.m > 0; k0 += depth) {
			float *to = packed;

			p.k = dgm_min(l.hi - k0, depth);
			p.a = a + row.lo * p.arow + k0 * p.acol;
			p.panel_stride = dgm_pack_size(p.k, 1);
			for (int64_t at = 0; at < columns; at += PANEL)
				to = dgm_pack_panel(tb, k0, k0 + p.k, j + at, n, b, ldb, to);
			if (b_is_cut)
				clear_packed(of_b, k0, p.k, j, columns, packed);
			if (alpha != 1)
				dgm_scale(1, to - packed, alpha, packed, 0);
			multiply(&p, sparse);
			p.beta = 1;
		}
	}
	if (c_is_cut)
		clear_outside(of_c, m, n, c, ldc);
}

void dgm_sgemm(int32_t ta, int32_t tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
               int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
	dgm_cut_sgemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, 0, 0, 0, 0, 0, 0);
}
