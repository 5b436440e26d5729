/* The kernel of the dense product (dense.c): a block of k at a time, each element summed over it in
 * the order of k in one accumulator, so that any split of the rows gives the same bits. */
#include "cpu.h"
#include "dense.h"
#include "pack.h"

#include <stdbool.h>
#include <string.h>

#define BODY "dense_body.h"
#include "clones.h"

dense_product_fn *dgm_dense_kernel(void)
{
	static dense_product_fn *const clone[DGM_CPU_LEVELS] = CLONES(dense);

	return clone[dgm_cpu()];
}

dense_product_fn *dgm_sparse_kernel(void)
{
	static dense_product_fn *const clone[DGM_CPU_LEVELS] = CLONES(sparse);

	return clone[dgm_cpu()];
}
