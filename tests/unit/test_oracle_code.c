/* Generated float32 code against enumeration in double: every model of tests/oracle, random
 * parameters, compiled as the driver does.  Errors are relative to the largest value of what is
 * compared: 1e-4 is asked; float rounding allows about 1e-6. */
#include "oracle.h"

#include <math.h>

#define TOLERANCE 1e-4
enum { ROWS = 300, NDATA = 7, STATES = 50 };

/* One compilation a model; the draws of parameters are put into its store. */
static struct code k;
static uint32_t state[ROWS]; /* of the rows */

static void build(struct oracle *o)
{
	static const int64_t capacity[DGM_MAX_POP] = {[POP_DATA] = ROWS,
	                                              [POP_CHAINS] = 1,
	                                              [POP_STATES] = STATES,
	                                              [POP_AIS] = 1,
	                                              [POP_SAMPLES] = ROWS};
	expand_fn *const whole[] = {expand_exact,
	                            objective_sampler,
	                            objective_free_energy,
	                            objective_reconstruction,
	                            objective_pseudo_likelihood,
	                            NULL};
	expand_fn *const conditional[] = {expand_cd_means, objective_free_energy,
	                                  objective_reconstruction, objective_pseudo_likelihood, NULL};
	CU_ASSERT_FATAL(code_build(&k, o, o->given ? conditional : whole, capacity));
}

static void fill_rows(struct oracle *o)
{
	for (int r = 0; r < ROWS; r++) {
		state[r] = random_state(o);
		code_state(&k, "", r, o->visible | o->given, state[r]);
	}
}

static double out(const char *name, int row)
{
	return code_get(&k, code_slot(&k, name), row, 0);
}

static void figures(struct oracle *o)
{
	struct error F = {0}, pseudo = {0};
	code_run(&k, "free_energy");
	code_run(&k, "pseudo_likelihood");
	for (int r = 0; r < ROWS; r++) {
		error_add(&F, out("out.free_energy", r), -exact_logsum(o, o->hidden, state[r]));
		error_add(&pseudo, out("out.pseudo_likelihood", r), exact_score(o, state[r]));
	}
	error_check(o, "free energy, generated", &F, TOLERANCE);
	error_check(o, "pseudo-likelihood, generated", &pseudo, TOLERANCE);
}

/* Energy of the free row of the oracle's memory, which may hold any values. */
static double energy_at_row(struct oracle *o)
{
	double E = 0;
	for (int t = 0; t < o->m->E.n; t++)
		E += eval_at(o, o->m->E.at[t].node, o->nstate);
	return E;
}

static double mean_of(const struct oracle *o, int unit, double odds)
{
	double lo = unit_value(o, unit, 0);
	return lo + (1 - lo) / (1 + exp(-odds));
}

/* The mean of unit n given all outside its block, which may be at means; row: values of its group,
 * whose first unit is `first`. */
static double mean_at_row(struct oracle *o, double *row, int first, int n)
{
	uint32_t block = block_mask(o, n);
	double was[MAX_UNITS], at[MAX_UNITS], none, sum = 1;
	for (int u = 0; u < o->nunit; u++)
		if (block >> u & 1) {
			was[u] = row[u - first];
			row[u - first] = unit_value(o, u, 0);
		}
	none = energy_at_row(o);
	for (int u = 0; u < o->nunit; u++)
		if (block >> u & 1) {
			row[u - first] = 1;
			sum += at[u] = exp(none - energy_at_row(o));
			row[u - first] = unit_value(o, u, 0);
		}
	for (int u = 0; u < o->nunit; u++)
		if (block >> u & 1)
			row[u - first] = was[u];
	return unit_value(o, n, 0) + (1 - unit_value(o, n, 0)) * at[n] / sum;
}

/* Hidden units at their means given the data, then each visible unit at its mean given these and
 * the other groups. */
static void reconstruction(struct oracle *o)
{
	struct error e = {0};
	double *row[32];
	for (int g = 0; g < o->m->group.n; g++)
		row[g] = memory_get(&o->mem, o->m->group.at[g]->sym) + (int64_t)o->nstate * o->count[g];
	code_run(&k, "reconstruction");
	for (int r = 0; r < ROWS; r += 7) {
		double want = 0;
		for (int g = 0; g < o->m->group.n; g++)
			for (int i = 0, n = o->first[g]; i < o->count[g]; i++, n++)
				row[g][i] = o->hidden >> n & 1
				                ? mean_of(o, n, exact_logodds(o, n, o->hidden, state[r]))
				                : unit_value(o, n, state[r]);
		for (int g = 0; g < o->m->group.n; g++)
			for (int i = 0, n = o->first[g]; i < o->count[g]; i++, n++) {
				if (o->visible >> n & 1)
					want += pow(row[g][i] - mean_at_row(o, row[g], o->first[g], n), 2);
			}
		error_add(&e, out("out.reconstruction", r), want);
	}
	error_check(o, "reconstruction, generated", &e, TOLERANCE);
}

/* log Z by dgm_enumerate and the gradient of the exact likelihood of NDATA examples. */
static void likelihood(struct oracle *o)
{
	struct error z = {0}, e = {0};
	double log_z;
	k.call.pop[POP_DATA] = NDATA;
	code_scalar(&k, "inv_n", 1.0 / NDATA);
	code_run(&k, "train.final");
	k.call.pop[POP_DATA] = ROWS;
	CU_ASSERT_EQUAL_FATAL(dgm_enumerate(k.store, code_enumeration(&k), 1, true, &log_z), DGM_OK);
	error_add(&z, log_z, exact_logsum(o, o->visible | o->hidden, 0));
	error_check(o, "log Z, generated", &z, TOLERANCE);
	for (int w = 0; w < o->m->weight.n; w++) {
		char name[256];
		snprintf(name, sizeof name, "grad.%s", o->m->weight.at[w]->name);
		int64_t items = items_of(o->m->weight.at[w]->sym);
		int64_t step = o->nunit > 12 ? items : (items + 5) / 6;
		for (int64_t i = oracle_random(o) % (uint32_t)step; i < items; i += step)
			error_add(&e, code_get(&k, code_slot(&k, name), 0, i),
			          exact_slope(o, w, i, state, NDATA));
	}
	error_check(o, "gradient of the likelihood, generated", &e, TOLERANCE);
}

/* h.mean: hidden units given the data; v.sample.mean: visible units given all other groups of a
 * sample. */
static void means(struct oracle *o)
{
	struct error hidden = {0}, visible = {0};
	for (int r = 0; r < ROWS && !o->given; r++)
		code_state(&k, ".sample", r, o->nstate - 1, state[r]);
	if (o->given) {
		code_scalar(&k, "inv_n", 1);
		code_run(&k, "train.first");
	} else {
		code_run(&k, "train.final");
		code_run(&k, "sample.mean");
	}
	for (int g = 0; g < o->m->group.n; g++) {
		const struct group *x = o->m->group.at[g];
		char name[256];
		bool up = x->role == GROUP_HIDDEN;
		snprintf(name, sizeof name, "%s.%s", x->name, up ? "mean" : "sample.mean");
		if (x->role == GROUP_GIVEN || (!up && o->given) ||
		    (up && model_joined(o->m, x, model_role(o->m, GROUP_HIDDEN))))
			continue;
		for (int r = 0; r < ROWS; r++)
			for (int i = 0, n = o->first[g]; i < o->count[g]; i++, n++)
				error_add(
				    up ? &hidden : &visible, code_get(&k, code_slot(&k, name), r, i),
				    mean_of(o, n,
				            exact_logodds(o, n, up ? o->hidden : group_mask(o, g), state[r])));
	}
	error_check(o, "hidden means, generated", &hidden, TOLERANCE);
	error_check(o, "visible means, generated", &visible, TOLERANCE);
}

static void all(struct oracle *o, int draw)
{
	if (draw == 0)
		build(o);
	k.o = o;
	code_params(&k);
	fill_rows(o);
	figures(o);
	reconstruction(o);
	means(o);
	if (!o->given)
		likelihood(o);
	if (o->last)
		code_free(&k);
}

static void suite_all(void)
{
	oracle_each(all, 3);
}

int main(void)
{
	CU_pSuite s;
	unsigned failed;
	dgm_threads(1);
	if (CU_initialize_registry())
		return 1;
	s = CU_add_suite("oracle.code", NULL, NULL);
	CU_add_test(s, "figures, means, log Z and gradients of generated code", suite_all);
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_basic_run_tests();
	error_summary();
	failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed > 0;
}
