/* A trial: a model with one draw of its parameters, about their initial values; its sites; examples
 * drawn from the model itself by brute-force Gibbs sampling.  Parameters and examples are float
 * values, so that generated code has the same ones.  Derivatives by differences of fourth order, f'
 * = (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h,     h = 1e-3. */
#include "verify/verify.h"

#include <math.h>
#include <string.h>

#define MOST_OPERATIONS 1e7 /* of a sum over the states of a model with factors */

static double draw(void *arg, const struct node *x)
{
	return x->op == OP_NORMAL ? trial_normal(arg) : trial_uniform(arg);
}

static void draw_parameters(struct trial *t, double sd)
{
	for (int i = 0; i < t->m->group.n; i++) {
		const struct group *g = t->m->group.at[i];
		double *mean = g->mean ? memory_put(&t->mem, g->mean, 1) : NULL;
		double *var = g->var ? memory_put(&t->mem, g->var, 1) : NULL;
		double lo = isfinite(g->family->lo) ? g->family->lo : -1,
		       hi = isfinite(g->family->hi) ? g->family->hi : 1;
		for (int64_t k = 0; k < sym_items(g->sym); k++) { /* inside the domain's range */
			if (mean)
				mean[k] = (double)(float)(lo + (hi - lo) * (0.2 + 0.6 * trial_uniform(t)));
			if (var)
				var[k] = (double)(float)(0.5 + trial_uniform(t));
		}
	}
	for (int i = 0; i < t->m->from.n; i++) {
		double *x = memory_put(&t->mem, t->m->from.at[i].sym, 1);
		for (int64_t k = 0; k < sym_items(t->m->from.at[i].sym); k++)
			x[k] = (double)(float)(sd * trial_normal(t));
	}
	for (int i = 0; i < t->m->weight.n; i++) {
		const struct weight *w = t->m->weight.at[i];
		double *x = memory_put(&t->mem, w->sym, 1), *d = memory_put(&t->mem, t->direction[i], 1);
		for (int64_t k = 0; k < sym_items(w->sym); k++) {
			struct binding b[MAX_RANK + 1];
			int nb = bind_element(w->sym, w->at, k, NULL, 0, b);
			x[k] = (double)(float)(memory_eval(&t->mem, w->init, b, nb) + sd * trial_normal(t));
			d[k] = trial_normal(t);
		}
	}
}

static void draw_rows(struct trial *t)
{
	for (int r = 0; r < ROWS; r++) {
		trial_load_given(t, t->row[r]);
		for (int sweep = 0; sweep < 3; sweep++)
			trial_gibbs(t, t->all);
		for (int g = 0; g < t->m->group.n; g++) {
			double *x = memory_get(&t->mem, t->m->group.at[g]->sym);
			for (int64_t k = 0; k < sym_items(t->m->group.at[g]->sym); k++)
				x[k] = (double)(float)x[k];
		}
		t->row[r] = trial_save(t);
	}
}

/* Sites are given more values where the sum is not known: far ones may weigh more together than
 * each by itself. */
bool trial_summable(struct trial *t, const energy *E, const bool *which)
{
	double error = INFINITY;
	for (int widened = 0; widened < 10; widened++) {
		trial_sum(t, E, which, NULL, NULL, 0, NULL, &error);
		if (error < 1e-10)
			return true;
		trial_widen(t);
	}
	return false;
}

static bool draw_examples(struct trial *t)
{
	draw_rows(t);
	for (int r = 0; r < ROWS; r++) {
		trial_load(t, t->row[r]);
		if (!trial_summable(t, &t->E, t->joint ? t->all : t->hidden))
			return false;
	}
	return true;
}

/* The tapes are the reference evaluator's values. */
static void check_tapes(struct trial *t)
{
	for (int i = 0; i < t->E.n; i++) {
		double x = trial_eval(t, t->E.at[i].node, NULL, NULL, 0);
		if (!(off_by(tape_eval(t->term[i]), x) < 1e-12))
			BUG("verify: term %d of %s is %g, not %g", i, t->m->name, tape_eval(t->term[i]), x);
	}
}

/* The model's energy, and that of each factor; false: it has none, *why says what stands in the
 * way. */
static bool joint_energy(struct trial *t, const char **why)
{
	struct model *m = t->m;
	for (int i = 0; i < m->E.n; i++)
		energy_push(t->a, &t->E, model_inline(m, m->E.at[i].node), m->E.at[i].span);
	for (int i = 0; i < m->group.n && m->factor.n; i++) {
		const struct group *g = m->group.at[i];
		if (g->role == GROUP_GIVEN || (!g->family->continuous && isfinite(g->family->hi)))
			continue;
		*why = arena_printf(t->u->cx.perm,
		                    "'%s' is %s: sums through factors are over finitely many values",
		                    g->name, g->domain);
		return false;
	}
	for (int i = 0; i < m->factor.n; i++) {
		const struct factor *f = m->factor.at[i];
		if (f->log_density == NULL) {
			*why = arena_printf(t->u->cx.perm, "'%s' is generated, and has no density",
			                    f->group->name);
			return false;
		}
		energy_push(t->a, &t->E, factor_energy(t, f), f->span);
	}
	for (int i = 0; i < m->def.n; i++)
		for (int k = 0; k < t->E.n; k++)
			if (ex_mentions(t->E.at[k].node, m->def.at[i]->sym)) {
				*why =
				    arena_printf(t->u->cx.perm,
				                 "its density reads '%s', which is computed step by step or drawn",
				                 m->def.at[i]->sym->name);
				return false;
			}
	return true;
}

struct node *factor_energy(struct trial *t, const struct factor *f)
{
	return model_inline(t->m, ex_neg(t->m->a, factor_log_density(t->m, f)));
}

/* Operations of one sum over the states; the energies of nets take many each. */
static double sum_cost(const struct trial *t)
{
	double n = 0;
	for (int i = 0; i < t->E.n; i++)
		n += tape_size(t->term[i]);
	for (int i = 0; i < t->site.n; i++)
		n *= t->joint || t->hidden[t->site.at[i].group] ? t->site.at[i].n : 1;
	return n;
}

/* Its parameters and states not drawn yet. */
static struct trial *begin(struct unit *u, struct model *m, bool joint, uint64_t seed,
                           struct report *r)
{
	struct arena *a = arena_new();
	struct trial *t = NEW(a, struct trial);
	bool *all = NEW_ARRAY(a, bool, m->group.n + 1);
	*t = (struct trial){.u = u,
	                    .m = m,
	                    .a = a,
	                    .joint = joint,
	                    .report = r,
	                    .rng = seed * 1000003u,
	                    .mem = {.a = a}};
	t->mem.draw = draw;
	t->mem.draw_arg = t;
	t->hidden = model_role(m, GROUP_HIDDEN);
	t->visible = model_role(m, GROUP_VISIBLE);
	t->direction = NEW_ARRAY(a, const struct sym *, m->weight.n + 1);
	for (int i = 0; i < m->weight.n; i++) {
		const struct sym *s = m->weight.at[i]->sym;
		t->direction[i] = sym_new(u->cx.prog, arena_printf(u->cx.prog, "direction.%s", s->name),
		                          SYM_INPUT, VALUES_REAL, false, s->rank, s->dim, s->span);
	}
	for (int i = 0; i < m->group.n; i++) {
		all[i] = m->group.at[i]->role != GROUP_GIVEN;
		memory_put(&t->mem, m->group.at[i]->sym, 1);
	}
	t->all = all;
	return t;
}

static const double spread[] = {0.5, 0.8, 0.25}; /* of the parameters, by the seed */

struct trial *trial_drawn(struct unit *u, struct model *m, uint64_t seed, struct report *r)
{
	struct trial *t = begin(u, m, true, seed, r);
	draw_parameters(t, spread[seed % 3]);
	if (m->training)
		memory_put(&t->mem, m->training, 1);
	t->total = 2;
	for (int k = 0; k < ROWS; k++) {
		for (int g = 0; g < m->group.n; g++)
			trial_values(t, m->group.at[g], group_state(t, g));
		t->row[k] = trial_save(t);
	}
	return t;
}

struct trial *trial_new(struct unit *u, struct model *m, bool joint, uint64_t seed,
                        struct report *r, const char **why)
{
	struct trial *t = begin(u, m, joint, seed, r);
	if (!joint_energy(t, why)) {
		trial_free(t);
		return NULL;
	}
	t->term = NEW_ARRAY(t->a, struct tape *, t->E.n + 1);
	for (int attempt = 0; attempt < 8; attempt++) {
		draw_parameters(t, spread[seed % 3] * pow(0.7, attempt));
		for (int k = 0; k < t->E.n; k++)
			t->term[k] = tape_new(&t->mem, t->E.at[k].node);
		bool there = trial_sites(t);
		if (there && m->factor.n && sum_cost(t) > MOST_OPERATIONS) {
			*why = arena_printf(u->cx.perm, "one sum over its states takes %.0e operations",
			                    sum_cost(t));
			trial_free(t);
			return NULL;
		}
		if (there && draw_examples(t)) {
			check_tapes(t);
			return t;
		}
	}
	*why = arena_printf(
	    u->cx.perm,
	    "the weights exp(-E) have no finite sum at parameters near their initial values");
	trial_free(t);
	return NULL;
}

void trial_free(struct trial *t)
{
	arena_free(t->a);
}

bool trial_known(struct trial *t, const char *what, double error)
{
	if (error < 1e-6)
		return true;
	report_skip(t->report, what,
	            arena_printf(t->a, "the integral by brute force is only known to %.0e", error));
	return false;
}

/* ---- derivatives ---- */
static const double step[] = {1, -1, 2, -2}, factor[] = {8, -8, -1, 1};
enum { NSTEP = 4 };
#define H 1e-3

double trial_slope(struct trial *t, int w, double (*value)(struct trial *t, void *arg), void *arg)
{
	const struct sym *s = t->m->weight.at[w]->sym;
	double *x = memory_get(&t->mem, s), *d = memory_get(&t->mem, t->direction[w]), sum = 0;
	double *was = arena_copy(t->a, x, sizeof *x * (size_t)sym_items(s));
	for (int k = 0; k < NSTEP; k++) {
		for (int64_t i = 0; i < sym_items(s); i++)
			x[i] = was[i] + step[k] * H * d[i];
		sum += factor[k] * value(t, arg);
	}
	for (int64_t i = 0; i < sym_items(s); i++)
		x[i] = was[i];
	return sum / (12 * H);
}

static double terms_with(struct trial *t, void *arg)
{
	const struct sym *w = arg;
	double sum = 0;
	for (int i = 0; i < t->E.n; i++)
		if (ex_mentions(t->E.at[i].node, w))
			sum += tape_eval(t->term[i]);
	return sum;
}

void trial_slopes(struct trial *t, void *unused, double *out)
{
	(void)unused;
	for (int w = 0; w < t->m->weight.n; w++)
		out[w] = trial_slope(t, w, terms_with, (void *)t->m->weight.at[w]->sym);
}

double trial_along(struct trial *t, int w, const double *gradient)
{
	const double *d = memory_get(&t->mem, t->direction[w]);
	double sum = 0;
	for (int64_t i = 0; i < sym_items(t->m->weight.at[w]->sym); i++)
		sum += d[i] * gradient[i];
	return sum;
}

double off_by(double x, double truth)
{
	return fabs(x - truth) / (1 + fabs(truth));
}

const char *trial_why(struct trial *t)
{
	struct cx *cx = &t->u->cx;
	const char *text = diags_error(cx->diags);
	cx->diags = diags_new(cx->prog);
	return text ? text : "it has no closed form";
}
