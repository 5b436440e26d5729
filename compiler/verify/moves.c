/* Does a sweep draw each unit anew?  Chains begin at states whose finite units have random values,
 * so that they are far from their conditionals however the model is frozen.  A unit x that a sweep
 * draws has
 *
 *     E[x' - m] = 0  and  E[x (x' - m)] = 0,     m = E[x | the rest when it was drawn],
 *
 * x before and x' after.  Of the rest each group, and where the group's own units are coupled each
 * of them, is as before or as after, by the order of the sweep: some such choice must agree.  A
 * unit that stays agrees with none.  Units of an integral begin at exact draws, and must have
 * changed. */
#include "verify/verify.h"

#include <math.h>
#include <string.h>

enum { WATCHED = 400, MOST_PARTS = 8 };

struct watch {
	struct trial *t;
	int n;
	double **before, **after;
};

static int64_t place(const struct trial *t, int group)
{
	int64_t at = 0;
	for (int g = 0; g < group; g++)
		at += sym_items(t->m->group.at[g]->sym);
	return at;
}

/* A part of the rest that is drawn at one time: a group, or a site. */
struct drawn {
	int group;
	const struct site *site; /* NULL: all of the group */
};

static int rest_of(struct trial *t, const struct site *s, struct drawn *p)
{
	struct conditional c;
	int n = 0;
	bool coupled = true; /* where it is not known */
	if (model_element(&t->u->cx, t->m, &t->m->E, t->m->group.at[s->group], &c))
		coupled = c.coupled;
	else
		trial_why(t);
	for (int g = 0; g < t->m->group.n; g++)
		if (t->all[g] && g != s->group)
			p[n++] = (struct drawn){g, NULL};
	for (int i = 0; coupled && i < t->site.n; i++)
		if (t->site.at[i].group == s->group && &t->site.at[i] != s)
			p[n++] = (struct drawn){s->group, &t->site.at[i]};
	return n;
}

/* The rest with the parts of the set as after, the others as before. */
static void load_rest(const struct watch *w, int chain, const struct drawn *p, int n, int set)
{
	struct trial *t = w->t;
	trial_load(t, w->before[chain]);
	for (int k = 0; k < n; k++) {
		const double *from = w->after[chain] + place(t, p[k].group);
		double *to = group_state(t, p[k].group);
		if (!(set >> k & 1))
			continue;
		for (int i = 0; p[k].site && i < p[k].site->width; i++)
			to[p[k].site->at[i]] = from[p[k].site->at[i]];
		if (p[k].site == NULL)
			memcpy(to, from, sizeof *to * (size_t)sym_items(t->m->group.at[p[k].group]->sym));
	}
}

static double off_with(const struct watch *w, const struct site *s, const struct drawn *p, int n,
                       int set)
{
	struct trial *t = w->t;
	struct moments *m = NEW_ARRAY(t->a, struct moments, 2 * s->width);
	double *log_w = NEW_ARRAY(t->a, double, s->n), worst = 0;
	int64_t at = place(t, s->group);
	for (int chain = 0; chain < w->n; chain++) {
		load_rest(w, chain, p, n, set);
		trial_site(t, s, NULL, log_w);
		for (int i = 0; i < s->width; i++) {
			double r = w->after[chain][at + s->at[i]] - trial_site_mean(t, s, log_w, i);
			moments_add(&m[2 * i], r);
			moments_add(&m[2 * i + 1], r * w->before[chain][at + s->at[i]]);
		}
	}
	for (int i = 0; i < 2 * s->width; i++)
		worst = fmax(worst, moments_off(&m[i], 0));
	return worst;
}

static void compare_orders(const struct watch *w, const struct site *s, const char *what)
{
	struct drawn *p = NEW_ARRAY(w->t->a, struct drawn, w->t->m->group.n + w->t->site.n);
	int n = rest_of(w->t, s, p);
	double least = INFINITY;
	for (int set = 0; n <= MOST_PARTS && set < 1 << n && least > SIGMAS; set++)
		least = fmin(least, off_with(w, s, p, n, set));
	if (n <= MOST_PARTS)
		report_compare(w->t->report, what, least, SIGMAS);
	else
		report_skip(w->t->report, what, "there are too many orders to draw the units in");
}

static bool changed(const struct watch *w, const struct site *s)
{
	int64_t at = place(w->t, s->group) + s->at[0];
	for (int chain = 0; chain < w->n; chain++)
		if (w->before[chain][at] != w->after[chain][at])
			return true;
	return false;
}

static void shuffle_units(struct trial *t)
{
	for (int i = 0; i < t->site.n; i++)
		if (!t->site.at[i].halves)
			trial_set(t, &t->site.at[i], (int)(t->site.at[i].n * trial_uniform(t)));
}

static double *state_of(struct engine *e, int chain)
{
	double *x = trial_save(e->t);
	for (int role = GROUP_VISIBLE; role <= GROUP_GIVEN; role++)
		engine_take(e, ".sample", (enum group_role)role, chain, x);
	return x;
}

void verify_moves(struct engine *e, const struct dgm_transition *sweep, const char *what,
                  int chains, double **start)
{
	struct trial *t = e->t;
	struct dgm_acceptance accepted = {0};
	struct watch w = {.t = t, .n = chains < WATCHED ? chains : WATCHED};
	w.before = NEW_ARRAY(t->a, double *, w.n);
	w.after = NEW_ARRAY(t->a, double *, w.n);
	for (int chain = 0; chain < w.n; chain++) {
		trial_load(t, start[chain]);
		shuffle_units(t);
		double *x = trial_save(t);
		engine_put(e, ".sample", GROUP_VISIBLE, chain, x);
		engine_put(e, ".sample", GROUP_HIDDEN, chain, x);
		w.before[chain] = state_of(e, chain);
	}
	dgm_transition_run(sweep, sweep->end, e->store, &e->call, DGM_FIXED, &accepted);
	for (int chain = 0; chain < w.n; chain++)
		w.after[chain] = state_of(e, chain);
	const char *line = arena_printf(t->a, "%s: a sweep draws each unit, in standard errors", what);
	for (int i = 0; i < t->site.n; i++) {
		const struct site *s = &t->site.at[i];
		if (s->halves)
			report_compare(t->report, line, changed(&w, s) ? 0 : INFINITY, SIGMAS);
		else
			compare_orders(&w, s, line);
	}
}
