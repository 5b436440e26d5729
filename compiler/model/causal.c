/* The order in which what a directed model draws comes one after the other.  A group whose elements
 * depend on one another is a product over them, x[d] given the x[i] with i before d: every access
 * to x in its own factor must be to an earlier element, in the order of the axes named on the left,
 * or of values that the model has for the elements. Groups that depend on one another alternate,
 * z[0], x[0], z[1], ...: each reads the others at earlier steps, or at its own those before it.
 * States read themselves, and energies read states, at earlier steps. */
#include "model/directed.h"

#include "model/facts.h"

static bool factor_reads(const struct model *m, const struct factor *f, const struct group *g)
{
	const struct node *part[] = {f->draw, f->mean, g == f->group ? NULL : f->log_density};
	for (int k = 0; k < 3; k++)
		if (part[k] && model_reads(m, part[k], g->sym))
			return true;
	return false;
}

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
		if (gap.n ||
		    (other && other != d && !ahead(m, model_inline(m, other->rhs), other, s, &further)))
			return false;
		*most = gap.c + further > *most ? gap.c + further : *most;
	}
	for (int k = 0; k < x->nkid; k++)
		if (!ahead(m, x->kid[k], d, s, most))
			return false;
	return true;
}

struct position { /* of an element at[0..rank) */
	const struct idx *const *at;
	int rank;
	const struct sym *order; /* elements come in the order of its values; NULL: of their indices */
};

/* The first access in x to s, or to a state made of it, that is to no element before this place. */
static const struct node *not_before(const struct model *m, const struct node *x,
                                     const struct sym *s, const struct position *p,
                                     struct facts *known)
{
	const struct definition *state = x->kind == N_ACCESS ? state_of(m, x->sym) : NULL;
	if (x->kind == N_ACCESS && x->sym == s &&
	    !(p->order ? before_by(known, m, p->order, x->map, p->at)
	               : before(known, x->map, p->at, p->rank)))
		return x;
	if (state && model_reads(m, state->rhs, s)) {
		int64_t most = INT64_MIN / 2;
		struct affine at = x->map[0];
		if (p->order || !ahead(m, model_inline(m, state->rhs), state, s, &most))
			return x;
		at = affine_add(m->a, at, affine_const(most), 1);
		if (!before(known, &at, p->at, 1))
			return x;
	}
	const int n = known->fact.n;
	const struct node *bad = NULL;
	for (int k = 0; k < x->nkid && !bad; k++) {
		facts_inside(known, x, k);
		bad = not_before(m, x->kid[k], s, p, known);
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

bool causal_states(struct cx *cx, const struct model *m)
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

bool causal_energy(struct cx *cx, const struct model *m)
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
	const struct position here = {f->at, f->group->sym->rank - f->block, order};
	for (int k = 0; k < f->nargument + 2 && !bad; k++) {
		struct facts none = {.a = m->a};
		struct node *part = k < f->nargument    ? f->argument[k]
		                    : k == f->nargument ? f->draw
		                                        : f->mean;
		if (!part || !model_reads(m, part, f->group->sym))
			continue;
		struct node *x = model_inline(m, part);
		bad = not_before(m, x, f->group->sym, &here, &none);
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

bool causal_factor(struct cx *cx, const struct model *m, struct factor *f)
{
	const struct node *bad = disorder(m, f, NULL);
	if (!bad || (f->order = order_by_value(m, f)) != NULL)
		return true;
	diag(cx->diags, DIAG_NOT_CAUSAL, f->span, f->group->name, ex_text(m->a, bad));
	diag(cx->diags, DIAG_NOT_CAUSAL_NOTE, f->group->span, f->group->name);
	return false;
}

/* Does f read the group of another one, through groups that it reads too? */
static bool depends(const struct model *m, struct factor *const *f, int n, int i, int on)
{
	bool *seen = NEW_ARRAY(m->a, bool, n);
	int *next = NEW_ARRAY(m->a, int, n), count = 1;
	next[0] = i;
	for (int k = 0; k < count; k++)
		for (int other = 0; other < n; other++)
			if (!seen[other] && factor_reads(m, f[next[k]], f[other]->group)) {
				seen[other] = true;
				if (other != i)
					next[count++] = other;
			}
	return seen[on];
}

int model_company(const struct model *m, const struct factor *f, const struct factor **out)
{
	bool posterior = model_posterior(m, f->group) == f;
	struct factor **all = posterior ? m->posterior.at : m->factor.at;
	int n = posterior ? m->posterior.n : m->factor.n, own = 0, count = 0;
	while (all[own] != f)
		own++;
	for (int i = 0; i < n; i++)
		if (i == own || (depends(m, all, n, own, i) && depends(m, all, n, i, own)))
			out[count++] = all[i];
	return count;
}

/* Does f read the group at earlier steps than its own only? */
static bool reads_earlier(const struct model *m, const struct factor *f, const struct group *g)
{
	const struct node *part[] = {f->draw, f->mean, f->log_density};
	const struct position here = {f->at, 1, NULL};
	if (!g->sym->rank || !f->group->sym->rank || g->sym->dim[0] != f->group->sym->dim[0])
		return false;
	for (int k = 0; k < 3; k++) {
		struct facts none = {.a = m->a};
		if (part[k] && not_before(m, model_inline(m, (struct node *)part[k]), g->sym, &here, &none))
			return false;
	}
	return true;
}

/* Must factor k come behind another one: is it made of its group, if only at earlier steps then not
 * the other way? */
static bool behind(const struct model *m, struct factor *const *f, int n, int k, int other)
{
	if (!depends(m, f, n, k, other))
		return false;
	if (!depends(m, f, n, other, k))
		return true;
	return factor_reads(m, f[k], f[other]->group) && !reads_earlier(m, f[k], f[other]->group);
}

/* Puts the factors in an order in which each reads only groups of those before it, at its own step
 * at least. */
bool causal_sort(struct cx *cx, const struct model *m, struct factor **f, int n)
{
	for (int i = 0; i < n; i++) {
		int k = i, other = i;
		for (; k < n; k++) {
			for (other = i; other < n; other++)
				if (other != k && behind(m, f, n, k, other))
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
