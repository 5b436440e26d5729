/* The inside of the dense product: shared by dense.c and the kernels. */
#ifndef DGM_DENSE_H
#define DGM_DENSE_H

#include "pack.h"

enum {
	DENSE_DEPTH = 3 * PACK_BLOCK, /* of k at most in one call of the sparse kernel */
	SPARSE_ROWS = 64,             /* of A that are listed at a time */
	SPARSE_PANELS = 4,
	SPARSE_COLUMNS = SPARSE_PANELS * PANEL,
	SPARSE_BLOCK = PACK_BLOCK / 2, /* of k: 24 KiB of B */
	DENSE_BLOCKS = DENSE_DEPTH / SPARSE_BLOCK
};

/* C[m,n] = alpha * A[m,k] B[k,n] + beta * C; A[i,l] at a[i*arow + l*acol]; B as
 * panels (pack.h), each panel_stride floats behind the one before. */
struct dense_product {
	int64_t m, n, k;
	float alpha, beta;
	const float *a;
	int64_t arow, acol;
	const float *b;
	int64_t panel_stride;
	float *c;
	int64_t ldc;
};
typedef void dense_product_fn(const struct dense_product *p);

/* The same bits: every element is summed in the order of k in one accumulator, which begins with C where
 * alpha = beta = 1. */
dense_product_fn *dgm_dense_kernel(void);
dense_product_fn *dgm_sparse_kernel(void); /* k <= DENSE_DEPTH; time goes with what is not zero in A */

#endif
