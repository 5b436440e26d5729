/* Orders that are drawn: x[d] given the x[i] whose number o[i] is below o[d], for a hidden variable
 * o of independent numbers.  A likelihood is a product over all elements; here it is estimated from
 * one place in the order. */
#include "objective/flow.h"

/* Is the order of the factor's elements drawn, a hidden variable's values? */
bool flow_order_drawn(const struct model *m, const struct factor *f)
{
	for (int i = 0; i < m->group.n; i++)
		if (f->order == m->group.at[i]->sym && m->group.at[i]->role == GROUP_HIDDEN)
			return true;
	return false;
}

struct position { /* of the element at[], in place of its own value */
	struct affine at[MAX_RANK];
	struct node *value;
};

static struct node *put_position(struct arena *a, const struct node *access, void *arg)
{
	const struct position *p = arg;
	(void)a;
	for (int k = 0; k < access->sym->rank; k++)
		if (!affine_same(access->map[k], p->at[k]))
			return (struct node *)access;
	return p->value;
}

/* A value that was assigned over at[], at these indices and the particle it may have. */
static struct node *assigned(struct flow *fl, const struct sym *s, const struct idx *const *at,
                             int nat)
{
	const struct idx *all[MAX_RANK];
	int rank = 0;
	if (s->rank > nat)
		all[rank++] = fl->particle;
	for (int k = 0; k < nat; k++)
		all[rank++] = at[k];
	return ex_at(fl->x->cx->prog, s, fl->batch, all);
}

/* An estimate of the log-density from one place in the order, t uniform (Uria, Murray & Larochelle
 * 2014): each element at or behind t given those before t, times (D + 1)/(number of these
 * elements).  Its mean over t and the order o is that of sum over d of log p(x[d] | x[i], o[i] <
 * o[d]): with k of D elements before t, k is uniform in 0..D, an element is behind it with
 * probability (D - k)/D, and so it counts for each k < D with 1/(D + 1)*(D - k)/D*(D + 1)/(D - k) =
 * 1/D. */
struct node *flow_density_at_place(struct flow *fl, const struct factor *f)
{
	const struct model *m = fl->x->m;
	struct arena *a = m->a;
	const int rank = f->group->sym->rank - f->block;
	struct position place = {.value = ex_access(a, fl->place, m->batch, NULL)};
	double elements = 1;
	for (int k = 0; k < rank; k++) {
		place.at[k] = affine_idx(a, f->at[k]);
		elements *= (double)f->at[k]->size;
	}
	struct node *own = ex_at(a, f->order, m->batch, f->at);
	struct node *behind = ex_sub(a, ex_num(a, 1), ex_op2(a, OP_LT, own, place.value));
	struct node *each =
	    ex_subst(a, model_inline_when(m, f->log_density, fl->training),
	             &(struct subst){.from = f->order, .fn = put_position, .arg = &place});
	struct node *count = flow_at(fl, ex_reduce(a, RED_SUM, f->at, rank, NULL, 0, behind));
	struct node *rest = ex_op2(a, OP_MAX, ex_num(a, 1), count);
	rest = ex_scale(a, elements + 1, ex_op2(a, OP_POW, rest, ex_num(a, -1)));
	const struct sym *weight = flow_assign(fl, "behind", NULL, 0, rest);
	const struct sym *density = flow_assign(fl, "density", f->at, rank, flow_at(fl, each));
	each = ex_mul(a, flow_at(fl, behind), assigned(fl, density, f->at, rank));
	return ex_mul(a, assigned(fl, weight, NULL, 0),
	              ex_reduce(a, RED_SUM, f->at, rank, NULL, 0, each));
}
