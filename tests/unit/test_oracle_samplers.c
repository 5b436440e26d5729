/* Samplers against numerical integration: moments of chains in the long run, what a leapfrog step
 * keeps, and log Z by annealed importance sampling with such transitions.
 *
 * The truth is the energy alone, summed over a grid of states: the values of a discrete unit,
 * equidistant points of a continuous one (the trapezoidal rule: exact to far more than the chains
 * can tell).  A mean over chains is one of independent values; 5 standard errors are allowed, as in
 * test_oracle_chains.c. */
#include "oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { UNITS = 12, CHAINS = 2048, BURN_IN = 200, SWEEPS = 40, POINTS = 61, AIS_CHAINS = 200 };
#define SIGMAS 5
#define FLOOR 5e-5

struct bench { /* a block of a file, compiled, with random parameters */
	struct unit u;
	struct options opt;
	struct oracle o;
	struct compiled c;
	struct dgm_store *store;
	struct dgm_call call;
	struct dgm_transition t;
	struct dgm_tempering tempering;
	struct dgm_acceptance accepted, swaps;
	int group[UNITS], element[UNITS], n; /* of each unit */
};

static void fill_parameters(struct bench *b)
{
	for (int i = 0; i < b->o.m->weight.n; i++) {
		const struct sym *s = b->o.m->weight.at[i]->sym;
		double *x = memory_put(&b->o.mem, s, 1);
		const float *from = b->store->slot[dgm_slot_find(b->c.mod, s->name)];
		for (int64_t k = 0; k < items_of(s); k++)
			x[k] = (double)from[k];
	}
}

static void run(struct bench *b, const char *function)
{
	const struct dgm_function *f = dgm_function_find(b->c.mod, function);
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	dgm_run(f, &b->call);
	b->call.step++;
}

static void open_bench(struct bench *b, const char *file, int block, expand_fn *expand)
{
	char path[512];
	const int64_t capacity[DGM_MAX_POP] = {1, 1, 1, AIS_CHAINS, CHAINS};
	*b = (struct bench){.opt = {.seed = 1}};
	snprintf(path, sizeof path, "%s/samplers/%s", ORACLE_DIR, file);
	CU_ASSERT_FATAL(oracle_open(&b->u, &b->opt, path));
	b->o =
	    (struct oracle){.u = &b->u, .m = unit_model(&b->u, b->u.checked->block.at[block]->model)};
	CU_ASSERT_FATAL(block_expand(&b->u, b->u.checked->block.at[block], &b->c));
	if (expand) { /* another program with the block's sampler */
		struct sampling how = b->c.x->sampling;
		b->c.x = expansion_new(&b->u.cx, b->o.m);
		b->c.x->sampling = how;
		CU_ASSERT_FATAL(expand(b->c.x));
	}
	block_plan(&b->u, &b->c);
	CU_ASSERT_FATAL(codegen_init() && block_jit(&b->u, &b->c));
	b->store = dgm_store_new(b->c.mod, capacity);
	b->call = dgm_call_on(b->store, 8);
	run(b, "init");
	run(b, "prepare");
	b->tempering =
	    job_tempering(&b->c, "sample", POP_SAMPLES, CHAINS / b->c.x->sampling.temperatures);
	dgm_tempering_begin(&b->tempering, b->store);
	if (expand == NULL)
		run(b, "sample.begin");
	b->t = dgm_transition_find(b->c.mod, "sample.sweep", POP_SAMPLES, b->c.x->sampling.steps);
	fill_parameters(b);
	for (int g = 0; g < b->o.m->group.n; g++)
		for (int k = 0; k < (int)items_of(b->o.m->group.at[g]->sym); k++) {
			b->group[b->n] = g;
			b->element[b->n++] = k;
		}
}

static void close_bench(struct bench *b)
{
	memory_free(&b->o.mem);
	dgm_store_free(b->store);
	jit_free(b->c.jit);
	oracle_close(&b->u);
}

static void sweep(struct bench *b, enum dgm_adaptation how)
{
	dgm_transition_run(&b->t, b->t.end, b->store, &b->call, how, &b->accepted);
	dgm_tempering_swap(&b->tempering, b->store, &b->call, &b->swaps);
}

static double state(const struct bench *b, int unit, int64_t chain)
{
	const struct group *g = b->o.m->group.at[b->group[unit]];
	char name[64];
	struct code k = {.o = &b->o, .c = b->c, .store = b->store};
	snprintf(name, sizeof name, "%s.sample", g->name);
	double x = code_get(&k, code_slot(&k, name), chain, b->element[unit]);
	return x;
}

/* ---- the truth ---- */
static double point(const struct group *g, int i, double *weight)
{
	*weight = 1;
	if (!g->family->continuous)
		return i ? g->family->hi : g->family->lo;
	if (isinf(g->family->lo))
		return -5 + 10.0 * i / (POINTS - 1);
	if (isinf(g->family->hi)) /* equidistant logarithms */
		return *weight = exp(-12 + 15.0 * i / (POINTS - 1));
	*weight = i == 0 || i == POINTS - 1 ? 1 : i % 2 ? 4 : 2; /* Simpson's rule */
	return g->family->lo + (g->family->hi - g->family->lo) * i / (POINTS - 1);
}

/* Calls visit at every state of the grid, its values in x. */
static void each_state(struct bench *b, double *x, int unit, double weight, void *arg,
                       void (*visit)(struct bench *b, const double *x, double weight, void *arg))
{
	if (unit == b->n) {
		visit(b, x, weight, arg);
		return;
	}
	const struct group *g = b->o.m->group.at[b->group[unit]];
	for (int i = 0; i < (g->family->continuous ? POINTS : 2); i++) {
		double w;
		x[unit] = point(g, i, &w);
		memory_get(&b->o.mem, g->sym)[b->element[unit]] = x[unit];
		each_state(b, x, unit + 1, weight * w, arg, visit);
	}
}

enum { MOMENTS = UNITS * UNITS + UNITS };

/* Units, squares and products. */
static int moments_of(const double *x, int n, double *out)
{
	int k = 0;
	for (int i = 0; i < n; i++)
		out[k++] = x[i];
	for (int i = 0; i < n; i++)
		for (int j = i; j < n; j++)
			out[k++] = x[i] * x[j];
	return k;
}

struct truth {
	struct node *E;
	double z, moment[MOMENTS];
};

static void weigh(struct bench *b, const double *x, double weight, void *arg)
{
	struct truth *t = arg;
	double f[MOMENTS];
	struct binding row = {b->o.m->batch, 0};
	double p = weight * exp(-memory_eval(&b->o.mem, t->E, &row, 1));
	int n = moments_of(x, b->n, f);
	t->z += p;
	for (int k = 0; k < n; k++)
		t->moment[k] += p * f[k];
}

static struct truth integrate(struct bench *b)
{
	struct truth t = {.E = energy_node(b->o.m->a, &b->o.m->E)};
	double x[UNITS];
	for (int g = 0; g < b->o.m->group.n; g++)
		memory_put(&b->o.mem, b->o.m->group.at[g]->sym, 1);
	each_state(b, x, 0, 1, &t, weigh);
	for (int k = 0; k < MOMENTS; k++)
		t.moment[k] /= t.z;
	return t;
}

/* ---- long-run moments ---- */
/* The largest error of a moment, in standard errors. */
static double moments(const char *file, int block)
{
	struct bench b;
	struct error e = {.scale = 1};
	double x[UNITS], f[MOMENTS];
	int n = 0, chains;
	open_bench(&b, file, block, NULL);
	struct truth t = integrate(&b);
	chains = (int)b.tempering.chains;
	double(*sum)[MOMENTS] = calloc(CHAINS, sizeof *sum);
	for (int i = 0; i < BURN_IN; i++)
		sweep(&b, DGM_ADAPT);
	b.accepted = (struct dgm_acceptance){0};
	for (int i = 0; i < SWEEPS; i++) {
		sweep(&b, DGM_FIXED);
		for (int c = 0; c < chains; c++) {
			for (int k = 0; k < b.n; k++)
				x[k] = state(&b, k, c);
			n = moments_of(x, b.n, f);
			for (int k = 0; k < n; k++)
				sum[c][k] += f[k] / SWEEPS;
		}
	}
	for (int k = 0; k < n; k++) {
		double mean = 0, squares = 0;
		for (int c = 0; c < chains; c++) {
			mean += sum[c][k] / chains;
			squares += sum[c][k] * sum[c][k] / chains;
		}
		double sd = sqrt(fmax(0, squares - mean * mean) / (chains - 1));
		error_add(&e, (mean - t.moment[k]) / (sd + FLOOR), 0);
	}
	printf("\n  %s, block %d: largest error %.2f standard errors", file, block, e.diff);
	if (b.accepted.n) {
		double a = b.accepted.sum / (double)b.accepted.n;
		printf(", acceptance %.3f at step %.3f", a,
		       (double)*(const float *)b.store->slot[b.t.size]);
		CU_ASSERT_DOUBLE_EQUAL(a, b.c.x->sampling.acceptance, 0.03);
	}
	if (b.swaps.n)
		printf(", swaps %.3f", b.swaps.sum / (double)b.swaps.n);
	free(sum);
	close_bench(&b);
	return e.diff;
}

static void suite_moments(void)
{
	for (int block = 0; block < 3; block++)
		CU_ASSERT(moments("quartic.dgm", block) <= SIGMAS);
	for (int block = 0; block < 2; block++)
		CU_ASSERT(moments("coupled.dgm", block) <= SIGMAS);
	for (int block = 0; block < 2; block++)
		CU_ASSERT(moments("gaussian.dgm", block) <= SIGMAS);
	CU_ASSERT(moments("mixed.dgm", 0) <= SIGMAS);
	CU_ASSERT(moments("interval.dgm", 0) <= SIGMAS);
	CU_ASSERT(moments("latent.dgm", 0) <= SIGMAS);
	CU_ASSERT(moments("positive.dgm", 0) <= SIGMAS);
}

/* Replicas find the weights of wells that single chains do not leave. */
static void suite_tempering(void)
{
	for (int block = 0; block < 2; block++) {
		CU_ASSERT(moments("frustrated.dgm", block) <= SIGMAS);
		CU_ASSERT(moments("frustrated.dgm", block + 2) > 2 * SIGMAS);
	}
}

/* The classes of the coupled group of each model, 0 where there are none; chains drawn by them. */
static void suite_colours(void)
{
	static const int classes[] = {2, 2, 2, 3, 4, 2, 0, 2};
	for (int block = 0; block < (int)(sizeof classes / sizeof *classes); block++) {
		struct options opt = {.seed = 1};
		struct unit u;
		struct conditional c;
		struct colouring k;
		CU_ASSERT_FATAL(oracle_open(&u, &opt, ORACLE_DIR "/samplers/colours.dgm"));
		const struct model *m = u.model.at[block];
		model_field(m, &m->E, m->group.at[0], &c);
		CU_ASSERT(c.coupled);
		CU_ASSERT_EQUAL(model_colour(m->a, &c, &k) ? k.n : 0, classes[block]);
		oracle_close(&u);
		CU_ASSERT(moments("colours.dgm", block) <= SIGMAS);
	}
}

/* ---- leapfrog steps ---- */
static float *numbers(const struct bench *b, const char *name)
{
	return b->store->slot[dgm_slot_find(b->c.mod, name)];
}

/* Mean |change of the Hamiltonian| after a way of length 1 in steps of this size. */
static double change(struct bench *b, double size)
{
	double sum = 0;
	*numbers(b, "sampler.step") = (float)size;
	b->t.steps = (int64_t)(1 / size + 0.5);
	sweep(b, DGM_FIXED);
	for (int c = 0; c < CHAINS; c++)
		sum += fabs((double)numbers(b, "out.sampler.change")[c]) / CHAINS;
	return sum;
}

static void suite_leapfrog(void)
{
	static const char *const file[] = {"quartic.dgm", "coupled.dgm", "mixed.dgm", "interval.dgm",
	                                   "latent.dgm"};
	for (size_t i = 0; i < sizeof file / sizeof *file; i++) {
		struct bench b;
		open_bench(&b, file[i], 0, NULL);
		for (int k = 0; k < BURN_IN; k++)
			sweep(&b, DGM_ADAPT);
		double coarse = change(&b, 1 / 16.0), fine = change(&b, 1 / 32.0);
		double none = change(&b, 1 / 512.0);
		printf("\n  %s: |dH| %.2e, half the step: a factor of %.2f", file[i], coarse,
		       coarse / fine);
		CU_ASSERT(coarse / fine > 3.3 && coarse / fine < 4.7);
		CU_ASSERT(none < 1e-3);
		CU_ASSERT(*numbers(&b, "out.sampler.acceptance") > 0.999f);
		close_bench(&b);
	}
}

/* A way there and, with the momenta turned round, back again. */
static void suite_reversible(void)
{
	struct bench b;
	enum { WAY = 20 };
	open_bench(&b, "mixed.dgm", 0, NULL);
	for (int k = 0; k < BURN_IN; k++)
		sweep(&b, DGM_ADAPT);
	dgm_run(b.t.begin, &b.call);
	const struct dgm_slot *p = &b.c.mod->slot[dgm_slot_find(b.c.mod, "v.momentum")];
	int64_t stride = dgm_item_stride(p);
	float *x = numbers(&b, "v.sample"), *momentum = numbers(&b, "v.momentum");
	const float *before = numbers(&b, "v.before");
	double far = 0, off = 0;
	for (int way = 0; way < 2; way++) {
		for (int i = 0; i < WAY; i++)
			dgm_run(b.t.step, &b.call);
		for (int64_t i = 0; i < CHAINS * stride; i++) {
			momentum[i] = -momentum[i];
			double d = fabs((double)(x[i] - before[i]));
			if (way == 0)
				far = fmax(far, d);
			else
				off = fmax(off, d);
		}
	}
	printf("\n  a way of up to %.2f and back: off by %.1e", far, off);
	CU_ASSERT(far > 1 && off < 1e-3);
	close_bench(&b);
}

/* A unit that is held stays, and the other one is drawn given it. */
static void suite_held(void)
{
	struct bench b;
	double first[CHAINS], product = 0, square = 0, x[2];
	open_bench(&b, "held.dgm", 0, NULL);
	for (int c = 0; c < CHAINS; c++)
		first[c] = state(&b, 1, c);
	for (int i = 0; i < BURN_IN + SWEEPS; i++) {
		sweep(&b, i < BURN_IN ? DGM_ADAPT : DGM_FIXED);
		for (int c = 0; i >= BURN_IN && c < CHAINS; c++) {
			for (int k = 0; k < 2; k++)
				x[k] = state(&b, k, c);
			CU_ASSERT(x[1] == first[c]);
			product += (x[0] + x[1] / 2) * x[1] / CHAINS / SWEEPS;
			square += (x[0] + x[1] / 2) * (x[0] + x[1] / 2) / CHAINS / SWEEPS;
		}
	}
	printf("\n  given the held unit: slope off by %.4f, variance %.4f", product, square);
	CU_ASSERT(fabs(product) < 0.02 && fabs(square - 0.5) < 0.02);
	close_bench(&b);
}

/* ---- annealed importance sampling ---- */
static int scalar(const struct bench *b, const char *name)
{
	for (int i = 0; i < b->c.mod->nscalar; i++)
		if (strcmp(b->c.mod->scalar_name[i], name) == 0)
			return i;
	return -1;
}

static double volume(const struct bench *b)
{
	double v = 1;
	for (int i = 0; i < b->n; i++) {
		const struct family *f = b->o.m->group.at[b->group[i]]->family;
		if (f->continuous)
			v *= isinf(f->lo)   ? 10.0 / (POINTS - 1)
			     : isinf(f->hi) ? 15.0 / (POINTS - 1)
			                    : (f->hi - f->lo) / (3 * (POINTS - 1));
	}
	return v;
}

static void log_z(const char *file)
{
	struct bench b;
	struct error e = {.scale = 1};
	open_bench(&b, file, 0, objective_ais);
	double exact = log(integrate(&b).z * volume(&b)), acceptance = 0;
	for (int g = 0; g < b.o.m->group.n; g++) { /* as if of data */
		const struct group *x = b.o.m->group.at[g];
		for (int k = 0; x->role == GROUP_VISIBLE && k < (int)items_of(x->sym); k++) {
			numbers(&b, x->mean->name)[k] =
			    x->family->continuous && isinf(x->family->lo) ? 0.1f : 0.4f;
			if (x->var)
				numbers(&b, x->var->name)[k] = 1.5f;
		}
	}
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct dgm_ais_result r;
		struct dgm_ais a = {
		    .store = b.store,
		    .pop = POP_AIS,
		    .chains = AIS_CHAINS,
		    .prepare = dgm_function_find(b.c.mod, "prepare"),
		    .base = dgm_function_find(b.c.mod, "ais.base"),
		    .start = dgm_function_find(b.c.mod, "ais.start"),
		    .step = dgm_transition_find(b.c.mod, "ais.step", POP_AIS, b.c.x->sampling.steps),
		    .out = dgm_slot_find(b.c.mod, "out.ais.step"),
		    .base_logz = dgm_slot_find(b.c.mod, "out.ais.base"),
		    .scalar_b0 = scalar(&b, "b0"),
		    .scalar_b1 = scalar(&b, "b1"),
		    .betas = 300,
		    .seed = seed,
		    .quiet = true};
		CU_ASSERT_EQUAL_FATAL(dgm_ais_run(&a, &r), DGM_OK);
		error_add(&e, (r.log_z - exact) / (r.stderr_ + 1e-4), 0);
		acceptance = r.acceptance;
		CU_ASSERT(r.acceptance > 0.85);
		free(r.log_w);
	}
	printf("\n  %s: log Z %.4f, five seeds within %.2f standard errors, acceptance %.3f", file,
	       exact, e.diff, acceptance);
	CU_ASSERT(e.diff <= 4.5);
	close_bench(&b);
}

static void suite_ais(void)
{
	log_z("gaussian.dgm");
	log_z("quartic.dgm");
	log_z("mixed.dgm");
	log_z("interval.dgm");
	log_z("latent.dgm");
	log_z("positive.dgm");
}

int main(void)
{
	dgm_threads(2);
	CU_initialize_registry();
	CU_pSuite s = CU_add_suite("samplers", NULL, NULL);
	CU_ADD_TEST(s, suite_leapfrog);
	CU_ADD_TEST(s, suite_reversible);
	CU_ADD_TEST(s, suite_held);
	CU_ADD_TEST(s, suite_ais);
	CU_ADD_TEST(s, suite_moments);
	CU_ADD_TEST(s, suite_colours);
	CU_ADD_TEST(s, suite_tempering);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
