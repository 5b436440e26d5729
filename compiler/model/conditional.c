/* The conditional of one element of a group, read off the energy term by term by the domain's shape
 * (see model.h).
 *
 * Units of which at most one is 1, or whose counts have a total, form blocks of b units along an
 * axis: element k = b*block + in. The field is derived over (block, in), where "the rest of its
 * block" is b*block <= m <= b*block + b - 1, and brought back to k with in := k - b*block; what
 * then still speaks of the block is sum(block | 0 <= k - b*block < b), a sum of one term. */
#include "model/family.h"
#include "model/model.h"

/* ---- places ---- */
struct blocks model_places(struct arena *a, const struct group *g, const struct idx *const *at)
{
	struct blocks b = {0};
	for (int i = 0; i < g->sym->rank; i++) {
		int64_t size = g->block[i], n = g->sym->dim[i] / size;
		b.k[i] = affine_const(0);
		if (size == 1 || n > 1) {
			b.block[b.n] = size == 1 ? at[i] : idx_new(a, at[i]->name, n);
			b.k[i] = affine_add(a, b.k[i], affine_idx(a, b.block[b.n++]), size);
		}
		if (size > 1) {
			b.in[b.m] = idx_new(a, at[i]->name, size);
			b.k[i] = affine_add(a, b.k[i], affine_idx(a, b.in[b.m++]), 1);
		}
	}
	return b;
}

double block_units(const struct group *g)
{
	double n = 1;
	for (int i = 0; i < g->sym->rank; i++)
		n *= (double)g->block[i];
	return n;
}

/* One term that is no sum. */
static struct node *term_at_element(struct arena *a, const struct conditional *c, struct node *x)
{
	const struct idx *block[MAX_RANK];
	struct guard here[2 * MAX_RANK];
	int n = 0, ng = 0, in = 0, of = 0;
	for (int i = 0; i < c->group->sym->rank; i++) {
		int64_t size = c->group->block[i], count = c->group->sym->dim[i] / size;
		const struct idx *y = size == 1 || count > 1 ? c->b.block[of++] : NULL;
		struct affine r = affine_idx(a, c->at[i]); /* in := at - size*block */
		if (size == 1)
			continue;
		if (y)
			r = affine_add(a, r, affine_idx(a, y), -size);
		x = ex_subst_idx(a, x, c->b.in[in++], r);
		if (y == NULL || !ex_uses_idx(x, y))
			continue;
		block[n++] = y;
		here[ng++] = (struct guard){false, r};
		here[ng++] = (struct guard){false, affine_add(a, affine_const(size - 1), r, -1)};
	}
	return n ? ex_reduce(a, RED_SUM, block, n, here, ng, x) : x;
}

struct node *model_at_element(struct arena *a, const struct conditional *c, struct node *x)
{
	struct node **term, *sum = ex_num(a, 0);
	int n = ex_terms(x, &term);
	for (int i = 0; i < n; i++)
		sum = ex_add(a, sum, term_at_element(a, c, term[i]));
	return x->span.src ? ex_with_span(a, sum, x->span) : sum;
}

/* ---- the field of one element ---- */
struct element {
	const struct model *m;
	const struct group *g;
	const struct blocks *b;
};

enum block_state { BLOCK_EMPTY, BLOCK_FIRST, BLOCK_ELEMENT };

struct block_value {
	struct element *e;
	enum block_state state; /* of the element's own block */
	bool own;               /* every access is to that block */
};

/* The state that a one-hot block is measured from: empty, which need not be one of its states,
 * where the term goes on to it. */
static enum block_state block_base(const struct group *g, const struct node *t)
{
	return g->family->empty || ex_entire(t, g->sym) ? BLOCK_EMPTY : BLOCK_FIRST;
}

/* Guards of an access: it is to the own block; it is to the unit that is 1 there. */
static int own_block(struct arena *a, const struct block_value *v, const struct node *access,
                     struct guard *own, struct guard *one)
{
	const struct element *e = v->e;
	int ng = 0;
	for (int i = 0, in = 0; i < access->sym->rank; i++) {
		int64_t size = e->g->block[i];
		struct affine d = affine_add(a, access->map[i], e->b->k[i], -1), from = d;
		if (size > 1) /* from the block's first unit on */
			from = affine_add(a, d, affine_idx(a, e->b->in[in++]), 1);
		one[i] = (struct guard){true, v->state == BLOCK_ELEMENT ? d : from};
		if (size == e->g->sym->dim[i])
			continue;
		own[ng++] = (struct guard){size == 1, from};
		if (size > 1)
			own[ng++] = (struct guard){false, affine_add(a, affine_const(size - 1), from, -1)};
	}
	return ng;
}

static struct node *set_block(struct arena *a, const struct node *access, void *arg)
{
	const struct block_value *v = arg;
	struct guard own[2 * MAX_RANK], one[MAX_RANK];
	int ng = own_block(a, v, access, own, one);
	struct node *x = ex_access(a, access->sym, access->batch, access->map);
	x = v->own ? ex_num(a, 0) : ex_sub(a, x, ex_mask(a, own, ng, x));
	if (v->state == BLOCK_EMPTY)
		return x;
	return ex_add(a, x, ex_mask(a, one, access->sym->rank, ex_num(a, 1)));
}

static struct node *with_block(struct element *e, struct node *x, enum block_state state, bool own)
{
	struct block_value v = {e, state, own};
	return ex_subst(e->m->a, x, &(struct subst){.from = e->g->sym, .fn = set_block, .arg = &v});
}

/* Of each block the first unit is 1. */
static struct node *first_units(struct arena *a, const struct node *access, void *arg)
{
	const struct group *g = arg;
	const struct idx *block[MAX_RANK];
	struct guard first[MAX_RANK];
	int n = 0, ng = 0;
	for (int i = 0; i < access->sym->rank; i++) {
		int64_t size = g->block[i], count = g->sym->dim[i] / size;
		struct affine place = access->map[i];
		if (size == 1)
			continue;
		if (count > 1) {
			block[n] = idx_new(a, "b", count);
			place = affine_add(a, place, affine_idx(a, block[n++]), -size);
		}
		first[ng++] = (struct guard){true, place};
	}
	return ex_reduce(a, RED_SUM, block, n, first, ng, ex_num(a, 1));
}

struct node *model_at_base(const struct model *m, const struct group *g, struct node *t,
                           double base)
{
	if (g->family->shape != SHAPE_ONEHOT || block_base(g, t) == BLOCK_EMPTY)
		return ex_set_all(m->a, t, g->sym, base);
	return ex_subst(m->a, t, &(struct subst){.from = g->sym, .fn = first_units, .arg = (void *)g});
}

/* The access in x to the group, where all are to one block and no index bound in x says to which;
 * blocks that are a part of an axis: none. */
static const struct node *only_block(const struct node *x, const struct group *g,
                                     const struct node *found, bool *ok)
{
	if (x->kind == N_ACCESS && x->sym == g->sym) {
		for (int i = 0; i < g->sym->rank; i++)
			*ok = *ok &&
			      (g->block[i] == g->sym->dim[i] ||
			       (g->block[i] == 1 && (found == NULL || affine_same(found->map[i], x->map[i]))));
		return x;
	}
	for (int i = 0; i < x->nkid; i++)
		found = only_block(x->kid[i], g, found, ok);
	for (int k = 0; found && k < x->nbound; k++)
		for (int i = 0; i < g->sym->rank; i++)
			*ok = *ok && (g->block[i] > 1 || !affine_uses(found->map[i], x->bound[k]));
	return found;
}

/* x as a product of what is free of s, and the rest. */
static struct node *free_factor(struct arena *a, struct node *x, const struct sym *s,
                                struct node **rest)
{
	struct node *free = ex_num(a, 1);
	*rest = x;
	if (x->kind != N_OP || x->op != OP_MUL)
		return free;
	*rest = free;
	for (int i = 0; i < x->nkid; i++) {
		struct node **to = ex_mentions(x->kid[i], s) ? rest : &free;
		*to = ex_mul(a, *to, x->kid[i]);
	}
	return free;
}

/* E with the block at its base, minus E with it at the element. */
static struct node *onehot_field(struct element *e, struct node *t, enum block_state base)
{
	struct arena *a = e->m->a;
	struct node *free = free_factor(a, t, e->g->sym, &t);
	if (!ex_mentions(t, e->g->sym))
		return ex_num(a, 0);
	if (!ex_is_num(free, 1))
		return ex_mul(a, free, onehot_field(e, t, base));
	if (base == BLOCK_EMPTY && ex_degree(t, e->g->sym) == 1)
		return ex_neg(a, ex_delta(a, t, e->g->sym, e->b->k, ex_num(a, 1), ex_num(a, 0)));
	if (t->kind == N_REDUCE && t->red == RED_SUM)
		return ex_reduce(a, RED_SUM, t->bound, t->nbound, t->guard, t->nguard,
		                 onehot_field(e, t->kid[0], base));
	if (t->kind == N_MASK)
		return ex_mask(a, t->guard, t->nguard, onehot_field(e, t->kid[0], base));
	if (t->kind == N_OP && t->op == OP_ADD) {
		struct node *sum = ex_num(a, 0);
		for (int i = 0; i < t->nkid; i++)
			sum = ex_add(a, sum, onehot_field(e, t->kid[i], base));
		return sum;
	}
	bool one = true;
	const struct node *access = only_block(t, e->g, NULL, &one);
	if (!one && t->kind == N_OP && t->op == OP_MUL) { /* D(f*r) = Df*r(base) + f(element)*Dr */
		struct node *f = t->kid[0], *r = ex_op(a, OP_MUL, t->kid + 1, t->nkid - 1);
		struct node *df = onehot_field(e, f, base), *f_base = with_block(e, f, base, false);
		return ex_add(a, ex_mul(a, df, with_block(e, r, base, false)),
		              ex_mul(a, ex_sub(a, f_base, df), onehot_field(e, r, base)));
	}
	struct node *at_base = with_block(e, t, base, one),
	            *at_element = with_block(e, t, BLOCK_ELEMENT, one);
	struct node *f = ex_sub(a, at_base, at_element);
	if (!one)
		return f;
	struct block_value v = {e, base, true};
	struct guard own[2 * MAX_RANK], unused[MAX_RANK];
	return ex_mask(a, own, own_block(a, &v, access, own, unused), f);
}

/* What one term adds to the field, and to the precision. */
static struct node *term_field(struct element *e, struct node *t, struct node **precision)
{
	struct arena *a = e->m->a;
	const struct family *fam = e->g->family;
	const struct sym *s = e->g->sym;
	const struct affine *k = e->b->k;
	*precision = ex_num(a, 0);
	switch (fam->shape) {
	case SHAPE_TWO:
		return ex_neg(a, ex_delta(a, t, s, k, ex_num(a, fam->hi), ex_num(a, fam->lo)));
	case SHAPE_ONEHOT:
		return onehot_field(e, t, block_base(e->g, t));
	case SHAPE_EXPONENTIAL:
	case SHAPE_TOTAL:
		return ex_neg(a, ex_diff(a, t, s, k));
	case SHAPE_GAMMA:
		t = ex_apart(a, t, OP_LOG, s, e->g->log);
		*precision = ex_neg(a, ex_diff(a, t, e->g->log, k));
		return ex_neg(a, ex_diff(a, t, s, k));
	case SHAPE_GAUSS:
		break;
	}
	struct node *slope = ex_diff(a, t, s, k);
	*precision = ex_diff(a, slope, s, k);
	struct node *own = ex_mul(a, *precision, ex_access(a, s, e->m->batch, k));
	struct node *rest = ex_sub(a, slope, own);
	return ex_neg(a, ex_mentions(rest, s) && ex_degree(slope, s) == 1
	                     ? ex_set_one(a, slope, s, k, ex_num(a, 0))
	                     : rest);
}

/* The same with what the other groups add to it counted 1 + extra times. */
static struct node *heard_field(struct element *e, struct node *t, struct node **precision)
{
	struct arena *a = e->m->a;
	struct node *f = term_field(e, t, precision), *own_precision = ex_num(a, 0),
	            *own = ex_num(a, 0);
	if (e->g->extra == 0)
		return f;
	t = part_own(e->m, t, e->g);
	if (ex_mentions(t, e->g->sym))
		own = term_field(e, t, &own_precision);
	struct node *more = ex_sub(a, *precision, own_precision);
	*precision = ex_add(a, *precision, ex_scale(a, e->g->extra, more));
	return ex_add(a, f, ex_scale(a, e->g->extra, ex_sub(a, f, own)));
}

static bool mentions_group(const struct node *x, const struct group *g)
{
	return ex_mentions(x, g->sym) || (g->log && ex_mentions(x, g->log));
}

/* The conditional of g, given the other elements of g too where it mentions them. */
void model_field(const struct model *m, const energy *E, const struct group *g,
                 struct conditional *out)
{
	struct arena *a = m->a;
	struct node *p;
	*out = (struct conditional){.group = g};
	model_axes(m, g->sym, out->at);
	out->b = model_places(a, g, out->at);
	struct element e = {m, g, &out->b};
	out->inner = ex_num(a, 0);
	out->precision = ex_num(a, 0);
	out->term = NEW_ARRAY(a, struct span, E->n + 1);
	for (int i = 0; i < E->n; i++) {
		if (!ex_mentions(E->at[i].node, g->sym))
			continue;
		out->inner = ex_add(a, out->inner, heard_field(&e, E->at[i].node, &p));
		out->precision = ex_add(a, out->precision, p);
		out->term[out->nterm++] = E->at[i].span;
	}
	out->field = model_at_element(a, out, out->inner);
	out->coupled = mentions_group(out->field, g) || mentions_group(out->precision, g);
	if (g->family->shape != SHAPE_GAUSS && g->family->shape != SHAPE_GAMMA)
		out->precision = NULL;
	if (g->total)
		out->total = ex_at(a, g->total, m->batch, out->b.block);
	out->inner_mean = g->family->mean(a, out);
	out->mean = model_at_element(a, out, out->inner_mean);
}

/* The term whose field mentions the group. */
static const struct term *coupling_term(const struct model *m, const energy *E,
                                        const struct conditional *c)
{
	struct element e = {m, c->group, &c->b};
	struct node *p;
	for (int i = 0; i < E->n; i++)
		if (ex_mentions(E->at[i].node, c->group->sym) &&
		    (mentions_group(term_field(&e, E->at[i].node, &p), c->group) ||
		     mentions_group(p, c->group)))
			return &E->at[i];
	BUG("the field of %s mentions it, but that of no term does", c->group->name);
}

/* ---- refusals ---- */
bool conditional_proper(const struct model *m, const struct conditional *c, const char **what,
                        struct worst *w)
{
	const struct group *g = c->group;
	*what = "second derivative";
	if (g->family->shape == SHAPE_GAUSS)
		return positive_everywhere(m, c->precision, g, w);
	if (g->family->shape != SHAPE_GAMMA)
		return true;
	*what = "rate";
	if (!positive_everywhere(m, ex_neg(m->a, c->field), g, w))
		return false;
	*what = "shape";
	return positive_everywhere(m, ex_add(m->a, c->precision, ex_num(m->a, 1)), g, w);
}

/* Is what the term adds to the field of an element free of the element?  Gamma units: of the group.
 */
static bool term_closed(struct element *e, struct node *t)
{
	struct arena *a = e->m->a;
	const struct sym *s = e->g->sym;
	int degree = ex_degree(t, s);
	struct node *p, *f;
	switch (e->g->family->shape) {
	case SHAPE_TWO:
	case SHAPE_ONEHOT:
		break;
	case SHAPE_TOTAL:
		return ex_smooth(t, s);
	case SHAPE_EXPONENTIAL:
		return degree == 1 ||
		       (ex_smooth(t, s) && ex_is_num(ex_diff(a, ex_diff(a, t, s, e->b->k), s, e->b->k), 0));
	case SHAPE_GAMMA:
		f = term_field(e, t, &p);
		return ex_smooth(t, s) && !mentions_group(f, e->g) && !mentions_group(p, e->g);
	case SHAPE_GAUSS:
		if (degree == 1 || degree == 2)
			return true;
		p = ex_diff(a, ex_diff(a, t, s, e->b->k), s, e->b->k);
		return ex_smooth(t, s) && ex_is_num(ex_diff(a, p, s, e->b->k), 0);
	}
	return true;
}

bool model_closed(const struct model *m, const energy *E, const struct group *g,
                  const struct term **why)
{
	const struct idx *at[MAX_RANK];
	fresh_axes(m->a, g->sym, at);
	struct blocks b = model_places(m->a, g, at);
	struct element e = {m, g, &b};
	for (int i = 0; i < E->n; i++) {
		if (!ex_mentions(E->at[i].node, g->sym) || term_closed(&e, E->at[i].node))
			continue;
		if (why)
			*why = &E->at[i];
		return false;
	}
	return true;
}

/* The groups that the model's energy has, and this term's energy no longer. */
static const char *summed_out(const struct model *m, const energy *E)
{
	struct node *all = energy_node(m->a, &m->E), *now = energy_node(m->a, E);
	struct buf b;
	buf_init(&b, m->a);
	for (int i = 0; i < m->group.n; i++)
		if (ex_mentions(all, m->group.at[i]->sym) && !ex_mentions(now, m->group.at[i]->sym))
			buf_printf(&b, "%s'%s'", b.n ? " and " : "", m->group.at[i]->name);
	return b.n ? b.s : NULL;
}

/* A term that is not the model's own is not what stands at its place in the file. */
static void note_summed_out(struct cx *cx, const struct model *m, const energy *E,
                            const struct term *t)
{
	const char *groups = summed_out(m, E);
	for (int i = 0; i < m->E.n; i++)
		if (ex_same(m->E.at[i].node, t->node))
			return;
	if (groups)
		diag(cx->diags, DIAG_SUMMED_NOTE, t->span, groups);
}

static bool closed(struct cx *cx, const struct model *m, const energy *E, const struct group *g)
{
	const char *most = g->family->shape == SHAPE_GAUSS ? "quadratic" : "linear";
	const struct term *t;
	if (model_closed(m, E, g, &t))
		return true;
	if (g->family->shape == SHAPE_GAMMA)
		diag(cx->diags, DIAG_GAMMA, t->span, g->name, g->name);
	else
		diag(cx->diags, DIAG_NOT_CLOSED, t->span, most, g->name, g->domain, most);
	note_summed_out(cx, m, E, t);
	return false;
}

/* The first term that by itself makes the conditional improper, else the first in the group. */
static struct span improper_term(const struct model *m, const energy *E, const struct group *g)
{
	struct span first = g->span;
	bool any = false;
	for (int i = 0; i < E->n; i++) {
		struct conditional c;
		struct worst w;
		const char *what;
		energy one = {0};
		energy_push(m->a, &one, E->at[i].node, E->at[i].span);
		model_field(m, &one, g, &c);
		if (c.nterm == 0)
			continue;
		if (!any)
			first = E->at[i].span;
		any = true;
		if (!conditional_proper(m, &c, &what, &w) && w.value < 0)
			return E->at[i].span;
	}
	return first;
}

bool model_element(struct cx *cx, const struct model *m, const energy *E, const struct group *g,
                   struct conditional *out)
{
	const char *what;
	struct worst w;
	model_field(m, E, g, out);
	if (!closed(cx, m, E, g))
		return false;
	if (conditional_proper(m, out, &what, &w))
		return true;
	struct span at = improper_term(m, E, g);
	if (g->family->shape == SHAPE_GAMMA) {
		diag(cx->diags, DIAG_GAMMA_PROPER, at, g->name, what, w.value, w.where);
		diag(cx->diags, DIAG_GAMMA_PROPER_NOTE, g->span, g->name, g->name, g->name);
	} else {
		diag(cx->diags, DIAG_PRECISION, at, g->name, w.value, w.where);
		diag(cx->diags, DIAG_PRECISION_NOTE, g->span, g->name);
	}
	return false;
}

bool model_conditional(struct cx *cx, const struct model *m, const energy *E, const struct group *g,
                       struct conditional *out)
{
	if (!model_element(cx, m, E, g, out))
		return false;
	if (!out->coupled)
		return true;
	const struct term *t = coupling_term(m, E, out);
	diag(cx->diags, DIAG_COUPLED, t->span, g->name);
	note_summed_out(cx, m, E, t);
	diag(cx->diags, DIAG_COUPLED_NOTE, g->span, g->name, g->name);
	return false;
}
