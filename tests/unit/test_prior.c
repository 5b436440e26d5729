/* Models whose prior is an energy, p(x, z) = p(x | z) exp(-F(z))/Z: the bound's gradient but for
 * log Z against differences; the bound, the gradient of log Z, and wake-sleep's of the posterior,
 * as means over many draws against sums over all states; log Z by enumeration. */
#include "directed.h"

/* ---- the bound ---- */
static void test_bound(void)
{
	static const char *const functions[] = {"free_energy", NULL};
	struct memory m;
	const char *text =
	    "model m { visible x : binary[3]; hidden z : real[2]; hidden g : binary[2];\n"
	    "param s : real[2] = 0; param W : real[2,2] = 0; param b : real[2] = 0;\n"
	    "energy = 0.5*sum(i) exp(s[i])*z[i]^2 - z@W@g - b@g;\n"
	    "x ~ bernoulli(logits = dense(z, 3));\n"
	    "posterior z ~ normal(mean = dense(x, 2), logvar = dense(x, 2)); }\n"
	    "data d = csv(\"d.csv\");\n"
	    "train m { x = d; objective elbo(); monitor free_energy(d); }\n";
	CU_ASSERT_FATAL(expand(text, 0));
	state = 5;
	prepare(&m);
	run(&m, "train.first");
	slopes_agree(&m, "bound", functions, 1);
	memory_free(&m);
	cx = unit.cx;
	fun = NULL;
	prog = block.x->p;
	CU_ASSERT(generated_agrees(plan()));
}

/* ---- means over many draws ---- */
#define MODEL \
	"model m { visible x : binary[2]; hidden h : binary[3]; hidden g : binary[2];\n" \
	"param W : real[3,2] = 0; param a : real[3] = 0; param b : real[2] = 0; param V : real[3,2] " \
	"= 0;\n" \
	"param Q : real[2,3] = 0; energy = - h@W@g - a@h - b@g; x ~ bernoulli(logits = h@V);\n" \
	"posterior h ~ bernoulli(logits = x@Q); }\ndata d = csv(\"d.csv\");\n"
enum { NH = 3, NG = 2, NX = 2, RUNS = 20000 };

static double fresh(const struct memory *m, const struct node *draw)
{
	(void)m;
	return draw->op == OP_UNIFORM ? next() : 0;
}

struct exact { /* <dE/dtheta> of the prior; of the joint law, <d log q(h | x)/dQ> */
	double W[NH * NG], a[NH], b[NG], Q[NX * NH], log_z;
};

static double logistic(double x)
{
	return 1 / (1 + exp(-x));
}

static double law(const double *logit, int bits, int n) /* their log-probability */
{
	double sum = 0;
	for (int k = 0; k < n; k++)
		sum += log(logistic(bits >> k & 1 ? logit[k] : -logit[k]));
	return sum;
}

/* Of the states of row r: the bound without log Z, and log p(x) with it. */
static void bound_of_row(struct memory *m, int r, double *bound, double *log_p)
{
	const double *W = named(m, "W"), *a = named(m, "a"), *b = named(m, "b"), *V = named(m, "V"),
	             *Q = named(m, "Q"), *x = &named(m, "x")[r * NX];
	double total = 0, q[NH] = {0};
	int of_x = 0;
	*bound = 0;
	for (int k = 0; k < NX; k++) {
		of_x |= (int)x[k] << k;
		for (int i = 0; i < NH; i++)
			q[i] += x[k] * Q[k * NH + i];
	}
	for (int h = 0; h < 1 << NH; h++) {
		double minus_f = 0, f[NX] = {0};
		for (int j = 0; j < NG; j++) {
			double g = b[j];
			for (int i = 0; i < NH; i++)
				g += (h >> i & 1) * W[i * NG + j];
			minus_f += log1p(exp(g));
		}
		for (int i = 0; i < NH; i++) {
			minus_f += (h >> i & 1) * a[i];
			for (int k = 0; k < NX; k++)
				f[k] += (h >> i & 1) * V[i * NX + k];
		}
		double log_q = law(q, h, NH), joint = minus_f + law(f, of_x, NX);
		*bound += exp(log_q) * (joint - log_q);
		total += exp(joint);
	}
	*log_p = log(total);
}

static void test_bound_value(void)
{
	static const char *const functions[] = {"free_energy", NULL};
	struct memory m;
	double sum = 0, want = 0, most = 0;
	CU_ASSERT_FATAL(
	    expand(MODEL "train m { x = d; objective wake_sleep(); monitor free_energy(d); }\n", 0));
	state = 21;
	prepare(&m);
	m.draw = fresh;
	for (int r = 0; r < INTERP_ROWS; r++) {
		double bound, log_p;
		bound_of_row(&m, r, &bound, &log_p);
		want += bound / INTERP_ROWS;
		most += log_p / INTERP_ROWS;
	}
	for (int r = 0; r < RUNS; r++)
		sum -= loss(&m, functions) / RUNS;
	CU_ASSERT(want < most);
	if (!(fabs(sum - want) < 0.02)) /* a standard error is some 0.003 */
		fprintf(stderr, "the bound is %g on average, not %g\n", sum, want);
	CU_ASSERT(fabs(sum - want) < 0.02);
	memory_free(&m);
}

static void enumerate(struct memory *m, struct exact *e)
{
	const double *W = named(m, "W"), *a = named(m, "a"), *b = named(m, "b"), *V = named(m, "V"),
	             *Q = named(m, "Q");
	double Z = 0;
	*e = (struct exact){0};
	for (int s = 0; s < 1 << (NH + NG + NX); s++) {
		int h[NH], g[NG], x[NX];
		double minus_e = 0, p;
		for (int i = 0; i < NH; i++)
			h[i] = s >> i & 1;
		for (int j = 0; j < NG; j++)
			g[j] = s >> (NH + j) & 1;
		for (int k = 0; k < NX; k++)
			x[k] = s >> (NH + NG + k) & 1;
		for (int i = 0; i < NH; i++)
			for (int j = 0; j < NG; j++)
				minus_e += h[i] * W[i * NG + j] * g[j];
		for (int i = 0; i < NH; i++)
			minus_e += a[i] * h[i];
		for (int j = 0; j < NG; j++)
			minus_e += b[j] * g[j];
		p = exp(minus_e);
		for (int k = 0; k < NX; k++) {
			double f = 0;
			for (int i = 0; i < NH; i++)
				f += h[i] * V[i * NX + k];
			p *= x[k] ? logistic(f) : logistic(-f);
		}
		Z += p;
		for (int i = 0; i < NH; i++) {
			double q = 0;
			for (int k = 0; k < NX; k++)
				q += x[k] * Q[k * NH + i];
			for (int k = 0; k < NX; k++)
				e->Q[k * NH + i] += p * x[k] * (h[i] - logistic(q));
			for (int j = 0; j < NG; j++)
				e->W[i * NG + j] -= p * h[i] * g[j];
			e->a[i] -= p * h[i];
		}
		for (int j = 0; j < NG; j++)
			e->b[j] -= p * g[j];
	}
	for (int i = 0; i < NH * NG; i++)
		e->W[i] /= Z;
	for (int i = 0; i < NH; i++)
		e->a[i] /= Z;
	for (int i = 0; i < NG; i++)
		e->b[i] /= Z;
	for (int i = 0; i < NX * NH; i++)
		e->Q[i] /= Z;
	e->log_z = log(Z);
}

/* Minus the means of at least RUNS*INTERP_ROWS numbers in [-1, 1]: a standard error of at most
 * 0.0041, for chains that are correlated over a few sweeps 0.01; of some 20 of them the largest is
 * allowed four of it. */
static void near(const char *objective, const char *what, const double *sum, const double *want,
                 int n)
{
	for (int k = 0; k < n; k++) {
		double mean = sum[k] / RUNS;
		if (!(fabs(mean + want[k]) < 0.04))
			fprintf(stderr, "%s, %s[%d]: %g, want %g\n", objective, what, k, mean, -want[k]);
		CU_ASSERT(fabs(mean + want[k]) < 0.04);
	}
}

static struct grads {
	double W[NH * NG], a[NH], b[NG], Q[NX * NH];
} zero;

static void tally(struct memory *m, struct grads *sum, bool reset)
{
	static const char *const name[] = {"grad.W", "grad.a", "grad.b", "grad.Q"};
	static const int count[] = {NH * NG, NH, NG, NX * NH};
	double *to[] = {sum->W, sum->a, sum->b, sum->Q};
	for (int k = 0; k < 4; k++)
		for (int i = 0; i < count[k]; i++) {
			double *g = &named(m, name[k])[i];
			to[k][i] += reset ? 0 : *g;
			*g = 0;
		}
}

/* What train.final adds to the gradients: minus the mean of dE/dtheta over the chains; with
 * wake-sleep also minus that of d log q/dphi. */
static void final_half(const char *objective, bool persistent, bool dreams)
{
	struct memory m;
	struct exact e;
	struct grads sum = zero;
	const char *text =
	    arena_printf(arena_new(), MODEL "train m { x = d; objective %s; }\n", objective);
	CU_ASSERT_FATAL(expand(text, 0));
	state = 11;
	prepare(&m);
	m.draw = fresh;
	*values_at(&m, scalar_sym(block.x, "inv_m")) = 1.0 / INTERP_ROWS;
	enumerate(&m, &e);
	if (persistent)
		run(&m, "chains.begin");
	run(&m, "train.first");
	for (int r = 0; r < RUNS; r++) {
		if (!persistent && r % 200 == 0)
			run(&m, "train.first");
		run(&m, "train.sweep");
		tally(&m, &sum, true);
		run(&m, "train.final");
		tally(&m, &sum, false);
	}
	near(objective, "W", sum.W, e.W, NH * NG);
	near(objective, "a", sum.a, e.a, NH);
	near(objective, "b", sum.b, e.b, NG);
	if (dreams)
		near(objective, "Q", sum.Q, e.Q, NX * NH);
	memory_free(&m);
}

static void test_chains(void)
{
	final_half("elbo(samples = 2, chains = 3)", true, false);
	final_half("elbo(samples = 2, k = 5)", false, false);
	final_half("wake_sleep(k = 5)", false, true);
	final_half("wake_sleep(chains = 3)", true, true);
}

/* ---- log Z ---- */
static void test_enumeration(void)
{
	struct memory m;
	struct exact e;
	CU_ASSERT_FATAL(expand(MODEL "evaluate m { x = d; loglik exact(); }\n", 0));
	state = 3;
	prepare(&m);
	enumerate(&m, &e);
	double *g = named(&m, "g.states"), Z = 0; /* the fewest units that can be listed */
	for (int s = 0; s < 1 << NG; s++) {
		for (int i = 0; i < NG * INTERP_ROWS; i++)
			g[i] = s >> i % NG & 1;
		run(&m, "enum.energy");
		Z += exp(-named(&m, "out.enum.energy")[0]);
	}
	CU_ASSERT_DOUBLE_EQUAL(log(Z), e.log_z, 1e-12);
	memory_free(&m);
}

/* ---- what annealing begins with: draws of the posterior, an example each ---- */
static void test_posterior_draws(void)
{
	struct memory m;
	double sum[INTERP_ROWS * NH] = {0};
	CU_ASSERT_FATAL(expand(MODEL "evaluate m { x = d; loglik ais(); }\n", 0));
	state = 9;
	prepare(&m);
	m.draw = fresh;
	for (int r = 0; r < RUNS; r++) {
		run(&m, "posterior.h");
		for (int k = 0; k < INTERP_ROWS * NH; k++)
			sum[k] += named(&m, "out.posterior.h")[k] / RUNS;
	}
	for (int r = 0; r < INTERP_ROWS; r++)
		for (int i = 0; i < NH; i++) {
			double q = 0;
			for (int k = 0; k < NX; k++)
				q += named(&m, "x")[r * NX + k] * named(&m, "Q")[k * NH + i];
			CU_ASSERT_DOUBLE_EQUAL(sum[r * NH + i], logistic(q), 0.015); /* of RUNS draws 0.0035 */
		}
	memory_free(&m);
}

int main(void)
{
	if (!codegen_init())
		return 1;
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("prior", NULL, NULL);
	CU_add_test(suite, "the bound", test_bound);
	CU_add_test(suite, "the bound's value", test_bound_value);
	CU_add_test(suite, "gradients by chains", test_chains);
	CU_add_test(suite, "log Z", test_enumeration);
	CU_add_test(suite, "posterior draws", test_posterior_draws);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
