/* Guesses of what is missing by passes of mean field, each site's q proportional to exp(-<E>) over
 * the others', by sums over all their values: the definition of multi_prediction; the share of
 * errors where a posterior guesses the target. */
#include "verify/verify.h"

#include <math.h>
#include <string.h>

struct guess {
	struct trial *t;
	const struct goal *goal;
	const double *example;
	double *q;
	bool *sites; /* hidden or missing */
};

static bool predicts(const struct trial *t, const struct goal *goal, int group)
{
	return t->visible[group] && (!goal->args.of || goal->args.of[group]);
}

/* Of several such objectives each has its own. */
static const char *missing_name(const struct guess *g, const struct engine *e, int group)
{
	const char *name = g->t->m->group.at[group]->name;
	int n = 1;
	for (const struct goal *before = e->c.goal.at; before < g->goal; before++)
		n += before->objective == g->goal->objective && predicts(g->t, before, group);
	return n > 1 ? arena_printf(g->t->a, "%s.missing%d", name, n)
	             : arena_printf(g->t->a, "%s.missing", name);
}

/* Which sites are missing, and their means at first. */
static void begin(struct guess *g, const struct engine *e, int row)
{
	struct trial *t = g->t;
	for (int i = 0; i < t->site.n; i++) {
		const struct site *s = &t->site.at[i];
		const struct group *of = t->m->group.at[s->group];
		double *q = g->q + meanfield_offset(t, s->group);
		const char *missing = missing_name(g, e, s->group);
		bool hidden = t->hidden[s->group], two = of->family->shape == SHAPE_TWO;
		g->sites[i] =
		    hidden || (predicts(t, g->goal, s->group) && engine_get(e, missing, row, s->at[0]) > 0);
		for (int k = 0; k < s->width && g->sites[i]; k++)
			q[s->at[k]] = !two     ? 1.0 / s->n
			              : hidden ? of->family->start
			                       : memory_get(&t->mem, of->mean)[s->at[k]];
	}
}

static bool has_value(const struct site *s, int k, const double *x)
{
	bool same = true;
	for (int i = 0; i < s->width; i++)
		same = same && s->x[k * s->width + i] == x[s->at[i]];
	return same;
}

/* - log of the normalised weight of the value that the example has */
static double surprise(const struct guess *g, const struct site *s, const double *log_w)
{
	const double *x = g->example + meanfield_offset(g->t, s->group);
	double sum = 0;
	int own = 0;
	while (!has_value(s, own, x))
		own++;
	for (int k = 0; k < s->n; k++)
		sum += exp(log_w[k] - log_w[own]);
	return log(sum);
}

/* All missing sites of a group, from the means before; the surprise at what they are. */
static double update(struct guess *g, int group)
{
	struct trial *t = g->t;
	int64_t at = meanfield_offset(t, group), n = meanfield_offset(t, t->m->group.n);
	double *next = arena_copy(t->a, g->q, sizeof *next * (size_t)n);
	double damping = g->goal->args.damping, loss = 0;
	for (int i = 0; i < t->site.n; i++) {
		const struct site *s = &t->site.at[i];
		double *log_w = NEW_ARRAY(t->a, double, s->n);
		if (s->group != group || !g->sites[i])
			continue;
		meanfield_site(t, g->q, g->sites, s, log_w);
		for (int k = 0; k < s->width; k++)
			next[at + s->at[k]] =
			    (1 - damping) * trial_site_mean(t, s, log_w, k) + damping * g->q[at + s->at[k]];
		loss += t->visible[group] ? surprise(g, s, log_w) : 0;
	}
	g->q = next;
	return loss;
}

static struct guess guess_new(struct trial *t, int row)
{
	int64_t n = meanfield_offset(t, t->m->group.n);
	struct guess g = {.t = t, .example = t->row[row]};
	g.q = arena_copy(t->a, t->row[row], sizeof *g.q * (size_t)n);
	g.sites = NEW_ARRAY(t->a, bool, t->site.n + 1);
	return g;
}

double prediction_loss(struct trial *t, const struct goal *goal, const struct engine *e, int row)
{
	struct guess g = guess_new(t, row);
	double loss = 0;
	g.goal = goal;
	begin(&g, e, row);
	for (int pass = 0; pass < (int)goal->args.steps; pass++) {
		loss = 0;
		for (int i = 0; i < t->m->group.n; i++)
			if (t->hidden[i])
				update(&g, i);
		for (int i = 0; i < t->m->group.n; i++)
			if (predicts(t, goal, i))
				loss += update(&g, i);
	}
	return loss;
}

/* ---- the share of errors ---- */
enum { PASSES = 3 };
#define CLEAR 1e-3 /* by which the most probable value is ahead: no question of rounding */

/* One site after the other, from values that are alike; the share of the target's sites that are
 * guessed wrongly, -1: two values are too close. */
static double guess_in_turn(struct guess *g, int target)
{
	struct trial *t = g->t;
	double wrong = 0;
	int n = 0;
	for (int i = 0; i < t->site.n; i++) {
		const struct site *s = &t->site.at[i];
		const struct family *family = t->m->group.at[s->group]->family;
		g->sites[i] = t->hidden[s->group] || s->group == target;
		for (int k = 0; k < s->width && g->sites[i]; k++)
			g->q[meanfield_offset(t, s->group) + s->at[k]] =
			    family->shape == SHAPE_TWO ? family->start : 1.0 / s->n;
	}
	for (int pass = 0; pass <= PASSES; pass++)
		for (int i = 0; i < t->site.n; i++) {
			const struct site *s = &t->site.at[i];
			double *log_w = NEW_ARRAY(t->a, double, s->n);
			const double *x = g->example + meanfield_offset(t, s->group);
			int own = 0;
			if (!g->sites[i] || (pass == PASSES && s->group != target))
				continue;
			meanfield_site(t, g->q, g->sites, s, log_w);
			for (int k = 0; k < s->width && pass < PASSES; k++)
				g->q[meanfield_offset(t, s->group) + s->at[k]] = trial_site_mean(t, s, log_w, k);
			if (pass < PASSES)
				continue;
			while (!has_value(s, own, x))
				own++;
			bool miss = false;
			for (int k = 0; k < s->n; k++) {
				if (k != own && fabs(log_w[k] - log_w[own]) < CLEAR)
					return -1;
				miss = miss || log_w[k] > log_w[own];
			}
			wrong += miss;
			n++;
		}
	return wrong / n;
}

static void compare_errors(struct engine *e, int target, const char *label)
{
	struct trial *t = e->t;
	const struct group *y = t->m->group.at[target];
	engine_run(e, "error.start");
	for (int k = 0; k < PASSES; k++)
		engine_run(e, "error.pass");
	engine_run(e, "error");
	for (int r = 0; r < ROWS; r++) {
		struct guess g = guess_new(t, r);
		trial_load(t, t->row[r]);
		double wrong = guess_in_turn(&g, target);
		for (int64_t i = 0; i < sym_items(y->sym); i++)
			report_compare(t->report, engine_label(e, label),
			               off_by(engine_get(e, arena_printf(t->a, "%s.guess", y->name), r, i),
			                      g.q[meanfield_offset(t, target) + i]),
			               engine_tolerance(e, TOL_DOUBLE));
		if (wrong >= 0)
			report_compare(t->report, engine_label(e, label),
			               off_by(engine_get(e, "out.error", r, 0), wrong),
			               engine_tolerance(e, TOL_DOUBLE));
	}
}

void verify_guesses(struct trial *t)
{
	static const int64_t pop[DGM_MAX_POP] = {ROWS, 1, 1, 1, 1};
	for (int i = 0; i < t->u->checked->block.n; i++) {
		const struct block_def *b = t->u->checked->block.at[i];
		const struct clause *error = block_clause(b, "error");
		struct compiled c = {.m = t->m, .x = expansion_new(&t->u->cx, t->m)};
		int target = 0;
		if (!error || !block_clause(b, "posterior"))
			continue;
		while (strcmp(t->m->group.at[target]->name, error->arg[0].name) != 0)
			target++;
		const char *label =
		    arena_printf(t->a, "error %s, guessed by mean field", error->arg[0].name);
		if (!objective_error(c.x, t->m->group.at[target], true, 0)) {
			report_skip(t->report, label, trial_why(t));
			continue;
		}
		for (int generated = 0; generated < 2; generated++) {
			struct engine e;
			if (!engine_open(&e, t, label, &c, generated, pop)) {
				report_skip(t->report, label, dgm_error());
				return;
			}
			compare_errors(&e, target, label);
			engine_close(&e);
		}
	}
}
