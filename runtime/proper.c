/* Numbers that parameters must keep above 0. */
#include "train.h"

int dgm_positive_check(struct dgm_store *s, const struct dgm_positive *p, uint64_t seed)
{
	struct dgm_call call = dgm_call_on(s, seed);

	if (!p || !p->fn)
		return DGM_OK;
	dgm_run(p->fn, &call);
	for (int i = 0; i < p->n; i++) {
		const struct dgm_positive_number *of = &p->of[i];
		float x = *(const float *)s->slot[of->slot];

		if (!(x > 0))
			return dgm_fail(
			    DGM_ENONFINITE,
			    "%s: the energy is not bounded below in '%s': its second derivative is %g "
			    "and must be positive, with these parameters (%s)",
			    s->mod->model, of->name, (double)x, of->place);
	}
	return DGM_OK;
}
