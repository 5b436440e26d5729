/* expand: products with sums in them, where their terms apart are matrix products.
 *
 *     sum(m) k[n, m]*(y[m, d] - x[n, d])  as  sum(m) k[n, m]*y[m, d] - x[n, d]*sum(m) k[n, m]
 *     sum(i) (v[n, i] - c[i])*W[i, j]     as  sum(i) v[n, i]*W[i, j] - sum(i) c[i]*W[i, j]
 * A factor is taken apart where no term of it has all its indices, so that as it stands it would be
 * larger than what it is made of, or where the only one that has is a binary tensor, whose product
 * is better computed from bits. */
#include "plan/work.h"

static bool has_all(const struct node *x, const struct seq *s)
{
	struct seq free = plan_free(x);
	return free.n == s->n;
}

static bool should_expand(const struct node *x)
{
	struct seq all = plan_free(x);
	int whole = 0, other = 0;
	for (int t = 0; t < x->nkid; t++) {
		bool binary = x->kid[t]->kind == N_ACCESS && x->kid[t]->sym->values == VALUES_BINARY;
		whole += has_all(x->kid[t], &all) && binary;
		other += has_all(x->kid[t], &all) && !binary;
	}
	return !other && whole <= 1 && all.n > 1;
}

/* The sum x with a factor of its body taken apart; x where there is none. */
static struct node *expand_sum(struct work *w, struct node *x)
{
	struct node *body = x->kid[0], *sum = NULL;
	int f = 0;
	if (x->red != RED_SUM || body->kind != N_OP || body->op != OP_MUL || ex_has_draw(x))
		return x;
	while (f < body->nkid && !(body->kid[f]->kind == N_OP && body->kid[f]->op == OP_ADD &&
	                           should_expand(body->kid[f])))
		f++;
	if (f == body->nkid)
		return x;
	for (int t = 0; t < body->kid[f]->nkid; t++) {
		struct node *term = body->kid[f]->kid[t];
		for (int k = 0; k < body->nkid; k++)
			term = k == f ? term : ex_mul(w->a, term, body->kid[k]);
		term = ex_reduce(w->a, RED_SUM, x->bound, x->nbound, x->guard, x->nguard, term);
		term = plan_expand(w, term);
		sum = sum ? ex_add(w->a, sum, term) : term;
	}
	return sum;
}

struct node *plan_expand(struct work *w, struct node *x)
{
	if (!x->nkid)
		return x;
	struct node **kid = NEW_ARRAY(w->a, struct node *, x->nkid);
	for (int i = 0; i < x->nkid; i++)
		kid[i] = plan_expand(w, x->kid[i]);
	x = plan_rebuild(w, x, kid);
	return x->kind == N_REDUCE ? expand_sum(w, x) : x;
}
