/* Gradients through draws that are not smooth: the mean of what the program computes over all
 * outcomes of its draws, each weighted by its probability, against differences of the objective,
 * which is summed over all outcomes as it is defined.  Normal draws are at the nodes of a
 * quadrature. */
#include "directed.h"

/* ---- outcomes that are set ---- */
enum { MOST = 16, NODES = 16 };
static struct { /* the draws of a run, in the order in which they are first asked for */
	int stream[MOST], n;
	int64_t unit[MOST];
	bool normal[MOST];
	double value[MOST];
} forced;

static double outcome(const struct memory *m, const struct node *draw)
{
	int k = 0;
	while (k < forced.n && (forced.stream[k] != (int)draw->num || forced.unit[k] != m->unit))
		k++;
	if (k == MOST)
		abort();
	if (k == forced.n) {
		forced.stream[k] = (int)draw->num;
		forced.unit[k] = m->unit;
		forced.normal[k] = draw->op == OP_NORMAL;
		forced.value[k] = 0.5;
		forced.n++;
	}
	return forced.value[k];
}

/* Nodes and weights of the mean over a standard normal: the trapezoid rule, which is exact to
 * rounding for what is smooth. */
static double node_at(int i)
{
	return -6 + 12 * (i + 0.5) / NODES;
}

static double node_weight(int i)
{
	return exp(-node_at(i) * node_at(i) / 2) / sqrt(2 * acos(-1)) * 12 / NODES;
}

/* Sets the draws to the next outcome and gives the weight of the normal ones; 0: there is none. */
static double next_outcome(int *digit)
{
	double weight = 1;
	int k = 0;
	for (; k < forced.n; k++) {
		if (++digit[k] < (forced.normal[k] ? NODES : 2))
			break;
		digit[k] = 0;
	}
	if (k == forced.n)
		return 0;
	for (k = 0; k < forced.n; k++) {
		forced.value[k] = forced.normal[k] ? node_at(digit[k]) : digit[k] ? 1e-12 : 1 - 1e-12;
		weight *= forced.normal[k] ? node_weight(digit[k]) : 1;
	}
	return weight;
}

/* ---- the models, as they are written ---- */
static double log_bit(double x, double logit)
{
	return x * logit - (logit > 0 ? logit + log1p(exp(-logit)) : log1p(exp(logit)));
}

static double log_normal(double x, double mean, double logvar)
{
	return -0.5 * (x - mean) * (x - mean) * exp(-logvar) - 0.5 * logvar - 0.5 * log(2 * acos(-1));
}

#define BELIEF \
	"model m { visible x : binary[2]; hidden h : binary[2]; hidden g : binary;\n" \
	"param a : real = 0; param G : real[2] = 0; param b : real[2] = 0; param W : real[2,2] = 0;\n" \
	"param Q : real[2,2] = 0; param r : real[2] = 0;\n" \
	"g ~ bernoulli(logits = a); h ~ bernoulli(logits = g*G + b); x ~ bernoulli(logits = h@W);\n" \
	"posterior h ~ bernoulli(logits = x@Q); posterior g ~ bernoulli(logits = h@r); }\n"
/* z's scale depends on h: the score of z must not be counted. */
#define MIXED \
	"model m { visible x : binary[2]; hidden h : binary; hidden z : real ~ normal(0, 1);\n" \
	"param a : real = 0; param W : real[2] = 0; param V : real[2] = 0;\n" \
	"param q : real[2] = 0; param s : real[4] = 0;\n" \
	"h ~ bernoulli(logits = a); let l[i] = h*W[i] + z*V[i]; x ~ bernoulli(logits = l);\n" \
	"posterior h ~ bernoulli(logits = x@q);\n" \
	"posterior z ~ normal(mean = s[0]*h + s[1]*x[0], logvar = s[2]*h - s[3]); }\n"

struct latent {
	double h[2], g, z;
};

static double belief_q(struct memory *m, const double *x, const struct latent *l)
{
	const double *Q = named(m, "Q"), *r = named(m, "r");
	double sum = log_bit(l->g, l->h[0] * r[0] + l->h[1] * r[1]);
	for (int j = 0; j < 2; j++)
		sum += log_bit(l->h[j], x[0] * Q[j] + x[1] * Q[2 + j]);
	return sum;
}

static double belief_p(struct memory *m, const double *x, const struct latent *l)
{
	const double *G = named(m, "G"), *b = named(m, "b"), *W = named(m, "W");
	double sum = log_bit(l->g, *named(m, "a"));
	for (int j = 0; j < 2; j++)
		sum += log_bit(l->h[j], l->g * G[j] + b[j]) +
		       log_bit(x[j], l->h[0] * W[j] + l->h[1] * W[2 + j]);
	return sum;
}

static double mixed_q(struct memory *m, const double *x, const struct latent *l)
{
	const double *q = named(m, "q");
	return log_bit(l->h[0], x[0] * q[0] + x[1] * q[1]);
}

/* z is what the node is mapped to. */
static void mixed_z(struct memory *m, const double *x, struct latent *l, double node)
{
	const double *s = named(m, "s");
	l->z = s[0] * l->h[0] + s[1] * x[0] + exp((s[2] * l->h[0] - s[3]) / 2) * node;
}

static double mixed_p(struct memory *m, const double *x, const struct latent *l)
{
	const double *W = named(m, "W"), *V = named(m, "V"), *s = named(m, "s");
	double sum = log_bit(l->h[0], *named(m, "a")) + log_normal(l->z, 0, 0) -
	             log_normal(l->z, s[0] * l->h[0] + s[1] * x[0], s[2] * l->h[0] - s[3]);
	for (int j = 0; j < 2; j++)
		sum += log_bit(x[j], l->h[0] * W[j] + l->z * V[j]);
	return sum;
}

/* ---- the objectives, as they are defined ---- */
enum { BITS = 3 };
static bool mixed;

/* State s of the latent variables; its log q, of the bits, and log p less log q of the rest. */
static double weight_of(struct memory *m, int s, double *q, double *p)
{
	const double *x = named(m, "x");
	struct latent l = {{s & 1, s >> 1 & 1}, s >> 2, 0};
	if (mixed)
		mixed_z(m, x, &l, node_at(s >> 1));
	*q = mixed ? mixed_q(m, x, &l) : belief_q(m, x, &l);
	*p = mixed ? mixed_p(m, x, &l) : belief_p(m, x, &l);
	return exp(*q) * (mixed ? node_weight(s >> 1) : 1);
}

static int states(void)
{
	return mixed ? 2 * NODES : 1 << BITS;
}

static double bound(struct memory *m, int particles)
{
	double sum = 0, q, p;
	if (particles == 1) {
		for (int s = 0; s < states(); s++)
			sum -= weight_of(m, s, &q, &p) * (p - q);
		return sum;
	}
	for (int s = 0; s < states(); s++)
		for (int t = 0; t < states(); t++) {
			double share = weight_of(m, s, &q, &p), w = exp(p - q);
			share *= weight_of(m, t, &q, &p);
			sum -= share * log((w + exp(p - q)) / 2);
		}
	return sum;
}

static double elbo(struct memory *m)
{
	return bound(m, 1);
}

static double iwae(struct memory *m)
{
	return bound(m, 2);
}

/* Minus what an update of wake-sleep climbs: the outcomes and their shares are as they were. */
static double kept[2][1 << (2 * BITS)], dreamt[1 << (BITS + 2)];
static double wakes; /* how much the posteriors learn in the wake phase */

static void keep(struct memory *m)
{
	double *x = named(m, "x"), was[2] = {x[0], x[1]}, q, p, w[2];
	for (int s = 0; s < 1 << (2 * BITS); s++) {
		double share = weight_of(m, s & 7, &q, &p);
		w[0] = exp(p - q);
		share *= weight_of(m, s >> BITS, &q, &p);
		w[1] = exp(p - q);
		for (int k = 0; k < 2; k++)
			kept[k][s] = share * w[k] / (w[0] + w[1]);
	}
	for (int s = 0; s < 1 << (BITS + 2); s++) {
		x[0] = s >> BITS & 1;
		x[1] = s >> (BITS + 1);
		weight_of(m, s & 7, &q, &p);
		dreamt[s] = exp(p);
	}
	memcpy(x, was, sizeof was);
}

static double reweighted(struct memory *m)
{
	double *x = named(m, "x"), was[2] = {x[0], x[1]}, q, p, sum = 0;
	for (int s = 0; s < 1 << (2 * BITS); s++)
		for (int k = 0; k < 2; k++) {
			weight_of(m, k ? s >> BITS : s & 7, &q, &p);
			sum -= kept[k][s] * (p + wakes * q);
		}
	for (int s = 0; s < 1 << (BITS + 2); s++) {
		x[0] = s >> BITS & 1;
		x[1] = s >> (BITS + 1);
		weight_of(m, s & 7, &q, &p);
		sum -= (1 - wakes) * dreamt[s] * q;
	}
	memcpy(x, was, sizeof was);
	return sum;
}

/* ---- the program ---- */
/* The probability of the bits that the run has drawn. */
static double probability(struct memory *m, int particles, bool dreams)
{
	double log_p = 0, x[2];
	for (int s = 0; s < particles; s++) {
		const double *h = named(m, "h"), *g = mixed ? NULL : named(m, "g");
		struct latent l = {{h[mixed ? s : 2 * s], mixed ? 0 : h[2 * s + 1]}, g ? g[s] : 0, 0};
		log_p += mixed ? mixed_q(m, named(m, "x"), &l) : belief_q(m, named(m, "x"), &l);
	}
	if (!dreams)
		return exp(log_p);
	const double *h = named(m, "h.dream");
	struct latent l = {{h[0], h[1]}, *named(m, "g.dream"), 0};
	memcpy(x, named(m, "x.dream"), sizeof x);
	return exp(log_p + belief_p(m, x, &l));
}

static double *flat_gradient(struct memory *m, double *to, double scale)
{
	int n = 0;
	for (int i = 0; i < block.m->weight.n; i++) {
		const double *g = values_at(m, block.x->grad[i]);
		for (int64_t k = 0; k < items_of(block.m->weight.at[i]->sym); k++)
			to[n++] += scale * g[k];
	}
	return to;
}

static void agree(struct memory *m, const char *name, const double *got,
                  double (*objective)(struct memory *m))
{
	int n = 0;
	for (int i = 0; i < block.m->weight.n; i++) {
		const struct weight *w = block.m->weight.at[i];
		double *x = values_at(m, w->sym), largest = 0;
		for (int64_t k = 0; k < items_of(w->sym); k++, n++) {
			double at = x[k], h = 1e-5;
			x[k] = at + h;
			double up = objective(m);
			x[k] = at - h;
			double want = (up - objective(m)) / (2 * h);
			x[k] = at;
			if (!(fabs(got[n] - want) < 1e-8))
				fprintf(stderr, "%s, %s[%d]: %g, want %g\n", name, w->name, (int)k, got[n], want);
			CU_ASSERT(fabs(got[n] - want) < 1e-8);
			largest = fmax(largest, fabs(want));
		}
		CU_ASSERT(largest > 1e-4);
	}
}

static const struct {
	const char *model, *objective;
	double (*defined)(struct memory *m);
	double wakes; /* below 0: it is no wake-sleep */
} cases[] = {
    {BELIEF, "elbo(samples = 2)", elbo, -1},
    {MIXED, "elbo(samples = 2)", elbo, -1},
    {BELIEF, "iwae(samples = 2)", iwae, -1},
    {MIXED, "iwae(samples = 2)", iwae, -1},
    {BELIEF, "wake_sleep(samples = 2)", reweighted, 0},
    {BELIEF, "wake_sleep(samples = 2, posterior = wake)", reweighted, 1},
    {BELIEF, "wake_sleep(samples = 2, posterior = both)", reweighted, 0.5},
};

static void mean_gradient(size_t c)
{
	struct memory m;
	int digit[MOST] = {-1};
	double got[64] = {0}, weight, total = 0;
	CU_ASSERT_FATAL(expand(
	    arena_printf(arena_new(), "%sdata d = csv(\"d.csv\");\ntrain m { x = d; objective %s; }\n",
	                 cases[c].model, cases[c].objective),
	    0));
	mixed = strcmp(cases[c].model, MIXED) == 0;
	wakes = cases[c].wakes;
	state = 5;
	prepare(&m);
	for (int p = 0; p < 8; p++)
		m.pop_rows[p] = 1;
	*named(&m, "inv_n") = 1;
	named(&m, "x")[0] = 1;
	named(&m, "x")[1] = 1;
	m.draw = outcome;
	forced.n = 0;
	run(&m, "train.final");
	while ((weight = next_outcome(digit)) > 0) {
		run(&m, "train.final");
		weight *= probability(&m, 2, wakes >= 0 && wakes < 1);
		flat_gradient(&m, got, weight);
		total += weight;
	}
	CU_ASSERT_DOUBLE_EQUAL(total, 1, 1e-8);
	if (wakes >= 0)
		keep(&m);
	agree(&m, cases[c].objective, got, cases[c].defined);
	memory_free(&m);
}

static void test_means(void)
{
	for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
		mean_gradient(c);
}

/* What is generated agrees with the program, at other numbers of particles too. */
static void test_generated(void)
{
	static const char *const objective[] = {"iwae(samples = 5)",
	                                        "wake_sleep(samples = 5, posterior = both)"};
	for (int k = 0; k < 2; k++) {
		CU_ASSERT_FATAL(expand(arena_printf(arena_new(),
		                                    BELIEF "data d = csv(\"d.csv\");\ntrain m { x = d; "
		                                           "objective %s; }\n",
		                                    objective[k]),
		                       0));
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
	CU_pSuite suite = CU_add_suite("discrete", NULL, NULL);
	CU_add_test(suite, "means of the gradients", test_means);
	CU_add_test(suite, "generated code", test_generated);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
