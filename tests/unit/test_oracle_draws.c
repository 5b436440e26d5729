/* Draws of groups that come in blocks, have a total or are positive, in generated code: a great
 * many from one conditional against its mean (which test_families.c holds against sums over the
 * energy) and its variance; and what holds for every one of them. 5 standard errors are allowed, of
 * about 200 numbers compared. Seeds are fixed. */
#include "objective/internal.h"
#include "oracle.h"

#include <math.h>
#include <string.h>

enum { ROWS = 4096, STEPS = 30, UNITS = 64 };

static bool expand_draw(struct expansion *x)
{
	struct walkers w = walkers_new(x, "drawn", POP_DATA);
	struct function *f = program_function(x->p, "draw");
	for (int i = 0; i < x->m->group.n; i++)
		if (x->m->group.at[i]->role == GROUP_VISIBLE &&
		    !draw_group(x, f, &x->m->E, x->m->group.at[i], &w))
			return false;
	return true;
}

/* The total of row r's block. */
static double total_of(int64_t r, int block)
{
	return (double)((r * 7 + block * 3) % 12);
}

static double square(double x)
{
	return x * x;
}

struct sums {
	double x[UNITS], xx[UNITS], log_x[UNITS]; /* of the draws */
	double mean[UNITS], var[UNITS];           /* what they should be, added up */
};

static void expected(struct oracle *o, const struct conditional *c, int64_t row, struct sums *s)
{
	const struct group *g = c->group;
	for (int k = 0; k < items_of(g->sym); k++) {
		struct binding b[MAX_RANK + 1];
		int nb = bind_element(g->sym, c->at, k, o->m->batch, row, b);
		double m = memory_eval(&o->mem, c->mean, b, nb), n = 1;
		if (g->family->shape == SHAPE_TOTAL)
			n = total_of(row, k / 5);
		s->mean[k] += m;
		s->var[k] += g->family->shape == SHAPE_GAMMA ? m / -memory_eval(&o->mem, c->field, b, nb)
		                                             : m * (1 - (n > 0 ? m / n : 0));
	}
}

static void row_holds(const struct group *g, const double *x, int64_t row)
{
	int n = (int)items_of(g->sym);
	double sum[8] = {0};
	for (int k = 0; k < n; k++) {
		if (g->family->shape == SHAPE_GAMMA)
			CU_ASSERT_FATAL(x[k] > 0);
		if (g->family->shape == SHAPE_TOTAL)
			CU_ASSERT_FATAL(x[k] >= 0 && x[k] == floor(x[k]));
		sum[g->family->empty                   ? k / 24 * 4 + k / 12 % 2 * 2 + k / 3 % 2
		    : g->family->shape == SHAPE_TOTAL  ? k / 5
		    : g->family->shape == SHAPE_ONEHOT ? k / 4
		                                       : 7] += x[k];
	}
	for (int b = 0; b < 8; b++) {
		if (g->family->empty)
			CU_ASSERT_FATAL(sum[b] <= 1);
		if (g->family->shape == SHAPE_TOTAL && b < 2)
			CU_ASSERT_FATAL(sum[b] == total_of(row, b));
		if (g->family->shape == SHAPE_ONEHOT && !g->family->empty && b < 3)
			CU_ASSERT_FATAL(sum[b] == 1);
	}
}

static void check(struct oracle *o, const struct group *g)
{
	static const int64_t capacity[DGM_MAX_POP] = {ROWS, 1, 1, 1, 1};
	expand_fn *const expand[] = {expand_draw, NULL};
	static struct sums s;
	struct code k;
	struct conditional c;
	struct error mean = {0, 1}, var = {0, 1}, logs = {0, 1};
	int n = (int)items_of(g->sym);
	double draws = (double)ROWS * STEPS;
	memset(&s, 0, sizeof s);
	CU_ASSERT_FATAL(code_build(&k, o, expand, capacity));
	CU_ASSERT_FATAL(model_conditional(&o->u->cx, o->m, &o->m->E, g, &c));
	for (int64_t r = 0; r < ROWS; r++) {
		if (g->total)
			for (int b = 0; b < 2; b++) {
				code_set(&k, code_slot(&k, "n"), r, b, total_of(r, b));
				memory_get(&o->mem, g->total)[2 * r + b] = total_of(r, b);
			}
		if (g->total || r == 0)
			expected(o, &c, r, &s);
	}
	int slot = code_slot(&k, "v.drawn");
	for (int i = 0; i < STEPS; i++) {
		code_run(&k, "draw");
		for (int64_t r = 0; r < ROWS; r++) {
			double x[UNITS];
			for (int u = 0; u < n; u++) {
				x[u] = code_get(&k, slot, r, u);
				s.x[u] += x[u];
				s.xx[u] += square(x[u]);
				s.log_x[u] += g->family->shape == SHAPE_GAMMA ? log(x[u]) : 0;
			}
			row_holds(g, x, r);
		}
	}
	for (int u = 0; u < n; u++) {
		double rows = g->total ? ROWS : 1, m = s.mean[u] / rows, v = s.var[u] / rows;
		error_add(&mean, (s.x[u] / draws - m) / sqrt(v / draws + 1e-12), 0);
		if (g->family->shape != SHAPE_GAMMA)
			continue;
		double rate = m / v, shape = m * rate, kurtosis = 3 + 6 / shape;
		double log_mean = op_eval(OP_DIGAMMA, shape, 0) - log(rate);
		double got = s.xx[u] / draws - square(s.x[u] / draws);
		error_add(&var, (got - v) / (v * sqrt((kurtosis - 1) / draws)), 0);
		error_add(&logs,
		          (s.log_x[u] / draws - log_mean) / sqrt(op_eval(OP_TRIGAMMA, shape, 0) / draws),
		          0);
	}
	error_check(o, "means of draws, in standard errors", &mean, 5);
	error_check(o, "variances of Gamma draws, in standard errors", &var, 5);
	error_check(o, "mean logarithms of Gamma draws, in standard errors", &logs, 5);
	code_free(&k);
}

static void suite(void)
{
	struct options opt;
	struct unit u;
	CU_ASSERT_FATAL(oracle_open(&u, &opt, ORACLE_DIR "/draws/models.dgm"));
	for (int i = 0; i < u.model.n; i++) {
		struct oracle o = {.u = &u, .m = u.model.at[i], .rng = (uint64_t)i};
		for (int w = 0; w < o.m->weight.n; w++) {
			double *x = memory_put(&o.mem, o.m->weight.at[w]->sym, 1);
			for (int64_t k = 0; k < items_of(o.m->weight.at[w]->sym); k++)
				x[k] = (double)(float)oracle_normal(&o);
		}
		for (int g = 0; g < o.m->group.n; g++) {
			const struct group *x = o.m->group.at[g];
			memory_put(&o.mem, x->sym, ROWS);
			if (x->mean)
				memory_put(&o.mem, x->mean, 1);
		}
		for (int g = 0; g < o.m->group.n; g++)
			if (o.m->group.at[g]->role == GROUP_VISIBLE)
				check(&o, o.m->group.at[g]);
		memory_free(&o.mem);
	}
	oracle_close(&u);
}

int main(void)
{
	CU_pSuite s;
	unsigned failed;
	dgm_threads(1);
	if (CU_initialize_registry())
		return 1;
	s = CU_add_suite("oracle.draws", NULL, NULL);
	CU_add_test(s, "draws have the conditional's mean", suite);
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_basic_run_tests();
	error_summary();
	failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed > 0;
}
