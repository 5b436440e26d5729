/* Steps that rescale values by statistics of the examples. */
#include "data_work.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

int dgm_step_standardize(struct dgm_data_work *w, const struct dgm_step *s)
{
	(void)s;
	int status = dgm_data_to_floats(w);
	if (status)
		return status;
	int64_t n = w->d.n, items = w->d.items;
	double *mean = calloc((size_t)items * 2, sizeof *mean), *var = mean + items;
	if (!mean)
		return dgm_data_no_memory(w);
	for (int64_t e = 0; e < n; e++)
		for (int64_t u = 0; u < items; u++)
			mean[u] += w->d.f32[e * items + u];
	for (int64_t u = 0; u < items; u++)
		mean[u] /= (double)n;
	for (int64_t e = 0; e < n; e++)
		for (int64_t u = 0; u < items; u++) {
			double x = w->d.f32[e * items + u] - mean[u];
			var[u] += x * x;
		}
	for (int64_t u = 0; u < items && !status; u++) {
		/* below this the differences are rounding */
		double tiny = 1e-7 * fabs(mean[u]);
		var[u] /= (double)n;
		if (var[u] <= tiny * tiny)
			status = dgm_fail(DGM_EDOMAIN,
			                  "%s: unit %" PRId64 " (from 0) is %g in all %" PRId64
			                  " examples: it cannot be brought to variance 1",
			                  w->name, u, mean[u], n);
	}
	for (int64_t e = 0; e < n && !status; e++)
		for (int64_t u = 0; u < items; u++) {
			float *v = &w->d.f32[e * items + u];
			*v = (float)((*v - mean[u]) / sqrt(var[u]));
		}
	free(mean);
	CHANGED(" |> standardize");
	return status;
}
