/* Annealed importance sampling for each example: of energies that read given variables or states,
 * whose Z is another one for each.  Chains stand in the rows of the examples, which they read;
 * where the energy is a sum of energies of steps, each step has its Z and its weights: log Z(n) =
 * sum over t of log Z_base(n, t) + log mean over chains of w(n, t). The base model is the energy
 * with hidden units at 0 and uniform, so that it reads what is given as the model does; where
 * visible units are coupled in that, the independent ones of ais.c. */
#include "objective/internal.h"

bool objective_each(const struct model *m)
{
	bool given = model_reads_states(m);
	for (int i = 0; i < m->group.n; i++)
		given = given || m->group.at[i]->role == GROUP_GIVEN;
	return given && !m->prior && !m->factor.n;
}

struct each {
	struct walkers w;
	energy base, E1;
	bool own;               /* the base is the energy's own */
	const struct idx *step; /* of several; else of an axis of one element */
	int64_t steps;
};

static bool has_hidden(const struct model *m, const struct node *x)
{
	bool has = false;
	for (int i = 0; i < m->group.n && !has; i++)
		has = m->group.at[i]->role == GROUP_HIDDEN && ex_mentions(x, m->group.at[i]->sym);
	return has;
}

/* The base model's share of the energy: scale times the terms with hidden units, these at 0, and
 * those of the hidden units' own base; the terms without as they are. */
static energy without_hidden(struct expansion *x, struct node *scale)
{
	struct arena *a = x->cx->prog;
	energy E = {0}, own = {0};
	for (int t = 0; t < x->m->E.n; t++) {
		struct node *term = x->m->E.at[t].node;
		bool scaled = has_hidden(x->m, term);
		for (int i = 0; i < x->m->group.n && scaled; i++)
			if (x->m->group.at[i]->role == GROUP_HIDDEN)
				term = ex_set_all(a, term, x->m->group.at[i]->sym, 0);
		if (!ex_is_num(term, 0))
			energy_push(a, &E, scaled ? ex_mul(a, scale, term) : term, x->m->E.at[t].span);
	}
	base_hidden(x, &own);
	for (int t = 0; t < own.n; t++)
		energy_push(a, &E, ex_mul(a, scale, own.at[t].node), own.at[t].span);
	return E;
}

static bool summed(struct cx *cx, const struct model *m, const energy *E, energy *all)
{
	energy free;
	return model_sum_out(cx, m, E, model_role(m, GROUP_HIDDEN), &free) &&
	       model_sum_out(cx, m, &free, model_role(m, GROUP_VISIBLE), all);
}

/* b*E + (1 - b)*base */
static energy between(struct expansion *x, const struct each *e, const char *scalar)
{
	struct arena *a = x->cx->prog;
	struct node *b = ex_access(a, scalar_sym(x, scalar), NULL, NULL);
	if (!e->own)
		return tempered(x, &e->base, b);
	energy E = without_hidden(x, ex_sub(a, ex_num(a, 1), b));
	for (int t = 0; t < x->m->E.n; t++)
		if (has_hidden(x->m, x->m->E.at[t].node))
			energy_push(a, &E, ex_mul(a, b, x->m->E.at[t].node), x->m->E.at[t].span);
	return E;
}

/* The parts of what is to be given at each step, where all of it has such parts; else what it is.
 */
static void at_steps(struct expansion *x, struct each *e, struct node **value, int n)
{
	struct node **part = NEW_ARRAY(x->cx->prog, struct node *, n);
	e->steps = model_steps(x->m);
	e->step = idx_new(x->cx->prog, "step", e->steps);
	for (int k = 0; k < n && e->steps > 1; k++)
		if (!(part[k] = model_at_step(x->m, value[k], e->step)))
			e->steps = 1;
	if (e->steps == 1)
		e->step = idx_new(x->cx->prog, "step", 1);
	for (int k = 0; k < n && e->steps > 1; k++)
		value[k] = part[k];
}

/* out.NAME[n, step] := value */
static void give(struct expansion *x, struct function *f, const char *name, const struct each *e,
                 struct node *value)
{
	struct sym *out = sym_new(x->cx->prog, arena_printf(x->cx->prog, "out.%s", name), SYM_TEMP,
	                          VALUES_REAL, true, 1, &e->steps, (struct span){0});
	program_tensor(x->p, out, SPACE_STATE, POP_DATA, NULL);
	assign(x, f, out, e->w.batch, &e->step, at_walkers(x, value, &e->w));
}

bool objective_ais_each(struct expansion *x)
{
	struct arena *a = x->cx->prog;
	const bool *visible = model_role(x->m, GROUP_VISIBLE);
	struct each e = {.w = walkers_new(x, "ais", POP_DATA)};
	struct function *f = program_function(x->p, "ais.base");
	energy all, F0, F1;
	own_states(x, f);
	e.base = without_hidden(x, ex_num(a, 1));
	e.own = summed(NULL, x->m, &e.base, &all);
	if (!e.own)
		e.base = base_energy(x, f, true);
	if (!e.own && !summed(x->cx, x->m, &e.base, &all))
		return false;
	energy E0 = between(x, &e, "b0");
	e.E1 = between(x, &e, "b1");
	if (!mover_new(x, f->name, &e.E1, &e.w))
		return false;
	for (int i = 0; i < x->m->group.n && e.w.mover; i++)
		if (e.w.mover->moved[i]) {
			diag(x->cx->diags, DIAG_AIS_EACH, x->m->group.at[i]->span, x->m->group.at[i]->name);
			return false;
		}
	const bool *out = weighed_out(x, &e.E1, &e.w);
	if (!model_sum_out(x->cx, x->m, &E0, out, &F0) || !model_sum_out(x->cx, x->m, &e.E1, out, &F1))
		return false;
	struct node *value[] = {ex_neg(a, energy_node(a, &all)),
	                        ex_sub(a, energy_node(a, &F0), energy_node(a, &F1))};
	at_steps(x, &e, value, 2);
	give(x, f, "ais.base", &e, value[0]);
	if (!sweep_after(x, program_function(x->p, "ais.start"), &e.base, &e.w, visible, false))
		return false;
	f = program_function(x->p, "ais.step");
	give(x, f, "ais.step", &e, value[1]);
	return sweep_after(x, f, &e.E1, &e.w, out, false);
}
