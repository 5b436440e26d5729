/* The forward half of a flow: definitions and draws as statements, on demand. */
#include "objective/flow.h"

struct flow *flow_new(struct expansion *x, struct function *f, const char *suffix, int pop,
                      int64_t particles)
{
	struct arena *a = x->cx->prog;
	struct flow *fl = NEW(a, struct flow);
	struct walkers data = walkers_data(x);
	int n = x->m->group.n;
	fl->x = x;
	fl->f = f;
	fl->suffix = suffix;
	fl->pop = pop;
	fl->batch = pop == POP_DATA ? data.batch : idx_batch(a, "n", pop);
	fl->particle = particles > 1 ? idx_new(a, "particle", particles) : NULL;
	fl->state = NEW_ARRAY(a, const struct sym *, n + 1);
	fl->many = NEW_ARRAY(a, bool, n + 1);
	fl->with = NEW_ARRAY(a, bool, n + 1);
	fl->computed = NEW_ARRAY(a, const struct sym *, x->m->def.n + 1);
	fl->def_many = NEW_ARRAY(a, bool, x->m->def.n + 1);
	for (int i = 0; i < n && pop == POP_DATA; i++)
		if (x->m->group.at[i]->role != GROUP_HIDDEN)
			fl->state[i] = data.state[i];
	return fl;
}

static const struct sym *new_symbol(struct flow *fl, const char *name, enum values values,
                                    bool batched, int rank, const int64_t *dim)
{
	struct arena *a = fl->x->cx->prog;
	const char *full = *fl->suffix ? arena_printf(a, "%s.%s", name, fl->suffix) : name;
	const struct sym *s = sym_new(a, full, SYM_TEMP, values, batched, rank, dim, (struct span){0});
	program_tensor(fl->x->p, s, SPACE_TEMP, batched ? fl->pop : -1, NULL);
	return s;
}

/* Does index i stand in a subscript of x?  Where an index of an array stands in conditions only,
 * the array is a family of running sums, which whoever reads it goes through in order; to keep them
 * all would take far more room. */
static bool subscripts_use(const struct node *x, const struct idx *i)
{
	for (int k = 0; x->kind == N_ACCESS && k < x->sym->rank; k++)
		for (int l = 0; l < x->map[k].n; l++)
			if (x->map[k].ix[l] == i)
				return true;
	for (int k = 0; k < x->nkid; k++)
		if (subscripts_use(x->kid[k], i))
			return true;
	return false;
}

/* ---- what a nonlinear function is taken of ---- */
static const struct sym *step(struct flow *fl, const char *name, enum values values, bool batched,
                              const struct idx *const *at, int nat, struct node *rhs, bool many);

static bool reduces(const struct node *x)
{
	if (x->kind == N_REDUCE)
		return true;
	for (int k = 0; k < x->nkid; k++)
		if (reduces(x->kid[k]))
			return true;
	return false;
}

static struct node *with_kids(struct arena *a, const struct node *x, struct node *const *kid)
{
	switch (x->kind) {
	case N_OP:
		return ex_op(a, x->op, kid, x->nkid);
	case N_MASK:
		return ex_mask(a, x->guard, x->nguard, kid[0]);
	case N_REDUCE:
		return ex_reduce(a, x->red, x->bound, x->nbound, x->guard, x->nguard, kid[0]);
	case N_CONST:
	case N_INDEX:
	case N_ACCESS:
		break;
	}
	BUG("a leaf has no operands");
}

/* The indices of x but the example's and the particle's, in the order of what it is part of; -1:
 * there are too many, or one stands in conditions only. */
static int axes_of(const struct flow *fl, const struct step *of, const struct node *x,
                   const struct idx **at)
{
	const struct idx *free[MAX_RANK + 2 * MAX_BOUND];
	int n = 0, nat = 0;
	for (int k = 0; k < of->sym->rank; k++)
		if (ex_uses_idx(x, of->at[k]))
			free[n++] = of->at[k];
	n += ex_free(x, free + n, 2 * MAX_BOUND);
	bool many = fl->particle && ex_uses_idx(x, fl->particle);
	for (int k = 0; k < n; k++) {
		bool seen = free[k] == fl->batch || free[k] == fl->particle;
		for (int l = 0; l < k; l++)
			seen = seen || free[l] == free[k];
		if (seen)
			continue;
		if (nat + many == MAX_RANK || !subscripts_use(x, free[k]))
			return -1;
		at[nat++] = free[k];
	}
	return nat;
}

static bool computes(struct arena *a, const struct step *s, const struct node *x,
                     const struct idx *const *at, int nat)
{
	bool same = !s->constant && !s->state && !s->each && s->sym->rank == nat &&
	            s->rhs->kind == x->kind && s->rhs->op == x->op && s->rhs->nkid == x->nkid;
	for (int k = 0; k < nat && same; k++)
		same = s->at[k]->size == at[k]->size;
	struct node *rhs = s->rhs;
	for (int k = 0; k < nat && same; k++)
		rhs = ex_subst_idx(a, rhs, s->at[k], affine_idx(a, at[k]));
	return same && ex_same(rhs, x);
}

/* x read from a step that computes it; NULL: there is none. */
static struct node *known(const struct flow *fl, const struct step *of, const struct node *x)
{
	struct arena *a = fl->x->cx->prog;
	const struct idx *at[MAX_RANK];
	int nat = axes_of(fl, of, x, at);
	if (nat < 0 || (fl->particle && ex_uses_idx(x, fl->particle)))
		return NULL;
	for (int i = 0; i < fl->step.n; i++)
		if (computes(a, &fl->step.at[i], x, at, nat))
			return ex_at(a, fl->step.at[i].sym, fl->step.at[i].batch, at);
	return NULL;
}

/* x as a step of its own over the indices free in it; x itself where there are too many, or where
 * it is a running sum. */
static struct node *kept(struct flow *fl, const struct step *of, struct node *x)
{
	const struct idx *at[MAX_RANK];
	bool many = fl->particle && ex_uses_idx(x, fl->particle);
	int nat = axes_of(fl, of, x, at);
	if (nat < 0)
		return x;
	const char *full = arena_printf(fl->x->cx->prog, "%s.in", of->sym->name);
	const struct sym *s = step(fl, full, VALUES_REAL, ex_uses_idx(x, fl->batch), at, nat, x, many);
	const struct step *st = &fl->step.at[fl->step.n - 1];
	return ex_at(fl->x->cx->prog, s, st->batch, st->at);
}

/* x with the sums that nonlinear functions are taken of as steps of their own, so that a gradient,
 * which takes another function of them, does not sum again. */
static struct node *split_once(struct flow *fl, const struct step *of, struct node *x, bool guarded)
{
	struct arena *a = fl->x->cx->prog;
	bool linear = x->kind != N_OP || x->op == OP_ADD || x->op == OP_MUL, changed = false;
	struct node *value = reduces(x) ? known(fl, of, x) : x;
	if (value)
		return value;
	struct node **kid = NEW_ARRAY(a, struct node *, x->nkid + 1);
	for (int k = 0; k < x->nkid; k++) {
		kid[k] = split_once(fl, of, x->kid[k], guarded || x->nguard > 0);
		if (!linear && !guarded && reduces(kid[k])) {
			struct node *before = known(fl, of, kid[k]);
			kid[k] = before ? before : kept(fl, of, kid[k]);
		}
		changed = changed || kid[k] != x->kid[k];
	}
	return changed ? with_kids(a, x, kid) : x;
}

/* ... and with the same sums elsewhere in x read from these steps. */
static struct node *split(struct flow *fl, const struct step *of, struct node *x)
{
	return split_once(fl, of, split_once(fl, of, x, false), false);
}

/* A step: sym[particle, at] := rhs, the first axis where rhs has it. */
static const struct sym *step(struct flow *fl, const char *name, enum values values, bool batched,
                              const struct idx *const *at, int nat, struct node *rhs, bool many)
{
	struct arena *a = fl->x->cx->prog;
	struct step s = {.batch = batched ? fl->batch : NULL};
	int64_t dim[MAX_RANK];
	int rank = 0;
	if (many)
		s.at[rank++] = fl->particle;
	for (int k = 0; k < nat; k++)
		s.at[rank++] = at[k];
	for (int k = 0; k < rank; k++)
		dim[k] = s.at[k]->pop >= 0 ? fl->x->p->most.at[s.at[k]->pop] : s.at[k]->size;
	s.sym = new_symbol(fl, name, values, batched, rank, dim);
	s.rhs = fl->training || fl->apart ? split(fl, &s, rhs) : rhs;
	assign(fl->x, fl->f, s.sym, s.batch, s.at, s.rhs);
	vec_push(a, &fl->step, s);
	return s.sym;
}

const struct sym *flow_uniform(struct flow *fl, const char *name, const struct idx *const *at,
                               int nat)
{
	struct node *u = ex_draw(fl->x->cx->prog, OP_UNIFORM, program_stream(fl->x->p));
	return step(fl, name, VALUES_REAL, true, at, nat, u, false);
}

const struct sym *flow_assign(struct flow *fl, const char *name, const struct idx *const *at,
                              int nat, struct node *rhs)
{
	bool many = fl->particle && ex_uses_idx(rhs, fl->particle);
	return step(fl, name, VALUES_REAL, ex_uses_idx(rhs, fl->batch), at, nat, rhs, many);
}

/* Where an access goes: the same subscripts, the particle before them where the symbol has it. */
struct target {
	struct flow *fl;
	const struct sym *sym;
	bool many;
};

static struct node *redirect(struct arena *a, const struct node *access, void *arg)
{
	const struct target *t = arg;
	struct affine map[MAX_RANK];
	int rank = 0;
	if (t->many)
		map[rank++] = affine_idx(a, t->fl->particle);
	for (int k = 0; k < access->sym->rank; k++)
		map[rank++] = access->map[k];
	return ex_access(a, t->sym, t->sym->batched ? t->fl->batch : NULL, map);
}

static bool running(const struct definition *d)
{
	if (d->state || d->average)
		return false;
	for (int k = 0; k < d->sym->rank; k++)
		if (ex_uses_idx(d->rhs, d->at[k]) && !subscripts_use(d->rhs, d->at[k]))
			return true;
	return false;
}

static struct node *in_place(struct arena *a, const struct node *access, void *arg)
{
	const struct definition *d = arg;
	return ex_subst_at(a, d->rhs, d->at, access->map, d->sym->rank);
}

struct step flow_state_begin(struct flow *fl, const struct sym *of, const char *name,
                             const struct idx *const *at, int rank, bool many)
{
	struct step s = {.batch = fl->batch, .state = true, .along = many, .of = of};
	int64_t dim[MAX_RANK];
	if (many)
		s.at[0] = fl->particle;
	for (int k = 0; k < rank; k++)
		s.at[k + many] = at[k];
	for (int k = 0; k < rank + many; k++)
		dim[k] = s.at[k]->size;
	s.sym = new_symbol(fl, name, of->values, true, rank + many, dim);
	return s;
}

void flow_state_end(struct flow *fl, struct step s, struct node *value)
{
	struct stmt st = {.dst = s.sym, .batch = fl->batch, .rhs = value, .sequential = true};
	st.inner = s.sym->rank - 1 - s.along;
	for (int k = 0; k < s.sym->rank; k++)
		st.at[k] = s.at[k];
	program_stmt(fl->x->p, fl->f, st);
	s.parts = fl->step.n;
	s.rhs = fl->training ? split(fl, &s, value) : value;
	s.parts = fl->step.n - s.parts;
	vec_push(fl->x->cx->prog, &fl->step, s);
}

/* Is x made of what has the axis of particles? */
static bool of_particles(const struct flow *fl, const struct node *x)
{
	const struct model *m = fl->x->m;
	for (int i = 0; i < m->group.n; i++)
		if (fl->many[i] && model_reads(m, x, m->group.at[i]->sym))
			return true;
	for (int i = 0; i < m->def.n; i++) {
		const struct node *rhs = m->def.at[i]->rhs;
		bool noise = rhs->kind == N_OP && op_flags(rhs->op) & OPF_DRAW;
		bool many = fl->computed[i] ? fl->def_many[i] : noise && fl->drawing;
		if (many && model_reads(m, x, m->def.at[i]->sym))
			return true;
	}
	return false;
}

/* A state reads itself: its symbol is there before its value is. */
static void compute_state(struct flow *fl, int i)
{
	const struct definition *d = fl->x->m->def.at[i];
	fl->def_many[i] = fl->particle && of_particles(fl, d->rhs);
	struct step s =
	    flow_state_begin(fl, d->sym, d->sym->name, d->at, d->sym->rank, fl->def_many[i]);
	fl->computed[i] = s.sym;
	flow_state_end(fl, s, flow_at(fl, d->rhs));
}

void flow_set_state(struct flow *fl, const struct sym *of, const struct sym *value, bool many)
{
	const struct model *m = fl->x->m;
	for (int i = 0; i < m->def.n; i++)
		if (m->def.at[i]->sym == of) {
			fl->computed[i] = value;
			fl->def_many[i] = many;
		}
	for (int i = 0; i < m->group.n; i++)
		if (m->group.at[i]->sym == of) {
			fl->state[i] = value;
			fl->many[i] = many;
		}
}

enum { KEEP = 10 }; /* updates over which a running mean goes */

static bool stays(const struct flow *fl, const struct sym *s)
{
	for (int i = 0; i < fl->x->m->weight.n; i++)
		if (fl->x->m->weight.at[i]->sym == s)
			return fl->x->frozen[i];
	return false;
}

/* The mean of a definition over the batch; elsewhere than in training the running mean of it. */
static void average(struct flow *fl, int i)
{
	struct arena *a = fl->x->cx->prog;
	const struct definition *d = fl->x->m->def.at[i];
	struct node *kept = ex_at(a, d->average, NULL, d->at), *each = NULL, *mean = kept;
	if (fl->training && !stays(fl, d->average)) {
		struct node *inv_n = ex_access(a, scalar_sym(fl->x, "inv_n"), NULL, NULL);
		each = ex_mul(a, inv_n, flow_at(fl, d->rhs));
		if (fl->particle && ex_uses_idx(each, fl->particle))
			each = ex_scale(a, 1 / (double)fl->particle->size, ex_sum(a, fl->particle, each));
		mean = ex_sum(a, fl->batch, each);
	}
	fl->computed[i] = step(fl, d->sym->name, VALUES_REAL, false, d->at, d->sym->rank, mean, false);
	fl->step.at[fl->step.n - 1].each = each;
	fl->step.at[fl->step.n - 1].of = d->sym;
	if (fl->keep && !stays(fl, d->average)) {
		struct node *now = ex_at(a, fl->computed[i], NULL, d->at);
		struct node *gap = ex_scale(a, 1.0 / KEEP, ex_sub(a, now, kept));
		assign(fl->x, fl->f, d->average, NULL, d->at, ex_add(a, kept, gap));
	}
}

static void compute(struct flow *fl, int i)
{
	struct arena *a = fl->x->cx->prog;
	const struct definition *d = fl->x->m->def.at[i];
	bool noise = d->rhs->kind == N_OP && op_flags(d->rhs->op) & OPF_DRAW;
	struct node *rhs = d->state ? NULL
	                   : noise  ? ex_draw(a, d->rhs->op, program_stream(fl->x->p))
	                            : flow_at(fl, d->rhs);
	if (d->state) {
		compute_state(fl, i);
		return;
	}
	fl->def_many[i] = fl->particle && (noise ? fl->drawing : ex_uses_idx(rhs, fl->particle));
	fl->computed[i] = step(fl, d->sym->name, VALUES_REAL, noise || ex_uses_idx(rhs, fl->batch),
	                       d->at, d->sym->rank, rhs, fl->def_many[i]);
}

struct node *flow_at(struct flow *fl, struct node *e)
{
	struct arena *a = fl->x->cx->prog;
	const struct model *m = fl->x->m;
	e = model_when(m, e, fl->training);
	for (int i = m->def.n - 1; i >= 0; i--)
		if (ex_mentions(e, m->def.at[i]->sym) && running(m->def.at[i]))
			e = ex_subst(
			    a, e,
			    &(struct subst){.from = m->def.at[i]->sym, .fn = in_place, .arg = m->def.at[i]});
	for (int i = 0; i < m->def.n; i++) {
		const struct sym *s = m->def.at[i]->sym;
		if (!ex_mentions(e, s))
			continue;
		if (!fl->computed[i] && m->def.at[i]->average)
			average(fl, i);
		else if (!fl->computed[i])
			compute(fl, i);
		struct target t = {fl, fl->computed[i], fl->def_many[i]};
		e = ex_subst(a, e, &(struct subst){.from = s, .fn = redirect, .arg = &t});
	}
	for (int i = 0; i < m->group.n; i++) {
		const struct sym *s = m->group.at[i]->sym;
		if (!ex_mentions(e, s))
			continue;
		if (!fl->state[i])
			BUG("'%s' is read before it is drawn", m->group.at[i]->name);
		struct target t = {fl, fl->state[i], fl->many[i]};
		if (s != t.sym || m->batch != fl->batch)
			e = ex_subst(a, e, &(struct subst){.from = s, .fn = redirect, .arg = &t});
	}
	return e;
}

/* ---- draws ---- */
static bool is_noise(const struct model *m, const struct node *x)
{
	if (x->kind == N_OP && op_flags(x->op) & OPF_DRAW)
		return true;
	for (int i = 0; i < m->def.n && x->kind == N_ACCESS; i++)
		if (m->def.at[i]->sym == x->sym)
			return is_noise(m, m->def.at[i]->rhs);
	for (int k = 0; k < x->nkid; k++)
		if (is_noise(m, x->kid[k]))
			return true;
	return false;
}

/* Is a step function taken of noise in x? */
static bool stepwise(const struct model *m, const struct node *x)
{
	if (x->kind == N_OP &&
	    (x->op == OP_LT || x->op == OP_POISSON || x->op == OP_GAMMA_QUANTILE ||
	     x->op == OP_BINOMIAL || x->op == OP_FLOOR) &&
	    is_noise(m, x))
		return true;
	for (int k = 0; k < x->nkid; k++)
		if (stepwise(m, x->kid[k]))
			return true;
	return false;
}

/* Are the elements drawn one after the other? */
static bool in_turn(const struct model *m, const struct factor *f)
{
	return model_reads(m, f->draw ? f->draw : f->mean, f->group->sym);
}

bool flow_stepwise(const struct model *m, const struct factor *f)
{
	return !f->draw || stepwise(m, f->draw);
}

void flow_set(struct flow *fl, const struct factor *f, struct node *value, bool constant)
{
	struct node *rhs = flow_at(fl, value);
	bool many = fl->particle && ex_uses_idx(rhs, fl->particle);
	const struct sym *s = step(fl, f->group->name, f->group->sym->values, true, f->at,
	                           f->group->sym->rank, rhs, many);
	flow_set_state(fl, f->group->sym, s, many);
	fl->step.at[fl->step.n - 1].constant = constant;
}

/* Noise of the shape of the factor's first n axes. */
static struct node *uniform(struct flow *fl, const struct factor *f, int n)
{
	struct arena *a = fl->x->cx->prog;
	const struct idx *at[MAX_RANK];
	const struct sym *u =
	    step(fl, arena_printf(a, "%s.u", f->group->name), VALUES_REAL, true, f->at, n,
	         ex_draw(a, OP_UNIFORM, program_stream(fl->x->p)), fl->particle != NULL);
	int rank = 0;
	if (fl->particle)
		at[rank++] = fl->particle;
	for (int k = 0; k < n; k++)
		at[rank++] = f->at[k];
	return ex_at(a, u, fl->batch, at);
}

/* The sum of the means p of the block's elements up to `shift` behind the one at q. */
static struct node *running_sum(struct arena *a, const struct idx *q, struct node *p, int shift)
{
	const struct idx *q2 = idx_new(a, q->name, q->size);
	struct affine gap = affine_add(a, affine_idx(a, q), affine_idx(a, q2), -1);
	struct guard upto = {false, affine_add(a, gap, affine_const(shift), 1)};
	return ex_reduce(a, RED_SUM, &q2, 1, &upto, 1, ex_subst_idx(a, p, q, affine_idx(a, q2)));
}

static struct guard at_least(struct arena *a, const struct idx *i, int64_t c, int64_t sign)
{
	return (struct guard){false, affine_add(a, affine_const(-c), affine_idx(a, i), sign)};
}

/* One of the block, by inversion of a uniform number u: [S[q-1] <= u < S[q]], S the running sums of
 * the means; the last counts as infinite, so that one element is 1 whatever the rounding. */
struct node *flow_chosen(struct flow *fl, const struct factor *f, struct node *p)
{
	struct arena *a = fl->x->cx->prog;
	int last = f->group->sym->rank - 1;
	const struct idx *q = f->at[last];
	struct node *u = uniform(fl, f, last);
	struct guard inner = at_least(a, q, 2 - q->size, -1), end = at_least(a, q, q->size - 1, 1),
	             later = at_least(a, q, 1, 1);
	struct node *below = ex_mask(a, &inner, 1, ex_op2(a, OP_LT, u, running_sum(a, q, p, 0)));
	struct node *above = ex_mask(a, &later, 1, ex_op2(a, OP_LT, u, running_sum(a, q, p, -1)));
	return ex_sub(a, ex_add(a, below, ex_mask(a, &end, 1, ex_num(a, 1))), above);
}

static bool may_draw(struct flow *fl, const struct factor *f)
{
	if (f->order)
		diag(fl->x->cx->diags, DIAG_DRAW_ORDER, f->span, f->group->name, f->order->name);
	else if (!factor_drawn(f))
		diag(fl->x->cx->diags, DIAG_NO_DRAW, f->span, f->group->name, f->dist);
	return !f->order && factor_drawn(f);
}

/* Element after element, each reading those before it. */
static void draw_in_turn(struct flow *fl, const struct factor *f)
{
	struct arena *a = fl->x->cx->prog;
	const struct sym *x = f->group->sym;
	const bool many = fl->particle != NULL;
	struct step s = flow_state_begin(fl, x, x->name, f->at, x->rank, many);
	struct stmt st = {.dst = s.sym, .batch = fl->batch, .sequential = true, .inner = f->block};
	flow_set_state(fl, x, s.sym, many);
	for (int k = 0; k < s.sym->rank; k++)
		st.at[k] = s.at[k];
	st.rhs = f->draw ? flow_at(fl, model_inline(fl->x->m, f->draw))
	                 : flow_chosen(fl, f, flow_at(fl, model_inline(fl->x->m, f->mean)));
	program_stmt(fl->x->p, fl->f, st);
	vec_push(a, &fl->step,
	         ((struct step){.sym = s.sym, .batch = fl->batch, .rhs = st.rhs, .constant = true}));
}

/* Groups that read one another, or themselves. */
static bool draw_company(struct flow *fl, const struct factor *const *f, int n)
{
	bool done;
	for (int k = 1; k < n; k++) {
		fl->with[group_number(fl->x, f[k]->group)] = true;
		if (may_draw(fl, f[k]))
			continue;
		return false;
	}
	if (!flow_draw_steps(fl, f, n, &done))
		return false;
	if (!done)
		draw_in_turn(fl, f[0]);
	return true;
}

bool flow_draw(struct flow *fl, const struct factor *f)
{
	const struct model *m = fl->x->m;
	const struct factor **company = NEW_ARRAY(m->a, const struct factor *, m->group.n + 1);
	bool ok = true, *with = &fl->with[group_number(fl->x, f->group)];
	if (*with) {
		*with = false;
		return true;
	}
	if (!may_draw(fl, f))
		return false;
	fl->drawing = f->dist != NULL;
	int n = model_company(m, f, company);
	if (n > 1 || in_turn(m, f))
		ok = draw_company(fl, company, n);
	else if (f->draw)
		flow_set(fl, f, f->draw, stepwise(m, f->draw));
	else
		flow_set(fl, f, flow_chosen(fl, f, f->mean), true);
	fl->drawing = false;
	return ok;
}
