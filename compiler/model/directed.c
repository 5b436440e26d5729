/* Directed factors: p(x) is the product over the groups of p(group | groups before it).  A group
 * whose elements depend on one another is a product too, x[d] given the x[i] with i before d: every
 * access to x in its own factor must be to an earlier element, in the order of the axes named on
 * the left, or of values that the model has for the elements. */
#include "model/directed.h"

#include "model/facts.h"

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

static bool factor_reads(const struct model *m, const struct factor *f, const struct group *g)
{
	const struct node *part[] = {f->draw, f->mean, g == f->group ? NULL : f->log_density};
	for (int k = 0; k < 3; k++)
		if (part[k] && model_reads(m, part[k], g->sym))
			return true;
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

/* ---- order ---- */
/* Is the element at `map` before the one at `at`, axis by axis? */
static bool before(struct facts *f, const struct affine *map, const struct idx *const *at, int rank)
{
	for (int k = 0; k < rank; k++) {
		struct affine gap = affine_add(f->a, affine_idx(f->a, at[k]), map[k], -1);
		if (facts_imply(f, affine_add(f->a, gap, affine_const(-1), 1)))
			return true;
		if (gap.n || gap.c)
			return false;
	}
	return false;
}

/* The same in the order of the values of a symbol. */
static bool before_by(struct facts *f, const struct model *m, const struct sym *order,
                      const struct affine *map, const struct idx *const *at)
{
	const struct idx *batch = order->batched ? m->batch : NULL;
	return facts_less(f, ex_access(f->a, order, batch, map), ex_at(f->a, order, batch, at));
}

static const struct definition *state_of(const struct model *m, const struct sym *s)
{
	for (int i = 0; i < m->def.n; i++)
		if (m->def.at[i]->state && m->def.at[i]->sym == s)
			return m->def.at[i];
	return NULL;
}

/* How many steps behind step t of a state the symbol is read in its value at step t: at most
 * `most`, where there is such a bound. */
static bool ahead(const struct model *m, const struct node *x, const struct definition *d,
                  const struct sym *s, int64_t *most)
{
	const struct definition *other = x->kind == N_ACCESS ? state_of(m, x->sym) : NULL;
	if (x->kind == N_ACCESS && (x->sym == s || (other && other != d))) {
		struct affine gap = affine_add(m->a, x->map[0], affine_idx(m->a, d->at[0]), -1);
		int64_t further = 0;
		if (gap.n || (other && other != d && !ahead(m, other->rhs, other, s, &further)))
			return false;
		*most = gap.c + further > *most ? gap.c + further : *most;
	}
	for (int k = 0; k < x->nkid; k++)
		if (!ahead(m, x->kid[k], d, s, most))
			return false;
	return true;
}

/* The first access in x to the group, or to a state made of it, that is to no earlier element: in
 * the order of the indices, or of the values of a symbol. */
static const struct node *not_before(const struct model *m, const struct node *x,
                                     const struct factor *f, const struct sym *order,
                                     struct facts *known)
{
	const struct definition *state = x->kind == N_ACCESS ? state_of(m, x->sym) : NULL;
	if (x->kind == N_ACCESS && x->sym == f->group->sym &&
	    !(order ? before_by(known, m, order, x->map, f->at)
	            : before(known, x->map, f->at, f->group->sym->rank - f->block)))
		return x;
	if (state && model_reads(m, state->rhs, f->group->sym)) {
		int64_t most = INT64_MIN / 2;
		struct affine at = x->map[0];
		if (order || !ahead(m, model_inline(m, state->rhs), state, f->group->sym, &most))
			return x;
		at = affine_add(m->a, at, affine_const(most), 1);
		if (!before(known, &at, f->at, 1))
			return x;
	}
	const int n = known->fact.n;
	const struct node *bad = NULL;
	for (int k = 0; k < x->nkid && !bad; k++) {
		facts_inside(known, x, k);
		bad = not_before(m, x->kid[k], f, order, known);
		known->fact.n = n;
	}
	return bad;
}

/* The first access in a state's value to the state itself that is to no earlier step. */
static const struct node *not_earlier(const struct model *m, const struct node *x,
                                      const struct definition *d, struct facts *known)
{
	if (x->kind == N_ACCESS && x->sym == d->sym && !before(known, x->map, d->at, 1))
		return x;
	const int n = known->fact.n;
	const struct node *bad = NULL;
	for (int k = 0; k < x->nkid && !bad; k++) {
		facts_inside(known, x, k);
		bad = not_earlier(m, x->kid[k], d, known);
		known->fact.n = n;
	}
	return bad;
}

/* The first mean over the batch in x that the group goes into. */
static const struct node *batch_mean(const struct model *m, const struct node *x,
                                     const struct group *g)
{
	for (int i = 0; i < m->def.n; i++) {
		const struct definition *d = m->def.at[i];
		if (d->average && ex_mentions(x, d->average) && model_reads(m, d->rhs, g->sym))
			return d->rhs;
	}
	return NULL;
}

static bool states_in_order(struct cx *cx, const struct model *m)
{
	for (int i = 0; i < m->def.n; i++) {
		const struct definition *d = m->def.at[i];
		struct facts none = {.a = m->a};
		const struct node *bad =
		    d->state ? not_earlier(m, model_inline(m, d->rhs), d, &none) : NULL;
		if (!bad)
			continue;
		diag(cx->diags, DIAG_STATE_ORDER, d->span, d->sym->name, ex_text(m->a, bad));
		return false;
	}
	return true;
}

/* ---- energies that read states ----
 * With u[t] made of v at steps up to t, E = sum over t of E_t(v[t], h[t]; u[t-1], ...) means p(v,
 * h) = the product over t of exp(-E_t)/Z_t, each step given those before it (Boulanger-Lewandowski
 * et al. 2012).  So a term is of one step, the same for all its variables, and its states are of
 * earlier ones. */
bool model_reads_states(const struct model *m)
{
	for (int i = 0; i < m->def.n; i++)
		for (int t = 0; t < m->E.n && m->def.at[i]->state; t++)
			if (ex_mentions(m->E.at[t].node, m->def.at[i]->sym))
				return true;
	return false;
}

bool directed_one_step(const struct model *m, const struct node *x, const struct affine **t)
{
	for (int i = 0; i < m->group.n && x->kind == N_ACCESS; i++) {
		const struct group *g = m->group.at[i];
		if (x->sym != g->sym || g->role == GROUP_GIVEN)
			continue;
		if (!g->sym->rank || (x->map[0].n && !affine_single(x->map[0])) ||
		    (*t && !affine_same(**t, x->map[0])))
			return false;
		*t = &x->map[0];
	}
	for (int k = 0; k < x->nkid; k++)
		if (!directed_one_step(m, x->kid[k], t))
			return false;
	return true;
}

/* Is every state in x made of variables before step t only? */
static bool earlier(const struct model *m, const struct node *x, struct affine t,
                    struct facts *known)
{
	const struct definition *d = x->kind == N_ACCESS ? state_of(m, x->sym) : NULL;
	for (int i = 0; i < m->group.n && d; i++) {
		int64_t most = INT64_MIN / 2;
		if (m->group.at[i]->role == GROUP_GIVEN || !model_reads(m, d->rhs, m->group.at[i]->sym))
			continue;
		if (!ahead(m, model_inline(m, d->rhs), d, m->group.at[i]->sym, &most))
			return false;
		struct affine gap = affine_add(m->a, t, x->map[0], -1);
		if (!facts_imply(known, affine_add(m->a, gap, affine_const(-1 - most), 1)))
			return false;
	}
	const int n = known->fact.n;
	bool all = true;
	for (int k = 0; k < x->nkid && all; k++) {
		facts_inside(known, x, k);
		all = earlier(m, x->kid[k], t, known);
		known->fact.n = n;
	}
	return all;
}

static bool step_term(struct cx *cx, const struct model *m, const struct node *x, struct span at)
{
	const struct affine *t = NULL;
	struct facts none = {.a = m->a};
	if (directed_one_step(m, x, &t) && (!t || earlier(m, x, *t, &none)))
		return true;
	diag(cx->diags, DIAG_ENERGY_STEP, at, ex_text(m->a, x));
	diag(cx->diags, DIAG_ENERGY_STEP_NOTE, at);
	return false;
}

static bool energy_by_steps(struct cx *cx, const struct model *m)
{
	bool reads = false;
	for (int i = 0; i < m->group.n && model_reads_states(m); i++)
		for (int k = 0; k < m->def.n; k++) {
			const struct definition *d = m->def.at[k];
			if (!d->state || m->group.at[i]->role == GROUP_GIVEN ||
			    !model_reads(m, d->rhs, m->group.at[i]->sym))
				continue;
			if (m->group.at[i]->role == GROUP_HIDDEN) {
				diag(cx->diags, DIAG_STATE_HIDDEN, d->span, d->sym->name, m->group.at[i]->name);
				return false;
			}
			reads = true;
		}
	for (int i = 0; i < m->E.n && reads; i++) {
		struct node **term;
		int n = ex_terms(m->E.at[i].node, &term);
		for (int k = 0; k < n; k++)
			if (!step_term(cx, m, term[k], m->E.at[i].span))
				return false;
	}
	return true;
}

/* The first access in what the element's distribution is made of, or its draw, to the group that is
 * to no earlier element in this order. */
static const struct node *disorder(const struct model *m, const struct factor *f,
                                   const struct sym *order)
{
	const struct node *bad = NULL;
	for (int k = 0; k < f->nargument + 2 && !bad; k++) {
		struct facts none = {.a = m->a};
		struct node *part = k < f->nargument    ? f->argument[k]
		                    : k == f->nargument ? f->draw
		                                        : f->mean;
		if (!part || !model_reads(m, part, f->group->sym))
			continue;
		struct node *x = model_inline(m, part);
		bad = not_before(m, x, f, order, &none);
		bad = bad ? bad : batch_mean(m, x, f->group);
	}
	return bad;
}

static bool orders(const struct sym *s, const struct factor *f)
{
	const struct sym *x = f->group->sym;
	bool same = s->rank == x->rank - f->block;
	for (int k = 0; k < s->rank && same; k++)
		same = s->dim[k] == x->dim[k];
	return same;
}

/* A symbol with a value for each element, in the order of which all is well; NULL: none. */
static const struct sym *order_by_value(const struct model *m, const struct factor *f)
{
	VEC(const struct sym *) all = {0};
	for (int i = 0; i < m->weight.n; i++)
		vec_push(m->a, &all, m->weight.at[i]->sym);
	for (int i = 0; i < m->group.n; i++)
		if (m->group.at[i]->role != GROUP_VISIBLE)
			vec_push(m->a, &all, m->group.at[i]->sym);
	for (int i = 0; i < all.n; i++)
		if (orders(all.at[i], f) && !disorder(m, f, all.at[i]))
			return all.at[i];
	return NULL;
}

static bool causal(struct cx *cx, const struct model *m, struct factor *f)
{
	const struct node *bad = disorder(m, f, NULL);
	if (!bad || (f->order = order_by_value(m, f)) != NULL)
		return true;
	diag(cx->diags, DIAG_NOT_CAUSAL, f->span, f->group->name, ex_text(m->a, bad));
	diag(cx->diags, DIAG_NOT_CAUSAL_NOTE, f->group->span, f->group->name);
	return false;
}

/* Puts the factors in an order in which each reads only groups of those before it. */
static bool sort_factors(struct cx *cx, const struct model *m, struct factor **f, int n)
{
	for (int i = 0; i < n; i++) {
		int k = i, other = i;
		for (; k < n; k++) {
			for (other = i; other < n; other++)
				if (other != k && factor_reads(m, f[k], f[other]->group))
					break;
			if (other == n)
				break;
		}
		if (k == n) {
			diag(cx->diags, DIAG_CYCLE, f[i]->span, f[i]->group->name);
			return false;
		}
		struct factor *next = f[k];
		for (; k > i; k--)
			f[k] = f[k - 1];
		f[i] = next;
	}
	return true;
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
	return check_where(cx, m, f) && causal(cx, m, f) && certain(cx, m, f);
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
	    (!def->directed || check_groups(cx, m)) && states_in_order(cx, m) && energy_by_steps(cx, m);
	for (int i = 0; ok && i < m->factor.n; i++)
		ok = check_factor(cx, m, m->factor.at[i]);
	for (int i = 0; ok && i < m->posterior.n; i++)
		ok = check_factor(cx, m, m->posterior.at[i]) && check_support(cx, m, m->posterior.at[i]);
	if (ok && sort_factors(cx, m, m->factor.at, m->factor.n))
		sort_factors(cx, m, m->posterior.at, m->posterior.n);
	m->walk = m->factor.n && m->E.n == 0 && !model_normalised(m);
	if (m->factor.n && m->E.n)
		m->prior = prior(m);
}
