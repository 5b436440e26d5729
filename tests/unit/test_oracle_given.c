/* Conditional likelihoods, sums of objectives and samples with units held, all in generated code,
 * against sums over all values: the energy of the file's terms is evaluated at every value of the
 * units summed over (a real unit on a grid, whose step makes the sum an integral; counts up to 40).
 */
#include "oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 5, GRID = 97, COUNTS = 41, CHAINS = 4000, BURN_IN = 60, SWEEPS = 40 };

/* ---- one state, in row 0 of the memory ---- */
static int64_t last_axis(const struct group *g)
{
	return g->family->shape == SHAPE_ONEHOT ? g->sym->dim[g->sym->rank - 1] : 1;
}

static int64_t values_of(const struct group *g)
{
	switch (g->family->shape) {
	case SHAPE_TWO:
		return 2;
	case SHAPE_ONEHOT:
		return last_axis(g);
	case SHAPE_GAUSS:
		return GRID;
	case SHAPE_EXPONENTIAL:
		return COUNTS;
	case SHAPE_TOTAL:
	case SHAPE_GAMMA:
		break;
	}
	return 0;
}

/* Puts value number v into a unit of the group; the log of its base measure. */
static double put(struct oracle *o, const struct group *g, int64_t unit, int64_t v)
{
	double *x = memory_get(&o->mem, g->sym) + unit * last_axis(g);
	switch (g->family->shape) {
	case SHAPE_TWO:
		*x = v ? g->family->hi : g->family->lo;
		return 0;
	case SHAPE_ONEHOT:
		for (int64_t a = 0; a < last_axis(g); a++)
			x[a] = a == v;
		return 0;
	case SHAPE_GAUSS:
		*x = -12 + 24.0 * (double)v / (GRID - 1);
		return log(24.0 / (GRID - 1));
	case SHAPE_EXPONENTIAL:
		*x = (double)v;
		return -lgamma((double)v + 1);
	case SHAPE_TOTAL:
	case SHAPE_GAMMA:
		break;
	}
	return 0;
}

static double energy_of(struct oracle *o)
{
	struct binding b = {o->m->batch, 0};
	double E = 0;
	for (int t = 0; t < o->m->E.n; t++)
		E += memory_eval(&o->mem, o->m->E.at[t].node, &b, 1);
	return E;
}

/* sum of exp(-E) over the groups `which` from group g, unit `unit` on; the state is left changed.
 */
static double sum_over(struct oracle *o, const bool *which, int g, int64_t unit)
{
	while (g < o->m->group.n &&
	       (!which[g] || unit == items_of(o->m->group.at[g]->sym) / last_axis(o->m->group.at[g]))) {
		g++;
		unit = 0;
	}
	if (g == o->m->group.n)
		return exp(-energy_of(o));
	double sum = 0;
	for (int64_t v = 0; v < values_of(o->m->group.at[g]); v++) {
		double base = put(o, o->m->group.at[g], unit, v);
		sum += exp(base) * sum_over(o, which, g, unit + 1);
	}
	return sum;
}

static void restore(struct oracle *o, double *const *kept, int row)
{
	for (int i = 0; i < o->m->group.n; i++) {
		int64_t n = items_of(o->m->group.at[i]->sym);
		memcpy(memory_get(&o->mem, o->m->group.at[i]->sym), kept[i] + row * n,
		       (size_t)n * sizeof(double));
	}
}

/* ---- the objective of a block ---- */
static bool listed(const struct call *c, const char *name)
{
	for (int i = 0; c && i < c->narg; i++)
		if (strcmp(c->arg[i].name, name) == 0)
			return true;
	return false;
}

/* -log p(of | given) of a row, everything in neither summed out. */
static double exact_nll(struct oracle *o, const struct call *call, double *const *kept, int row)
{
	bool rest[32], all[32], both = call->narg == 1 && call->arg[0].kind == VAL_GIVEN;
	const struct call *what = both ? call->arg[0].call : call;
	for (int i = 0; i < o->m->group.n; i++) {
		const struct group *g = o->m->group.at[i];
		bool of = what->narg ? listed(what, g->name) : g->role == GROUP_VISIBLE;
		bool known = g->role == GROUP_GIVEN || (both && listed(call->arg[0].given, g->name));
		rest[i] = !of && !known;
		all[i] = !known;
	}
	restore(o, kept, row);
	double base = 0;
	for (int i = 0; i < o->m->group.n; i++)
		if (all[i] && !rest[i] && o->m->group.at[i]->family->base)
			base -= lgamma(*memory_get(&o->mem, o->m->group.at[i]->sym) + 1);
	double joint = log(sum_over(o, rest, 0, 0)) + base;
	restore(o, kept, row);
	return log(sum_over(o, all, 0, 0)) - joint;
}

static double exact_objective(struct oracle *o, const struct value *sum, double *const *kept)
{
	double total = 0;
	for (int i = 0; i < sum->nterm; i++)
		for (int r = 0; r < ROWS; r++)
			total += sum->term[i].num * exact_nll(o, sum->term[i].call, kept, r) / ROWS;
	return total;
}

/* ---- a block as code ---- */
static void draw_values(struct oracle *o, double *const *kept)
{
	for (int i = 0; i < o->m->group.n; i++) {
		const struct group *g = o->m->group.at[i];
		int64_t n = items_of(g->sym), units = n / last_axis(g);
		for (int r = 0; r < ROWS; r++) {
			for (int64_t u = 0; u < units; u++) {
				int64_t v = oracle_random(o) % (uint32_t)values_of(g);
				v = g->family->shape == SHAPE_EXPONENTIAL ? v % 5 : v;
				put(o, g, u, g->family->shape == SHAPE_GAUSS ? GRID / 2 + v % 9 - 4 : v);
			}
			memcpy(kept[i] + r * n, memory_get(&o->mem, g->sym), (size_t)n * sizeof(double));
		}
	}
}

static void open_oracle(struct oracle *o, struct unit *u, struct model *m, double **kept)
{
	*o = (struct oracle){.u = u, .m = m, .rng = 17};
	for (int i = 0; i < m->group.n; i++) {
		memory_put(&o->mem, m->group.at[i]->sym, 1);
		kept[i] = calloc((size_t)(ROWS * items_of(m->group.at[i]->sym)), sizeof(double));
	}
	for (int i = 0; i < m->weight.n; i++) {
		const struct sym *s = m->weight.at[i]->sym;
		double *x = memory_put(&o->mem, s, 1);
		for (int64_t k = 0; k < items_of(s); k++)
			x[k] = (double)(float)(0.7 * oracle_normal(o));
	}
	for (int i = 0; i < m->group.n; i++)
		if (m->group.at[i]->mean)
			memory_put(&o->mem, m->group.at[i]->mean, 1);
	draw_values(o, kept);
}

static void close_oracle(struct oracle *o, double **kept)
{
	for (int i = 0; i < o->m->group.n; i++)
		free(kept[i]);
	memory_free(&o->mem);
}

static bool open_code(struct code *k, const struct oracle *o, const struct block_def *b,
                      double *const *kept)
{
	static const int64_t capacity[DGM_MAX_POP] = {ROWS, ROWS, 1, 1, CHAINS};
	*k = (struct code){.o = o};
	if (!block_expand(o->u, b, &k->c)) {
		diags_print(o->u->cx.diags, stderr);
		CU_FAIL("the block was refused");
		return false;
	}
	block_plan(o->u, &k->c);
	CU_ASSERT_FATAL(codegen_init() && block_jit(o->u, &k->c));
	k->store = dgm_store_new(k->c.mod, capacity);
	k->call = dgm_call_on(k->store, 5);
	code_params(k);
	code_scalar(k, "inv_n", 1.0 / ROWS);
	code_scalar(k, "inv_m", 1.0 / ROWS);
	for (int i = 0; i < o->m->group.n; i++) {
		const struct sym *s = o->m->group.at[i]->sym;
		int slot = dgm_slot_find(k->c.mod, s->name);
		for (int r = 0; slot >= 0 && r < ROWS; r++)
			for (int64_t j = 0; j < items_of(s); j++)
				code_set(k, slot, r, j, kept[i][r * items_of(s) + j]);
	}
	return true;
}

static double gradient(const struct code *k, int w, int64_t element)
{
	const char *name = arena_printf(k->o->u->cx.prog, "grad.%s", k->o->m->weight.at[w]->name);
	return code_get(k, code_slot(k, name), 0, element);
}

/* ---- tests ---- */
static void likelihood(struct oracle *o, const struct block_def *b, double *const *kept)
{
	static const double step[] = {1, -1, 2, -2}, factor[] = {8, -8, -1, 1};
	const struct value *sum = &block_clause(b, "objective")->arg[0];
	struct error e = {0};
	struct code k;
	if (!open_code(&k, o, b, kept))
		return;
	code_run(&k, "train.final");
	for (int w = 0; w < o->m->weight.n; w++) {
		double *x = memory_get(&o->mem, o->m->weight.at[w]->sym);
		for (int64_t i = 0; i < items_of(o->m->weight.at[w]->sym); i++) {
			double at = x[i], h = 1e-3, slope = 0;
			for (int s = 0; s < 4; s++) {
				x[i] = at + step[s] * h;
				slope += factor[s] * exact_objective(o, sum, kept);
			}
			x[i] = at;
			error_add(&e, gradient(&k, w, i), slope / (12 * h));
		}
	}
	error_check(o, "gradient of the conditional likelihood", &e, 1e-4);
	code_free(&k);
}

static void each_block(const char *file, void (*test)(struct oracle *o, const struct block_def *b,
                                                      double *const *kept))
{
	struct options opt;
	struct unit u;
	char path[1024];
	snprintf(path, sizeof path, "%s/given/%s", ORACLE_DIR, file);
	CU_ASSERT_FATAL(oracle_open(&u, &opt, path));
	for (int i = 0; i < u.checked->block.n; i++) {
		const struct block_def *b = u.checked->block.at[i];
		struct oracle o;
		double *kept[32];
		open_oracle(&o, &u, unit_model(&u, b->model), kept);
		test(&o, b, kept);
		close_oracle(&o, kept);
	}
	oracle_close(&u);
}

/* Chains draw the same numbers where their objective comes first. */
static void hybrid(struct oracle *o, const struct block_def *b, double *const *kept)
{
	static double seen[2][64];
	static int block;
	struct error e = {0};
	struct code k;
	int n = 0;
	if (!open_code(&k, o, b, kept))
		return;
	static const char *const functions[] = {"train.first", "train.sweep", "train.final"};
	for (int i = 0; i < 3; i++)
		if (dgm_function_find(k.c.mod, functions[i]))
			code_run(&k, functions[i]);
	for (int w = 0; w < o->m->weight.n; w++)
		for (int64_t i = 0; i < items_of(o->m->weight.at[w]->sym); i++, n++)
			if (block < 2)
				seen[block][n] = gradient(&k, w, i);
			else
				error_add(&e, gradient(&k, w, i), 0.3 * seen[0][n] + 2 * seen[1][n]);
	error_check(o, "gradient of a sum of objectives", &e, 1e-5);
	CU_ASSERT(block < 2 || (n > 0 && e.scale > 0.1));
	code_free(&k);
	block++;
}

/* ---- units that are held: long-run moments of the others ---- */
struct moments { /* per element of a group: sums of x and x^2 */
	double *x[32], *xx[32], total;
};

static void moments_open(struct moments *m, const struct oracle *o)
{
	m->total = 0;
	for (int i = 0; i < o->m->group.n; i++) {
		m->x[i] = calloc((size_t)items_of(o->m->group.at[i]->sym), sizeof(double));
		m->xx[i] = calloc((size_t)items_of(o->m->group.at[i]->sym), sizeof(double));
	}
}

static void moments_free(struct moments *m, const struct oracle *o)
{
	for (int i = 0; i < o->m->group.n; i++) {
		free(m->x[i]);
		free(m->xx[i]);
	}
}

static void moments_add(struct moments *m, const struct oracle *o, double weight)
{
	m->total += weight;
	for (int i = 0; i < o->m->group.n; i++)
		for (int64_t e = 0; e < items_of(o->m->group.at[i]->sym); e++) {
			double x = memory_get(&o->mem, o->m->group.at[i]->sym)[e];
			m->x[i][e] += weight * x;
			m->xx[i][e] += weight * x * x;
		}
}

/* Is the element held by one of the block's clauses? */
static bool is_held(const struct oracle *o, const struct block_def *b, const struct group *g,
                    int64_t element)
{
	for (int k = 0; k < b->nclause; k++) {
		const struct units *u = b->clause[k].arg[0].units;
		struct binding at[MAX_RANK];
		if (!u || u->var->sym != g->sym)
			continue;
		int n = bind_element(g->sym, u->at, element, NULL, 0, at);
		if (memory_eval((struct memory *)&o->mem, u->held, at, n) != 0)
			return true;
	}
	return false;
}

/* A third of the units of small groups are missing in odd rows. */
static bool is_known(const struct group *g, int row, int64_t unit)
{
	return g->role == GROUP_GIVEN || row % 2 == 0 || items_of(g->sym) > 9 ||
	       (unit + row / 2) % 3 != 0;
}

static bool is_bound(const struct block_def *b, const struct group *g)
{
	for (int k = 0; k < b->nbind; k++)
		if (b->bind[k].var->sym == g->sym)
			return true;
	return false;
}

struct situation { /* a row's: which units are free, and of those held at what they begin with */
	struct oracle *o;
	const struct block_def *b;
	int row;
};

/* Sums over the values of group g from unit `unit` on: of free ones weighted by exp(-E), or, with
 * `start`, over those that are held at what they begin with, all as likely. */
static double over_states(const struct situation *s, int g, int64_t unit, bool start,
                          struct moments *m)
{
	struct oracle *o = s->o;
	for (; g < o->m->group.n; g++, unit = 0) {
		const struct group *x = o->m->group.at[g];
		for (; unit < items_of(x->sym) / last_axis(x); unit++) {
			bool held = x->role == GROUP_GIVEN || is_held(o, s->b, x, unit * last_axis(x));
			bool known = is_bound(s->b, x) && is_known(x, s->row, unit);
			bool begun = held && !is_bound(s->b, x);
			if (start ? !begun : begun || (held && known))
				continue;
			double sum = 0;
			for (int64_t v = 0; v < values_of(x); v++) {
				double base = put(o, x, unit, v);
				sum += exp(base) * over_states(s, g, unit + 1, start, m);
			}
			return sum;
		}
	}
	if (start) {
		struct moments part;
		moments_open(&part, o);
		over_states(s, 0, 0, false, &part);
		for (int i = 0; i < o->m->group.n; i++)
			for (int64_t e = 0; e < items_of(o->m->group.at[i]->sym); e++) {
				m->x[i][e] += part.x[i][e] / part.total;
				m->xx[i][e] += part.xx[i][e] / part.total;
			}
		m->total++;
		moments_free(&part, o);
		return 1;
	}
	moments_add(m, o, exp(-energy_of(o)));
	return 1;
}

static void fill_chains(struct code *k, const struct block_def *b, double *const *kept)
{
	const struct oracle *o = k->o;
	for (int i = 0; i < o->m->group.n; i++) {
		const struct group *g = o->m->group.at[i];
		struct arena *a = o->u->cx.prog;
		bool given = g->role == GROUP_GIVEN;
		if (!is_bound(b, g))
			continue;
		int data = code_slot(k, arena_printf(a, "%s.%s", g->name, given ? "sample" : "data"));
		int known = given ? -1 : code_slot(k, arena_printf(a, "%s.known", g->name));
		for (int c = 0; c < CHAINS; c++)
			for (int64_t e = 0, n = items_of(g->sym); e < n; e++) {
				bool there = is_known(g, c % ROWS, e / last_axis(g));
				code_set(k, data, c, e, there ? kept[i][c % ROWS * n + e] : 0);
				if (known >= 0)
					code_set(k, known, c, e, there);
			}
	}
}

static void compare(const struct oracle *o, int row, const struct moments *exact,
                    double *const *sum, double *const *squares, struct error *e)
{
	int n = CHAINS / ROWS;
	for (int i = 0; i < o->m->group.n; i++) {
		int64_t items = items_of(o->m->group.at[i]->sym);
		for (int64_t x = 0; x < 2 * items; x++) {
			double mean = sum[i][row * 2 * items + x] / n;
			double var = squares[i][row * 2 * items + x] / n - mean * mean;
			double want = (x < items ? exact->x[i][x] : exact->xx[i][x - items]) / exact->total;
			error_add(e, (mean - want) / (sqrt(fmax(0, var) / (n - 1)) + 1e-4), 0);
		}
	}
}

/* A chain's mean over its sweeps is one value: chains are independent.  5 standard errors. */
static void held(struct oracle *o, const struct block_def *b, double *const *kept)
{
	double *sum[32], *squares[32], *own[32];
	struct error e = {.scale = 1};
	struct code k;
	if (!open_code(&k, o, b, kept))
		return;
	fill_chains(&k, b, kept);
	code_run(&k, "sample.begin");
	for (int i = 0; i < BURN_IN; i++)
		code_run(&k, "sample.sweep");
	for (int i = 0; i < o->m->group.n; i++) {
		size_t n = 2 * (size_t)items_of(o->m->group.at[i]->sym);
		sum[i] = calloc(ROWS * n, sizeof(double));
		squares[i] = calloc(ROWS * n, sizeof(double));
		own[i] = calloc(CHAINS * n, sizeof(double));
	}
	for (int s = 0; s < SWEEPS; s++) {
		code_run(&k, "sample.sweep");
		for (int i = 0; i < o->m->group.n; i++) {
			const struct group *g = o->m->group.at[i];
			int slot = code_slot(&k, arena_printf(o->u->cx.prog, "%s.sample", g->name));
			for (int64_t c = 0, n = items_of(g->sym); c < CHAINS; c++)
				for (int64_t x = 0; x < n; x++) {
					double v = code_get(&k, slot, c, x);
					own[i][c * 2 * n + x] += v / SWEEPS;
					own[i][c * 2 * n + n + x] += v * v / SWEEPS;
				}
		}
	}
	for (int i = 0; i < o->m->group.n; i++)
		for (int64_t c = 0, n = 2 * items_of(o->m->group.at[i]->sym); c < CHAINS; c++)
			for (int64_t x = 0; x < n; x++) {
				sum[i][c % ROWS * n + x] += own[i][c * n + x];
				squares[i][c % ROWS * n + x] += own[i][c * n + x] * own[i][c * n + x];
			}
	for (int row = 0; row < ROWS; row++) {
		struct moments exact;
		struct situation s = {o, b, row};
		moments_open(&exact, o);
		restore(o, kept, row);
		over_states(&s, 0, 0, true, &exact);
		compare(o, row, &exact, sum, squares, &e);
		moments_free(&exact, o);
	}
	error_check(o, "units given those held, in standard errors", &e, 5);
	for (int i = 0; i < o->m->group.n; i++) {
		free(sum[i]);
		free(squares[i]);
		free(own[i]);
	}
	code_free(&k);
}

static void suite_held(void)
{
	each_block("held.dgm", held);
}

static void suite_hybrid(void)
{
	each_block("hybrid.dgm", hybrid);
}

static void suite_likelihood(void)
{
	each_block("likelihoods.dgm", likelihood);
}

int main(void)
{
	CU_pSuite s;
	unsigned failed;
	dgm_threads(1);
	if (CU_initialize_registry())
		return 1;
	s = CU_add_suite("oracle.given", NULL, NULL);
	CU_add_test(s, "conditional likelihoods have their gradients", suite_likelihood);
	CU_add_test(s, "a sum of objectives has the sum of their gradients", suite_hybrid);
	CU_add_test(s, "units that are held are conditioned on", suite_held);
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_basic_run_tests();
	error_summary();
	failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed > 0;
}
