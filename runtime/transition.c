/* A transition of Markov chains as the functions of a module: begin; step, L times; end.  The size
 * of the steps is a state of the module that its `end` adapts at the rate given: it is in
 * checkpoints. */
#include "train.h"

#include <string.h>

#define RATE 0.2f /* of log size, a unit of acceptance */

static int scalar_find(const struct dgm_module *m, const char *name)
{
	for (int i = 0; i < m->nscalar; i++)
		if (!strcmp(m->scalar_name[i], name))
			return i;
	return -1;
}

struct dgm_transition dgm_transition_find(const struct dgm_module *m, const char *name, int pop,
                                          int64_t steps)
{
	char begin[128], step[128];

	snprintf(begin, sizeof begin, "%s.begin", name);
	snprintf(step, sizeof step, "%s.step", name);
	return (struct dgm_transition){.begin = dgm_function_find(m, begin),
	                               .step = dgm_function_find(m, step),
	                               .end = dgm_function_find(m, name),
	                               .steps = steps,
	                               .pop = pop,
	                               .scalar_inv = scalar_find(m, "inv_walkers"),
	                               .scalar_rate = scalar_find(m, "adaptation"),
	                               .size = dgm_slot_find(m, "sampler.step"),
	                               .acceptance = dgm_slot_find(m, "out.sampler.acceptance")};
}

static void run(const struct dgm_function *f, struct dgm_call *call)
{
	if (!f)
		return;
	dgm_run(f, call);
	call->step++;
}

void dgm_transition_run(const struct dgm_transition *t, const struct dgm_function *end,
                        const struct dgm_store *s, struct dgm_call *call, enum dgm_adaptation how,
                        struct dgm_acceptance *a)
{
	if (t->scalar_inv >= 0)
		call->scalar[t->scalar_inv] = 1 / (float)call->pop[t->pop];
	if (t->scalar_rate >= 0)
		call->scalar[t->scalar_rate] = how == DGM_ADAPT ? RATE : 0;
	run(t->begin, call);
	for (int64_t i = 0; t->step && i < t->steps; i++)
		run(t->step, call);
	run(end, call);
	if (t->acceptance >= 0) {
		a->sum += (double)*(const float *)s->slot[t->acceptance];
		a->n++;
	}
}
