/* The choice of OpenBLAS's kernels.
 *
 * OpenBLAS chooses its kernels for this CPU in a load-time constructor, and lets two environment
 * variables overrule the choice; where they name an older CPU the product takes twice as long.
 * The only cure is to start again without them. */
#include "dgm_rt.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Set across the re-execution: a second one would mean that the variables came back. */
#define RESTARTED "DGM_BLAS_RESTARTED"

void dgm_blas_select(char **argv)
{
	const char *keep = getenv("DGM_KEEP_OPENBLAS");

	if (keep && !strcmp(keep, "1"))
		return;
	if (getenv(RESTARTED)) {
		unsetenv(RESTARTED);
		return;
	}
	if (!getenv("OPENBLAS_CORETYPE") && !getenv("OPENBLAS_L2_SIZE"))
		return;
	unsetenv("OPENBLAS_CORETYPE");
	unsetenv("OPENBLAS_L2_SIZE");
	setenv(RESTARTED, "1", 1);
	execv("/proc/self/exe", argv);
	unsetenv(RESTARTED); /* no /proc: slower, not wrong */
}

const char *dgm_blas_name(void)
{
	return openblas_get_corename();
}
