/* hoist: a reduction that depends on fewer indices than the loops around it is computed once into a
 * temporary, not again in every turn: the denominator of a softmax, the norm of a parameter.
 *
 * A sum over a batch that ends in one number is taken in two steps, t[n] and sum(n) t[n], so that
 * the rows can be shared out.
 *
 * requires: a right side whose contractions are accesses to temporaries.  ensures: every reduction
 * in it depends on all loops around it, or saves too little. */
#include "plan/work.h"

enum { MIN_SAVED = 2, MIN_TERMS = 8 };

struct around { /* the loops around a node */
	struct seq ix;
	bool guarded, inside; /* under a guard; in a reduction */
	const struct sym *turn;
};

static struct node *hoist(struct work *w, const struct around *s, struct node *x);

/* The free indices of x as a layout: the batch index first, the others as in the space. */
static struct seq layout_of(const struct node *x, const struct seq *space)
{
	struct seq free = plan_free(x), out = {.n = 0};
	for (int batch = 1; batch >= 0; batch--)
		for (int i = 0; i < space->n; i++)
			if ((space->ix[i]->pop >= 0) == batch && seq_has(&free, space->ix[i]))
				seq_push(&out, space->ix[i]);
	if (out.n != free.n)
		BUG("plan: hoist: an index that no loop around binds");
	return out;
}

/* A sum of many expensive terms inside another reduction: a temporary costs little beside it, and
 * holds the value for whatever else needs it. */
static bool should_keep(const struct node *x)
{
	double terms = 1;
	for (int i = 0; i < x->nbound; i++)
		terms *= x->bound[i]->pop >= 0 ? BATCH_ROWS : (double)x->bound[i]->size;
	return terms >= MIN_TERMS && plan_heavy(x->kid[0]);
}

static bool should_hoist(struct work *w, const struct around *s, const struct node *x,
                         const struct seq *layout)
{
	bool saves = layout->n < s->ix.n && seq_size(&s->ix) >= MIN_SAVED * seq_size(layout);
	return (saves || (s->inside && should_keep(x))) && plan_storable(w, layout) &&
	       layout->n - 1 <= MAX_RANK && !ex_has_draw(x) && !(s->turn && ex_mentions(x, s->turn)) &&
	       (!s->guarded || plan_in_bounds(w, x));
}

bool plan_heavy(const struct node *x)
{
	if (x->kind == N_REDUCE || (x->kind == N_OP && x->op != OP_ADD && x->op != OP_MUL))
		return true;
	for (int i = 0; i < x->nkid; i++)
		if (plan_heavy(x->kid[i]))
			return true;
	return false;
}

/* sum(n, rest | g) body as sum(n) t[n]; NULL: not of that form, or not worth it. */
static struct node *in_two_steps(struct work *w, struct node *x)
{
	if (x->red != RED_SUM || ex_has_draw(x))
		return NULL;
	const struct idx *rest[MAX_BOUND], *n = NULL;
	int nrest = 0;
	for (int i = 0; i < x->nbound; i++) {
		if (!n && x->bound[i]->pop >= 0)
			n = x->bound[i];
		else
			rest[nrest++] = x->bound[i];
	}
	if (!n || (!nrest && !plan_heavy(x->kid[0])))
		return NULL;
	struct node *part = nrest
	                        ? ex_reduce(w->a, RED_SUM, rest, nrest, x->guard, x->nguard, x->kid[0])
	                        : ex_mask(w->a, x->guard, x->nguard, x->kid[0]);
	struct seq layout = {.ix = {n}, .n = 1};
	return ex_sum(w->a, n, plan_materialise(w, part, &layout));
}

static struct node *hoist_kids(struct work *w, const struct around *s, struct node *x)
{
	struct node **kid = NEW_ARRAY(w->a, struct node *, x->nkid + 1);
	for (int i = 0; i < x->nkid; i++)
		kid[i] = hoist(w, s, x->kid[i]);
	return plan_rebuild(w, x, kid);
}

static struct node *hoist(struct work *w, const struct around *s, struct node *x)
{
	struct around inner = *s;
	inner.guarded = s->guarded || x->nguard > 0;
	if (x->kind != N_REDUCE)
		return hoist_kids(w, &inner, x);
	struct seq layout = layout_of(x, &s->ix);
	if (should_hoist(w, s, x, &layout)) {
		struct node *known = plan_known(w, x);
		return known ? known : plan_materialise(w, x, &layout);
	}
	struct node *split = s->ix.n == 0 ? in_two_steps(w, x) : NULL;
	if (split)
		return split;
	for (int i = 0; i < x->nbound; i++)
		seq_push(&inner.ix, x->bound[i]);
	inner.inside = true;
	return hoist_kids(w, &inner, x);
}

struct node *plan_hoist(struct work *w, const struct seq *space, struct node *rhs,
                        const struct sym *turn)
{
	struct around s = {.ix = *space, .turn = turn};
	return hoist(w, &s, rhs);
}
