/* Samples of variables whose elements follow one another in an order of values: shares of states
 * against their probabilities, which the likelihood gives. */
#include "directed.h"

static double fresh(const struct memory *m, const struct node *draw)
{
	(void)m;
	return draw->op == OP_UNIFORM ? next() : sqrt(-2 * log(next())) * cos(2 * acos(-1) * next());
}

static const char *const models[] = {
    /* layers of masks, the order a parameter */
    "net made(x : real[D], H) { param o : real[D] ~ uniform(0, 1); param k : real[H] ~ uniform(0, "
    "1);\n"
    "x |> masked_dense(o, k) |> tanh |> masked_dense(k, o, strict = 1) }\n"
    "model m(D = 3) { visible x : binary[D]; x ~ bernoulli(logits = 2*made(x, 4)); }\n",
    /* one network for all orders, the order given */
    "model m(D = 3) { given c : real[D]; visible x : binary[D]; param W : real[4,D] = 0; param V : "
    "real[D,4] = 0; param a : real[4] = 0;\n"
    "let h[d,j] = tanh(a[j] + sum(i) (c[i] < c[d])*W[j,i]*(2*x[i] + 1));\n"
    "x[d] ~ bernoulli(logits = sum(j) 3*V[d,j]*h[d,j]); }\n",
    /* two axes, equal values, of spins; another variable read before and one that reads it */
    "model m { visible y : binary; visible x : spin[2,1]; visible z : binary; "
    "param W : real = 0; param b : real[2] = 0; param a : real[3] = 0;\n"
    "y ~ bernoulli(logits = a[0]); param q : real[2,1] = 0;\n"
    "x[i,j] ~ bernoulli(logits = b[i]*(1 + y) + sum(k, l) 2*(q[k,l] < q[i,j])*W*x[k,l]);\n"
    "z ~ bernoulli(logits = a[1] + a[2]*x[0,0]*x[1,0]); }\n",
    /* blocks */
    "model m { visible x : categorical[2,2]; param o : real[2] = 0; param W : real[2,2,2,2] = 0; "
    "param b : real[2,2] = 0;\n"
    "let l[d,a] = b[d,a] + sum(i, p) 2*(o[i] < o[d])*W[d,a,i,p]*x[i,p]; x[d] ~ categorical(logits "
    "= "
    "l[d]); }\n",
};

/* State s of the visible units in the rows. */
static void set_state(struct memory *m, int s)
{
	for (int i = 0; i < block.m->group.n; i++) {
		const struct group *g = block.m->group.at[i];
		int64_t n = items_of(g->sym);
		double *x = values_at(m, g->sym);
		if (g->role == GROUP_GIVEN)
			continue;
		for (int64_t u = 0; u < n; u += g->family->shape == SHAPE_ONEHOT ? 2 : 1, s >>= 1)
			for (int r = 0; r < INTERP_ROWS; r++)
				if (g->family->shape == SHAPE_ONEHOT) {
					x[r * n + u] = s & 1;
					x[r * n + u + 1] = 1 - (s & 1);
				} else {
					x[r * n + u] = s & 1 ? 1 : strcmp(g->domain, "spin") == 0 ? -1 : 0;
				}
	}
}

/* The state of a row of the samples, as set_state numbers it. */
static int drawn_state(struct memory *m, int row)
{
	int s = 0, bit = 0;
	for (int i = 0; i < block.m->group.n; i++) {
		const struct group *g = block.m->group.at[i];
		int64_t n = items_of(g->sym);
		if (g->role == GROUP_GIVEN)
			continue;
		const double *x = named(m, arena_printf(unit.cx.tmp, "%s.sample", g->name));
		for (int64_t u = 0; u < n; u += g->family->shape == SHAPE_ONEHOT ? 2 : 1)
			s |= (x[row * n + u] > 0.5) << bit++;
	}
	return s;
}

static int units(void)
{
	int n = 0;
	for (int i = 0; i < block.m->group.n; i++) {
		const struct group *g = block.m->group.at[i];
		if (g->role != GROUP_GIVEN)
			n += (int)items_of(g->sym) / (g->family->shape == SHAPE_ONEHOT ? 2 : 1);
	}
	return n;
}

/* The same parameters and given values in both blocks. */
static void set_numbers(struct memory *m)
{
	state = 11;
	prepare(m);
	state = 12;
	for (int i = 0; i < block.m->group.n; i++) {
		const struct group *g = block.m->group.at[i];
		bool given = g->role == GROUP_GIVEN;
		const char *name = arena_printf(unit.cx.tmp, "%s.sample", g->name);
		double *x = !given                              ? NULL
		            : block.block->kind == BLOCK_SAMPLE ? named(m, name)
		                                                : values_at(m, g->sym);
		for (int64_t k = 0; given && k < INTERP_ROWS * items_of(g->sym); k++)
			x[k] = next();
	}
}

static void shares(const char *model)
{
	enum { RUNS = 20000, MOST = 16 };
	double p[INTERP_ROWS][MOST], share[INTERP_ROWS][MOST] = {{0}};
	struct memory m;
	const char *given = strstr(model, "given") ? "c = d; " : "";
	const char *more = strstr(model, "visible y") ? "y = d; z = d; " : "";
	const char *text = arena_printf(
	    arena_new(),
	    "%sdata d = csv(\"d.csv\");\ntrain m { x = d; %s%sobjective nll(); monitor nll(d%s%s); }\n"
	    "sample m { %schains 4; }\n",
	    model, given, more, *given ? ", d" : "", *more ? ", d, d" : "", given);
	CU_ASSERT_FATAL(expand(text, 0));
	set_numbers(&m);
	const int states = 1 << units();
	for (int s = 0; s < states; s++) {
		set_state(&m, s);
		run(&m, "nll");
		for (int r = 0; r < INTERP_ROWS; r++)
			p[r][s] = exp(-named(&m, "out.nll")[r]);
	}
	memory_free(&m);
	CU_ASSERT_FATAL(expand(text, 1));
	set_numbers(&m);
	m.draw = fresh;
	for (int k = 0; k < RUNS; k++) {
		run(&m, "sample.sweep");
		for (int64_t e = 0; e < model_in_order(block.m); e++)
			run(&m, "sample.element");
		for (int r = 0; r < INTERP_ROWS; r++)
			share[r][drawn_state(&m, r)] += 1.0 / RUNS;
	}
	for (int r = 0; r < INTERP_ROWS; r++)
		for (int s = 0; s < states; s++) {
			double error = sqrt(p[r][s] * (1 - p[r][s]) / RUNS);
			if (!(fabs(share[r][s] - p[r][s]) < 5 * error))
				fprintf(stderr, "state %d: %g, want %g\n", s, share[r][s], p[r][s]);
			CU_ASSERT(fabs(share[r][s] - p[r][s]) < 5 * error);
		}
	memory_free(&m);
	cx = unit.cx;
	fun = NULL;
	prog = block.x->p;
	CU_ASSERT(generated_agrees(plan()));
}

static void test_shares(void)
{
	for (size_t k = 0; k < sizeof models / sizeof *models; k++)
		shares(models[k]);
}

int main(void)
{
	if (!codegen_init())
		return 1;
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("order", NULL, NULL);
	CU_add_test(suite, "shares of states", test_shares);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
