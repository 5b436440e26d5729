/* parzen: densities by Parzen windows on points. */
#ifndef DGM_PARZEN_H
#define DGM_PARZEN_H

#include <stdint.h>

struct dgm_parzen {
	const double *point; /* n x items */
	int64_t n, items;
	const double *width; /* of the windows: several, each a density of its own */
	int nwidth;
};
/* out[r*nwidth + k] := log p(x_r) with width k, of the rows of x, rows x items.  The same bits at any number of
 * threads.  DGM_ENOMEM. */
int dgm_parzen(const struct dgm_parzen *p, const double *x, int64_t rows, double *out);

#endif
