/* Statements that draw a group from its conditional, or set its means.
 *
 * A block of which one or at most one unit is 1 is drawn by inversion from one uniform number u:
 * with the means p and their running sums S[o] = sum over o2 <= o of p[o2], o the place in the
 * block in row-major order, the place that is 1 is the number of sums that are at most u; where one
 * has to be 1 the last sum is not asked, whatever the rounding. Counts with the total n are drawn
 * one after the other: with R[o] = sum over o2 >= o of p[o2], v[o] is binomial(n - what is drawn,
 * p[o]/R[o]), and the last one what is left. A group whose units are coupled is drawn in turn, each
 * unit seeing those drawn before it; of a block x[o] is then [S[o-1] <= u < S[o]]. A unit that is
 * held keeps its state: what is drawn given it is drawn from the conditional distribution. Where
 * units are held, places of a block may have p = 0: u is then kept below S of the last place,
 * however that was rounded, so that none of them is drawn.
 *
 * Where the blocks of a coupled group have a colouring (model/colour.c), all blocks of a class are
 * drawn at once, one class after the other, from the same random numbers and the same part of the
 * field that is free of the group. */
#include "objective/internal.h"

/* A temporary over these indices, batched; its value where rhs is given. */
static const struct sym *temp(struct expansion *x, struct function *f, const struct sym *like,
                              const char *suffix, const struct idx *const *at, int rank,
                              const struct walkers *w, struct node *rhs)
{
	struct arena *a = x->cx->prog;
	int64_t dim[MAX_RANK];
	for (int i = 0; i < rank; i++)
		dim[i] = at[i]->size;
	const struct sym *s = sym_new(a, arena_printf(a, "%s.%s", like->name, suffix), SYM_TEMP,
	                              VALUES_REAL, true, rank, dim, like->span);
	program_tensor(x->p, s, SPACE_TEMP, w->pop, NULL);
	assign(x, f, s, w->batch, at, rhs);
	return s;
}

/* ---- blocks ---- */
/* A place in the block as a number in row-major order. */
static struct affine order(struct arena *a, const struct idx *const *in, int m)
{
	struct affine o = affine_const(0);
	for (int i = 0; i < m; i++) {
		struct affine scaled = affine_const(0);
		scaled = affine_add(a, scaled, o, in[i]->size);
		o = affine_add(a, scaled, affine_idx(a, in[i]), 1);
	}
	return o;
}

static struct guard at_least(struct arena *a, struct affine x, struct affine y)
{
	return (struct guard){false, affine_add(a, x, y, -1)};
}

/* Sum of p, which is over c->b, over the places of the block up to o (from o on). */
static struct node *running_sum(struct arena *a, const struct conditional *c, struct node *p,
                                struct affine o, bool from)
{
	const struct idx *in[MAX_RANK];
	for (int i = 0; i < c->b.m; i++) {
		in[i] = idx_new(a, c->b.in[i]->name, c->b.in[i]->size);
		p = ex_subst_idx(a, p, c->b.in[i], affine_idx(a, in[i]));
	}
	struct affine o2 = order(a, in, c->b.m);
	struct guard g = from ? at_least(a, o2, o) : at_least(a, o, o2);
	return ex_reduce(a, RED_SUM, in, c->b.m, &g, 1, p);
}

bool is_split(const struct group *g)
{
	for (int i = 0; i < g->sym->rank; i++)
		if (g->block[i] > 1 && g->block[i] < g->sym->dim[i])
			return true;
	return false;
}

/* The indices of a temporary over c->b: places first where blocks lie side by side, so that the
 * innermost loop is over blocks. */
static int layout(const struct conditional *c, const struct idx **at)
{
	bool split = is_split(c->group);
	int n = 0;
	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < ((pass == 0) == split ? c->b.m : c->b.n); i++)
			at[n++] = (pass == 0) == split ? c->b.in[i] : c->b.block[i];
	return n;
}

/* The conditional with its field read from a temporary, so that what a block shares is of an array.
 */
static struct conditional with_field(struct expansion *x, struct function *f,
                                     const struct conditional *c, const struct sym *dst,
                                     const struct walkers *w)
{
	struct arena *a = x->cx->prog;
	struct conditional of = *c;
	const struct sym *field = temp(x, f, dst, "f", c->at, dst->rank, w, at_walkers(x, c->field, w));
	of.field = ex_at(a, field, w->batch, c->at);
	of.inner = ex_access(a, field, w->batch, c->b.k);
	return of;
}

/* The log-partitions of the blocks, as a temporary. */
static struct node *norms(struct expansion *x, struct function *f, const struct conditional *of,
                          const struct sym *dst, const struct walkers *w)
{
	struct arena *a = x->cx->prog;
	struct node *z = of->group->family->log_partition(a, of, 0);
	return ex_at(a, temp(x, f, dst, "z", of->b.block, of->b.n, w, z), w->batch, of->b.block);
}

/* [S[o-1] <= u < S[o]] with the running sums given. */
static struct node *inverted(struct arena *a, const struct conditional *c, struct affine o,
                             struct node *u, struct node *s, struct node *before)
{
	struct affine last = affine_const((int64_t)block_units(c->group) - 1);
	struct guard inner = at_least(a, affine_add(a, last, affine_const(1), -1), o),
	             end = at_least(a, o, last), later = at_least(a, o, affine_const(1));
	struct node *below = ex_op2(a, OP_LT, u, s);
	if (!c->group->family->empty)
		below = ex_add(a, ex_mask(a, &inner, 1, below), ex_mask(a, &end, 1, ex_num(a, 1)));
	return ex_sub(a, below, ex_mask(a, &later, 1, ex_op2(a, OP_LT, u, before)));
}

/* u, below the sum of all of a block where units are held. */
static struct node *below_all(struct expansion *x, const struct conditional *c,
                              const struct walkers *w, struct node *u, struct node *all)
{
	struct arena *a = x->cx->prog;
	if (!w->held[group_number(x, c->group)])
		return u;
	return ex_op2(a, OP_MIN, u, ex_scale(a, 1 - 0x1p-23, all));
}

/* How many running sums of p are at most u: the number of the place that is 1, as a temporary over
 * the blocks. Where one has to be 1 the last sum is not asked. */
static struct node *chosen(struct expansion *x, struct function *f, const struct conditional *c,
                           struct node *p, struct node *u, const struct sym *dst,
                           const struct walkers *w)
{
	struct arena *a = x->cx->prog;
	const struct idx *at[MAX_RANK], *i = idx_new(a, "o", (int64_t)block_units(c->group));
	int n = layout(c, at), first = is_split(c->group);
	p = ex_at(a, temp(x, f, dst, "p", at, n, w, p), w->batch, at);
	for (int r = 0; r < c->b.n; r++)
		at[r + first] = c->b.block[r];
	at[first ? 0 : c->b.n] = i;
	struct node *s = ex_at(
	    a, temp(x, f, dst, "S", at, c->b.n + 1, w, running_sum(a, c, p, affine_idx(a, i), false)),
	    w->batch, at);
	if (!c->group->family->empty)
		u = below_all(x, c, w, u, ex_subst_idx(a, s, i, affine_const(i->size - 1)));
	int64_t asked = i->size - 1 + c->group->family->empty;
	struct guard few = at_least(a, affine_const(asked - 1), affine_idx(a, i));
	struct node *above = ex_reduce(a, RED_SUM, &i, 1, &few, 1, ex_op2(a, OP_LT, u, s));
	struct node *number = ex_sub(a, ex_num(a, (double)asked), above);
	return ex_at(a, temp(x, f, dst, "o", c->b.block, c->b.n, w, number), w->batch, c->b.block);
}

/* x, or the state where the element is held. */
static struct node *unless_held(struct expansion *x, const struct conditional *c,
                                const struct walkers *w, struct node *value)
{
	struct arena *a = x->cx->prog;
	int i = group_number(x, c->group);
	if (w->held[i] == NULL)
		return value;
	struct node *held = ex_at(a, w->held[i], w->batch, c->at);
	struct node *free = ex_sub(a, ex_num(a, 1), held),
	            *own = ex_at(a, w->state[i], w->batch, c->at);
	return ex_add(a, ex_mul(a, held, own), ex_mul(a, free, value));
}

static struct stmt statement(struct expansion *x, const struct conditional *c,
                             const struct sym *dst, const struct walkers *w, struct node *rhs)
{
	struct stmt s = {.dst = dst, .batch = w->batch, .sequential = c->coupled};
	s.rhs = unless_held(x, c, w, rhs);
	for (int i = 0; i < dst->rank; i++)
		s.at[i] = c->at[i];
	return s;
}

static const struct sym *noise(struct expansion *x, struct function *f, const struct conditional *c,
                               const struct sym *dst, const struct walkers *w)
{
	enum op op = c->group->family->shape == SHAPE_GAUSS ? OP_NORMAL : OP_UNIFORM;
	return temp(x, f, dst, "u", c->b.block, c->b.n, w,
	            ex_draw(x->cx->prog, op, program_stream(x->p)));
}

/* Blocks of which one or at most one is 1, all at once from a uniform each: over c->b. */
static struct node *onehot_value(struct expansion *x, struct function *f,
                                 const struct conditional *c, const struct sym *dst,
                                 const struct walkers *w, struct node *u)
{
	struct arena *a = x->cx->prog;
	struct conditional of = with_field(x, f, c, dst, w);
	struct node *p = ex_op1(a, OP_EXP, ex_sub(a, of.inner, norms(x, f, &of, dst, w)));
	struct node *o = ex_index(a, order(a, c->b.in, c->b.m));
	struct node *off = ex_sub(a, o, chosen(x, f, c, p, u, dst, w));
	return ex_op2(a, OP_LT, ex_op1(a, OP_ABS, off), ex_num(a, 0.5));
}

/* ---- classes of blocks ---- */
/* 1 over the blocks of class k, else 0. */
static struct node *in_class(struct arena *a, const struct conditional *c,
                             const struct colouring *of, int k)
{
	struct node *s = ex_index(a, model_class(a, c, of)), *n = ex_num(a, of->n);
	struct node *half = ex_scale(a, 1.0 / of->n, ex_add(a, s, ex_num(a, 0.5)));
	struct node *class = ex_sub(a, s, ex_mul(a, n, ex_op1(a, OP_FLOOR, half)));
	struct node *off = ex_op1(a, OP_ABS, ex_sub(a, class, ex_num(a, k)));
	return ex_op2(a, OP_LT, off, ex_num(a, 0.5));
}

/* The conditional with what its field has that is free of the group in a temporary. */
static struct conditional with_shared(struct expansion *x, struct function *f,
                                      const struct conditional *c, const struct sym *dst,
                                      const struct walkers *w)
{
	struct arena *a = x->cx->prog;
	struct conditional of = *c;
	struct node **term, *shared = ex_num(a, 0), *own = shared;
	int n = ex_terms(c->field, &term);
	for (int i = 0; i < n; i++)
		if (ex_mentions(term[i], c->group->sym))
			own = ex_add(a, own, term[i]);
		else
			shared = ex_add(a, shared, term[i]);
	shared = at_walkers(x, shared, w);
	const struct sym *s = temp(x, f, dst, "g", c->at, dst->rank, w, shared);
	of.field = ex_add(a, own, ex_at(a, s, w->batch, c->at));
	return of;
}

static void draw_classes(struct expansion *x, struct function *f, const struct conditional *c,
                         const struct colouring *by, const struct sym *dst, const struct walkers *w)
{
	struct arena *a = x->cx->prog;
	const struct family *fam = c->group->family;
	struct conditional of = with_shared(x, f, c, dst, w);
	struct node *u = ex_at(a, noise(x, f, c, dst, w), w->batch, c->b.block);
	struct node *old = ex_at(a, dst, w->batch, c->at);
	for (int k = 0; k < by->n; k++) {
		struct node *here = in_class(a, c, by, k), *new;
		if (fam->shape == SHAPE_ONEHOT)
			new = onehot_value(x, f, &of, dst, w, u);
		else
			new = at_walkers(x, fam->draw(a, &of, u, u), w);
		struct node *drawn = model_at_element(a, c, ex_op2(a, OP_GATE, here, new));
		here = model_at_element(a, c, here);
		drawn = ex_at(a, temp(x, f, dst, "new", c->at, dst->rank, w, drawn), w->batch, c->at);
		struct node *kept = ex_op2(a, OP_GATE, ex_sub(a, ex_num(a, 1), here), old);
		struct stmt s = statement(x, c, dst, w, ex_add(a, drawn, kept));
		s.sequential = false;
		program_stmt(x->p, f, s);
	}
}

/* ---- groups ---- */
static bool draw_onehot(struct expansion *x, struct function *f, const energy *E,
                        struct conditional *c, const struct sym *dst, const struct walkers *w)
{
	struct arena *a = x->cx->prog;
	if (c->coupled && is_split(c->group)) /* its blocks are no steps of a sweep */
		return model_conditional(x->cx, x->m, E, c->group, c);
	struct node *u = ex_at(a, noise(x, f, c, dst, w), w->batch, c->b.block), *value;
	if (c->coupled) {
		struct affine o = order(a, c->b.in, c->b.m), o1 = affine_add(a, o, affine_const(1), -1);
		struct node *p = at_walkers(x, c->inner_mean, w);
		if (!c->group->family->empty)
			u = below_all(x, c, w, u, ex_reduce(a, RED_SUM, c->b.in, c->b.m, NULL, 0, p));
		value =
		    inverted(a, c, o, u, running_sum(a, c, p, o, false), running_sum(a, c, p, o1, false));
	} else {
		value = onehot_value(x, f, c, dst, w, u);
	}
	struct stmt step = statement(x, c, dst, w, model_at_element(a, c, value));
	step.inner = c->coupled ? c->b.m : 0;
	program_stmt(x->p, f, step);
	return true;
}

static bool draw_total(struct expansion *x, struct function *f, const energy *E,
                       struct conditional *c, const struct sym *dst, const struct walkers *w)
{
	struct arena *a = x->cx->prog;
	if (!model_conditional(x->cx, x->m, E, c->group, c))
		return false;
	const struct idx *i = c->at[dst->rank - 1];
	struct affine o = affine_idx(a, i), last = affine_const(i->size - 1);
	struct conditional of = with_field(x, f, c, dst, w);
	struct node *p = at_walkers(x, c->group->family->mean(a, &of), w);
	p = ex_subst_idx(a, p, c->b.in[0], o);
	p = ex_at(a, temp(x, f, dst, "p", c->at, dst->rank, w, p), w->batch, c->at);
	struct affine one = affine_const(1);
	struct guard inner = at_least(a, affine_add(a, last, one, -1), o), end = at_least(a, o, last);
	const struct sym *rest =
	    temp(x, f, dst, "R", c->at, dst->rank, w,
	         running_sum(a, c, ex_subst_idx(a, p, i, affine_idx(a, c->b.in[0])), o, true));
	const struct sym *u =
	    temp(x, f, dst, "u", c->at, dst->rank, w, ex_draw(a, OP_UNIFORM, program_stream(x->p)));
	struct node *share = ex_op2(a, OP_MAX, ex_at(a, rest, w->batch, c->at), ex_num(a, 1e-30));
	share = ex_op2(a, OP_MIN, ex_mul(a, p, ex_op2(a, OP_POW, share, ex_num(a, -1))), ex_num(a, 1));
	const struct idx *j = idx_new(a, i->name, i->size);
	struct guard drawn = at_least(a, affine_add(a, o, one, -1), affine_idx(a, j));
	struct node *v = ex_subst_idx(a, ex_at(a, dst, w->batch, c->at), i, affine_idx(a, j));
	struct node *left =
	    ex_sub(a, at_walkers(x, c->total, w), ex_reduce(a, RED_SUM, &j, 1, &drawn, 1, v));
	struct node *binomial =
	    ex_op(a, OP_BINOMIAL, (struct node *[]){ex_at(a, u, w->batch, c->at), share, left}, 3);
	struct stmt s = statement(
	    x, c, dst, w, ex_add(a, ex_mask(a, &inner, 1, binomial), ex_mask(a, &end, 1, left)));
	s.sequential = true;
	program_stmt(x->p, f, s);
	return true;
}

static void draw_element(struct expansion *x, struct function *f, const struct conditional *c,
                         const struct sym *dst, const struct walkers *w)
{
	struct arena *a = x->cx->prog;
	bool normal = c->group->family->shape == SHAPE_GAUSS;
	struct node *r = ex_draw(a, normal ? OP_NORMAL : OP_UNIFORM, program_stream(x->p));
	struct node *v = c->group->family->draw(a, c, normal ? NULL : r, normal ? r : NULL);
	program_stmt(x->p, f, statement(x, c, dst, w, at_walkers(x, v, w)));
}

bool draw_group(struct expansion *x, struct function *f, const energy *E, const struct group *g,
                const struct walkers *w)
{
	struct conditional c;
	struct colouring by;
	const struct sym *dst = w->state[group_number(x, g)];
	if (!model_element(x->cx, x->m, E, g, &c))
		return false;
	if (c.coupled && g->family->shape != SHAPE_TOTAL && model_colour(x->cx->prog, &c, &by)) {
		draw_classes(x, f, &c, &by, dst, w);
		return true;
	}
	if (g->family->shape == SHAPE_ONEHOT)
		return draw_onehot(x, f, E, &c, dst, w);
	if (g->family->shape == SHAPE_TOTAL)
		return draw_total(x, f, E, &c, dst, w);
	draw_element(x, f, &c, dst, w);
	return true;
}

struct node *mean_at(struct expansion *x, struct function *f, const struct conditional *c,
                     const struct sym *dst, const struct walkers *w)
{
	if (c->coupled || !is_split(c->group))
		return at_walkers(x, c->mean, w);
	struct arena *a = x->cx->prog;
	struct conditional of = with_field(x, f, c, dst, w);
	struct node *z = model_at_element(a, c, norms(x, f, &of, dst, w));
	return ex_op1(a, OP_EXP, ex_sub(a, of.field, z));
}

bool mean_group(struct expansion *x, struct function *f, const energy *E, const struct group *g,
                const struct walkers *w, const struct sym *dst)
{
	struct conditional c;
	bool state_known =
	    g->role == GROUP_VISIBLE; /* then coupled units have their means given one another */
	if (!(state_known ? model_element : model_conditional)(x->cx, x->m, E, g, &c))
		return false;
	struct node *mean = mean_at(x, f, &c, dst, w);
	assign(x, f, dst, w->batch, c.at, unless_held(x, &c, w, mean));
	return true;
}

/* f and p of independent units at the data's mean and variance, or at the family's start. */
struct node *natural_at(struct expansion *x, const struct group *g, const struct idx *const *at,
                        bool at_mean, struct node **p)
{
	struct arena *a = x->cx->prog;
	struct node *m = at_mean && g->mean ? ex_at(a, g->mean, NULL, at) : ex_num(a, g->family->start);
	struct node *v = at_mean && g->var ? ex_at(a, g->var, NULL, at) : ex_num(a, 1);
	*p = NULL;
	return g->family->natural(a, m, v, p);
}

bool draw_independent(struct expansion *x, struct function *f, const struct walkers *w,
                      enum group_role role, bool at_mean)
{
	struct arena *a = x->cx->prog;
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		const struct idx *at[MAX_RANK];
		struct node *n, *p;
		energy E = {0};
		if (g->role != role)
			continue;
		fresh_axes(a, g->sym, at);
		n = natural_at(x, g, at, at_mean, &p);
		energy_push(a, &E, model_independent(x->m, g, at, n, p), g->span);
		if (!draw_group(x, f, &E, g, w))
			return false;
	}
	return true;
}
