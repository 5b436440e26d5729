/* The inside of the bit matrix products: shared by bits.c and the kernels. */
#ifndef DGM_BITS_H
#define DGM_BITS_H

#include <stdbool.h>
#include <stdint.h>

enum {
	TABLE_BLOCK = 64, /* rows of B whose tables are in use at a time: 16 tables, 16 KiB */
	ROWS = 256,       /* rows of C that share the tables */
	LIST = 65536,     /* indices of set bits that are listed at a time */
	MAX_K = 4032      /* a larger k is cut by the caller: whole words, whole PACK_BLOCKs */
};

/* C[m,n] = alpha * A[m,k] B[k,n] + beta * C.  padded: B is packed (pack.h), its panels panel_stride
 * apart; else it is dense with rows of ldb floats. */
struct bits_product {
	int64_t m, n, k;
	float alpha, beta;
	const uint64_t *a;
	int64_t lda;
	const float *b;
	int64_t ldb, panel_stride;
	bool padded;
	float *c;
	int64_t ldc;
};
typedef void bits_product_fn(const struct bits_product *p);

/* C[i, j] = alpha * (number of common ones of A's item i and B's item j) + beta * C[i, j]:
 * item i of A is words 32-bit words at a + i*words, word w of item j of B at b[w*bstride + j];
 * m items of A, n of B; bstride a multiple of 16, bits behind the last item zero. */
struct bits_count {
	int64_t m, n, words;
	float alpha, beta;
	const uint32_t *a, *b;
	int64_t bstride;
	float *c;
	int64_t ldc;
};
typedef void bits_count_fn(const struct bits_count *p);

bits_product_fn *dgm_bits_product_kernel(void);
bits_count_fn *dgm_bits_count_kernel(void);

#endif
