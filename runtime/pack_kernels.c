/* The transposition that packing needs. */
#include "cpu.h"
#include "pack.h"

#define BODY "pack_body.h"
#include "clones.h"

transpose_fn *dgm_transpose_kernel(void)
{
	static transpose_fn *const clone[DGM_CPU_LEVELS] = CLONES(transpose);

	return clone[dgm_cpu()];
}
