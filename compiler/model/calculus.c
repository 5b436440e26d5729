/* Conditionals, marginals, blocks and gradients of an energy given as a sum of terms.
 *
 * The field of x[k] is -(E with x[k] = hi, minus E with x[k] = lo), term by term.  When it is free
 * of x, the elements of x are independent given the rest, the conditional is the family's at that
 * field, and E = E(x = base) + sum_k (contribution of x[k]), so that summing x out leaves E(x =
 * base) - sum_k log-partition(field[k]). */
#include "model/family.h"
#include "model/model.h"

static bool has_family(struct cx *cx, const struct group *g)
{
	if (g->family)
		return true;
	diag(cx->diags, DIAG_NO_FAMILY, g->span, g->name, g->domain, family_names(cx->prog));
	return false;
}

/* Minus the difference of one term, hi against lo. */
static struct node *term_field(const struct model *m, struct node *t, const struct group *g,
                               const struct affine *k)
{
	struct node *hi = ex_num(m->a, g->family->hi), *lo = ex_num(m->a, g->family->lo);
	return ex_neg(m->a, ex_delta(m->a, t, g->sym, k, hi, lo));
}

/* The conditional of g; -1, or the term that couples units of g. */
static int derive(const struct model *m, const energy *E, const struct group *g,
                  struct conditional *out)
{
	struct arena *a = m->a;
	struct affine k[MAX_RANK];
	*out = (struct conditional){.group = g};
	fresh_axes(a, g->sym, out->at);
	for (int i = 0; i < g->sym->rank; i++)
		k[i] = affine_idx(a, out->at[i]);
	out->field = ex_num(a, 0);
	out->term = NEW_ARRAY(a, struct span, E->n + 1);
	for (int i = 0; i < E->n; i++) {
		if (!ex_mentions(E->at[i].node, g->sym))
			continue;
		out->field = ex_add(a, out->field, term_field(m, E->at[i].node, g, k));
		out->term[out->nterm++] = E->at[i].span;
	}
	out->mean = g->family->mean(a, out->field);
	if (ex_mentions(out->field, g->sym))
		for (int i = 0; i < E->n; i++)
			if (ex_mentions(term_field(m, E->at[i].node, g, k), g->sym))
				return i;
	return -1;
}

bool model_conditional(struct cx *cx, const struct model *m, const energy *E, const struct group *g,
                       struct conditional *out)
{
	if (!has_family(cx, g))
		return false;
	int culprit = derive(m, E, g, out);
	if (culprit < 0)
		return true;
	diag(cx->diags, DIAG_COUPLED, E->at[culprit].span, g->name);
	diag(cx->diags, DIAG_COUPLED_NOTE, g->span, g->name, g->name);
	return false;
}

static int marginal(const struct model *m, const energy *E, const struct group *g, energy *out)
{
	struct arena *a = m->a;
	struct conditional c;
	*out = (energy){0};
	int culprit = derive(m, E, g, &c);
	if (culprit >= 0)
		return culprit;
	bool affine = true;
	for (int i = 0; i < E->n; i++) {
		int d = ex_degree(E->at[i].node, g->sym);
		affine = affine && (d == 0 || d == 1);
	}
	double base = affine ? 0 : g->family->lo;
	for (int i = 0; i < E->n; i++)
		energy_push(a, out, ex_set_all(a, E->at[i].node, g->sym, base), E->at[i].span);
	struct node *p = g->family->log_partition(a, c.field, affine);
	struct node *sum = ex_reduce(a, RED_SUM, c.at, g->sym->rank, NULL, 0, p);
	energy_push(a, out, ex_neg(a, sum), c.nterm ? c.term[0] : g->span);
	return -1;
}

/* The term that joins g to another group of its role, NULL: none. */
static const struct term *joins_same_role(const struct model *m, const struct group *g,
                                          const struct group **other)
{
	for (int i = 0; i < m->E.n; i++)
		for (int k = 0; k < m->group.n; k++) {
			*other = m->group.at[k];
			if (*other != g && (*other)->role == g->role && ex_mentions(m->E.at[i].node, g->sym) &&
			    ex_mentions(m->E.at[i].node, (*other)->sym))
				return &m->E.at[i];
		}
	return NULL;
}

/* All groups of the role but `left`; with `before`, none behind it. */
static bool quiet_sum_out(const struct model *m, const energy *E, enum group_role role,
                          const struct group *left, bool before, energy *out,
                          const struct group **culprit)
{
	*out = *E;
	for (int i = 0; i < m->group.n; i++) {
		energy next;
		*culprit = m->group.at[i];
		if (before && *culprit == left)
			break;
		if ((*culprit)->role != role || *culprit == left)
			continue;
		if ((*culprit)->family == NULL || marginal(m, out, *culprit, &next) >= 0)
			return false;
		*out = next;
	}
	return true;
}

static bool sum_out(struct cx *cx, const struct model *m, const energy *E, enum group_role role,
                    const struct group *left, bool before, energy *out)
{
	const struct group *g, *other;
	struct conditional c;
	if (quiet_sum_out(m, E, role, left, before, out, &g))
		return true;
	if (cx == NULL || !has_family(cx, g))
		return false;
	const struct term *t = joins_same_role(m, g, &other);
	if (t == NULL)
		return model_conditional(cx, m, E, g, &c);
	diag(cx->diags, DIAG_NO_FREE_ENERGY, t->span, g->name, other->name);
	diag(cx->diags, DIAG_NO_FREE_ENERGY_NOTE, g->span, g->name);
	return false;
}

bool model_sum_out(struct cx *cx, const struct model *m, const energy *E, enum group_role role,
                   energy *out)
{
	return sum_out(cx, m, E, role, NULL, false, out);
}

bool model_sum_out_others(struct cx *cx, const struct model *m, const energy *E,
                          const struct group *g, bool before, energy *out)
{
	return sum_out(cx, m, E, g->role, g, before, out);
}

bool model_joined(const struct model *m, const energy *E, const struct group *g)
{
	struct conditional c;
	if (g->family == NULL || derive(m, E, g, &c) >= 0)
		return false;
	for (int i = 0; i < m->group.n; i++) {
		const struct group *other = m->group.at[i];
		if (other != g && other->role == g->role && ex_mentions(c.field, other->sym))
			return true;
	}
	return false;
}

bool model_free_energy(struct cx *cx, const struct model *m, const energy *E, energy *out)
{
	return model_sum_out(cx, m, E, GROUP_HIDDEN, out);
}

/* ---- blocks
 * ------------------------------------------------------------------------------------------- */
bool model_blocks(struct cx *cx, const struct model *m, block_vec *out)
{
	struct arena *a = m->a;
	int n = m->group.n;
	struct conditional *c = NEW_ARRAY(a, struct conditional, n);
	for (int i = 0; i < n; i++)
		if (m->group.at[i]->role != GROUP_GIVEN &&
		    !model_conditional(cx, m, &m->E, m->group.at[i], &c[i]))
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
				for (int k = 0; k < out->at[b].group.n; k++)
					fits = fits && !ex_mentions(c[i].field, out->at[b].group.at[k]->sym);
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

/* ---- gradients
 * ------------------------------------------------------------------------------------------- */
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

struct node *model_gradient(const struct model *m, const energy *E, const energy *F,
                            enum group_role role, const struct weight *w,
                            const struct idx *const *at, bool *at_means)
{
	struct node *g = diff_terms(m, E, w, at);
	*at_means = true;
	for (int i = 0; i < m->group.n; i++) {
		const struct group *x = m->group.at[i];
		int d = ex_degree(g, x->sym);
		if (x->role == role && d != 0 && (d != 1 || model_joined(m, E, x)))
			*at_means = false;
	}
	return *at_means ? g : diff_terms(m, F, w, at);
}
