/* Implicit models: the gradients of adversarial objectives and of the discrepancy against central
 * differences of the losses, which are computed here from what was generated and what the critic
 * said of it. */
#include "directed.h"

#define CODES \
	"net generator(z : real[Z]) { z |> dense(3) |> tanh |> dense(3) }\n" \
	"net coder(x : real[D]) { x |> dropout(0.5) |> dense(3) |> tanh }\n" \
	"net decoder(h : real[H]) { h |> dense(4) }\n" \
	"model m { hidden z : real[2] ~ normal(0, 1); hidden h : real[3] = generator(z);\n" \
	"visible x : real[4] = decoder(h); visible y : real[4] ~ normal(mean = decoder(coder(x)), sd " \
	"= 1);\n" \
	"}\n" \
	"data d = csv(\"d.csv\");\n"
#define GENERATOR \
	"net generator(z : real[Z]) { z |> dense(3) |> tanh |> dense(4) }\n" \
	"net critic(x : real[D]) { x |> dense(3) |> tanh |> dense(1) }\n" \
	"model m { hidden z : real[2] ~ normal(0, 1); visible x : real[4] = generator(z);\n" \
	"let d = critic(x); }\n" \
	"data d = csv(\"d.csv\");\n"

#define WASSERSTEIN "adversarial(critic = critic, loss = wasserstein, penalty = 10)"

static double softplus(double x)
{
	return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

/* ---- the losses, of generator and critic ---- */
struct loss {
	double generator, critic;
};

static struct loss saturating(struct memory *m, bool minimax)
{
	const double *r = named(m, "critic.dense2.value.real"),
	             *g = named(m, "critic.dense2.value.fake");
	struct loss l = {0, 0};
	for (int n = 0; n < INTERP_ROWS; n++) {
		l.generator += (minimax ? -softplus(g[n]) : softplus(-g[n])) / INTERP_ROWS;
		l.critic += (softplus(-r[n]) + softplus(g[n])) / INTERP_ROWS;
	}
	return l;
}

static struct loss nonsaturating(struct memory *m)
{
	return saturating(m, false);
}

static struct loss minimax(struct memory *m)
{
	return saturating(m, true);
}

/* |dd/dx| of the critic with one hidden layer, by the chain rule. */
static double slope(struct memory *m, const double *x)
{
	const double *W = named(m, "critic.dense1.W"), *b = named(m, "critic.dense1.b"),
	             *v = named(m, "critic.dense2.W");
	double square = 0;
	for (int i = 0; i < 4; i++) {
		double d = 0;
		for (int j = 0; j < 3; j++) {
			double a = b[j];
			for (int k = 0; k < 4; k++)
				a += x[k] * W[k * 3 + j];
			d += v[j] * (1 - tanh(a) * tanh(a)) * W[i * 3 + j];
		}
		square += d * d;
	}
	return sqrt(square);
}

static struct loss wasserstein(struct memory *m)
{
	const double *r = named(m, "critic.dense2.value.real"),
	             *g = named(m, "critic.dense2.value.fake"), *x = named(m, "x.between");
	struct loss l = {0, 0};
	for (int n = 0; n < INTERP_ROWS; n++) {
		double off = slope(m, x + 4 * n) - 1;
		l.generator -= g[n] / INTERP_ROWS;
		l.critic += (g[n] - r[n] + 10 * off * off) / INTERP_ROWS;
	}
	return l;
}

static double similar(const double *x, const double *y)
{
	double gap = 0;
	for (int i = 0; i < 4; i++)
		gap += (x[i] - y[i]) * (x[i] - y[i]);
	return exp(-gap / 2) + exp(-gap / 18);
}

static double discrepancy(struct memory *m)
{
	const double *x = named(m, "x"), *g = named(m, "rows.fake");
	double sum = 0;
	for (int n = 0; n < INTERP_ROWS; n++)
		for (int k = 0; k < INTERP_ROWS; k++)
			sum += similar(g + 4 * n, g + 4 * k) - 2 * similar(g + 4 * n, x + 4 * k) +
			       similar(x + 4 * n, x + 4 * k);
	return sum / INTERP_ROWS / INTERP_ROWS;
}

static struct loss squared(struct memory *m)
{
	return (struct loss){discrepancy(m), 0};
}

/* The means over pairs of different rows: the term of a row with itself is 2 with two widths. */
static struct loss unbiased(struct memory *m)
{
	const double *x = named(m, "x"), *g = named(m, "rows.fake"), n = INTERP_ROWS;
	double sum = 0;
	for (int i = 0; i < INTERP_ROWS; i++)
		for (int k = 0; k < INTERP_ROWS; k++)
			sum += (similar(g + 4 * i, g + 4 * k) + similar(x + 4 * i, x + 4 * k)) / n / (n - 1) -
			       2 * similar(g + 4 * i, x + 4 * k) / n / n;
	return (struct loss){sum - 2 * 2 / (n - 1), 0};
}

/* The critic's value is what is compared; its parameters stay. */
static struct loss seen_through(struct memory *m)
{
	const double *x = named(m, "rows.real"), *g = named(m, "rows.fake");
	double sum = 0;
	for (int n = 0; n < INTERP_ROWS; n++)
		for (int k = 0; k < INTERP_ROWS; k++) {
			double near = g[n] - g[k], far = g[n] - x[k];
			sum += exp(-near * near / 2) + exp(-near * near / 18) -
			       2 * (exp(-far * far / 2) + exp(-far * far / 18));
		}
	return (struct loss){sum / INTERP_ROWS / INTERP_ROWS, 0};
}

/* What is generated is h, compared with the codes of the data. */
static struct loss of_codes(struct memory *m)
{
	const double *x = named(m, "rows.real"), *g = named(m, "rows.fake");
	double sum = 0;
	for (int n = 0; n < 3 * INTERP_ROWS; n++)
		CU_ASSERT(g[n] == named(m, "h.fake")[n]);
	for (int n = 0; n < INTERP_ROWS; n++) /* the coder is not in training: nothing is dropped */
		for (int j = 0; j < 3; j++) {
			double a = named(m, "coder.dense1.b")[j];
			for (int i = 0; i < 4; i++)
				a += named(m, "x")[4 * n + i] * named(m, "coder.dense1.W")[3 * i + j];
			CU_ASSERT_DOUBLE_EQUAL(x[3 * n + j], tanh(a), 1e-12);
		}
	for (int n = 0; n < INTERP_ROWS; n++)
		for (int k = 0; k < INTERP_ROWS; k++) {
			double near = 0, far = 0;
			for (int i = 0; i < 3; i++) {
				near += pow(g[3 * n + i] - g[3 * k + i], 2);
				far += pow(g[3 * n + i] - x[3 * k + i], 2);
			}
			sum += exp(-near / 2) + exp(-near / 18) - 2 * (exp(-far / 2) + exp(-far / 18));
		}
	return (struct loss){sum / INTERP_ROWS / INTERP_ROWS, 0};
}

static struct loss root(struct memory *m)
{
	return (struct loss){sqrt(discrepancy(m)), 0};
}

/* ---- the cases ---- */
static const struct {
	const char *model, *objective;
	struct loss (*loss)(struct memory *m);
} cases[] = {
    {GENERATOR, "adversarial(critic = critic)", nonsaturating},
    {GENERATOR, "adversarial(critic = critic, loss = minimax)", minimax},
    {GENERATOR, WASSERSTEIN, wasserstein},
    {GENERATOR, "mmd(rbf(1, 3))", squared},
    {GENERATOR, "mmd(rbf(1, 3), square = no)", root},
    {GENERATOR, "mmd(rbf(1, 3), unbiased = yes)", unbiased},
    {GENERATOR, "mmd(rbf(1, 3), through = critic)", seen_through},
    {CODES, "mmd(rbf(1, 3), through = coder, variable = h)", of_codes},
};

/* The points between are held where they are while the critic moves; they move with the generator,
 * whose loss does not read them. */
static double loss_of(struct memory *m, struct loss (*of)(struct memory *m), bool critic)
{
	run(m, "train.final");
	struct loss l = of(m);
	return critic ? l.critic : l.generator;
}

static void gradient(const char *model, const char *objective, struct loss (*of)(struct memory *m))
{
	struct memory m;
	double worst = 0, largest = 0;
	if (!expand(arena_printf(arena_new(), "%strain m { x = d; %s objective %s; }\n", model,
	                         strstr(model, "visible y") ? "y = d;" : "", objective),
	            0)) {
		CU_FAIL("refused");
		return;
	}
	state = 3;
	prepare(&m);
	run(&m, "train.final");
	double *g[32];
	for (int i = 0; i < block.m->weight.n; i++) {
		size_t bytes = sizeof **g * (size_t)items_of(block.m->weight.at[i]->sym);
		g[i] = memcpy(malloc(bytes), values_at(&m, block.x->grad[i]), bytes);
	}
	for (int i = 0; i < block.m->weight.n; i++) {
		const struct weight *w = block.m->weight.at[i];
		bool critic = strncmp(w->name, "c", 1) == 0;
		double *x = values_at(&m, w->sym);
		for (int64_t k = 0; k < items_of(w->sym); k++) {
			double at = x[k], h = 1e-5;
			x[k] = at + h;
			double up = loss_of(&m, of, critic);
			x[k] = at - h;
			double d = (up - loss_of(&m, of, critic)) / (2 * h);
			x[k] = at;
			worst = fmax(worst, isnan(g[i][k]) ? INFINITY : fabs(d - g[i][k]));
			largest = fmax(largest, fabs(d));
		}
		free(g[i]);
	}
	if (!(worst < 1e-7 * (1 + largest)))
		fprintf(stderr, "%s: gradient off by %g of %g\n", objective, worst, largest);
	CU_ASSERT(worst < 1e-7 * (1 + largest));
	CU_ASSERT(largest > 0);
	memory_free(&m);
	cx = unit.cx;
	fun = NULL;
	prog = block.x->p;
	data = POP_DATA;
	chains = POP_CHAINS;
	CU_ASSERT(generated_agrees(plan()));
}

static void test_gradients(void)
{
	for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
		gradient(cases[k].model, cases[k].objective, cases[k].loss);
}

/* ---- the penalty on critics of several kinds ---- */
static const struct {
	const char *critic, *value; /* the name of the critic's number */
} critics[] = {
    {"x |> dense(3) |> softplus |> dense(1)", "dense2.value"},
    {"x |> maxout(3, 2) |> maxout(2, 3) |> dense(1)", "dense1.value"},
    {"x |> dense(3) |> layer_norm |> tanh |> dense(1)", "dense2.value"},
    {"x |> image(1, 2, 2) |> conv2d(2, 2, pad = 1) |> tanh |> conv2d(2, 2) |> elu |> "
     "dense_image(1)",
     "dense_image1.out"},
    {"x |> image(1, 2, 2) |> conv2d_transpose(2, 2) |> sigmoid |> mean_pool(2) |> dense_image(1)",
     "dense_image1.out"},
};
static const char *critic_value;

/* The slopes are the program's, compared with differences in test_slope. */
static struct loss penalised(struct memory *m)
{
	const double *r = named(m, arena_printf(arena_new(), "critic.%s.real", critic_value)),
	             *g = named(m, arena_printf(arena_new(), "critic.%s.fake", critic_value)),
	             *slopes = named(m, "slope.between");
	struct loss l = {0, 0};
	for (int n = 0; n < INTERP_ROWS; n++) {
		l.generator -= g[n] / INTERP_ROWS;
		l.critic += (g[n] - r[n] + 10 * pow(slopes[n] - 1, 2)) / INTERP_ROWS;
	}
	return l;
}

/* |dd/dx| at the points between, which become the data of a second run, against differences. */
static void test_slope(struct memory *m)
{
	double at[4 * INTERP_ROWS], want[INTERP_ROWS], *x = named(m, "x"), square[INTERP_ROWS] = {0};
	run(m, "train.final");
	memcpy(at, named(m, "x.between"), sizeof at);
	memcpy(want, named(m, "slope.between"), sizeof want);
	const double *d = named(m, arena_printf(arena_new(), "critic.%s.real", critic_value));
	for (int i = 0; i < 4; i++) {
		double up[INTERP_ROWS], h = 1e-5;
		for (int side = 0; side < 2; side++) {
			memcpy(x, at, sizeof at);
			for (int n = 0; n < INTERP_ROWS; n++)
				x[4 * n + i] += side ? -h : h;
			run(m, "train.final");
			for (int n = 0; n < INTERP_ROWS; n++)
				square[n] += side ? pow((up[n] - d[n]) / (2 * h), 2) : 0;
			memcpy(up, d, sizeof up);
		}
	}
	for (int n = 0; n < INTERP_ROWS; n++)
		CU_ASSERT_DOUBLE_EQUAL(want[n], sqrt(square[n]), 1e-8);
}

static void test_penalties(void)
{
	struct arena *a = arena_new();
	for (size_t k = 0; k < sizeof critics / sizeof *critics; k++) {
		struct memory m;
		const char *model = arena_printf(
		    a,
		    "net generator(z : real[Z]) { z |> dense(3) |> tanh |> dense(4) }\n"
		    "net critic(x : real[D]) { %s }\n"
		    "model m { hidden z : real[2] ~ normal(0, 1); visible x : real[4] = generator(z);\n"
		    "let d = critic(x); }\n"
		    "data d = csv(\"d.csv\");\n",
		    critics[k].critic);
		critic_value = critics[k].value;
		gradient(model, WASSERSTEIN, penalised);
		if (!expand(arena_printf(a, "%strain m { x = d; objective %s; }\n", model, WASSERSTEIN), 0))
			continue;
		prepare(&m);
		test_slope(&m);
		memory_free(&m);
	}
}

/* ---- equal laws ---- */
static double fresh(const struct memory *m, const struct node *draw)
{
	(void)m;
	double u = next();
	return draw->op == OP_UNIFORM ? u : sqrt(-2 * log(u)) * cos(2 * acos(-1) * next());
}

static double off_diagonal(const double *x)
{
	double sum = 0;
	for (int n = 0; n < INTERP_ROWS; n++)
		for (int k = 0; k < INTERP_ROWS; k++)
			sum += n == k ? 0 : similar(x + 4 * n, x + 4 * k);
	return sum / INTERP_ROWS / INTERP_ROWS;
}

/* The objective less what the terms of a row with itself bring in is unbiased: where data and
 * generated have one law its mean over many batches is 0, within five standard errors. */
static void test_equal_laws(void)
{
	enum { BATCHES = 3000 };
	const double N = INTERP_ROWS;
	struct memory m;
	double sum = 0, squares = 0, biased = 0;
	CU_ASSERT_FATAL(
	    expand(GENERATOR "train m { x = d; objective mmd(rbf(1, 3), square = no); }\n", 0));
	prepare(&m);
	m.draw = fresh;
	run(&m, "train.final");
	for (int b = 0; b < BATCHES; b++) {
		double *x = named(&m, "x"), *g = named(&m, "rows.fake");
		memcpy(x, g, sizeof *x * 4 * INTERP_ROWS);
		run(&m, "train.final");
		double u = *named(&m, "mmd.real"), same = off_diagonal(x) + off_diagonal(g);
		double unbiased = u - 2 * 2 / N + same / (N - 1);
		sum += unbiased / BATCHES;
		biased += u / BATCHES;
		squares += unbiased * unbiased / BATCHES;
	}
	double error = sqrt((squares - sum * sum) / BATCHES);
	CU_ASSERT(fabs(sum) < 5 * error);
	CU_ASSERT(biased > 20 * error);
	memory_free(&m);
}

/* Where the generator moves at every other update only: the gradients in between are the critic's,
 * the same as those of the other updates, and the generator's stay as they were. */
static void test_often(void)
{
	struct memory m;
	CU_ASSERT_FATAL(expand(GENERATOR "train m { x = d; objective adversarial(critic = critic, "
	                                 "loss = wasserstein, penalty = 10);\n"
	                                 "optimizer every 2 : adam(), generator; optimizer sgd(); }\n",
	                       0));
	CU_ASSERT(function("train.often")->nstmt < function("train.final")->nstmt);
	prepare(&m);
	run(&m, "train.final");
	for (int i = 0; i < block.m->weight.n; i++) {
		double *g = values_at(&m, block.x->grad[i]);
		for (int64_t k = 0; k < items_of(block.x->grad[i]); k++)
			g[k] += 100;
	}
	double *critic = named(&m, "grad.critic.dense1.W"), was = critic[5],
	       *generator = named(&m, "grad.generator.dense1.W"), kept = generator[5];
	run(&m, "train.often");
	CU_ASSERT_DOUBLE_EQUAL(critic[5], was - 100, 1e-12);
	CU_ASSERT_EQUAL(generator[5], kept);
	memory_free(&m);
}

int main(void)
{
	if (!codegen_init())
		return 1;
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("implicit", NULL, NULL);
	CU_add_test(suite, "gradients", test_gradients);
	CU_add_test(suite, "gradients of some updates", test_often);
	CU_add_test(suite, "penalties on the slopes of several critics", test_penalties);
	CU_add_test(suite, "equal laws: the unbiased discrepancy is 0 on average", test_equal_laws);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
