/* What parameters must fulfil for the energy to be bounded below: a real unit's precision d2E/dx2,
 * where they alone decide it, is above 0.  "proper" sets low.GROUP to the least over the group. */
#include "objective/internal.h"

/* d2E/dx2 of an element, and in *term the place of the first term that adds to it. */
static struct node *precision(struct expansion *x, const struct group *g,
                              const struct idx *const *at, struct span *term)
{
	struct arena *a = x->cx->prog;
	struct node *sum = ex_num(a, 0);
	struct affine k[MAX_RANK];
	for (int i = 0; i < g->sym->rank; i++)
		k[i] = affine_idx(a, at[i]);
	for (int i = x->m->E.n - 1; i >= 0; i--) {
		const struct term *t = &x->m->E.at[i];
		struct node *p = ex_diff(a, ex_diff(a, t->node, g->sym, k), g->sym, k);
		if (!ex_is_num(p, 0))
			*term = t->span;
		sum = ex_add(a, sum, p);
	}
	return sum;
}

void expand_proper(struct expansion *x)
{
	struct arena *a = x->cx->prog;
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		const struct idx *at[MAX_RANK];
		struct span term = g->span;
		bool varies = g->role == GROUP_GIVEN || g->family->shape != SHAPE_GAUSS;
		if (varies)
			continue;
		fresh_axes(a, g->sym, at);
		struct node *p = precision(x, g, at, &term);
		for (int k = 0; k < x->m->group.n; k++)
			varies = varies || ex_mentions(p, x->m->group.at[k]->sym);
		if (varies || p->kind == N_CONST)
			continue;
		struct sym *low = sym_new(a, arena_printf(a, "low.%s", g->name), SYM_TEMP, VALUES_REAL,
		                          false, 0, NULL, g->span);
		program_tensor(x->p, low, SPACE_STATE, -1, NULL);
		assign(x, program_function(x->p, "proper"), low, NULL, NULL,
		       ex_reduce(a, RED_MIN, at, g->sym->rank, NULL, 0, p));
		vec_push(a, &x->low, ((struct low){g, low, term}));
	}
}
