/* Sequences: gradients of contrastive divergence back through states, likelihoods that add up to 1,
 * samples drawn step by step against the likelihood of each sequence. */
#include "directed.h"

/* ---- energies that read states: contrastive divergence, the chains as they stand ---- */
#define RNN_RBM(start) \
	"model m(T = 4, V = 3, H = 2, U = 3) { visible v : binary[T,V]; hidden h : binary[T,H];\n" \
	"param W : real[V,H] = 0; param A : real[U,V] = 0; param B : real[U,H] = 0; param b : " \
	"real[V] = " \
	"0; param c : real[H] = 0; param Q : real[U,U] = 0; param R : real[V,U] = 0; param u0 : " \
	"real[U] " \
	"= 0;\n" start \
	"energy = - sum(t, i, j) v[t,i]*W[i,j]*h[t,j] - sum(t, i) (b[i] + (u[t-1]@A)[i])*v[t,i] - " \
	"sum(t, j) (c[j] + (u[t-1]@B)[j])*h[t,j]; }"
static const struct {
	const char *name, *model, *objective;
} chain_cases[] = {
    {"rnn-rbm", RNN_RBM("state u[t] : real[U] = tanh(u[t-1]@Q + v[t]@R), u[-1] = u0;"),
     "cd(k = 2)"},
    {"rnn-rbm, samples", RNN_RBM("state u[t] : real[U] = tanh(u[t-1]@Q + v[t]@R), u[-1] = u0;"),
     "cd(k = 1, statistics = samples)"},
    {"rtrbm",
     "model m(T = 4, V = 3, H = 2) { visible v : binary[T,V]; hidden h : binary[T,H]; param W : "
     "real[V,H] = 0; param U : real[H,H] = 0; param b : real[V] = 0; param c : real[H] = 0; param "
     "r0 "
     ": real[H] = 0;\n"
     "state r[t] : real[H] = sigmoid(v[t]@W + c + r[t-1]@U), r[-1] = r0;\n"
     "energy = - sum(t, i, j) v[t,i]*W[i,j]*h[t,j] - sum(t, i) b[i]*v[t,i] - sum(t, j) (c[j] + "
     "(r[t-1]@U)[j])*h[t,j]; }",
     "cd(k = 1)"},
};

static void test_chains(void)
{
	static const char *const gap[] = {"test.gap", NULL};
	for (size_t c = 0; c < sizeof chain_cases / sizeof *chain_cases; c++) {
		struct memory m;
		bool samples = strstr(chain_cases[c].objective, "samples");
		const char *text = arena_printf(
		    arena_new(), "%s\ndata d = csv(\"d.csv\");\ntrain m { v = d; objective %s; }\n",
		    chain_cases[c].model, chain_cases[c].objective);
		CU_ASSERT_FATAL(expand(text, 0));
		struct expansion *x = block.x;
		struct arena *a = x->cx->prog;
		energy F;
		model_free_energy(x->cx, x->m, &x->m->E, &F);
		struct node *e = energy_node(a, samples ? &x->m->E : &F);
		struct walkers chain = walkers_data(x);
		for (int i = 0; i < x->p->tensor.n; i++)
			for (int g = 0; g < x->m->group.n; g++)
				if (strcmp(x->p->tensor.at[i].sym->name,
				           arena_printf(a, "%s.chain", x->m->group.at[g]->name)) == 0)
					chain.state[g] = x->p->tensor.at[i].sym;
		struct function *f = program_function(x->p, "test.gap");
		own_states(x, f);
		assign(x, f, out_sym(x, "test.gap", POP_DATA), x->m->batch, NULL,
		       ex_sub(a, e, at_walkers(x, e, &chain)));
		state = 5;
		prepare(&m);
		run(&m, "train.first");
		run(&m, "train.sweep");
		run(&m, "train.final");
		const double *moved = named(&m, "v.chain"), *from = named(&m, "v");
		double far = 0;
		for (int64_t k = 0; k < 12 * INTERP_ROWS; k++)
			far += fabs(moved[k] - from[k]);
		CU_ASSERT(far > 0);
		slopes_agree(&m, chain_cases[c].name, gap, 1);
		memory_free(&m);
		cx = unit.cx;
		fun = NULL;
		prog = block.x->p;
		CU_ASSERT(generated_agrees(plan()));
	}
}

/* A likelihood adds up to 1 over all sequences: p(v) = product over the steps, each given those
 * before it. */
static void test_total(void)
{
	struct memory m;
	double sum = 0;
	CU_ASSERT_FATAL(expand(
	    "model m(T = 3, V = 3, H = 2, U = 2) { visible v : binary[T,V]; hidden h : binary[T,H];"
	    "param W : real[V,H] = 0; param A : real[U,V] = 0; param B : real[U,H] = 0; param R : "
	    "real[V,U] = 0;\n"
	    "state u[t] : real[U] = tanh(0.7*u[t-1] + v[t]@R), u[-1] = 0.2;\n"
	    "energy = - sum(t, i, j) v[t,i]*W[i,j]*h[t,j] - sum(t, i) (u[t-1]@A)[i]*v[t,i] - sum(t, "
	    "j) (u[t-1]@B)[j]*h[t,j]; }\n"
	    "data d = csv(\"d.csv\");\ntrain m { v = d; objective nll(); monitor nll(d); }\n",
	    0));
	state = 3;
	prepare(&m);
	double *v = named(&m, "v");
	const double *out = named(&m, "out.nll");
	for (int s = 0; s < 512; s += INTERP_ROWS) {
		for (int k = 0; k < 9 * INTERP_ROWS; k++)
			v[k] = (s + k / 9) >> k % 9 & 1;
		run(&m, "nll");
		for (int r = 0; r < INTERP_ROWS && s + r < 512; r++)
			sum += exp(-out[r]);
	}
	CU_ASSERT_DOUBLE_EQUAL(sum, 1, 1e-9);
	memory_free(&m);
}

/* ---- samples ---- */
static double coin(const struct memory *m, const struct node *draw)
{
	(void)m;
	(void)draw;
	return next();
}

static const struct {
	const char *name, *model;
	int bits;
} sampled[] = {
    {"recurrent",
     "model m(T = 3, V = 2, U = 2) { visible v : binary[T,V]; param Q : real[U,U] = 0; param R : "
     "real[V,U] = 0; param B : real[U,V] = 0;\n"
     "state u[t] : real[U] = tanh(u[t-1]@Q + 2*v[t]@R), u[-1] = 0.5; v[t] ~ bernoulli(logits = "
     "4*u[t-1]@B); }",
     6},
    {"two states",
     "model m(T = 4, V = 1, U = 2) { visible v : binary[T,V]; given g : binary[T]; param R : "
     "real[V,U] = 0; param B : real[U,V] = 0;\n"
     "state c[t] : real[U] = 0.5*c[t-1] + 3*v[t]@R, c[-1] = 0;\n"
     "state u[t] : real[U] = tanh(c[t] + u[t-1]), u[-1] = 0.5; v[t] ~ bernoulli(logits = "
     "4*u[t-1]@B) where g[t]; }",
     4},
    {"recurrent nade",
     "model m(T = 2, V = 3, U = 2, H = 2) { visible v : binary[T,V]; param R : real[V,U] = 0; "
     "param "
     "B : real[U,H] = 0; param W : real[H,V] = 0; param P : real[V,H] = 0;\n"
     "state u[t] : real[U] = tanh(0.5*u[t-1] + 3*v[t]@R), u[-1] = 0.1;\n"
     "let g[t,d,j] = sigmoid((3*u[t-1]@B)[j] + sum(i < d) 3*W[j,i]*v[t,i]);\n"
     "v[t,d] ~ bernoulli(logits = sum(j) 3*P[d,j]*g[t,d,j]); }",
     6},
    {"categorical",
     "model m(T = 3, Q = 3, U = 2) { visible v : categorical[T,Q]; param R : real[Q,U] = 0; param "
     "B "
     ": real[U,Q] = 0;\n"
     "state u[t] : real[U] = tanh(u[t-1] + 3*v[t]@R), u[-1] = 0.5; v[t] ~ categorical(logits = "
     "3*u[t-1]@B); }",
     9},
};

static int sequence_at(const double *v, int bits)
{
	int s = 0;
	for (int k = 0; k < bits; k++)
		s |= (v[k] > 0.5) << k;
	return s;
}

static void test_samples(void)
{
	enum { RUNS = 4000 };
	for (size_t c = 0; c < sizeof sampled / sizeof *sampled; c++) {
		struct memory m;
		int n = RUNS * INTERP_ROWS, bits = sampled[c].bits, *count;
		bool given = strstr(sampled[c].model, "given");
		const char *text = arena_printf(
		    arena_new(),
		    "%s\ndata d = csv(\"d.csv\");\ntrain m { v = d; %s objective nll(); monitor %s; }\n",
		    sampled[c].model, given ? "g = d;" : "", given ? "nll(d, d)" : "nll(d)");
		if (!expand(text, 0) || !objective_sampler(block.x)) {
			diags_print(unit.cx.diags, stderr);
			CU_FAIL("refused");
			continue;
		}
		state = 11;
		prepare(&m);
		m.draw = coin;
		count = NEW_ARRAY(unit.cx.tmp, int, 1 << bits);
		const double *drawn = named(&m, "v.sample");
		for (int r = 0; r < RUNS; r++) {
			run(&m, "sample.sweep");
			for (int k = 0; k < INTERP_ROWS; k++)
				count[sequence_at(drawn + k * bits, bits)]++;
		}
		double *v = named(&m, "v"), sum = 0;
		for (int k = 0; given && k < 4 * INTERP_ROWS; k++)
			named(&m, "g")[k] = 1;
		for (int s = 0; s < 1 << bits; s++) {
			for (int k = 0; k < bits; k++)
				v[k] = s >> k & 1;
			bool possible = true;
			for (int k = 0; k < bits && c == 3; k += 3)
				possible = possible && v[k] + v[k + 1] + v[k + 2] == 1;
			run(&m, "nll");
			double p = possible ? exp(-named(&m, "out.nll")[0]) : 0;
			sum += p;
			if (!(fabs((double)count[s] / n - p) < 5 * sqrt(p / n)) && p + count[s] > 0)
				fprintf(stderr, "%s: sequence %d: %d of %d, probability %g\n", sampled[c].name, s,
				        count[s], n, p);
			CU_ASSERT(fabs((double)count[s] / n - p) <= 5 * sqrt(p / n));
		}
		CU_ASSERT_DOUBLE_EQUAL(sum, 1, 1e-9);
		memory_free(&m);
		cx = unit.cx;
		fun = NULL;
		prog = block.x->p;
		CU_ASSERT(generated_agrees(plan()));
	}
}

int main(void)
{
	if (!codegen_init())
		return 1;
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("states", NULL, NULL);
	CU_add_test(suite, "contrastive divergence through states", test_chains);
	CU_add_test(suite, "a likelihood over states adds up to 1", test_total);
	CU_add_test(suite, "samples drawn step by step", test_samples);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
