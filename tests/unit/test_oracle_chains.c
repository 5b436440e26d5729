/* Random numbers at work: what generated code draws, against exact expectations.
 *
 * Every number compared is a mean of independent (or nearly independent) values, and its standard
 * error that of their spread; 5 standard errors are allowed, which a correct program exceeds once
 * in 2e6 comparisons (of about 5000 here).  Seeds are fixed, so that the outcome is too.  To the
 * standard error 2e-5 is added for what float arithmetic does to numbers that hardly vary. */
#include "oracle.h"

#include <math.h>
#include <stdlib.h>

#define SIGMAS 5
#define FLOOR 2e-5

struct moments {
	double sum, squares;
};

static void add(struct moments *m, double x)
{
	m->sum += x;
	m->squares += x * x;
}

/* Distance from the mean of n values to the truth, in standard errors. */
static void compare(struct error *e, const struct moments *m, int n, double truth)
{
	double mean = m->sum / n, var = fmax(0, m->squares / n - mean * mean) / (n - 1);
	e->scale = 1;
	error_add(e, (mean - truth) / (sqrt(var) + FLOOR), 0);
}

/* ---- Gibbs sampling: marginals of units and of pairs
 * -------------------------------------------------------- */
enum { CHAINS = 4096, SWEEPS = 60, BURN_IN = 100 }; /* 245760 draws */

static void marginals(struct oracle *o, int draw)
{
	static const int64_t capacity[DGM_MAX_POP] = {1, 1, 1, 1, CHAINS};
	expand_fn *const expand[] = {objective_sampler, NULL};
	struct code k;
	struct error e = {0};
	enum { PAIRS = MAX_UNITS * MAX_UNITS };
	struct moments m[PAIRS] = {{0, 0}};
	(void)draw;
	if (o->given)
		return;
	CU_ASSERT_FATAL(code_build(&k, o, expand, capacity));
	code_run(&k, "sample.begin");
	for (int i = 0; i < BURN_IN; i++)
		code_run(&k, "sample.sweep");
	int(*count)[PAIRS] = calloc(CHAINS, sizeof *count);
	for (int i = 0; i < SWEEPS; i++) {
		code_run(&k, "sample.sweep");
		for (int c = 0; c < CHAINS; c++) {
			uint32_t s = code_state_of(&k, ".sample", c, o->nstate - 1);
			for (int a = 0; a < o->nunit; a++)
				for (int b = a; b < o->nunit && s >> a & 1; b++)
					count[c][a * MAX_UNITS + b] += (int)(s >> b & 1);
		}
	}
	double z = exact_logsum(o, o->nstate - 1, 0), exact[PAIRS] = {0};
	for (uint32_t s = 0; s < o->nstate; s++)
		for (int a = 0; a < o->nunit; a++)
			for (int b = a; b < o->nunit; b++)
				exact[a * MAX_UNITS + b] += (s >> a & s >> b & 1) ? exp(-o->E[s] - z) : 0;
	for (int a = 0; a < o->nunit; a++)
		for (int b = a; b < o->nunit;
		     b++) { /* a chain's mean is one value: chains are independent */
			int p = a * MAX_UNITS + b;
			for (int c = 0; c < CHAINS; c++)
				add(&m[p], (double)count[c][p] / SWEEPS);
			compare(&e, &m[p], CHAINS, exact[p]);
		}
	error_check(o, "Gibbs: marginals, in standard errors", &e, SIGMAS);
	free(count);
	code_free(&k);
}

/* ---- estimates of the gradient
 * -------------------------------------------------------------------------------- */
enum { NDATA = 5, BATCH = 40, UPDATES = 200 };

static const uint32_t *row_data(struct oracle *o)
{
	static uint32_t data[NDATA];
	random_data(o, data, NDATA);
	return data;
}

/* One sweep over the groups of a role as the compiler orders it: together where they can be summed
 * out. */
static void sweep(struct oracle *o, enum group_role role, double *P)
{
	energy F;
	block_vec blocks = {0};
	if (model_sum_out(NULL, o->m, &o->m->E, model_role(o->m, role), &F)) {
		exact_transition(o, role == GROUP_HIDDEN ? o->hidden : o->visible, P);
		return;
	}
	CU_ASSERT_FATAL(model_blocks(&o->u->cx, o->m, &blocks));
	for (int b = 0; b < blocks.n; b++)
		for (int i = 0; i < blocks.at[b].group.n; i++)
			for (int g = 0; g < o->m->group.n; g++)
				if (blocks.at[b].group.at[i] == o->m->group.at[g] &&
				    o->m->group.at[g]->role == role)
					exact_transition(o, group_mask(o, g), P);
}

/* P[s] := mean over the data of what k sweeps from the data lead to; k 0: the data, k below 0: the
 * model given the given units. */
static void negative_phase(struct oracle *o, const uint32_t *data, int k, double *P)
{
	double *Q = calloc(o->nstate, sizeof *Q);
	for (uint32_t s = 0; s < o->nstate; s++)
		P[s] = 0;
	for (int n = 0; n < NDATA; n++) {
		for (uint32_t s = 0; s < o->nstate; s++)
			Q[s] = 0;
		Q[data[n]] = 1;
		if (k < 0)
			exact_transition(o, o->visible | o->hidden, Q);
		for (int i = 0; i < k; i++) {
			sweep(o, GROUP_HIDDEN, Q);
			sweep(o, GROUP_VISIBLE, Q);
		}
		for (uint32_t s = 0; s < o->nstate; s++)
			P[s] += Q[s] / NDATA;
	}
	free(Q);
}

/* Mean over P of dF/d element, F the free energy. */
static double mean_slope(struct oracle *o, const struct node *slope, const double *P)
{
	uint32_t seen = o->visible | o->given;
	double sum = 0;
	for (uint32_t v = 0;; v = next_sub(v, seen)) {
		double p = 0;
		for (uint32_t h = 0;; h = next_sub(h, o->hidden)) {
			p += P[v | h];
			if (h == o->hidden)
				break;
		}
		if (p > 0)
			sum += p * eval_at(o, slope, v);
		if (v == seen)
			return sum;
	}
}

static int grad_slot(const struct code *k, int w)
{
	char name[256];
	snprintf(name, sizeof name, "grad.%s", k->o->m->weight.at[w]->name);
	return code_slot(k, name);
}

/* The mean of UPDATES estimates against data minus negative phase. */
static void estimates(struct oracle *o, struct code *k, const char *what, int sweeps,
                      const uint32_t *data, int exact_k)
{
	double *P = calloc(o->nstate, sizeof *P), *at_data = calloc(o->nstate, sizeof *at_data);
	struct moments *m[32];
	struct error e = {0};
	energy F;
	bool persistent = dgm_function_find(k->c.mod, "chains.begin") != NULL;
	CU_ASSERT_FATAL(model_free_energy(&o->u->cx, o->m, &o->m->E, &F));
	negative_phase(o, data, 0, at_data);
	negative_phase(o, data, exact_k, P);
	for (int w = 0; w < o->m->weight.n; w++)
		m[w] = calloc((size_t)items_of(o->m->weight.at[w]->sym), sizeof *m[w]);
	if (persistent)
		code_run(k, "chains.begin");
	for (int u = persistent ? -5 : 0; u < UPDATES; u++) {
		code_run(k, "train.first");
		for (int i = 1; i < sweeps; i++)
			code_run(k, "train.sweep");
		code_run(k, "train.final");
		for (int w = 0; w < o->m->weight.n && u >= 0; w++)
			for (int64_t i = 0; i < items_of(o->m->weight.at[w]->sym); i++)
				add(&m[w][i], code_get(k, grad_slot(k, w), 0, i));
	}
	for (int w = 0; w < o->m->weight.n; w++) {
		for (int64_t i = 0; i < items_of(o->m->weight.at[w]->sym); i++) {
			struct node *slope = slope_of_F(o, &F, w, i);
			compare(&e, &m[w][i], UPDATES, mean_slope(o, slope, at_data) - mean_slope(o, slope, P));
		}
		free(m[w]);
	}
	error_check(o, what, &e, SIGMAS);
	free(P);
	free(at_data);
}

static void fill(struct code *k, const uint32_t *data)
{
	code_scalar(k, "inv_n", 1.0 / BATCH);
	code_scalar(k, "inv_m", 1.0 / BATCH);
	for (int r = 0; r < BATCH; r++)
		code_state(k, "", r, k->o->visible | k->o->given, data[r % NDATA]);
}

static const int64_t batch[DGM_MAX_POP] = {BATCH, BATCH, 1, 1, 1};

/* CD-1 and CD-3 are expectations over one and three sweeps, CD-40 the likelihood's gradient. */
static void cd(struct oracle *o, int draw)
{
	expand_fn *const expand[2][2] = {{expand_cd_means, NULL}, {expand_cd_samples, NULL}};
	const uint32_t *data = row_data(o);
	(void)draw;
	for (int samples = 0; samples < 2 && o->nunit <= 12; samples++) {
		struct code k;
		CU_ASSERT_FATAL(code_build(&k, o, expand[samples], batch));
		fill(&k, data);
		estimates(o, &k, samples ? "CD-1 by samples" : "CD-1", 1, data, 1);
		estimates(o, &k, samples ? "CD-3 by samples" : "CD-3", 3, data, 3);
		if (!samples)
			estimates(o, &k, "CD-40 against the likelihood", 40, data, -1);
		code_free(&k);
	}
}

/* 25 sweeps between updates at fixed parameters make them nearly independent. */
static void sml(struct oracle *o, int draw)
{
	expand_fn *const expand[2][2] = {{expand_sml_means, NULL}, {expand_sml_samples, NULL}};
	const uint32_t *data = row_data(o);
	(void)draw;
	for (int samples = 0; samples < 2 && o->nunit <= 12 && !o->given; samples++) {
		struct code k;
		CU_ASSERT_FATAL(code_build(&k, o, expand[samples], batch));
		fill(&k, data);
		estimates(o, &k, samples ? "SML by samples" : "SML", 25, data, -1);
		code_free(&k);
	}
}

static void suite_marginals(void)
{
	oracle_each(marginals, 1);
}

static void suite_cd(void)
{
	oracle_each(cd, 1);
}

static void suite_sml(void)
{
	oracle_each(sml, 1);
}

int main(void)
{
	CU_pSuite s;
	unsigned failed;
	dgm_threads(1);
	if (CU_initialize_registry())
		return 1;
	s = CU_add_suite("oracle.chains", NULL, NULL);
	CU_add_test(s, "Gibbs sampling has the exact marginals", suite_marginals);
	CU_add_test(s, "contrastive divergence has its exact mean", suite_cd);
	CU_add_test(s, "persistent chains give the likelihood's gradient", suite_sml);
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_basic_run_tests();
	error_summary();
	failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed > 0;
}
