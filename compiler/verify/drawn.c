/* Directed models whose states are too many to sum over: what holds at any states, with random
 * numbers put in place of the examples.
 *
 *   densities   each element of a factor or posterior given what it reads: its values' sum, or the
 * integral by the trapezoidal rule in the coordinate of its domain, is 1 gradients   of each
 * objective that draws no chains: those that the program computes in double, along a random
 *               direction in each parameter, against central differences of its losses, with the
 * same noise, and what no gradient goes through held; and those of generated code, with the same
 * noise, against these */
#include "verify/verify.h"

#include <math.h>
#include <string.h>

enum {
	ELEMENTS = 6,
	MOST_LOADS = 200000
}; /* elements of a group; values read by a program that is differenced */

/* ---- densities ---- */
static const char *not_integrated(struct trial *t, const struct factor *f,
                                  const struct node *density)
{
	for (int i = 0; i < t->m->def.n; i++)
		if (ex_mentions(density, t->m->def.at[i]->sym))
			return arena_printf(t->a, "it reads '%s', which is computed step by step or drawn",
			                    t->m->def.at[i]->sym->name);
	if (f->group->family->continuous && f->block)
		return "it is a density of several numbers together";
	if (f->group->family->continuous && f->draw && ex_has_op(f->draw, OP_FLOOR))
		return "its draws are of steps: it is no density of the numbers between";
	return NULL;
}

static void density_of(struct trial *t, const struct factor *f, const char *of)
{
	const char *what = arena_printf(t->a, "%s of %s: each element sums to 1", of, f->group->name),
	           *why;
	if (!f->log_density)
		return;
	struct node *density = model_inline(t->m, f->log_density);
	struct node *where = f->where ? model_inline(t->m, f->where) : ex_num(t->m->a, 1);
	if ((why = not_integrated(t, f, density))) {
		report_skip(t->report, what, why);
		return;
	}
	t->mem.loads = 0;
	trial_load(t, t->row[0]);
	trial_eval(t, density, f->at, f->group->sym, 0);
	if (t->mem.loads > MOST_LOADS / 100) {
		report_skip(t->report, what,
		            arena_printf(t->a, "one value reads %.0e others", (double)t->mem.loads));
		return;
	}
	int width = f->block ? (int)block_units(f->group) : 1;
	int64_t n = sym_items(f->group->sym) / width, step = (n + ELEMENTS - 1) / ELEMENTS;
	for (int r = 0; r < ROWS; r++)
		for (int64_t i = 0; i < n; i += step) {
			double error, sum;
			trial_load(t, t->row[r]);
			if (trial_eval(t, where, f->at, f->group->sym, i * width) != 1)
				continue;
			sum = trial_element_sum(t, f, density, i * width, &error);
			if (trial_known(t, what, error))
				report_compare(t->report, what, fabs(sum - 1), TOL_DOUBLE + 10 * error);
		}
}

/* ---- gradients ---- */
struct recorded { /* a gradient of the program, at the parameters as they are */
	struct engine *e;
	const struct descent *d;
};

static bool moves(const struct descent *d, const struct sym *s)
{
	for (int i = 0; i < d->nmoving; i++)
		if (d->moving[i] == s)
			return true;
	return false;
}

/* The loss, with noise and what no gradient goes through as they are. */
static double loss_of(struct trial *t, void *arg)
{
	const struct recorded *r = arg;
	struct memory *m = &r->e->mem;
	const struct function *f = r->d->function;
	double sum = 0;
	(void)t;
	for (int i = 0; i < f->nstmt; i++)
		if (moves(r->d, f->stmt[i].dst) && !ex_has_draw(f->stmt[i].rhs))
			memory_stmt(m, &f->stmt[i]);
	for (int64_t row = 0; row < r->e->pop[r->d->batch->pop]; row++) {
		struct binding b = {r->d->batch, row};
		sum += memory_eval(m, r->d->loss, &b, 1);
	}
	return sum;
}

/* d loss / d epsilon along the direction of weight w: by steps of two sizes, of which one may meet
 * a kink. */
static double slope(struct recorded *r, int w, double size)
{
	struct trial *t = r->e->t;
	const struct sym *s = t->m->weight.at[w]->sym;
	double *x = memory_get(&r->e->mem, s), *d = memory_get(&t->mem, t->direction[w]), f[2];
	double *was = arena_copy(t->a, x, sizeof *x * (size_t)sym_items(s));
	for (int k = 0; k < 2; k++) {
		for (int64_t i = 0; i < sym_items(s); i++)
			x[i] = was[i] + (k ? -size : size) * d[i];
		f[k] = loss_of(t, r);
	}
	memcpy(x, was, sizeof *x * (size_t)sym_items(s));
	loss_of(t, r);
	return (f[0] - f[1]) / (2 * size);
}

static double differences(struct engine *e, int w, double size)
{
	const struct expansion *x = e->c.x;
	double sum = 0;
	for (int i = 0; i < x->descent.n; i++) {
		struct recorded r = {e, &x->descent.at[i]};
		if (!x->frozen[w] && (!r.d->which || r.d->which[w]))
			sum += slope(&r, w, size);
	}
	return sum;
}

static void run(struct engine *e)
{
	e->call.step = 0;
	engine_run(e, "train.first");
	engine_run(e, "train.final");
}

static void gradients_of(struct trial *t, const struct compiled *c, const char *key)
{
	const char *name = arena_printf(t->a, "objective %s: gradient", objective_text(t, c));
	static const int64_t pop[DGM_MAX_POP] = {ROWS, 1, 1, 1, 1};
	static const double sizes[] = {1e-4, 1e-5, 1e-6};
	double *gradient = NEW_ARRAY(t->a, double, t->m->weight.n + 1);
	struct engine e;
	if (!engine_open(&e, t, key, c, false, pop))
		return;
	e.noise = true;
	double **kept = NEW_ARRAY(t->a, double *, t->m->weight.n + 1);
	for (int w = 0; w < t->m->weight.n; w++) {
		const struct sym *s = t->m->weight.at[w]->sym;
		kept[w] = arena_copy(t->a, memory_get(&e.mem, s), sizeof(double) * (size_t)sym_items(s));
	}
	run(&e);
	for (int w = 0; w < t->m->weight.n; w++) { /* running means have moved */
		const struct sym *s = t->m->weight.at[w]->sym;
		gradient[w] = engine_gradient(&e, w);
		memcpy(memory_get(&e.mem, s), kept[w], sizeof(double) * (size_t)sym_items(s));
	}
	const char *slow =
	    e.mem.loads < MOST_LOADS
	        ? NULL
	        : arena_printf(t->a, "one gradient reads %.0e values", (double)e.mem.loads);
	if (slow) {
		report_skip(t->report, name, slow);
		engine_close(&e);
		return;
	}
	for (int w = 0; w < t->m->weight.n; w++) {
		double off = INFINITY;
		for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
			off = fmin(off, off_by(gradient[w], differences(&e, w, sizes[k])));
		report_compare(t->report, name, isnan(gradient[w]) ? NAN : off, 1e-6);
	}
	engine_close(&e);
	if (!engine_open(&e, t, key, c, true, pop)) {
		report_skip(t->report, engine_label(&e, name), dgm_error());
		return;
	}
	e.call.seed = NOISE_SEED;
	run(&e);
	for (int w = 0; w < t->m->weight.n; w++)
		report_compare(t->report, engine_label(&e, name),
		               off_by(engine_gradient(&e, w), gradient[w]), TOL_FLOAT);
	engine_close(&e);
}

static void objectives(struct trial *t)
{
	for (int i = 0; i < t->u->checked->block.n; i++) {
		const struct block_def *b = t->u->checked->block.at[i];
		struct compiled c;
		if (b->kind != BLOCK_TRAIN)
			continue;
		if (!block_expand(t->u, b, &c))
			report_skip(t->report, "a train block", trial_why(t));
		else if (c.x->descent.n == 0 || t->m->prior || t->m->E.n)
			report_skip(t->report,
			            arena_printf(t->a, "objective %s: gradient", objective_text(t, &c)),
			            "it is a mean over chains");
		else if (objective_value(&c, "kernel"))
			report_skip(t->report,
			            arena_printf(t->a, "objective %s: gradient", objective_text(t, &c)),
			            "it compares the rows of a batch with one another");
		else
			gradients_of(t, &c, arena_printf(t->a, "block %d", i));
	}
}

void verify_drawn(struct trial *t)
{
	for (int i = 0; i < t->m->factor.n; i++)
		density_of(t, t->m->factor.at[i], "density");
	for (int i = 0; i < t->m->posterior.n; i++)
		density_of(t, t->m->posterior.at[i], "posterior");
	objectives(t);
}
