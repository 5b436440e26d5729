/* Directed models: each density, with the formulas that it reads put in their place, is a density;
 * so is the product of the factors; and the likelihood that generated code computes is that product
 * with the hidden groups summed out. */
#include "verify/verify.h"

#include <math.h>

/* The density of the factor's group given what it reads, summed over the group. */
static void sums_to_one(struct trial *t, const struct factor *f, const char *of)
{
	bool *group = NEW_ARRAY(t->a, bool, t->m->group.n + 1);
	const char *what = arena_printf(t->a, "%s of %s: sums to 1", of, f->group->name);
	energy E = {0};
	double error;
	if (f->log_density == NULL)
		return;
	for (int i = 0; i < t->m->group.n; i++)
		group[i] = t->m->group.at[i] == f->group;
	energy_push(t->a, &E, factor_energy(t, f), f->span);
	for (int r = 0; r < ROWS; r++) {
		trial_load(t, t->row[r]);
		trial_summable(t, &E, group);
		double log_sum = trial_sum(t, &E, group, NULL, NULL, 0, NULL, &error);
		if (trial_known(t, what, error))
			report_compare(t->report, what, fabs(expm1(log_sum)), TOL_DOUBLE + 10 * error);
	}
}

static void joint(struct trial *t)
{
	const char *what = "joint density: sums to 1";
	double error;
	for (int r = 0; r < ROWS; r++) {
		trial_load(t, t->row[r]);
		double log_sum = trial_logsum(t, t->all, &error);
		if (trial_known(t, what, error))
			report_compare(t->report, what, fabs(expm1(log_sum)), TOL_DOUBLE + 10 * error);
	}
}

void verify_directed(struct trial *t)
{
	for (int i = 0; i < t->m->factor.n; i++)
		sums_to_one(t, t->m->factor.at[i], "density");
	for (int i = 0; i < t->m->posterior.n; i++)
		sums_to_one(t, t->m->posterior.at[i], "posterior");
	if (model_normalised(t->m) && t->joint)
		joint(t);
}
