/* Groups moved along the gradient (Duane et al. 1987; Neal 2011).  The potential of the moved
 * groups x is U(x) = F(x | rest), the energy with whatever hidden groups can be summed out, the
 * others as they are. With momenta p ~ N(0, 1), L steps of size e p -= e/2 dU/dx;   x += e p;   p
 * -= e/2 dU/dx keep H = U + p^2/2 to O(e^2) and volume exactly; the end is accepted with
 * probability min(1, exp(H before - H after)), else x is what it was.  One step (L = 1) is
 * Langevin's, x moved by -e^2/2 dU/dx + e z, with the Metropolis test of its own proposal (Roberts
 * & Tweedie 1996).
 *
 * A unit in an interval moves in y, x = lo + e^y or lo + (hi - lo) sigmoid(y), with U - log dx/dy.
 *
 * The size of the steps is a state, e := e exp(rate (a - target)) after a transition whose mean
 * probability of acceptance over the chains is a; rate is 0 where figures are measured. */
#include "objective/internal.h"

#include <math.h>
#include <string.h>

static const struct sampler samplers[] = {
#define SAMPLER(name, signature, gradient, adjusted, what) \
	{name, signature, gradient, adjusted, what},
#include "objective/sampler.def"
#undef SAMPLER
};

const struct sampler *sampler_find(const char *name)
{
	for (size_t i = 0; i < sizeof samplers / sizeof *samplers; i++)
		if (strcmp(samplers[i].name, name) == 0)
			return &samplers[i];
	return NULL;
}

const char *const *sampler_names(int *n)
{
	static const char *const names[] = {
#define SAMPLER(name, signature, gradient, adjusted, what) name,
#include "objective/sampler.def"
#undef SAMPLER
	};
	*n = (int)(sizeof names / sizeof *names);
	return names;
}

/* ---- the map from a position y to a unit's value ---- */
enum map { MAP_SAME, MAP_EXP, MAP_SIGMOID };

static enum map map_of(const struct family *f)
{
	return isinf(f->lo) ? MAP_SAME : isinf(f->hi) ? MAP_EXP : MAP_SIGMOID;
}

static struct node *plus(struct arena *a, struct node *x, double c)
{
	return ex_add(a, x, ex_num(a, c));
}

static struct node *value_at(struct arena *a, const struct family *f, struct node *y)
{
	if (map_of(f) == MAP_EXP)
		return plus(a, ex_op1(a, OP_EXP, y), f->lo);
	return plus(a, ex_scale(a, f->hi - f->lo, ex_op1(a, OP_SIGMOID, y)), f->lo);
}

/* x's share of the interval, kept off its ends, where y is infinite. */
static struct node *position_of(struct arena *a, const struct family *f, struct node *x)
{
	struct node *least = ex_num(a, 1e-6), *from = plus(a, x, -f->lo);
	if (map_of(f) == MAP_EXP)
		return ex_op1(a, OP_LOG, ex_op2(a, OP_MAX, from, least));
	struct node *s = ex_op2(a, OP_MAX, ex_scale(a, 1 / (f->hi - f->lo), from), least);
	return ex_op1(a, OP_LOGIT, ex_op2(a, OP_MIN, s, ex_num(a, 1 - 1e-6)));
}

/* -log dx/dy up to a constant, and its derivative. */
static struct node *stretch(struct arena *a, const struct family *f, struct node *y)
{
	if (map_of(f) == MAP_EXP)
		return ex_neg(a, y);
	return ex_add(a, ex_op1(a, OP_SOFTPLUS, y), ex_op1(a, OP_SOFTPLUS, ex_neg(a, y)));
}

static struct node *stretch_slope(struct arena *a, const struct family *f, struct node *y)
{
	if (map_of(f) == MAP_EXP)
		return ex_num(a, -1);
	return plus(a, ex_scale(a, 2, ex_op1(a, OP_SIGMOID, y)), -1);
}

static struct node *value_slope(struct arena *a, const struct family *f, struct node *x)
{
	struct node *from = plus(a, x, -f->lo);
	if (map_of(f) == MAP_EXP)
		return from;
	return ex_mul(a, ex_scale(a, 1 / (f->hi - f->lo), from), plus(a, ex_neg(a, x), f->hi));
}

/* ---- what moves ---- */
bool sampler_moves(const struct expansion *x, const energy *E, const struct group *g,
                   const struct term **why)
{
	const struct sampler *how = x->sampling.how;
	*why = NULL;
	if (g->role == GROUP_GIVEN)
		return false;
	return !model_closed(x->m, E, g, why) ||
	       (how && how->gradient && g->role == GROUP_VISIBLE && g->family->continuous);
}

static bool choose(struct expansion *x, const energy *E, bool *moved, bool *any)
{
	const struct sampler *how = x->sampling.how;
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		const struct term *t;
		struct conditional c;
		if (!sampler_moves(x, E, g, &t))
			continue;
		moved[i] = *any = true;
		if (!model_bounded(x->cx, x->m, E, g))
			return false;
		if (g->family->continuous && !(how && !how->gradient))
			continue;
		model_element(x->cx, x->m, E, g, &c);
		if (g->family->continuous)
			diag(x->cx->diags, DIAG_SAMPLER_NOTE, x->sampling.span, g->name);
		return false;
	}
	if (how && how->gradient && !*any)
		diag(x->cx->diags, DIAG_SAMPLER_NOTHING, x->sampling.span, how->name);
	return !how || !how->gradient || *any;
}

static const struct sym *number(struct expansion *x, const char *name)
{
	const struct sym *s =
	    sym_new(x->cx->prog, name, SYM_INPUT, VALUES_REAL, false, 0, NULL, (struct span){0});
	program_tensor(x->p, s, SPACE_STATE, -1, NULL);
	return s;
}

static bool differentiable(struct expansion *x, const energy *F)
{
	const char *op;
	for (int i = 0; i < F->n; i++)
		if (!ex_differentiable(F->at[i].node, &op)) {
			diag(x->cx->diags, DIAG_NO_DERIVATIVE, F->at[i].span, op);
			return false;
		}
	return true;
}

bool mover_new(struct expansion *x, const char *start, const energy *E, struct walkers *w)
{
	struct arena *a = x->cx->prog;
	int n = x->m->group.n;
	bool *moved = NEW_ARRAY(a, bool, n + 1), *may = NEW_ARRAY(a, bool, n + 1), any = false;
	if (!choose(x, E, moved, &any))
		return false;
	if (!any)
		return true;
	struct mover *m = NEW(a, struct mover);
	for (int i = 0; i < n; i++)
		may[i] = x->m->group.at[i]->role == GROUP_HIDDEN && !moved[i] && w->held[i] == NULL;
	m->moved = moved;
	m->out = summed_out(x, E, may);
	if (!model_eliminate(x->m, E, m->out, &m->el))
		BUG("what was summed out cannot be");
	m->F = m->el.rest;
	m->how = &x->sampling;
	m->position = NEW_ARRAY(a, const struct sym *, n);
	m->momentum = NEW_ARRAY(a, const struct sym *, n);
	m->slope = NEW_ARRAY(a, const struct sym *, n);
	m->old = NEW_ARRAY(a, const struct sym *, n);
	for (int i = 0; i < n; i++) {
		const struct group *g = x->m->group.at[i];
		if (!moved[i])
			continue;
		m->position[i] =
		    map_of(g->family) == MAP_SAME ? w->state[i] : mean_sym(x, g, "position", w->pop);
		m->momentum[i] = mean_sym(x, g, "momentum", w->pop);
		m->slope[i] = mean_sym(x, g, "slope", w->pop);
		m->old[i] = mean_sym(x, g, "before", w->pop);
	}
	m->start = out_sym(x, "sampler.start", w->pop);
	m->size = number(x, "sampler.step");
	assign(x, program_function(x->p, start), m->size, NULL, NULL, ex_num(a, x->sampling.step));
	w->mover = m;
	return differentiable(x, &m->F);
}

/* ---- the statements ---- */
/* What is 0 for units that are held: they have no momentum, and no slope. */
static struct node *unless_held(struct expansion *x, const struct walkers *w, int i,
                                const struct idx *const *at, struct node *value)
{
	struct arena *a = x->cx->prog;
	if (w->held[i] == NULL)
		return value;
	return ex_mul(a, ex_sub(a, ex_num(a, 1), ex_at(a, w->held[i], w->batch, at)), value);
}

/* The potential without the stretch: what the model says of the states. */
static struct node *potential(struct expansion *x, const struct mover *m)
{
	struct arena *a = x->cx->prog;
	struct node *U = energy_node(a, &m->F);
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		const struct idx *at[MAX_RANK];
		if (!m->moved[i] || g->family->base == NULL)
			continue;
		fresh_axes(a, g->sym, at);
		U = ex_add(a, U,
		           ex_reduce(a, RED_SUM, at, g->sym->rank, NULL, 0,
		                     g->family->base(a, ex_at(a, g->sym, x->m->batch, at))));
	}
	return U;
}

static struct node *hamiltonian(struct expansion *x, const struct walkers *w)
{
	struct arena *a = x->cx->prog;
	const struct mover *m = w->mover;
	struct node *H = at_walkers(x, potential(x, m), w);
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		const struct idx *at[MAX_RANK];
		if (!m->moved[i])
			continue;
		fresh_axes(a, g->sym, at);
		struct node *p = ex_at(a, m->momentum[i], w->batch, at);
		struct node *k = ex_scale(a, 0.5, ex_op2(a, OP_POW, p, ex_num(a, 2)));
		if (map_of(g->family) != MAP_SAME)
			k = ex_add(a, k, stretch(a, g->family, ex_at(a, m->position[i], w->batch, at)));
		H = ex_add(a, H, ex_reduce(a, RED_SUM, at, g->sym->rank, NULL, 0, k));
	}
	return H;
}

static void slopes(struct expansion *x, struct function *f, const struct walkers *w)
{
	struct arena *a = x->cx->prog;
	const struct mover *m = w->mover;
	struct node *U = potential(x, m);
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		const struct idx *at[MAX_RANK];
		struct affine k[MAX_RANK];
		if (!m->moved[i])
			continue;
		fresh_axes(a, g->sym, at);
		for (int r = 0; r < g->sym->rank; r++)
			k[r] = affine_idx(a, at[r]);
		struct node *d = at_walkers(x, ex_diff(a, U, g->sym, k), w);
		if (map_of(g->family) != MAP_SAME)
			d = ex_add(a,
			           ex_mul(a, d, value_slope(a, g->family, ex_at(a, w->state[i], w->batch, at))),
			           stretch_slope(a, g->family, ex_at(a, m->position[i], w->batch, at)));
		assign(x, f, m->slope[i], w->batch, at, unless_held(x, w, i, at, d));
	}
}

/* to += factor * size * by, for each moved group. */
static void advance(struct expansion *x, struct function *f, const struct walkers *w,
                    const struct sym *const *to, double factor, const struct sym *const *by)
{
	struct arena *a = x->cx->prog;
	struct node *size = ex_access(a, w->mover->size, NULL, NULL);
	for (int i = 0; i < x->m->group.n; i++) {
		struct stmt s = {.dst = to[i], .batch = w->batch, .accumulate = true};
		if (!w->mover->moved[i])
			continue;
		fresh_axes(a, to[i], s.at);
		s.rhs = ex_mul(a, ex_scale(a, factor, size), ex_at(a, by[i], w->batch, s.at));
		program_stmt(x->p, f, s);
	}
}

/* The states that the positions say; `clip`: the positions of the states, first. */
static void place(struct expansion *x, struct function *f, const struct walkers *w, bool clip)
{
	struct arena *a = x->cx->prog;
	const struct mover *m = w->mover;
	for (int i = 0; i < x->m->group.n; i++) {
		const struct family *fam = x->m->group.at[i]->family;
		const struct idx *at[MAX_RANK];
		if (!m->moved[i] || map_of(fam) == MAP_SAME)
			continue;
		fresh_axes(a, w->state[i], at);
		if (clip)
			assign(x, f, m->position[i], w->batch, at,
			       position_of(a, fam, ex_at(a, w->state[i], w->batch, at)));
		struct node *own = ex_at(a, w->state[i], w->batch, at);
		struct node *far = ex_sub(a, value_at(a, fam, ex_at(a, m->position[i], w->batch, at)), own);
		assign(x, f, w->state[i], w->batch, at, ex_add(a, own, unless_held(x, w, i, at, far)));
	}
}

bool mover_begin(struct expansion *x, const char *name, const energy *E, const struct walkers *w)
{
	struct arena *a = x->cx->prog;
	const struct mover *m = w->mover;
	if (m == NULL)
		return true;
	struct function *f = program_function(x->p, arena_printf(a, "%s.begin", name));
	if (!sweep_unmoved(x, f, E, w))
		return false;
	place(x, f, w, true);
	for (int i = 0; i < x->m->group.n; i++) {
		const struct idx *at[MAX_RANK];
		if (!m->moved[i])
			continue;
		fresh_axes(a, m->old[i], at);
		assign(x, f, m->old[i], w->batch, at, ex_at(a, w->state[i], w->batch, at));
		struct node *p = ex_draw(a, OP_NORMAL, program_stream(x->p));
		assign(x, f, m->momentum[i], w->batch, at, unless_held(x, w, i, at, p));
	}
	slopes(x, f, w);
	assign(x, f, m->start, w->batch, NULL, hamiltonian(x, w));
	f = program_function(x->p, arena_printf(a, "%s.step", name));
	advance(x, f, w, m->momentum, -0.5, m->slope);
	advance(x, f, w, m->position, 1, m->momentum);
	place(x, f, w, false);
	slopes(x, f, w);
	advance(x, f, w, m->momentum, -0.5, m->slope);
	return true;
}

/* min(1, exp(-d)) of the Hamiltonian's change d; 0 where that is not a number. */
static struct node *probability(struct arena *a, struct node *d)
{
	struct node *known = ex_op2(a, OP_LT, ex_op1(a, OP_ABS, d), ex_num(a, 1e30));
	return ex_op2(a, OP_GATE, known,
	              ex_op1(a, OP_EXP, ex_neg(a, ex_op2(a, OP_MAX, ex_num(a, 0), d))));
}

void mover_end(struct expansion *x, struct function *f, const struct walkers *w)
{
	struct arena *a = x->cx->prog;
	const struct mover *m = w->mover;
	if (m->how->how && !m->how->how->adjusted)
		return;
	const struct sym *change = out_sym(x, "sampler.change", w->pop),
	                 *p = out_sym(x, "sampler.probability", w->pop),
	                 *keep = out_sym(x, "sampler.accepted", w->pop),
	                 *mean = out_sym(x, "sampler.acceptance", -1);
	struct node *pn = ex_at(a, p, w->batch, NULL), *kn = ex_at(a, keep, w->batch, NULL);
	assign(x, f, change, w->batch, NULL,
	       ex_sub(a, hamiltonian(x, w), ex_at(a, m->start, w->batch, NULL)));
	assign(x, f, p, w->batch, NULL, probability(a, ex_at(a, change, w->batch, NULL)));
	assign(x, f, keep, w->batch, NULL,
	       ex_op2(a, OP_LT, ex_draw(a, OP_UNIFORM, program_stream(x->p)), pn));
	for (int i = 0; i < x->m->group.n; i++) {
		const struct idx *at[MAX_RANK];
		if (!m->moved[i])
			continue;
		fresh_axes(a, w->state[i], at);
		struct node *new = ex_op2(a, OP_GATE, kn, ex_at(a, w->state[i], w->batch, at));
		struct node *old =
		    ex_op2(a, OP_GATE, ex_sub(a, ex_num(a, 1), kn), ex_at(a, m->old[i], w->batch, at));
		assign(x, f, w->state[i], w->batch, at, ex_add(a, new, old));
	}
	const struct idx *n = w->batch;
	struct node *inv = ex_access(a, scalar_sym(x, "inv_walkers"), NULL, NULL);
	struct node *rate = ex_access(a, scalar_sym(x, "adaptation"), NULL, NULL);
	struct node *size = ex_access(a, m->size, NULL, NULL);
	assign(x, f, mean, NULL, NULL, ex_mul(a, inv, ex_reduce(a, RED_SUM, &n, 1, NULL, 0, pn)));
	struct node *miss = plus(a, ex_access(a, mean, NULL, NULL), -m->how->acceptance);
	assign(x, f, m->size, NULL, NULL, ex_mul(a, size, ex_op1(a, OP_EXP, ex_mul(a, rate, miss))));
}
