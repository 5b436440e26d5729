/* Marginals, Gibbs blocks and gradients of an energy given as a sum of terms.
 *
 * When the field (and precision) of an element is free of its group, the group's blocks are
 * independent given the rest, and E = E(x = base) + sum over blocks of what each contributes, so
 * that summing x out leaves E(x = base) - sum over blocks of the log-partition. */
#include "model/family.h"
#include "model/model.h"

/* ---- summing out ---- */
static bool marginal(const struct model *m, const energy *E, const struct group *g, energy *out)
{
	struct arena *a = m->a;
	struct conditional c;
	const char *what;
	struct worst w;
	*out = (energy){0};
	model_field(m, E, g, &c);
	if (c.coupled || !conditional_proper(m, &c, &what, &w) || !model_closed(m, E, g, NULL))
		return false;
	bool affine = true;
	for (int i = 0; i < E->n; i++) {
		int d = ex_degree(E->at[i].node, g->sym);
		affine = affine && (d == 0 || d == 1);
	}
	double base = affine || g->family->shape != SHAPE_TWO ? 0 : g->family->lo;
	for (int i = 0; i < E->n; i++) {
		struct node *t = E->at[i].node;
		if (g->log)
			t = ex_set_all(a, ex_apart(a, t, OP_LOG, g->sym, g->log), g->log, 0);
		energy_push(a, out, model_at_base(m, g, t, base), E->at[i].span);
	}
	struct node *p = g->family->log_partition(a, &c, base);
	struct node *sum = ex_reduce(a, RED_SUM, c.b.block, c.b.n, NULL, 0, p);
	energy_push(a, out, ex_neg(a, sum), c.nterm ? c.term[0] : g->span);
	return true;
}

bool model_sum_out_group(const struct model *m, const energy *E, const struct group *g, energy *out)
{
	energy next;
	if (!marginal(m, E, g, &next))
		return false;
	*out = next;
	return true;
}

/* The term that joins g to another of the groups `which`, NULL: none. */
static const struct term *joins_another(const struct model *m, const struct group *g,
                                        const bool *which, const struct group **other)
{
	for (int i = 0; i < m->E.n; i++)
		for (int k = 0; k < m->group.n; k++) {
			*other = m->group.at[k];
			if (*other != g && which[k] && ex_mentions(m->E.at[i].node, g->sym) &&
			    ex_mentions(m->E.at[i].node, (*other)->sym))
				return &m->E.at[i];
		}
	return NULL;
}

bool model_joined(const struct model *m, const struct group *g, const bool *which)
{
	struct conditional c;
	model_field(m, &m->E, g, &c);
	for (int i = 0; i < m->group.n; i++) {
		const struct group *x = m->group.at[i];
		if (x != g && which[i] &&
		    (ex_mentions(c.field, x->sym) || (c.precision && ex_mentions(c.precision, x->sym))))
			return true;
	}
	return false;
}

static bool eliminate(const struct model *m, const energy *E, const bool *which,
                      struct elimination *out, bool *done)
{
	bool all = true;
	for (int i = 0; i < m->group.n; i++) {
		energy next;
		if (!which[i] || done[i])
			continue;
		all = false;
		if (!model_sum_out_group(m, E, m->group.at[i], &next))
			continue;
		out->group[out->n] = m->group.at[i];
		out->before[out->n++] = *E;
		done[i] = true;
		if (eliminate(m, &next, which, out, done))
			return true;
		done[i] = false;
		out->n--;
	}
	if (all)
		out->rest = *E;
	return all;
}

bool model_eliminate(const struct model *m, const energy *E, const bool *which,
                     struct elimination *out)
{
	int n = m->group.n;
	*out = (struct elimination){.group = NEW_ARRAY(m->a, const struct group *, n + 1),
	                            .before = NEW_ARRAY(m->a, energy, n + 1)};
	return eliminate(m, E, which, out, NEW_ARRAY(m->a, bool, n + 1));
}

const bool *model_role(const struct model *m, enum group_role role)
{
	bool *which = NEW_ARRAY(m->a, bool, m->group.n + 1);
	for (int i = 0; i < m->group.n; i++)
		which[i] = m->group.at[i]->role == role;
	return which;
}

bool model_sum_out(struct cx *cx, const struct model *m, const energy *E, const bool *which,
                   energy *out)
{
	struct elimination el;
	if (model_eliminate(m, E, which, &el)) {
		*out = el.rest;
		return true;
	}
	for (int i = 0; cx && i < m->group.n; i++) {
		const struct group *g = m->group.at[i], *other;
		struct conditional c;
		if (!which[i])
			continue;
		if (!model_element(cx, m, E, g, &c))
			return false;
		if (c.coupled)
			return model_conditional(cx, m, E, g, &c);
		const struct term *t = joins_another(m, g, which, &other);
		if (t == NULL)
			continue;
		diag(cx->diags, DIAG_NO_FREE_ENERGY, t->span, g->name, other->name);
		diag(cx->diags, DIAG_NO_FREE_ENERGY_NOTE, g->span, g->name);
		return false;
	}
	if (cx)
		BUG("nothing stands in the way of summing out the groups of %s", m->name);
	return false;
}

bool model_free_energy(struct cx *cx, const struct model *m, const energy *E, energy *out)
{
	return model_sum_out(cx, m, E, model_role(m, GROUP_HIDDEN), out);
}

struct node *model_independent(const struct model *m, const struct group *g,
                               const struct idx *const *at, struct node *f, struct node *p)
{
	struct arena *a = m->a;
	struct node *x = ex_at(a, g->sym, m->batch, at), *e = ex_neg(a, ex_mul(a, f, x));
	if (p)
		e = ex_add(a, e, ex_scale(a, 0.5, ex_mul(a, p, ex_op2(a, OP_POW, x, ex_num(a, 2)))));
	return ex_reduce(a, RED_SUM, at, g->sym->rank, NULL, 0, e);
}

/* The mean of E over independent units is E at their means where E is affine in each unit: of
 * degree one in the group, or of products of different blocks, or of degree two in units of two
 * values, whose squares are affine in them. */
bool model_factorises(struct cx *cx, const struct model *m, const energy *E, const bool *which)
{
	for (int i = 0; i < m->group.n; i++) {
		const struct group *g = m->group.at[i];
		if (!which[i])
			continue;
		for (int t = 0; t < E->n; t++) {
			int d = ex_degree(E->at[t].node, g->sym);
			if (d == 0 || d == 1 || (d == 2 && g->family->shape == SHAPE_TWO) ||
			    model_apart(m->a, g, E->at[t].node))
				continue;
			if (cx) {
				diag(cx->diags, DIAG_FACTORISE, E->at[t].span, g->name);
				diag(cx->diags, DIAG_FACTORISE_NOTE, g->span, g->name);
			}
			return false;
		}
	}
	return true;
}

/* ---- blocks ---- */
bool model_blocks(struct cx *cx, const struct model *m, block_vec *out)
{
	struct arena *a = m->a;
	int n = m->group.n;
	struct conditional *c = NEW_ARRAY(a, struct conditional, n);
	for (int i = 0; i < n; i++)
		if (m->group.at[i]->role != GROUP_GIVEN) {
			model_field(m, &m->E, m->group.at[i], &c[i]);
			if (model_closed(m, &m->E, m->group.at[i], NULL) &&
			    !model_element(cx, m, &m->E, m->group.at[i], &c[i]))
				return false;
		}
	for (int visible = 0; visible < 2; visible++) {
		int first = out->n;
		for (int i = 0; i < n; i++) {
			const struct group *g = m->group.at[i];
			if (g->role == GROUP_GIVEN || (g->role == GROUP_VISIBLE) != (visible == 1))
				continue;
			int b = first;
			for (; b < out->n; b++) { /* the first block in which nothing holds g back */
				bool fits = true;
				for (int k = 0; k < out->at[b].group.n; k++) {
					const struct sym *s = out->at[b].group.at[k]->sym;
					fits = fits && !ex_mentions(c[i].field, s) &&
					       !(c[i].precision && ex_mentions(c[i].precision, s));
				}
				if (fits)
					break;
			}
			if (b == out->n)
				vec_push(a, out, (struct block){0});
			vec_push(a, &out->at[b].group, g);
		}
	}
	return true;
}

/* ---- gradients ---- */
static struct node *diff_terms(const struct model *m, const energy *E, const struct weight *w,
                               const struct idx *const *at)
{
	struct affine k[MAX_RANK];
	for (int i = 0; i < w->sym->rank; i++)
		k[i] = affine_idx(m->a, at[i]);
	struct node *sum = ex_num(m->a, 0);
	for (int i = 0; i < E->n; i++) {
		struct node *d = ex_diff(m->a, E->at[i].node, w->sym, k);
		sum = ex_add(m->a, sum, d->span.src ? d : ex_with_span(m->a, d, E->at[i].span));
	}
	return sum;
}

/* Means may stand for the states of the groups summed out where no product of two units that depend
 * on one another occurs: affine in each group, and none of them joined to another by a term. */
static bool means_suffice(const struct model *m, const struct node *g, const bool *which)
{
	for (int i = 0; i < m->group.n; i++) {
		const struct group *x = m->group.at[i];
		int d = ex_degree(g, x->sym);
		if (which[i] && d != 0 && (d != 1 || model_joined(m, x, which)))
			return false;
	}
	return true;
}

struct node *model_gradient(const struct model *m, const energy *E, const energy *F,
                            const bool *which, const struct weight *w, const struct idx *const *at,
                            bool *at_means)
{
	struct node *g = diff_terms(m, E, w, at);
	*at_means = F == NULL || means_suffice(m, g, which);
	return *at_means ? g : diff_terms(m, F, w, at);
}

/* The accesses to units in x, each symbol and map once, at most two of them. */
static int unit_accesses(const struct node *x, const struct node **seen, int n)
{
	if (x->kind == N_ACCESS && x->batch) {
		for (int i = 0; i < n; i++) {
			bool same = seen[i]->sym == x->sym;
			for (int k = 0; same && k < x->sym->rank; k++)
				same = affine_same(seen[i]->map[k], x->map[k]);
			if (same)
				return n;
		}
		seen[n++] = x;
	}
	for (int i = 0; i < x->nkid && n < 2; i++)
		n = unit_accesses(x->kid[i], seen, n);
	return n;
}

static bool joins_units(const struct node *x)
{
	const struct node *seen[2];
	if (x->kind == N_OP && x->op == OP_ADD) {
		for (int i = 0; i < x->nkid; i++)
			if (joins_units(x->kid[i]))
				return true;
		return false;
	}
	return unit_accesses(x, seen, 0) == 2;
}

static bool mentions_units(const struct node *x, const struct idx *i)
{
	if (x->kind == N_ACCESS)
		return x->batch && ex_uses_idx(x, i);
	for (int k = 0; k < x->nkid; k++)
		if (mentions_units(x->kid[k], i))
			return true;
	return false;
}

/* Does x change with w, other than by steps? */
static bool follows(const struct node *x, const struct sym *w)
{
	if (x->kind == N_ACCESS)
		return x->sym == w;
	if (x->kind == N_OP && (x->op == OP_LT || x->op == OP_FLOOR || x->op == OP_CEIL))
		return false;
	for (int k = 0; k < x->nkid; k++)
		if (follows(x->kid[k], w))
			return true;
	return false;
}

/* Is there a sum over products of w with what depends on the example, over an index of both? */
static bool contracted(const struct node *x, const struct sym *w)
{
	const struct node *body = x->kind == N_REDUCE ? x->kid[0] : NULL;
	if (body && x->red == RED_SUM && body->kind == N_OP && body->op == OP_MUL)
		for (int i = 0; i < x->nbound; i++) {
			bool with = false, units = false;
			for (int k = 0; k < body->nkid; k++) {
				const struct node *f = body->kid[k];
				with |= follows(f, w) && ex_uses_idx(f, x->bound[i]);
				units |= !ex_mentions(f, w) && mentions_units(f, x->bound[i]);
			}
			if (with && units)
				return true;
		}
	for (int k = 0; k < x->nkid; k++)
		if (contracted(x->kid[k], w))
			return true;
	return false;
}

bool model_coupling(const struct model *m, const struct weight *w)
{
	const struct idx *at[MAX_RANK];
	fresh_axes(m->a, w->sym, at);
	for (int i = 0; i < m->def.n; i++)
		if (contracted(m->def.at[i]->rhs, w->sym))
			return true;
	return joins_units(diff_terms(m, &m->E, w, at));
}
