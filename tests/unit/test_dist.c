/* Every distribution of the prelude: its density adds up to 1 over its values, its slopes in the
 * arguments are those of differences, its expectation and variance are those of the density, and
 * its draws have the means under the density of x, x^2 and cos(x), within five standard errors; a
 * variable of a domain that no distribution of the name describes is refused.  Sums over whole
 * values are exact; integrals are by the trapezoidal rule in coordinates t that run over the reals,
 * x = t, exp(t), sigmoid(t), softmax(t).
 */
#include "driver/driver.h"
#include "sema/sema.h"
#include "syntax/parser.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

extern const char sema_prelude_text[];

enum { Q = 3, DRAWS = 20000, TESTS = 3, MAX_ARGS = 8 };

/* ---- what is not in the text: values of x, and of arguments ---- */
enum support { WHOLE, TWO, REALS, ABOVE, UNIT, BETWEEN, ONE_OF, SIMPLEX, GREY, LOG_SIMPLEX };
static const struct law {
	const char *name;
	enum support support;
	double most; /* WHOLE: the greatest value */
} laws[] = {
    {"bernoulli", WHOLE, 1},
    {"bernoulli", TWO, 1},
    {"categorical", ONE_OF, 0},
    {"normal", REALS, 0},
    {"laplace", REALS, 0},
    {"logistic", REALS, 0},
    {"uniform", BETWEEN, 0},
    {"poisson", WHOLE, 80},
    {"binomial", WHOLE, 5},
    {"gamma", ABOVE, 0},
    {"beta", UNIT, 0},
    {"gumbel_softmax", SIMPLEX, 0},
    {"log_gumbel_softmax", LOG_SIMPLEX, 0},
    {"mixture_normal", REALS, 0},
    {"mixture_laplace", REALS, 0},
    {"mixture_grey", GREY, 255},
};
static const struct range {
	const char *argument;
	double lo, hi;
} ranges[] = {
    {"logits", -1, 1},  {"mean", -1, 1},     {"sd", 0.5, 1.5},
    {"var", 0.5, 1.5},  {"scale", 0.5, 1},   {"logvar", -1, 1},
    {"logsd", -1, 0.5}, {"logscale", -1, 0}, {"lo", -2, -1},
    {"hi", 1, 2},       {"rate", 0.5, 2},    {"lograte", -1, 1},
    {"total", 5, 5},    {"shape", 0.5, 3},   {"a", 0.5, 3},
    {"b", 0.5, 3},      {"probs", 0.2, 0.8}, {"temperature", 0.5, 2},
};

static uint64_t state = 1;
static double next(void)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	uint64_t x = state ^ state >> 29;
	x *= 0xBF58476D1CE4E5B9u;
	return ((double)(x >> 11) + 0.5) / 9007199254740992.0;
}

/* ---- a model of one variable with this distribution ---- */
static struct unit unit;
static const struct model *m;
static const struct factor *f;
static double x[Q];
static struct value_of {
	const struct sym *sym;
	double at[Q];
} known[64];
static int nknown;

static double *numbers(const struct sym *s)
{
	for (int i = 0; i < nknown; i++)
		if (known[i].sym == s)
			return known[i].at;
	known[nknown].sym = s;
	return known[nknown++].at;
}

static double load(void *arg, const struct sym *s, int64_t row, const int64_t *at)
{
	(void)arg;
	(void)row;
	return (s == f->group->sym ? x : numbers(s))[s->rank ? at[s->rank - 1] : 0];
}

static double value(struct node *e, int element)
{
	struct env env = {.load = load};
	struct binding b[2];
	int n = 0;
	if (!e)
		return NAN;
	if (f->group->sym->rank)
		b[n++] = (struct binding){f->at[0], element};
	b[n++] = (struct binding){m->batch, 0};
	return ex_eval(e, &env, b, n);
}

static struct node *density, *draw, *mean, *variance;

static struct node *inlined(struct node *e)
{
	return e ? model_inline(m, e) : NULL;
}

static bool open_model(const struct ast_net *n, const char *domain)
{
	static struct options opt;
	char path[] = "/tmp/test_dist_XXXXXX";
	FILE *file = fdopen(mkstemp(path), "w");
	fprintf(file, "model m {\n  visible x : %s%s;\n", domain, n->self.nindex ? "[3]" : "");
	for (int k = 0; k < n->nformal; k++)
		fprintf(file, "  param p_%s : real%s = 0;\n", n->formal[k].name,
		        n->formal[k].nindex ? "[3]" : "");
	fprintf(file, "  x ~ %s(", n->name);
	for (int k = 0; k < n->nformal; k++)
		fprintf(file, "%s%s = p_%s", k ? ", " : "", n->formal[k].name, n->formal[k].name);
	fprintf(file, ");\n}\n");
	fclose(file);
	opt = (struct options){.call = "check", .file = path, .seed = 1};
	bool ok = unit_read(&unit, &opt) == EXIT_DONE;
	remove(path);
	if (!ok)
		return false;
	m = unit.model.at[0];
	f = m->factor.at[0];
	nknown = 0;
	density = inlined(f->log_density);
	draw = inlined(f->draw);
	mean = inlined(f->mean);
	variance = inlined(f->variance);
	return true;
}

static bool fill_arguments(const struct ast_net *n)
{
	for (int k = 0; k < n->nformal; k++) {
		const struct range *r = NULL;
		double *at = numbers(m->weight.at[k]->sym), sum = 0;
		for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
			if (strcmp(ranges[i].argument, n->formal[k].name) == 0)
				r = &ranges[i];
		if (!r) {
			fprintf(stderr, "no range for the argument %s of %s\n", n->formal[k].name, n->name);
			return false;
		}
		for (int i = 0; i < Q; i++)
			sum += at[i] = r->lo + (r->hi - r->lo) * next();
		for (int i = 0; n->formal[k].nindex && !strcmp(r->argument, "probs") && i < Q; i++)
			at[i] /= sum;
	}
	return true;
}

/* ---- sums over the values of x ---- */
struct sums {
	double one, mean[Q], square[Q], test[TESTS], test2[TESTS];
};

static double test_of(int k)
{
	return k == 0 ? x[0] : k == 1 ? x[0] * x[0] : cos(x[0]);
}

static void add(struct sums *s, double weight)
{
	double p = weight * exp(value(density, 0));
	if (weight == 0 || p == 0)
		return;
	s->one += p;
	for (int i = 0; i < Q; i++) {
		s->mean[i] += p * x[i];
		s->square[i] += p * x[i] * x[i];
	}
	for (int k = 0; k < TESTS; k++) {
		s->test[k] += p * test_of(k);
		s->test2[k] += p * test_of(k) * test_of(k);
	}
}

static double argument(const char *name)
{
	for (int i = 0; i < m->weight.n; i++)
		if (strcmp(m->weight.at[i]->name, name) == 0)
			return numbers(m->weight.at[i]->sym)[0];
	abort();
}

static struct sums sums(const struct law *l)
{
	struct sums s = {0};
	const double h = 1.0 / 256;
	memset(x, 0, sizeof x);
	switch (l->support) {
	case TWO:
		for (int k = -1; k <= 1; k += 2) {
			x[0] = k;
			add(&s, 1);
		}
		break;
	case WHOLE:
	case GREY:
		for (int k = 0; k <= l->most; k++) {
			x[0] = l->support == GREY ? k / l->most : k;
			add(&s, 1);
		}
		break;
	case ONE_OF:
		for (int k = 0; k < Q; k++) {
			for (int i = 0; i < Q; i++)
				x[i] = i == k;
			add(&s, 1);
		}
		break;
	case REALS:
		for (double t = -40; t <= 40; t += h) {
			x[0] = t;
			add(&s, h);
		}
		break;
	case BETWEEN:
		for (int k = 0; k < 4096; k++) {
			double lo = argument("p_lo"), step = (argument("p_hi") - lo) / 4096;
			x[0] = lo + (k + 0.5) * step;
			add(&s, step);
		}
		break;
	case ABOVE:
		for (double t = -60; t <= 6; t += h) {
			x[0] = exp(t);
			add(&s, h * x[0]);
		}
		break;
	case UNIT:
		for (double t = -35; t <= 35; t += h) {
			x[0] = 1 / (1 + exp(-t));
			add(&s, h * x[0] / (1 + exp(t)));
		}
		break;
	case SIMPLEX:
	case LOG_SIMPLEX:
		for (double t = -25; t <= 25; t += 0.25)
			for (double u = -25; u <= 25; u += 0.25) {
				bool logs = l->support == LOG_SIMPLEX;
				double e = exp(t), g = exp(u), z = 1 + e + g;
				x[0] = logs ? t - log(z) : e / z;
				x[1] = logs ? u - log(z) : g / z;
				x[2] = logs ? -log(z) : 1 / z;
				add(&s, 0.0625 * (logs ? 1 : x[0] * x[1] * x[2]));
			}
		break;
	}
	return s;
}

/* ---- draws ---- */
static void fresh_noise(void)
{
	for (int i = 0; i < m->def.n; i++) {
		const struct definition *d = m->def.at[i];
		if (d->rhs->kind != N_OP || !(op_flags(d->rhs->op) & OPF_DRAW))
			continue;
		for (int k = 0; k < Q; k++) {
			double u = next(), v = next();
			numbers(d->sym)[k] =
			    d->rhs->op == OP_UNIFORM ? u : sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
		}
	}
}

static void draws(const char *name, const struct sums *s)
{
	double sum[TESTS] = {0};
	for (int n = 0; n < DRAWS; n++) {
		fresh_noise();
		x[0] = value(draw, 0);
		for (int k = 0; k < TESTS; k++)
			sum[k] += test_of(k) / DRAWS;
	}
	for (int k = 0; k < TESTS; k++) {
		double error = sqrt(fmax(0, s->test2[k] - s->test[k] * s->test[k]) / DRAWS);
		bool ok = fabs(sum[k] - s->test[k]) <= 5 * error + 1e-9;
		if (!ok)
			fprintf(stderr, "%s: draws have mean %g of test %d, %g by the density, error %g\n",
			        name, sum[k], k, s->test[k], error);
		CU_ASSERT(ok);
	}
}

static bool near(const char *name, const char *what, double got, double want)
{
	bool ok = fabs(got - want) <= 1e-5 * (1 + fabs(want));
	if (!ok)
		fprintf(stderr, "%s: %s is %.9g, by the density %.9g\n", name, what, got, want);
	return ok;
}

/* The log-density's derivative in every number of every argument, at a draw. */
static void slopes(const char *name)
{
	const double h = 1e-5;
	fresh_noise();
	for (int i = 0; draw && i < Q; i++)
		x[i] = value(draw, i);
	for (int k = 0; k < m->weight.n; k++) {
		const struct sym *s = m->weight.at[k]->sym;
		for (int i = 0; i < (s->rank ? Q : 1); i++) {
			struct affine at = affine_const(i);
			double slope = value(ex_diff(m->a, density, s, &at), 0);
			double *p = &numbers(s)[i], middle = *p;
			*p = middle + h;
			double above = value(density, 0);
			*p = middle - h;
			double below = value(density, 0);
			*p = middle;
			CU_ASSERT(near(name, s->name, slope, (above - below) / (2 * h)));
		}
	}
}

static void check(const struct law *l, const struct ast_net *n)
{
	if (!open_model(n, n->self.type->name)) {
		diags_print(unit.cx.diags, stderr);
		CU_FAIL("a model that is refused");
		return;
	}
	for (int round = 0; round < 2; round++) {
		if (!fill_arguments(n)) {
			CU_FAIL("an argument without a range");
			return;
		}
		struct sums s = sums(l);
		CU_ASSERT(near(n->name, "the sum", s.one, 1));
		for (int i = 0; i < (f->group->sym->rank ? Q : 1); i++) {
			double var = s.square[i] - s.mean[i] * s.mean[i];
			CU_ASSERT(!mean || near(n->name, "expectation", value(mean, i), s.mean[i]));
			CU_ASSERT(!variance || near(n->name, "variance", value(variance, i), var));
		}
		if (draw)
			draws(n->name, &s);
		slopes(n->name);
	}
}

static bool has_density(const struct ast_net *n)
{
	for (int k = 0; k < n->ndecl; k++)
		if (strcmp(n->decl[k].name, "log_density") == 0)
			return true;
	return false;
}

static const struct law *law_of(const struct ast_net *n)
{
	bool spin = strcmp(n->self.type->name, "spin") == 0;
	for (size_t t = 0; t < sizeof laws / sizeof *laws; t++)
		if (strcmp(laws[t].name, n->name) == 0 && (laws[t].support == TWO) == spin)
			return &laws[t];
	fprintf(stderr, "no row for %s of %s\n", n->name, n->self.type->name);
	return NULL;
}

static const struct ast_file *prelude(void)
{
	static struct cx cx;
	cx = (struct cx){.perm = arena_new(), .prog = arena_new(), .tmp = arena_new()};
	cx.diags = diags_new(cx.perm);
	return parse(&cx, source_text("prelude.dgm", sema_prelude_text, strlen(sema_prelude_text)));
}

static void test_distributions(void)
{
	const struct ast_file *file = prelude();
	int n = 0;
	for (int k = 0; k < file->nitem; k++) {
		const struct ast_item *i = &file->item[k];
		if (i->kind != ITEM_DIST || !has_density(i->net))
			continue;
		const struct law *l = law_of(i->net);
		CU_ASSERT(l != NULL);
		if (l)
			check(l, i->net);
		n++;
	}
	CU_ASSERT(n > 15);
}

/* The relaxed categorical where numbers fall below the floor: its law has densities on the inside,
 * on edges and at corners, which add up to 1.  Coordinates are log(x[i]/x[m]), x[m] the largest. */
static void add_relaxed(struct sums *s, double step)
{
	const double floor = -75;
	const int n = (int)(-floor / step);
	for (int m0 = 0; m0 < Q; m0++)
		for (int i = 0; i <= n; i++)
			for (int k = 0; k <= n; k++) {
				double r[] = {i < n ? -(i + 0.5) * step : floor - 1,
				              k < n ? -(k + 0.5) * step : floor - 1};
				double z = 1 + exp(r[0]) + exp(r[1]), weight = i < n || k < n ? 1 / z : 1;
				x[m0] = 1 / z;
				for (int e = 0; e < 2; e++) {
					double *other = &x[(m0 + 1 + e) % Q];
					*other = exp(r[e]) / z;
					weight *= r[e] > floor ? *other * step : 1;
				}
				add(s, weight);
			}
}

static void test_floor(void)
{
	const struct ast_file *file = prelude();
	for (int k = 0; k < file->nitem; k++) {
		if (file->item[k].kind != ITEM_DIST || strcmp(file->item[k].net->name, "gumbel_softmax"))
			continue;
		CU_ASSERT_FATAL(open_model(file->item[k].net, "unit") && fill_arguments(file->item[k].net));
		for (int i = 0; i < 2; i++) {
			struct sums s = {0};
			numbers(m->weight.at[1]->sym)[0] = i ? 0.02 : 0.01;
			add_relaxed(&s, 0.5);
			CU_ASSERT(near("gumbel_softmax", "the sum", s.one, 1));
			draws("gumbel_softmax", &s);
			slopes("gumbel_softmax");
		}
	}
}

static bool described(const struct ast_file *file, const char *name, const char *domain)
{
	for (int k = 0; k < file->nitem; k++) {
		const struct ast_item *i = &file->item[k];
		if (i->kind == ITEM_DIST && strcmp(i->net->name, name) == 0 &&
		    strcmp(i->net->self.type->name, domain) == 0)
			return true;
	}
	return false;
}

static void test_other_domains(void)
{
	const struct ast_file *file = prelude();
	int refused = 0;
	for (int k = 0; k < file->nitem; k++)
		for (int d = 0; d < DOMAIN_COUNT && file->item[k].kind == ITEM_DIST; d++) {
			const struct ast_net *n = file->item[k].net;
			const char *domain = domain_name((enum domain)d), *error = NULL;
			if (described(file, n->name, domain))
				continue;
			CU_ASSERT(!open_model(n, domain));
			error = diags_error(unit.cx.diags);
			CU_ASSERT(error && strstr(error, "is of the domain") && strstr(error, domain));
			refused++;
		}
	CU_ASSERT(refused > 100);
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("distributions", NULL, NULL);
	CU_add_test(suite, "densities, moments and draws", test_distributions);
	CU_add_test(suite, "variables of other domains", test_other_domains);
	CU_add_test(suite, "below the floor of the relaxed categorical", test_floor);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
