/* Reverse annealing in generated code.  exp(-F(v) - log Z(v)) estimates without bias the
 * probability that annealing ends at v, whatever the number of temperatures: over all v these add
 * up to 1.  On average over the model's own examples log Z(v) is at least log Z, that of annealing
 * forwards at most.  Errors are in standard errors of the mean over seeds; 1e-4 is added for
 * rounding. */
#include "oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHAINS = 8, MOST = 256, SEEDS = 30 };

static int met;

/* The values of the group's units in all 2^n states of the visible units, as data. */
static struct dgm_data *all_states(const struct oracle *o, int g, int64_t n)
{
	struct dgm_data *d = calloc(1, sizeof *d);
	*d = (struct dgm_data){.name = o->m->group.at[g]->name,
	                       .n = n,
	                       .rank = 1,
	                       .dim = {o->count[g]},
	                       .items = o->count[g],
	                       .domain = DGM_DATA_BINARY,
	                       .key = "fixed",
	                       .scale = 1};
	if (o->m->group.at[g]->family->lo < 0) {
		d->domain = DGM_DATA_REAL;
		d->f32 = calloc((size_t)(n * d->items), sizeof *d->f32);
	} else {
		d->u8 = calloc((size_t)(n * d->items), 1);
	}
	uint32_t state = 0;
	for (int64_t e = 0; e < n; e++, state = next_sub(state, o->visible))
		for (int k = 0; k < o->count[g]; k++)
			if (d->f32)
				d->f32[e * d->items + k] = (float)unit_value(o, o->first[g] + k, state);
			else
				d->u8[e * d->items + k] = unit_value(o, o->first[g] + k, state) > 0;
	return d;
}

static int scalar(const struct code *k, const char *name)
{
	int i = 0;
	while (i < k->c.mod->nscalar && strcmp(k->c.mod->scalar_name[i], name) != 0)
		i++;
	return i < k->c.mod->nscalar ? i : -1;
}

static double seeds_error(const double *x, double want, double *error)
{
	double sum = 0, squares = 0;
	for (int i = 0; i < SEEDS; i++)
		sum += x[i] / SEEDS;
	for (int i = 0; i < SEEDS; i++)
		squares += pow(x[i] - sum, 2) / (SEEDS - 1) / SEEDS;
	*error = sqrt(squares) + 1e-4;
	return (sum - want) / *error;
}

static void check(struct oracle *o, const struct dgm_raise *way)
{
	double total[SEEDS], bound[SEEDS], error, z = exact_logsum(o, o->nstate - 1, 0);
	struct error e = {.scale = 1};
	for (int i = 0; i < SEEDS; i++) {
		struct dgm_raise a = *way;
		struct dgm_raise_result r;
		uint32_t state = 0;
		a.seed = (uint64_t)i + 1;
		CU_ASSERT_EQUAL_FATAL(dgm_raise_run(&a, &r), DGM_OK);
		total[i] = bound[i] = 0;
		for (int64_t v = 0; v < r.examples; v++, state = next_sub(state, o->visible)) {
			double F = -exact_logsum(o, o->hidden, state);
			total[i] += exp(-F - r.log_z_each[v]);
			bound[i] += exp(-F - z) * r.log_z_each[v];
		}
		free(r.log_z_each);
	}
	error_add(&e, seeds_error(total, 1, &error), 0);
	error_check(o, "RAISE: sum of probabilities, in standard errors", &e, 4.5);
	CU_ASSERT(seeds_error(bound, z, &error) > -4.5);
	met++;
}

static void backwards(struct oracle *o, int draw)
{
	struct code k;
	expand_fn *const expand[] = {objective_raise, NULL};
	int64_t n = 1, capacity[DGM_MAX_POP] = {1, 1, 1, 1, 1};
	struct cx quiet = o->u->cx;
	struct dgm_data **data = NEW_ARRAY(o->u->cx.tmp, struct dgm_data *, o->m->group.n);
	struct dgm_input *in = NEW_ARRAY(o->u->cx.tmp, struct dgm_input, o->m->group.n);
	(void)draw;
	quiet.diags = diags_new(quiet.prog);
	for (int g = 0; g < o->m->group.n; g++)
		if (o->m->group.at[g]->family->shape != SHAPE_TWO)
			return;
	for (uint32_t v = o->visible; v; v &= v - 1)
		n *= 2;
	if (o->given || n > MOST || !objective_raise(expansion_new(&quiet, o->m)))
		return;
	capacity[POP_AIS] = n * CHAINS;
	CU_ASSERT_FATAL(code_build(&k, o, expand, capacity));
	struct dgm_raise a = {.store = k.store,
	                      .pop = POP_AIS,
	                      .prepare = dgm_function_find(k.c.mod, "prepare"),
	                      .base = dgm_function_find(k.c.mod, "raise.base"),
	                      .step = dgm_function_find(k.c.mod, "raise.step"),
	                      .out = code_slot(&k, "out.raise.step"),
	                      .base_logz = code_slot(&k, "out.raise.base"),
	                      .scalar_b0 = scalar(&k, "b0"),
	                      .scalar_b1 = scalar(&k, "b1"),
	                      .input = in,
	                      .examples = n,
	                      .chains = CHAINS,
	                      .quiet = true};
	for (int g = 0; g < o->m->group.n; g++) {
		char name[64];
		if (o->m->group.at[g]->role != GROUP_VISIBLE)
			continue;
		snprintf(name, sizeof name, "%s.raise", o->m->group.at[g]->name);
		data[a.ninput] = all_states(o, g, n);
		in[a.ninput] = (struct dgm_input){code_slot(&k, name), data[a.ninput]};
		a.ninput++;
	}
	for (a.betas = 1; a.betas <= 20; a.betas += 9 + a.betas % 2)
		check(o, &a);
	for (int i = 0; i < a.ninput; i++) {
		free(data[i]->u8);
		free(data[i]->f32);
		free(data[i]);
	}
	code_free(&k);
}

static void suite_backwards(void)
{
	oracle_each(backwards, 1);
	CU_ASSERT(met > 15);
}

int main(void)
{
	unsigned failed;
	dgm_threads(1);
	if (CU_initialize_registry())
		return 1;
	CU_pSuite s = CU_add_suite("oracle.raise", NULL, NULL);
	CU_add_test(s, "reverse annealing", suite_backwards);
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_basic_run_tests();
	error_summary();
	failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed > 0;
}
