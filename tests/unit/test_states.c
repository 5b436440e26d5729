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

/* A standard normal number, by Box and Muller. */
static double gauss(const struct memory *m, const struct node *draw)
{
	(void)m;
	(void)draw;
	double r = sqrt(-2 * log(next()));
	return r * cos(2 * acos(-1) * next());
}

/* ---- latent variables that alternate with the visible ones ---- */
#define LATENT \
	"param b : real[V] = 0; param C : real[U,V] = 0; param D : real[Z,V] = 0; param A : " \
	"real[U,Z] = 0;\n" \
	"param M : real[V,Z] = 0; param N : real[U,Z] = 0; param Q : real[U,U] = 0; param R : " \
	"real[V,U] = 0; param G : " \
	"real[Z,U] = 0;\n"
#define VRNN \
	"model m(T = 3, V = 2, Z = 2, U = 3) { visible x : binary[T,V]; hidden z : " \
	"real[T,Z];\n" LATENT \
	"state u[t] : real[U] = tanh(u[t-1]@Q + x[t]@R + z[t]@G), u[-1] = 0.3;\n" \
	"z[t] ~ normal(u[t-1]@A, exp(0.3*u[t-1]@A)); x[t] ~ bernoulli(logits = b + u[t-1]@C + " \
	"z[t]@D);\n" \
	"posterior z[t] ~ normal(tanh(x[t]@M + u[t-1]@N), exp(0.2*u[t-1]@N)); }"
static const struct {
	const char *name, *model, *objective;
	bool several; /* particles */
} latent[] = {
    {"variational recurrent", VRNN, "elbo()", false},
    {"variational recurrent, samples", VRNN, "elbo(samples = 3)", true},
    {"variational recurrent, weighted", VRNN, "iwae(samples = 3)", true},
    {"deep Markov",
     "model m(T = 4, V = 2, Z = 2, U = 3) { visible x : real[T,V]; hidden z : real[T,Z];\n"
     "param A : real[Z,U] = 0; param B : real[U,Z] = 0; param D : real[Z,V] = 0; param M : "
     "real[V,Z] = 0; param N : "
     "real[Z,Z] = 0;\n"
     "state s[t] : real[Z] = z[t], s[-1] = 0.2;\n"
     "z[t] ~ normal(tanh(s[t-1]@A)@B, 0.7); x[t] ~ normal(z[t]@D, 0.6);\n"
     "posterior z[t] ~ normal(x[t]@M + tanh(s[t-1]@N), 0.5); }",
     "elbo()", false},
    {"both the last state and the last latent are read",
     "model m(T = 3, V = 2, Z = 2, U = 3) { visible x : binary[T,V]; hidden z : real[T,Z];\n" LATENT
     "state u[t] : real[U] = tanh(u[t-1]@Q + x[t]@R + z[t]@G), u[-1] = 0.3;\n"
     "state s[t] : real[Z] = z[t], s[-1] = 0.2;\n"
     "z[t] ~ normal(u[t-1]@A + 0.5*s[t-1], 0.8); x[t] ~ bernoulli(logits = b + u[t-1]@C + "
     "s[t-1]@D);\n"
     "posterior z[t] ~ normal(x[t]@M + sin(s[t-1]) + u[t-1]@N, 0.6); }",
     "iwae(samples = 2)", true},
    {"one of a step is smooth, one is not",
     "model m(T = 3, V = 2, Z = 2, U = 3) { visible x : binary[T,V]; hidden y : binary[T]; hidden "
     "z : real[T,Z];\n" LATENT
     "state u[t] : real[U] = tanh(u[t-1]@Q + x[t]@R + z[t]@G - y[t]), u[-1] = 0.3;\n"
     "y[t] ~ bernoulli(logits = sum(u[t-1])); z[t] ~ normal(u[t-1]@A + y[t], 0.8); x[t] ~ "
     "bernoulli(logits = b + "
     "z[t]@D);\n"
     "posterior y[t] ~ bernoulli(logits = sum(u[t-1]@C)); posterior z[t] ~ normal(x[t]@M + "
     "u[t-1]@N - y[t], 0.6); }",
     "elbo(samples = 3)", true},
    {"two latent variables of a step, one behind the other",
     "model m(T = 3, V = 2, Z = 2, U = 2) { visible x : binary[T,V]; hidden z : real[T,Z]; hidden "
     "y : real[T];\n" LATENT
     "state u[t] : real[U] = tanh(u[t-1]@Q + x[t]@R + z[t]@G + y[t]), u[-1] = 0.3;\n"
     "y[t] ~ normal(sum(u[t-1]), 0.8); z[t] ~ normal(u[t-1]@A + y[t], 0.8); x[t] ~ "
     "bernoulli(logits = b + z[t]@D);\n"
     "posterior z[t] ~ normal(x[t]@M + u[t-1]@N, 0.6); posterior y[t] ~ normal(sum(z[t]) + "
     "sum(u[t-1]@C), 0.5); }",
     "elbo()", false},
};

static void test_latent(void)
{
	for (size_t c = 0; c < sizeof latent / sizeof *latent; c++) {
		struct memory m;
		bool weighted = strstr(latent[c].objective, "iwae") != NULL;
		const char *particles = strstr(latent[c].objective, "samples = ");
		const char *text = arena_printf(
		    arena_new(),
		    "%s\ndata d = csv(\"d.csv\");\ntrain m { x = d; objective %s; monitor elbo(d); }\n",
		    latent[c].model, latent[c].objective);
		if (!expand(text, 0)) {
			CU_FAIL("refused");
			continue;
		}
		const char *const one[] = {"elbo", NULL};
		const char *const many[] = {"importance.start", "importance.pass", "importance", NULL};
		if (weighted) {
			block.x->particles = particles[10] - '0';
			objective_importance(block.x);
		}
		state = 7;
		prepare(&m);
		run(&m, "train.final");
		if (weighted || !latent[c].several)
			slopes_agree(&m, latent[c].name, weighted ? many : one, weighted ? 1 : -1);
		memory_free(&m);
		cx = unit.cx;
		fun = NULL;
		prog = block.x->p;
		CU_ASSERT(generated_agrees(plan()));
	}
}

/* A random walk seen through noise: with the posterior that it has the bound is the likelihood, of
 * which the visible variables' covariance [2 1; 1 3] tells; with another it is lower. */
#define WALK(mean) \
	"model m(T = 2) { visible x : real[T]; hidden z : real[T]; param a : real = 0;\n" \
	"state s[t] : real = z[t], s[-1] = 0; z[t] ~ normal(s[t-1], 1); x[t] ~ normal(z[t], 1);\n" \
	"posterior z[t] ~ normal(" mean ", (t == 0)*0.4^0.5 + (t == 1)*0.5^0.5); }\n" \
	"data d = csv(\"d.csv\");\ntrain m { x = d; objective elbo(); monitor elbo(d); }\n"
static void test_walk(void)
{
	static const char *const text[] = {
	    WALK("(t == 0)*(0.4*x[0] + 0.2*x[1]) + (t == 1)*0.5*(s[t-1] + x[1])"),
	    WALK("(t == 0)*0.5*x[0] + (t == 1)*0.5*(s[t-1] + x[1]) + 0*a")};
	for (int other = 0; other < 2; other++) {
		struct memory m;
		CU_ASSERT_FATAL(expand(text[other], 0));
		state = 5;
		prepare(&m);
		m.draw = gauss;
		double mean[INTERP_ROWS] = {0};
		enum { RUNS = 2000 };
		for (int r = 0; r < RUNS; r++) {
			run(&m, "elbo");
			for (int row = 0; row < INTERP_ROWS; row++)
				mean[row] += named(&m, "out.elbo")[row] / RUNS;
		}
		for (int row = 0; row < INTERP_ROWS; row++) {
			const double *x = named(&m, "x") + 2 * row;
			double form = (3 * x[0] * x[0] - 2 * x[0] * x[1] + 2 * x[1] * x[1]) / 5;
			double exact = -log(2 * acos(-1)) - 0.5 * log(5) - 0.5 * form;
			CU_ASSERT(other ? mean[row] < exact : fabs(mean[row] - exact) < 1e-9);
		}
		memory_free(&m);
	}
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

/* The joint distribution of two steps of a latent and a visible bit that alternate. */
static double bit(double x, double logit)
{
	return 1 / (1 + exp(x > 0.5 ? -logit : logit));
}

static double alternate(int s)
{
	double u = 0.3, p = 1;
	for (int t = 0; t < 2; t++) {
		double z = s >> 2 * t & 1, x = s >> (2 * t + 1) & 1;
		p *= bit(z, 2 * u) * bit(x, 1.5 * z - u);
		u = tanh(u + x - 2 * z);
	}
	return p;
}

static void test_alternate(void)
{
	enum { RUNS = 6000 };
	struct memory m;
	int count[16] = {0}, n = RUNS * INTERP_ROWS;
	CU_ASSERT_FATAL(expand(
	    "model m(T = 2) { visible x : binary[T]; hidden z : binary[T]; param q : real = 0;\n"
	    "state u[t] : real = tanh(u[t-1] + x[t] - 2*z[t]), u[-1] = 0.3;\n"
	    "z[t] ~ bernoulli(logits = 2*u[t-1]); x[t] ~ bernoulli(logits = 1.5*z[t] - u[t-1]);\n"
	    "posterior z[t] ~ bernoulli(logits = q*x[t] + u[t-1]); }\n"
	    "data d = csv(\"d.csv\");\ntrain m { x = d; objective elbo(samples = 2); monitor elbo(d); "
	    "}\n",
	    0));
	CU_ASSERT_FATAL(objective_sampler(block.x));
	state = 11;
	prepare(&m);
	m.draw = coin;
	for (int r = 0; r < RUNS; r++) {
		run(&m, "sample.sweep");
		for (int k = 0; k < INTERP_ROWS; k++) {
			const double *x = named(&m, "x.sample") + 2 * k, *z = named(&m, "z.sample") + 2 * k;
			count[(z[0] > 0.5) + 2 * (x[0] > 0.5) + 4 * (z[1] > 0.5) + 8 * (x[1] > 0.5)]++;
		}
	}
	for (int s = 0; s < 16; s++) {
		double p = alternate(s);
		CU_ASSERT(fabs((double)count[s] / n - p) <= 5 * sqrt(p / n));
	}
	memory_free(&m);
	cx = unit.cx;
	fun = NULL;
	prog = block.x->p;
	CU_ASSERT(generated_agrees(plan()));
}

int main(void)
{
	if (!codegen_init())
		return 1;
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("states", NULL, NULL);
	CU_add_test(suite, "contrastive divergence through states", test_chains);
	CU_add_test(suite, "a likelihood over states adds up to 1", test_total);
	CU_add_test(suite, "bounds of latent variables step by step", test_latent);
	CU_add_test(suite, "the bound of a random walk", test_walk);
	CU_add_test(suite, "samples drawn step by step", test_samples);
	CU_add_test(suite, "samples of variables that alternate", test_alternate);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
