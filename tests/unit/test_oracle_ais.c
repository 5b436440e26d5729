/* Annealed importance sampling in generated code against log Z by enumeration.
 *
 * The error bar is the estimator's own, by the delta method.  Of 20 seeds at least 19 lie within
 * three of them, as normal errors do with probability 0.9987.  Every other model has 5 seeds, each
 * within 4.5 (one in 1500 times for all of them together); 1e-4 is added for the rounding of the
 * log-weights' sums in float.  Seeds are fixed. */
#include "oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHAINS = 100, BETAS = 1000 };

static void build(struct code *k, struct oracle *o)
{
	static const int64_t capacity[DGM_MAX_POP] = {1, 1, 1, CHAINS, 1};
	expand_fn *const expand[] = {objective_ais, NULL};
	CU_ASSERT_FATAL(code_build(k, o, expand, capacity));
}

static int scalar(const struct code *k, const char *name)
{
	int i = 0;
	while (i < k->c.mod->nscalar && strcmp(k->c.mod->scalar_name[i], name) != 0)
		i++;
	return i < k->c.mod->nscalar ? i : -1;
}

static struct dgm_ais_result run(struct code *k, uint64_t seed, int64_t betas)
{
	struct dgm_ais_result r;
	struct dgm_ais a = {.store = k->store,
	                    .pop = POP_AIS,
	                    .chains = k->store->pop_capacity[POP_AIS],
	                    .prepare = dgm_function_find(k->c.mod, "prepare"),
	                    .base = dgm_function_find(k->c.mod, "ais.base"),
	                    .start = dgm_function_find(k->c.mod, "ais.start"),
	                    .step = dgm_transition_find(k->c.mod, "ais.step", POP_AIS, 1),
	                    .out = code_slot(k, "out.ais.step"),
	                    .base_logz = code_slot(k, "out.ais.base"),
	                    .scalar_b0 = scalar(k, "b0"),
	                    .scalar_b1 = scalar(k, "b1"),
	                    .betas = betas,
	                    .seed = seed,
	                    .quiet = true};
	CU_ASSERT_EQUAL_FATAL(dgm_ais_run(&a, &r), DGM_OK);
	CU_ASSERT_EQUAL(r.chains, CHAINS);
	CU_ASSERT(r.ess > 0 && r.ess <= CHAINS * (1 + 1e-9));
	free(r.log_w);
	return r;
}

static double exact_logz(const struct oracle *o)
{
	return exact_logsum(o, o->nstate - 1, 0);
}

static void twenty_seeds(struct oracle *o, int draw)
{
	struct code k;
	int within = 0;
	double exact = exact_logz(o), bias = 0, bar = 0;
	(void)draw;
	build(&k, o);
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct dgm_ais_result r = run(&k, seed, BETAS);
		within += fabs(r.log_z - exact) <= 3 * r.stderr_;
		bias += (r.log_z - exact) / 20;
		bar += r.stderr_ / 20;
	}
	printf("\n  %s: log Z %.4f; %d of 20 seeds within three sigma; mean error %+.5f, mean error "
	       "bar %.5f ",
	       o->m->name, exact, within, bias, bar);
	CU_ASSERT(within >= 19);
	code_free(&k);
}

static void suite_twenty(void)
{
	oracle_one("rbm16.dgm", twenty_seeds, 1);
	oracle_one("rbm.dgm", twenty_seeds, 4);
	oracle_one("spins.dgm", twenty_seeds, 2);
}

static void five_seeds(struct oracle *o, int draw)
{
	struct code k;
	struct error e = {.scale = 1};
	(void)draw;
	if (o->given)
		return;
	build(&k, o);
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct dgm_ais_result r = run(&k, seed, BETAS);
		error_add(&e, (r.log_z - exact_logz(o)) / (r.stderr_ + 1e-4), 0);
	}
	error_check(o, "AIS: log Z, in standard errors", &e, 4.5);
	code_free(&k);
}

static void suite_five(void)
{
	oracle_each(five_seeds, 1);
}

/* The weights' mean is Z whatever the number of temperatures: with two of them transitions count.
 */
static void few_temperatures(struct oracle *o, int draw)
{
	enum { SEEDS = 200 };
	struct code k;
	struct error e = {.scale = 1};
	double sum = 0, squares = 0;
	(void)draw;
	if (o->given)
		return;
	build(&k, o);
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		double ratio = exp(run(&k, seed, 2).log_z - exact_logz(o));
		sum += ratio / SEEDS;
		squares += ratio * ratio / SEEDS;
	}
	error_add(&e, (sum - 1) / (sqrt(fmax(0, squares - sum * sum) / (SEEDS - 1)) + 1e-4), 0);
	error_check(o, "AIS: Z at two temperatures, in standard errors", &e, 4.5);
	code_free(&k);
}

static void suite_few(void)
{
	oracle_each(few_temperatures, 1);
	oracle_one("annealed/deep.dgm", few_temperatures, 4);
}

/* Without weights and with the visible biases at the base rate the base model is the model, the
 * hidden units apart, which contribute the same to every weight: no variance. */
static void no_weights(struct oracle *o, int draw)
{
	struct code k;
	for (int w = 0; w < o->m->weight.n; w++) {
		const struct weight *x = o->m->weight.at[w];
		double *v = memory_get(&o->mem, x->sym);
		for (int64_t i = 0; i < items_of(x->sym); i++) {
			double m = memory_get(&o->mem, o->m->group.at[0]->mean)[i % o->count[0]];
			bool bias = strcmp(x->name, "b") == 0;
			v[i] = bias                                ? (double)(float)(log(m) - log1p(-m))
			       : strcmp(x->name, "c") == 0 && draw ? v[i]
			                                           : 0;
		}
	}
	oracle_energies(o);
	build(&k, o);
	for (int64_t betas = 10; betas <= 10000; betas *= 10) {
		struct dgm_ais_result r = run(&k, 3, betas);
		CU_ASSERT_DOUBLE_EQUAL(r.stderr_, 0,
		                       betas > 1000 ? 3e-6 : 1e-6); /* float rounding, 1e-7 a step */
		CU_ASSERT_DOUBLE_EQUAL(r.ess, CHAINS, 1e-6 * CHAINS);
		CU_ASSERT_DOUBLE_EQUAL(r.log_z, exact_logz(o), 1e-5 * fabs(exact_logz(o)));
		printf("\n  %s, %ld temperatures: error %.2e, error bar %.2e, effective sample size %.9f",
		       o->m->name, (long)betas, fabs(r.log_z - exact_logz(o)), r.stderr_, r.ess);
	}
	code_free(&k);
}

static void suite_no_weights(void)
{
	oracle_one("rbm.dgm", no_weights, 2);
	oracle_one("rbm16.dgm", no_weights, 1);
}

int main(void)
{
	CU_pSuite s;
	unsigned failed;
	dgm_threads(1);
	if (CU_initialize_registry())
		return 1;
	s = CU_add_suite("oracle.ais", NULL, NULL);
	CU_add_test(s, "19 of 20 seeds within three sigma", suite_twenty);
	CU_add_test(s, "every model", suite_five);
	CU_add_test(s, "at two temperatures", suite_few);
	CU_add_test(s, "no weights, no variance", suite_no_weights);
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_basic_run_tests();
	error_summary();
	failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed > 0;
}
