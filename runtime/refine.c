/* Repeats a pass over the rows of a population until no row changes by more than the tolerance, or
 * the passes are done: mean field's fixed point.  The largest change of all rows decides, so that
 * the number of passes does not depend on how the rows are split among threads. */
#include "train.h"

#include <math.h>

void dgm_refine_run(const struct dgm_refine *r, const struct dgm_store *s, struct dgm_call *call)
{
	if (r->pass == NULL)
		return;
	const float *change = s->slot[r->change];
	int64_t stride = dgm_item_stride(&s->mod->slot[r->change]);

	for (int64_t i = 0; i < r->passes; i++) {
		float most = 0;

		dgm_run(r->pass, call);
		call->step++;
		for (int64_t n = 0; r->tolerance > 0 && n < call->pop[r->pop]; n++)
			most = fmaxf(most, change[n * stride]);
		if (r->tolerance > 0 && (double)most < r->tolerance)
			return;
	}
}
