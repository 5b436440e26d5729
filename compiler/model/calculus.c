/* Conditionals, marginals, blocks and gradients of an energy given as a sum of terms.
 *
 * The field (and precision) of an element is found term by term, by the domain's shape (see
 * model.h). When it is free of the group, the group's blocks are independent given the rest, and E
 * = E(x = base) + sum over blocks of what each contributes, so that summing x out leaves E(x =
 * base) - sum over blocks of the log-partition. */
#include "model/family.h"
#include "model/model.h"

/* ---- the field of one element ---- */
struct element {
	const struct model *m;
	const struct group *g;
	struct affine k[MAX_RANK];
};

static struct node *at_element(const struct element *e, const struct idx *batch)
{
	return ex_access(e->m->a, e->g->sym, batch, e->k);
}

struct block_value { /* the element's own one-hot block at 0, or at the element */
	struct element *e;
	bool set;
};

static struct node *set_block(struct arena *a, const struct node *access, void *arg)
{
	const struct block_value *v = arg;
	const struct element *e = v->e;
	int n = access->sym->rank - 1;
	struct guard own[MAX_RANK];
	struct affine map[MAX_RANK];
	struct node *x = ex_access(a, access->sym, access->batch, access->map);
	for (int i = 0; i <= n; i++) {
		own[i] = (struct guard){true, affine_add(a, access->map[i], e->k[i], -1)};
		map[i] = i < n ? e->k[i] : access->map[n];
	}
	x = ex_sub(a, x, ex_mask(a, own, n, ex_access(a, access->sym, access->batch, map)));
	return v->set ? ex_add(a, x, ex_mask(a, own, n + 1, ex_num(a, 1))) : x;
}

/* E with the block at 0, minus E with it at the element. */
static struct node *onehot_field(struct element *e, struct node *t)
{
	struct arena *a = e->m->a;
	if (ex_degree(t, e->g->sym) == 1)
		return ex_neg(a, ex_delta(a, t, e->g->sym, e->k, ex_num(a, 1), ex_num(a, 0)));
	struct block_value hi = {e, true}, lo = {e, false};
	struct node *at_hi =
	    ex_subst(a, t, &(struct subst){.from = e->g->sym, .fn = set_block, .arg = &hi});
	struct node *at_lo =
	    ex_subst(a, t, &(struct subst){.from = e->g->sym, .fn = set_block, .arg = &lo});
	return ex_sub(a, at_lo, at_hi);
}

/* What one term adds to the field, and to the precision. */
static struct node *term_field(struct element *e, struct node *t, struct node **precision)
{
	struct arena *a = e->m->a;
	const struct family *fam = e->g->family;
	const struct sym *s = e->g->sym;
	*precision = ex_num(a, 0);
	switch (fam->shape) {
	case SHAPE_TWO:
		return ex_neg(a, ex_delta(a, t, s, e->k, ex_num(a, fam->hi), ex_num(a, fam->lo)));
	case SHAPE_ONEHOT:
		return onehot_field(e, t);
	case SHAPE_EXPONENTIAL:
		return ex_neg(a, ex_diff(a, t, s, e->k));
	case SHAPE_GAUSS:
		break;
	}
	struct node *slope = ex_diff(a, t, s, e->k);
	*precision = ex_diff(a, slope, s, e->k);
	struct node *own = ex_mul(a, *precision, at_element(e, e->m->batch));
	struct node *rest = ex_sub(a, slope, own);
	return ex_neg(a, ex_mentions(rest, s) && ex_degree(slope, s) == 1
	                     ? ex_set_one(a, slope, s, e->k, ex_num(a, 0))
	                     : rest);
}

static struct element element_of(const struct model *m, const struct group *g,
                                 const struct idx *const *at)
{
	struct element e = {.m = m, .g = g};
	for (int i = 0; i < g->sym->rank; i++)
		e.k[i] = affine_idx(m->a, at[i]);
	return e;
}

/* The conditional of g, given the other elements of g too where it mentions them. */
static void derive(const struct model *m, const energy *E, const struct group *g,
                   struct conditional *out)
{
	struct arena *a = m->a;
	struct node *p;
	*out = (struct conditional){.group = g};
	model_axes(m, g->sym, out->at);
	struct element e = element_of(m, g, out->at);
	out->field = ex_num(a, 0);
	out->precision = ex_num(a, 0);
	out->term = NEW_ARRAY(a, struct span, E->n + 1);
	for (int i = 0; i < E->n; i++) {
		if (!ex_mentions(E->at[i].node, g->sym))
			continue;
		out->field = ex_add(a, out->field, term_field(&e, E->at[i].node, &p));
		out->precision = ex_add(a, out->precision, p);
		out->term[out->nterm++] = E->at[i].span;
	}
	out->coupled = ex_mentions(out->field, g->sym) || ex_mentions(out->precision, g->sym);
	if (g->family->shape != SHAPE_GAUSS)
		out->precision = NULL;
	out->mean = g->family->mean(a, out);
}

/* The term whose field mentions the group. */
static int coupling_term(const struct model *m, const energy *E, const struct conditional *c)
{
	struct element e = element_of(m, c->group, c->at);
	struct node *p;
	for (int i = 0; i < E->n; i++)
		if (ex_mentions(E->at[i].node, c->group->sym) &&
		    (ex_mentions(term_field(&e, E->at[i].node, &p), c->group->sym) ||
		     ex_mentions(p, c->group->sym)))
			return i;
	BUG("the field of %s mentions it, but that of no term does", c->group->name);
}

static bool precise(struct cx *cx, const struct conditional *c)
{
	if (c->precision == NULL)
		return true;
	if (c->precision->kind == N_CONST && c->precision->num <= 0) {
		diag(cx->diags, DIAG_PRECISION, c->nterm ? c->term[0] : c->group->span, c->group->name,
		     c->precision->num);
		diag(cx->diags, DIAG_PRECISION_NOTE, c->group->span, c->group->name);
		return false;
	}
	return true;
}

bool model_element(struct cx *cx, const struct model *m, const energy *E, const struct group *g,
                   struct conditional *out)
{
	derive(m, E, g, out);
	return precise(cx, out);
}

bool model_conditional(struct cx *cx, const struct model *m, const energy *E, const struct group *g,
                       struct conditional *out)
{
	if (!model_element(cx, m, E, g, out))
		return false;
	if (!out->coupled)
		return true;
	const struct term *t = &E->at[coupling_term(m, E, out)];
	int degree = ex_degree(t->node, g->sym);
	if (g->family->shape == SHAPE_GAUSS && (degree < 0 || degree > 2)) {
		diag(cx->diags, DIAG_QUADRATIC, t->span, g->name);
		return false;
	}
	diag(cx->diags, DIAG_COUPLED, t->span, g->name);
	diag(cx->diags, DIAG_COUPLED_NOTE, g->span, g->name, g->name);
	return false;
}

/* ---- summing out ---- */
/* Number of axes that count blocks: a one-hot block is the last axis. */
static int block_rank(const struct group *g)
{
	return g->sym->rank - (g->family->shape == SHAPE_ONEHOT ? 1 : 0);
}

static bool marginal(const struct model *m, const energy *E, const struct group *g, energy *out)
{
	struct arena *a = m->a;
	struct conditional c;
	*out = (energy){0};
	derive(m, E, g, &c);
	if (c.coupled || (c.precision && c.precision->kind == N_CONST && c.precision->num <= 0))
		return false;
	bool affine = true;
	for (int i = 0; i < E->n; i++) {
		int d = ex_degree(E->at[i].node, g->sym);
		affine = affine && (d == 0 || d == 1);
	}
	double base = affine || g->family->shape != SHAPE_TWO ? 0 : g->family->lo;
	for (int i = 0; i < E->n; i++)
		energy_push(a, out, ex_set_all(a, E->at[i].node, g->sym, base), E->at[i].span);
	struct node *p = g->family->log_partition(a, &c, base);
	struct node *sum = ex_reduce(a, RED_SUM, c.at, block_rank(g), NULL, 0, p);
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
	derive(m, &m->E, g, &c);
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

/* E is multi-affine in a group's units when the second difference in one unit vanishes, that is,
 * when its field is free of the unit itself; the field may mention others of the group at most
 * linearly. */
bool model_factorises(struct cx *cx, const struct model *m, const energy *E)
{
	for (int i = 0; i < m->group.n; i++) {
		const struct group *g = m->group.at[i];
		if (g->role != GROUP_HIDDEN)
			continue;
		for (int t = 0; t < E->n; t++) {
			int d = ex_degree(E->at[t].node, g->sym);
			if (d == 0 || d == 1 || (d == 2 && g->family->shape == SHAPE_TWO))
				continue;
			diag(cx->diags, DIAG_FACTORISE, E->at[t].span, g->name);
			diag(cx->diags, DIAG_FACTORISE_NOTE, g->span, g->name);
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
		if (m->group.at[i]->role != GROUP_GIVEN &&
		    !model_element(cx, m, &m->E, m->group.at[i], &c[i]))
			return false;
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

bool model_coupling(const struct model *m, const struct weight *w)
{
	const struct idx *at[MAX_RANK];
	fresh_axes(m->a, w->sym, at);
	return joins_units(diff_terms(m, &m->E, w, at));
}
