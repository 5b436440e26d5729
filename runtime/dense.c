/* Products of dense matrices on the calling thread.  B is packed, beforehand or a block at a time;
 * the kernel does a block of k for a block of rows, so that the panels of B that it goes through
 * and those rows of A stay in the caches.  An element's sum depends on k alone: any split of the
 * rows gives the same bits. */
#include "dgm_rt.h"
#include "dense.h"
#include "pack.h"

enum {
	DENSE_DEPTH = 3 * PACK_BLOCK, /* of k at a time: C is read and written once for it */
	DENSE_ROWS = 192,             /* rows of A at a time */
	DENSE_COLUMNS = 64            /* columns of B that are packed at a time */
};

void dgm_scale(int64_t m, int64_t n, float beta, float *c, int64_t ldc)
{
	for (int64_t i = 0; i < m; i++)
		for (int64_t j = 0; j < n; j++)
			c[i * ldc + j] = beta != 0 ? beta * c[i * ldc + j] : 0;
}

void dgm_mm(int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
            const float *packed, float beta, float *c, int64_t ldc)
{
	if (k <= 0)
		dgm_scale(m, n, beta, c, ldc);
	for (int64_t i = 0; i < m; i += DENSE_ROWS)
		for (int64_t k0 = 0; k0 < k; k0 += DENSE_DEPTH)
			dgm_dense_kernel()(&(struct dense_product){
			    .m = dgm_min(m - i, DENSE_ROWS),
			    .n = n,
			    .k = dgm_min(k - k0, DENSE_DEPTH),
			    .alpha = alpha,
			    .beta = k0 ? 1 : beta,
			    .a = a + i * lda + k0,
			    .arow = lda,
			    .acol = 1,
			    .b = packed + dgm_pack_row(k0),
			    .panel_stride = dgm_pack_size(k, 1),
			    .c = c + i * ldc,
			    .ldc = ldc,
			});
}

void dgm_sgemm(int32_t ta, int32_t tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
               int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
	float packed[DENSE_COLUMNS * (DENSE_DEPTH + DENSE_DEPTH / PACK_BLOCK)]
	    __attribute__((aligned(64)));

	if (k <= 0)
		dgm_scale(m, n, beta, c, ldc);
	for (int64_t k0 = 0; k0 < k && m > 0; k0 += DENSE_DEPTH)
		for (int64_t j0 = 0; j0 < n; j0 += DENSE_COLUMNS) {
			int64_t columns = dgm_min(n - j0, DENSE_COLUMNS), depth = dgm_min(k - k0, DENSE_DEPTH);
			float *to = packed;

			for (int64_t j = 0; j < columns; j += PANEL)
				to = dgm_pack_panel(tb, k0, k0 + depth, j0 + j, n, b, ldb, to);
			for (int64_t i = 0; i < m; i += DENSE_ROWS)
				dgm_dense_kernel()(&(struct dense_product){
				    .m = dgm_min(m - i, DENSE_ROWS),
				    .n = columns,
				    .k = depth,
				    .alpha = alpha,
				    .beta = k0 ? 1 : beta,
				    .a = ta ? a + k0 * lda + i : a + i * lda + k0,
				    .arow = ta ? 1 : lda,
				    .acol = ta ? lda : 1,
				    .b = packed,
				    .panel_stride = dgm_pack_size(depth, 1),
				    .c = c + i * ldc + j0,
				    .ldc = ldc,
				});
		}
}
