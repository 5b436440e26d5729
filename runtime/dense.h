/* The inside of the dense product: shared by dense.c and the kernels. */
#ifndef DGM_DENSE_H
#define DGM_DENSE_H

#include <stdint.h>

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

dense_product_fn *dgm_dense_kernel(void);

#endif
