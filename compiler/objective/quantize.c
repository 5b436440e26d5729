/* Weights of few bits in the programs of an object: where W[i,j] stood, s[j]*Wq[i,j] stands, of
 * which the sums that read it take s[j] outside:
 *
 *     sum(i) x[i]*W[i,j]  =  s[j]*sum(i) x[i]*Wq[i,j]
 *
 * A parameter is a weight where a product is summed over one of its axes and keeps another; the
 * axis that has the scales is the one that most products keep.
 *
 * requires: programs that have not been planned; ensures: they read the few bits in place of W. */
#include "objective/quantize.h"

static struct node *const *factors(const struct node *sum, int *n)
{
	const struct node *body = sum->kid[0];
	bool product = body->kind == N_OP && body->op == OP_MUL;
	*n = product ? body->nkid : 1;
	return product ? body->kid : sum->kid;
}

static bool over_bound(const struct node *sum, struct affine at)
{
	for (int k = 0; k < sum->nbound; k++)
		if (affine_uses(at, sum->bound[k]))
			return true;
	return false;
}

/* Adds the axes of w that the sum keeps, where it does not keep all of them. */
static void count_product(const struct node *sum, const struct sym *w, int *kept)
{
	int n;
	struct node *const *f = factors(sum, &n);
	for (int k = 0; k < n && n > 1; k++) {
		bool keeps[MAX_RANK], summed = false;
		if (f[k]->kind != N_ACCESS || f[k]->sym != w)
			continue;
		for (int a = 0; a < w->rank; a++) {
			keeps[a] = f[k]->map[a].n && !over_bound(sum, f[k]->map[a]);
			summed = summed || over_bound(sum, f[k]->map[a]);
		}
		for (int a = 0; a < w->rank && summed; a++)
			kept[a] += keeps[a];
	}
}

static void count_products(const struct node *x, const struct sym *w, int *kept)
{
	if (x->kind == N_REDUCE && x->red == RED_SUM)
		count_product(x, w, kept);
	for (int k = 0; k < x->nkid; k++)
		count_products(x->kid[k], w, kept);
}

int quantised_axis(const embed_list *offers, const struct sym *w)
{
	int kept[MAX_RANK] = {0}, best = -1;
	for (int i = 0; i < offers->n; i++) {
		const struct program *p = offers->at[i]->x->p;
		for (int f = 0; f < p->function.n && !offers->at[i]->refused; f++)
			for (int s = 0; s < p->function.at[f]->nstmt; s++)
				count_products(p->function.at[f]->stmt[s].rhs, w, kept);
	}
	for (int a = 0; a < w->rank; a++)
		if (kept[a] && (best < 0 || kept[a] >= kept[best]))
			best = a;
	return best;
}

/* ---- the programs ---- */
static struct node *scaled(struct arena *a, const struct node *access, void *arg)
{
	const struct quantised *q = arg;
	struct node *x = ex_access(a, q->kept, NULL, access->map);
	return q->scale ? ex_mul(a, ex_access(a, q->scale, NULL, &access->map[q->axis]), x) : x;
}

static void replace_tensor(struct program *p, struct quantised *q)
{
	for (int i = 0; i < p->tensor.n; i++) {
		struct tensor *t = &p->tensor.at[i];
		t->sym = t->sym == q->of ? q->kept : t->sym;
		t->param = t->param == q->of ? q->kept : t->param;
	}
	if (q->scale)
		program_tensor(p, q->scale, SPACE_PARAM, -1, NULL);
}

void quantise_programs(const embed_list *offers, struct quantised *q)
{
	struct subst to = {.from = q->of, .fn = scaled, .arg = q};
	for (int i = 0; i < offers->n; i++) {
		struct program *p = offers->at[i]->x->p;
		replace_tensor(p, q);
		for (int f = 0; f < p->function.n; f++)
			for (int s = 0; s < p->function.at[f]->nstmt; s++) {
				struct node **rhs = &p->function.at[f]->stmt[s].rhs;
				*rhs = ex_subst(p->a, *rhs, &to);
			}
	}
}
