/* Directed factors: p(x) is the product over the groups of p(group | groups before it).  The
 * order in which they can be drawn is found in causal.c. */
#include "model/directed.h"

static const struct factor *find(const struct factor *const *f, int n, const struct group *g)
{
	for (int i = 0; i < n; i++)
		if (f[i]->group == g)
			return f[i];
	return NULL;
}

const struct factor *model_factor(const struct model *m, const struct group *g)
{
	return find((const struct factor *const *)m->factor.at, m->factor.n, g);
}

const struct factor *model_posterior(const struct model *m, const struct group *g)
{
	return find((const struct factor *const *)m->posterior.at, m->posterior.n, g);
}

bool model_normalised(const struct model *m)
{
	for (int i = 0; i < m->group.n; i++)
		if (m->group.at[i]->role != GROUP_GIVEN && !model_factor(m, m->group.at[i]))
			return false;
	return true;
}

int64_t factor_elements(const struct factor *f)
{
	int64_t n = 1;
	for (int k = 0; k < f->group->sym->rank - f->block; k++)
		n *= f->group->sym->dim[k];
	return n;
}

int64_t model_in_order(const struct model *m)
{
	int64_t n = 0;
	for (int i = 0; i < m->factor.n; i++)
		n += m->factor.at[i]->order ? factor_elements(m->factor.at[i]) : 0;
	return n;
}

/* ---- what is used by name ---- */
static struct node *in_place(struct arena *a, const struct node *access, void *arg)
{
	const struct definition *d = arg;
	if (d->average)
		return ex_access(a, d->average, NULL, access->map);
	return ex_subst_at(a, d->rhs, d->at, access->map, d->sym->rank);
}

struct node *model_inline_when(const struct model *m, struct node *x, bool training)
{
	for (int i = m->def.n - 1; i >= 0; i--) {
		struct definition *d = m->def.at[i];
		if (!d->state && (d->rhs->kind != N_OP || !(op_flags(d->rhs->op) & OPF_DRAW)))
			x = ex_subst(m->a, x, &(struct subst){.from = d->sym, .fn = in_place, .arg = d});
	}
	return model_when(m, x, training);
}

struct node *model_inline(const struct model *m, struct node *x)
{
	return model_inline_when(m, x, false);
}

static struct node *number(struct arena *a, const struct node *access, void *arg)
{
	(void)access;
	return ex_num(a, *(const double *)arg);
}

struct node *model_when(const struct model *m, struct node *x, bool training)
{
	double value = training;
	return ex_mentions(x, m->training)
	           ? ex_subst(m->a, x,
	                      &(struct subst){.from = m->training, .fn = number, .arg = &value})
	           : x;
}

/* Is the test true of x, or of what x uses by name? */
static bool any(const struct model *m, const struct node *x,
                bool (*test)(const struct model *m, const struct node *x, const void *arg),
                const void *arg)
{
	bool *used = NEW_ARRAY(m->a, bool, m->def.n + 1);
	if (test(m, x, arg))
		return true;
	for (int i = m->def.n - 1; i >= 0; i--) {
		const struct definition *d = m->def.at[i];
		used[i] |= ex_mentions(x, d->sym);
		if (used[i] && test(m, d->rhs, arg))
			return true;
		for (int k = 0; used[i] && k < i; k++)
			used[k] |= ex_mentions(d->rhs, m->def.at[k]->sym);
	}
	return false;
}

static bool reads(const struct model *m, const struct node *x, const void *sym)
{
	(void)m;
	return ex_mentions(x, sym);
}

bool model_reads(const struct model *m, const struct node *x, const struct sym *s)
{
	return any(m, x, reads, s);
}

/* Noise that is there outside training too. */
static bool noisy(const struct model *m, const struct node *x, const void *none)
{
	(void)none;
	for (int i = 0; i < m->def.n; i++) {
		const struct definition *d = m->def.at[i];
		if (d->rhs->kind == N_OP && op_flags(d->rhs->op) & OPF_DRAW && ex_mentions(x, d->sym))
			return ex_mentions(model_when(m, (struct node *)x, false), d->sym);
	}
	return false;
}

static bool certain(struct cx *cx, const struct model *m, const struct factor *f)
{
	if (!f->log_density || !any(m, f->log_density, noisy, NULL))
		return true;
	diag(cx->diags, DIAG_NOISE_DENSITY, f->span, f->group->name);
	return false;
}

struct node *factor_log_density(const struct model *m, const struct factor *f)
{
	return ex_reduce(m->a, RED_SUM, f->at, f->group->sym->rank - f->block, NULL, 0, f->log_density);
}

bool factor_drawn(const struct factor *f)
{
	return f->draw || (f->mean && f->block);
}

/* ---- from sema ---- */
static struct factor *build(const struct model *m, const struct factor_def *d)
{
	struct factor *f = NEW(m->a, struct factor);
	for (int i = 0; i < m->group.n; i++)
		if (m->group.at[i]->sym == d->var->sym)
			f->group = m->group.at[i];
	f->dist = d->dist;
	for (int k = 0; k < d->var->sym->rank; k++)
		f->at[k] = d->at[k];
	f->block = d->block;
	f->where = d->where;
	f->log_density = d->log_density;
	if (f->log_density && f->where)
		f->log_density = ex_mul(m->a, f->where, f->log_density);
	f->draw = d->draw;
	f->mean = d->mean;
	f->variance = d->variance;
	f->lowest = d->lowest;
	f->highest = d->highest;
	f->total = d->total;
	f->argument = d->argument.at;
	f->nargument = d->argument.n;
	f->span = d->span;
	return f;
}

/* What a log-density is multiplied by is data of the outside, else the density is none. */
static bool check_where(struct cx *cx, const struct model *m, const struct factor *f)
{
	for (int i = 0; i < m->group.n && f->where; i++) {
		const struct group *g = m->group.at[i];
		if (g->role == GROUP_GIVEN || !model_reads(m, f->where, g->sym))
			continue;
		diag(cx->diags, DIAG_WHERE, f->span, f->group->name, g->name);
		return false;
	}
	return true;
}

/* Is one end of what the posterior draws within that of the prior?  NULL: that of the domain; ends
 * that are no numbers may be. */
static bool within(const struct node *prior, const struct node *posterior, int sign)
{
	if (!prior || (posterior && ex_same(prior, posterior)))
		return true;
	if (!posterior)
		return false;
	return prior->kind != N_CONST || posterior->kind != N_CONST ||
	       sign * prior->num <= sign * posterior->num;
}

/* Does a variable have a density wherever its posterior draws it? */
static bool check_support(struct cx *cx, const struct model *m, const struct factor *q)
{
	const struct factor *p = model_factor(m, q->group);
	if (!p || !p->log_density || !q->dist ||
	    (!p->total == !q->total && (!p->total || ex_same(p->total, q->total)) &&
	     within(p->lowest, q->lowest, 1) && within(p->highest, q->highest, -1)))
		return true;
	diag(cx->diags, DIAG_SUPPORT, q->span, q->group->name, p->dist, q->dist);
	diag(cx->diags, DIAG_NOTE, p->span, "its distribution is here");
	return false;
}

static bool check_groups(struct cx *cx, const struct model *m)
{
	bool ok = true;
	for (int i = 0; i < m->posterior.n; i++) {
		const struct factor *f = m->posterior.at[i];
		if (f->group->role == GROUP_HIDDEN && factor_drawn(f))
			continue;
		diag(cx->diags, DIAG_POSTERIOR_GROUP, f->span, f->group->name);
		ok = false;
	}
	for (int i = 0; i < m->group.n; i++) {
		const struct group *g = m->group.at[i];
		bool in_energy = false;
		for (int t = 0; t < m->E.n; t++)
			in_energy |= ex_mentions(m->E.at[t].node, g->sym);
		bool walked = g->role == GROUP_HIDDEN && m->E.n == 0 && model_posterior(m, g);
		const struct factor *f = model_factor(m, g);
		if (g->role == GROUP_GIVEN && f) {
			diag(cx->diags, DIAG_GIVEN_LAW, f->span, g->name);
			ok = false;
		}
		if (g->role == GROUP_GIVEN || walked || in_energy != (f != NULL))
			continue;
		diag(cx->diags, in_energy ? DIAG_TWO_LAWS : DIAG_NO_LAW, g->span, g->name);
		ok = false;
	}
	return ok;
}

static struct model *prior(const struct model *m)
{
	struct model *p = NEW(m->a, struct model);
	*p = *m;
	p->group.at = NULL;
	p->group.n = p->group.cap = p->factor.n = p->posterior.n = 0;
	for (int i = 0; i < m->group.n; i++) {
		const struct group *g = m->group.at[i];
		struct group *own = arena_copy(m->a, g, sizeof *g);
		if (model_factor(m, g))
			continue;
		if (model_posterior(m, g))
			own->role = GROUP_VISIBLE;
		vec_push(m->a, &p->group, own);
	}
	return p;
}

static bool check_factor(struct cx *cx, const struct model *m, struct factor *f)
{
	return check_where(cx, m, f) && causal_factor(cx, m, f) && certain(cx, m, f);
}

void directed_build(struct cx *cx, struct model *m, const struct model_def *def)
{
	for (int i = 0; i < def->def.n; i++) {
		struct definition *d = NEW(m->a, struct definition);
		d->sym = def->def.at[i]->sym;
		d->rhs = def->def.at[i]->rhs;
		d->state = def->def.at[i]->state;
		d->average = def->def.at[i]->average ? def->def.at[i]->average->sym : NULL;
		d->span = def->def.at[i]->span;
		for (int k = 0; k < d->sym->rank; k++)
			d->at[k] = def->def.at[i]->at[k];
		vec_push(m->a, &m->def, d);
	}
	for (int i = 0; i < def->value.n; i++)
		vec_push(m->a, &m->net, ((struct net){def->value.at[i].name, def->value.at[i].sym}));
	for (int i = 0; i < def->term.n; i++)
		energy_push(m->a, &m->E, model_inline(m, def->term.at[i].node), def->term.at[i].span);
	for (int i = 0; i < def->factor.n; i++)
		vec_push(m->a, &m->factor, build(m, def->factor.at[i]));
	for (int i = 0; i < def->posterior.n; i++)
		vec_push(m->a, &m->posterior, build(m, def->posterior.at[i]));
	bool ok =
	    (!def->directed || check_groups(cx, m)) && causal_states(cx, m) && causal_energy(cx, m);
	for (int i = 0; ok && i < m->factor.n; i++)
		ok = check_factor(cx, m, m->factor.at[i]);
	for (int i = 0; ok && i < m->posterior.n; i++)
		ok = check_factor(cx, m, m->posterior.at[i]) && check_support(cx, m, m->posterior.at[i]);
	if (ok && causal_sort(cx, m, m->factor.at, m->factor.n))
		causal_sort(cx, m, m->posterior.at, m->posterior.n);
	m->walk = m->factor.n && m->E.n == 0 && !model_normalised(m);
	if (m->factor.n && m->E.n)
		m->prior = prior(m);
}
