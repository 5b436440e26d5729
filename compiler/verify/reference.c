/* What the calculus derived, in double, against sums over the energy: conditionals, units drawn
 * together, free energies, log Z, and the gradients of each along a random direction in each
 * parameter. */
#include "verify/verify.h"

#include <math.h>

static const char *text(struct trial *t, const char *what, const struct group *g)
{
	return arena_printf(t->a, what, g->name);
}

/* ---- conditionals ---- */
/* log p(x) of a site at its value by the derived field; log_z is the derived log-partition. */
static double derived_log_p(struct trial *t, const struct conditional *c, const struct site *s,
                            const double *x, double log_z)
{
	const struct family *f = c->group->family;
	double lp = -log_z;
	for (int i = 0; i < s->width; i++) {
		double field = trial_eval(t, c->field, c->at, c->group->sym, s->at[i]);
		switch (f->shape) {
		case SHAPE_TWO:
			lp += x[i] == f->hi ? field : 0;
			break;
		case SHAPE_GAUSS:
			lp += field * x[i] -
			      0.5 * trial_eval(t, c->precision, c->at, c->group->sym, s->at[i]) * x[i] * x[i];
			break;
		case SHAPE_GAMMA:
			lp += field * x[i] +
			      trial_eval(t, c->precision, c->at, c->group->sym, s->at[i]) * log(x[i]);
			break;
		case SHAPE_ONEHOT:
		case SHAPE_TOTAL:
		case SHAPE_EXPONENTIAL:
			lp += field * x[i];
			break;
		}
	}
	return lp;
}

struct derived {
	struct conditional c;
	struct node *log_z;
};

static void compare_site(struct trial *t, const struct derived *d, const struct site *of)
{
	const struct group *g = d->c.group;
	struct site at_state = *of, *s = &at_state;
	if (!trial_refine(t, s))
		return;
	double *log_w = NEW_ARRAY(t->a, double, s->n), top = -INFINITY, sum = 0, dense = 0, total = 0,
	       off = 0;
	double log_z = trial_eval(t, d->log_z, d->c.at, g->sym, s->at[0]);
	trial_site(t, s, NULL, log_w);
	for (int k = 0; k < s->n; k++)
		top = fmax(top, log_w[k]);
	for (int k = 0; k < s->n; k++)
		sum += exp(log_w[k] - top);
	for (int k = 0; k < s->n; k++) { /* probabilities; densities times the step, which both have */
		double p = exp(log_w[k] - top) / sum;
		double q = exp(s->log_w[k] + derived_log_p(t, &d->c, s, s->x + k * s->width, log_z));
		dense = fmax(dense, p);
		off = !(fabs(p - q) <= off) ? fabs(p - q) : off;
		total += q;
	}
	report_compare(t->report, text(t, "conditional of %s: each value's probability", g),
	               off / dense, TOL_DOUBLE);
	report_compare(t->report, text(t, "conditional of %s: sums to 1", g), fabs(total - 1),
	               TOL_DOUBLE);
	for (int i = 0; i < s->width; i++)
		report_compare(t->report, text(t, "conditional of %s: mean", g),
		               off_by(trial_eval(t, d->c.mean, d->c.at, g->sym, s->at[i]),
		                      trial_site_mean(t, s, log_w, i)),
		               TOL_DOUBLE);
}

static void conditionals(struct trial *t)
{
	for (int i = 0; i < t->m->group.n; i++) {
		const struct group *g = t->m->group.at[i];
		struct derived d;
		if (g->role == GROUP_GIVEN)
			continue;
		if (!model_element(&t->u->cx, t->m, &t->m->E, g, &d.c)) {
			report_skip(t->report, text(t, "conditional of %s", g), trial_why(t));
			continue;
		}
		double base = g->family->shape == SHAPE_TWO ? g->family->lo : 0;
		d.log_z = model_at_element(t->m->a, &d.c, g->family->log_partition(t->m->a, &d.c, base));
		for (int r = 0; r < ROWS; r++) {
			trial_load(t, t->row[r]);
			trial_gibbs(t, t->all);
			for (int k = 0; k < t->site.n; k++)
				if (t->site.at[k].group == i)
					compare_site(t, &d, &t->site.at[k]);
		}
	}
}

/* ---- units drawn together ---- */
/* E(x', y') - E(x', y) - E(x, y') + E(x, y), 0 where x and y are independent given the rest */
static double joins(struct trial *t, const struct site *x, const struct site *y)
{
	double E[4], *was = trial_save(t), scale = 0;
	int at[4] = {0, 0, 0, 0};
	for (int k = 0; k < 2; k++) {
		at[k] = (int)(x->n * trial_uniform(t));
		at[2 + k] = (int)(y->n * trial_uniform(t));
	}
	for (int k = 0; k < 4; k++) {
		trial_set(t, x, at[k / 2]);
		trial_set(t, y, at[2 + k % 2]);
		E[k] = trial_energy(t);
		scale = fmax(scale, fabs(E[k]));
	}
	trial_load(t, was);
	return fabs(E[0] - E[1] - E[2] + E[3]) / (1 + scale);
}

static int block_of(const block_vec *blocks, const struct group *g)
{
	for (int b = 0; b < blocks->n; b++)
		for (int i = 0; i < blocks->at[b].group.n; i++)
			if (blocks->at[b].group.at[i] == g)
				return b;
	return -1;
}

static void together(struct trial *t)
{
	const char *what = "units drawn together are independent";
	block_vec blocks = {0};
	if (!model_blocks(&t->u->cx, t->m, &blocks)) {
		report_skip(t->report, what, trial_why(t));
		return;
	}
	for (int i = 0; i < t->site.n; i++)
		for (int k = 0; k < i; k++) {
			const struct site *x = &t->site.at[i], *y = &t->site.at[k];
			const struct group *g = t->m->group.at[x->group];
			struct conditional c;
			model_element(&t->u->cx, t->m, &t->m->E, g, &c);
			if (block_of(&blocks, g) != block_of(&blocks, t->m->group.at[y->group]) ||
			    (x->group == y->group && c.coupled))
				continue;
			for (int r = 0; r < ROWS; r++) {
				trial_load(t, t->row[r]);
				report_compare(t->report, what, joins(t, x, y), TOL_DOUBLE);
			}
		}
}

/* ---- sums over groups ---- */
static void sum_out(struct trial *t, const bool *which, const char *what)
{
	energy F;
	if (!model_sum_out(&t->u->cx, t->m, &t->m->E, which, &F)) {
		report_skip(t->report, what, trial_why(t));
		return;
	}
	struct node *f = energy_node(t->m->a, &F);
	for (int r = 0; r < ROWS; r++) {
		double error;
		trial_load(t, t->row[r]);
		double truth = -trial_logsum(t, which, &error);
		if (trial_known(t, what, error))
			report_compare(t->report, what, off_by(trial_eval(t, f, NULL, NULL, 0), truth),
			               TOL_DOUBLE + 10 * error);
	}
}

static bool has(const struct model *m, enum group_role role)
{
	for (int i = 0; i < m->group.n; i++)
		if (m->group.at[i]->role == role)
			return true;
	return false;
}

/* log Z as the exact likelihood has it: some groups enumerated, the rest summed out in closed form.
 */
static void partition(struct trial *t)
{
	const char *what = "log Z by the states that are enumerated";
	struct states st;
	double error, coarse;
	if (!objective_states(&t->u->cx, t->m, &st)) {
		report_skip(t->report, what, trial_why(t));
		return;
	}
	trial_load(t, t->row[0]);
	double truth = trial_logsum(t, t->all, &error);
	double derived = trial_sum(t, &st.F, st.listed, NULL, NULL, 0, NULL, &coarse);
	if (trial_known(t, what, error))
		report_compare(t->report, what, off_by(derived, truth), TOL_DOUBLE + 10 * error);
}

/* ---- gradients ---- */
/* sum of direction . d F / d w: the derived derivative along the direction */
static struct node *along(struct trial *t, const energy *F, const bool *which, int w,
                          bool *at_means)
{
	struct arena *a = t->m->a;
	const struct weight *x = t->m->weight.at[w];
	const struct idx *at[MAX_RANK];
	fresh_axes(a, x->sym, at);
	struct node *g = model_gradient(t->m, &t->m->E, F, which, x, at, at_means);
	return ex_reduce(a, RED_SUM, at, x->sym->rank, NULL, 0,
	                 ex_mul(a, ex_at(a, t->direction[w], NULL, at), g));
}

static void compare_gradient(struct trial *t, const char *what, const energy *F, int w,
                             const double *state, const double *mean_state, double truth,
                             double tolerance)
{
	bool at_means;
	struct node *d = along(t, F, t->hidden, w, &at_means);
	trial_load(t, F && at_means ? mean_state : state);
	report_compare(t->report, what, off_by(trial_eval(t, d, NULL, NULL, 0), truth), tolerance);
}

static void gradients(struct trial *t)
{
	energy F;
	int n = t->m->weight.n;
	double *slope = NEW_ARRAY(t->a, double, n + 1), *mean = NEW_ARRAY(t->a, double, n + 1), error;
	bool closed = model_sum_out(NULL, t->m, &t->m->E, t->hidden, &F);
	for (int r = 0; r < ROWS; r++) {
		trial_load(t, t->row[r]);
		trial_gibbs(t, t->hidden);
		double *state = trial_save(t), *means = trial_hidden_means(t);
		trial_slopes(t, NULL, slope);
		trial_sum(t, &t->E, t->hidden, trial_slopes, NULL, n, mean, &error);
		for (int w = 0; w < n; w++) {
			compare_gradient(t, "gradient of the energy", NULL, w, state, NULL, slope[w],
			                 TOL_SLOPE);
			if (closed && trial_known(t, "gradient of the free energy", error))
				compare_gradient(t, "gradient of the free energy", &F, w, state, means, mean[w],
				                 TOL_SLOPE + 10 * error);
		}
	}
}

void verify_reference(struct trial *t)
{
	energy F;
	conditionals(t);
	together(t);
	if (has(t->m, GROUP_HIDDEN))
		sum_out(t, t->hidden, "free energy (hidden groups summed out)");
	if (t->joint && model_sum_out(NULL, t->m, &t->m->E, t->visible, &F))
		sum_out(t, t->visible, "energy with the visible groups summed out");
	if (!t->joint)
		; /* at other sizes */
	else if (model_sum_out(NULL, t->m, &t->m->E, t->all, &F))
		sum_out(t, t->all, "log Z in closed form");
	else
		partition(t);
	gradients(t);
}
