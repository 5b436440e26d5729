/* Energies between independent units and the model, E_b = b*E + (1 - b)*E_base.
 *
 * Parallel tempering (Swendsen & Wang 1986; Geyer 1991; for machines like these Desjardins et al.
 * 2010): every chain has replicas at b_0 = 1 > b_1 > ... > 0, rows of one population; after a sweep
 * neighbours change their states with probability min(1, exp((b_i - b_j)(G_i - G_j))), G = E -
 * E_base at a replica's state.  That is the runtime's; here is G. */
#include "objective/internal.h"

#include <math.h>

static void push_scaled(struct expansion *x, energy *out, const energy *E, struct node *scale)
{
	struct arena *a = x->cx->prog;
	for (int i = 0; i < E->n; i++)
		energy_push(a, out, ex_mul(a, scale, E->at[i].node), E->at[i].span);
}

energy tempered(struct expansion *x, const energy *base, struct node *b)
{
	struct arena *a = x->cx->prog;
	energy E = {0};
	push_scaled(x, &E, &x->m->E, b);
	push_scaled(x, &E, base, ex_sub(a, ex_num(a, 1), b));
	return E;
}

/* A symbol of the group's shape, set once to an expression. */
static struct node *kept(struct expansion *x, struct function *f, const struct group *g,
                         const char *name, const struct idx *const *at, struct node *value)
{
	struct arena *a = x->cx->prog;
	const struct sym *s = sym_new(a, arena_printf(a, "%s.%s", name, g->name), SYM_INPUT,
	                              VALUES_REAL, false, g->sym->rank, g->sym->dim, g->span);
	program_tensor(x->p, s, SPACE_STATE, -1, NULL);
	assign(x, f, s, NULL, at, value);
	return ex_at(a, s, NULL, at);
}

void base_hidden(struct expansion *x, energy *base)
{
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		const struct idx *at[MAX_RANK];
		struct node *p;
		if (g->role != GROUP_HIDDEN || !g->family->continuous || !isinf(g->family->hi))
			continue;
		fresh_axes(x->cx->prog, g->sym, at);
		struct node *n = natural_at(x, g, at, false, &p);
		energy_push(x->cx->prog, base, model_independent(x->m, g, at, n, p), g->span);
	}
}

energy base_energy(struct expansion *x, struct function *f, bool at_mean)
{
	struct arena *a = x->cx->prog;
	energy base = {0};
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		const struct idx *at[MAX_RANK];
		struct node *n, *p;
		if (g->role != GROUP_VISIBLE)
			continue;
		fresh_axes(a, g->sym, at);
		n = natural_at(x, g, at, at_mean, &p);
		n = kept(x, f, g, "base", at, n);
		p = p ? kept(x, f, g, "base.precision", at, p) : p;
		energy_push(a, &base, model_independent(x->m, g, at, n, p), g->span);
	}
	base_hidden(x, &base);
	return base;
}

energy tempering(struct expansion *x, const char *begin, bool at_mean, const struct walkers *w)
{
	struct arena *a = x->cx->prog;
	if (x->sampling.temperatures < 2)
		return x->m->E;
	energy base = base_energy(x, program_function(x->p, begin), at_mean);
	const struct sym *b = out_sym(x, "tempering.b", w->pop);
	struct node *gap = ex_sub(a, energy_node(a, &x->m->E), energy_node(a, &base));
	assign(x, program_function(x->p, "tempering"), out_sym(x, "tempering", w->pop), w->batch, NULL,
	       at_walkers(x, gap, w));
	return tempered(x, &base, ex_access(a, b, w->batch, NULL));
}
