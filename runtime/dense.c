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

/* Columns of B to pack at a time, `depth` rows of them, n in all. */
static int64_t columns_of(bool sparse, int64_t depth, int64_t n)
{
	int64_t room = PACKED / dgm_pack_size(depth, 1) * PANEL;

	return sparse ? equal_part(n, room / SPARSE_COLUMNS * SPARSE_COLUMNS, SPARSE_COLUMNS)
	              : DENSE_COLUMNS;
}

void dgm_sgemm(int32_t ta, int32_t tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
               int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
	float packed[PACKED] __attribute__((aligned(64)));
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
	bool sparse = is_sparse(&p);
	int64_t most = sparse ? SPARSE_DEPTH : DENSE_DEPTH, depth = equal_part(k, most, PACK_ROWS);

	if (k <= 0 || (beta != 0 && beta != 1))
		dgm_scale(m, n, beta, c, ldc);
	for (int64_t k0 = 0, width; k0 < k && m > 0; k0 += depth)
		for (int64_t j = 0; j < n; j += width) {
			float *to = packed;

			width = dgm_min(n - j, columns_of(sparse, depth, n));
			p.n = width;
			p.k = dgm_min(k - k0, depth);
			p.beta = k0 || beta != 0;
			p.a = a + k0 * p.acol;
			p.panel_stride = dgm_pack_size(p.k, 1);
			p.c = c + j;
			for (int64_t at = 0; at < width; at += PANEL)
				to = dgm_pack_panel(tb, k0, k0 + p.k, j + at, n, b, ldb, to);
			if (alpha != 1)
				dgm_scale(1, to - packed, alpha, packed, 0);
			multiply(&p, sparse);
		}
}
