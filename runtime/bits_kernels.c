/* Kernels of the products with a matrix of bits.
 *
 * A row of C is the sum of the rows of B that the row of A names.  Rows of A with many ones go by
 * tables: the 16 sums of each subset of 4 rows of B are made once for up to ROWS rows of C, and a
 * row adds one of them for 4 bits.  Rows with few ones are listed and add the named rows.
 * Both run over panels of PANEL columns so that what they add lies in the first-level cache.  The
 * choice is made for each row by its ones, and the order of a row's additions depends on nothing
 * else, so any split of the rows gives the same bits. */
#include "bits.h"
#include "cpu.h"
#include "pack.h"

#include <string.h>

/* A row is dense when more than DENSE_K in DENSE_ONES of its bits are ones. */
enum { DENSE_K = 36, DENSE_ONES = 100 };

#define BODY "bits_body.h"
#include "clones.h"

bits_product_fn *dgm_bits_product_kernel(void)
{
	static bits_product_fn *const clone[DGM_CPU_LEVELS] = CLONES(product);

	return clone[dgm_cpu()];
}

bits_count_fn *dgm_bits_count_kernel(void)
{
	static bits_count_fn *const clone[DGM_CPU_LEVELS] = CLONES(count);

	return clone[dgm_cpu()];
}
