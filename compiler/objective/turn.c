/* Draws of groups whose distributions read one another, themselves, or states made of them, step by
 * step: z[t] given u[t-1], x[t] given z[t], u[t] given x[t].  Groups and states are slots, in an
 * order in which each reads, of its own step, what is there already.
 *
 * In general they are one array z[t, s, k..]    slot s of step t: a group, or one of the states,
 * over its further axes assigned by one sequential statement, step by step, in a step slot by slot.
 *
 * Where the draws are smooth in the parameters, what a slot reads of its own step is put in its
 * place, so that all read earlier steps only; those that are read there are the state of a
 * recursion in the noise, s[t] = f(s[t-1], noise[t]), that gradients go back through as through any
 * other (Chung et al. 2015, Krishnan et al. 2017).  Draws that are not smooth are made first, the
 * others then given these. */
#include "objective/flow.h"

struct slot {
	const struct sym *sym;
	const struct idx *const *at;
	struct node *body;           /* over at[] */
	const struct factor *factor; /* NULL: a state */
	bool read;                   /* at steps behind its own */
};
struct joint {
	struct flow *fl;
	const struct factor *const *factor;
	int nfactor;
	const struct sym *z;
	struct slot *slot;
	int n;
};

/* Is x made of one of the groups? */
static bool made(const struct joint *j, const struct node *x)
{
	bool any = false;
	for (int i = 0; i < j->nfactor; i++)
		any = any || model_reads(j->fl->x->m, x, j->factor[i]->group->sym);
	return any;
}

static struct node *definition_in_place(struct arena *a, const struct node *access, void *arg)
{
	const struct definition *d = arg;
	return ex_subst_at(a, d->rhs, d->at, access->map, d->sym->rank);
}

/* x with what is made of the groups and used by name put in its place, but states. */
static struct node *in_full(const struct joint *j, struct node *x)
{
	const struct model *m = j->fl->x->m;
	for (int i = m->def.n - 1; i >= 0; i--) {
		struct definition *d = m->def.at[i];
		if (!d->state && !d->average && ex_mentions(x, d->sym) && made(j, d->rhs))
			x = ex_subst(m->a, x,
			             &(struct subst){.from = d->sym, .fn = definition_in_place, .arg = d});
	}
	return x;
}

/* A slot, and those of the states in its value that are made of the groups, and in theirs. */
static void add_slot(struct joint *j, const struct sym *s, const struct idx *const *at,
                     const struct factor *f, struct node *value)
{
	const struct model *m = j->fl->x->m;
	struct node *body = in_full(j, value);
	j->slot[j->n++] = (struct slot){.sym = s, .at = at, .body = body, .factor = f};
	for (int i = 0; i < m->def.n; i++) {
		const struct definition *d = m->def.at[i];
		bool known = !d->state || !ex_mentions(body, d->sym) || !made(j, d->rhs);
		for (int k = 0; k < j->n; k++)
			known = known || j->slot[k].sym == d->sym;
		if (!known)
			add_slot(j, d->sym, d->at, NULL, d->rhs);
	}
}

/* Which step of s may x, of step t, read latest? */
enum when { BEFORE, NOW, AHEAD };
static enum when reads(struct arena *a, const struct node *x, const struct sym *s,
                       const struct idx *t)
{
	enum when latest = BEFORE;
	if (x->kind == N_ACCESS && x->sym == s) {
		struct affine back = affine_add(a, affine_idx(a, t), x->map[0], -1);
		latest = back.n || back.c == 0 ? NOW : back.c < 0 ? AHEAD : BEFORE;
	}
	for (int k = 0; k < x->nkid; k++) {
		enum when kid = reads(a, x->kid[k], s, t);
		latest = kid > latest ? kid : latest;
	}
	return latest;
}

/* Puts the slots in order; false: there is none that is plain to see. */
static bool sort_slots(struct joint *j)
{
	struct arena *a = j->fl->x->cx->prog;
	for (int i = 0; i < j->n; i++) {
		int k = i, other = i;
		for (; k < j->n; k++) {
			const struct slot *s = &j->slot[k];
			for (other = 0; other < j->n; other++) {
				enum when r = other == k ? BEFORE : reads(a, s->body, j->slot[other].sym, s->at[0]);
				if (r == AHEAD || (r == NOW && other >= i))
					break;
			}
			if (other == j->n)
				break;
		}
		if (k == j->n)
			return false;
		struct slot next = j->slot[k];
		j->slot[k] = j->slot[i];
		j->slot[i] = next;
	}
	return true;
}

static struct node *in_z(struct arena *a, const struct node *access, void *arg)
{
	const struct joint *j = arg;
	struct affine map[MAX_RANK];
	int s = 0, n = 0;
	while (j->slot[s].sym != access->sym)
		s++;
	if (j->fl->particle)
		map[n++] = affine_idx(a, j->fl->particle);
	map[n++] = access->map[0];
	map[n++] = affine_const(s);
	for (int r = 1; n < j->z->rank; r++)
		map[n++] = r < access->sym->rank ? access->map[r] : affine_const(0);
	return ex_access(a, j->z, j->fl->batch, map);
}

static struct node *with_z(struct joint *j, struct node *x)
{
	for (int s = 0; s < j->n; s++)
		x = ex_subst(j->fl->x->cx->prog, x,
		             &(struct subst){.from = j->slot[s].sym, .fn = in_z, .arg = j});
	return x;
}

/* The body of slot s where z[.., at[0..rank)] is an element of it, else 0. */
static struct node *at_slot(struct joint *j, int s, const struct idx *const *at, int rank,
                            struct node *body)
{
	struct arena *a = j->fl->x->cx->prog;
	struct guard own[MAX_RANK];
	const struct slot *sl = &j->slot[s];
	int n = 0;
	own[n++] = (struct guard){true, affine_add(a, affine_idx(a, at[1]), affine_const(s), -1)};
	body = ex_subst_idx(a, body, sl->at[0], affine_idx(a, at[0]));
	for (int r = 1; r < rank - 1; r++) {
		int64_t size = r < sl->sym->rank ? sl->sym->dim[r] : 1;
		struct affine left = affine_add(a, affine_const(size - 1), affine_idx(a, at[r + 1]), -1);
		if (size < at[r + 1]->size)
			own[n++] = (struct guard){false, left};
		if (r < sl->sym->rank)
			body = ex_subst_idx(a, body, sl->at[r], affine_idx(a, at[r + 1]));
	}
	return ex_mask(a, own, n, body);
}

/* z over the group's and its states' axes; false: they have not the same steps. */
static bool joint_axes(struct joint *j, int64_t *dim, int *rank)
{
	*rank = 2;
	dim[0] = j->slot[0].sym->dim[0];
	dim[1] = j->n;
	for (int s = 0; s < j->n; s++) {
		const struct sym *x = j->slot[s].sym;
		if (x->dim[0] != dim[0] || x->rank == MAX_RANK)
			return false;
		for (int r = 1; r < x->rank; r++) {
			dim[r + 1] = r + 1 < *rank && dim[r + 1] > x->dim[r] ? dim[r + 1] : x->dim[r];
			*rank = r + 2 > *rank ? r + 2 : *rank;
		}
	}
	return true;
}

/* The axes of z. */
static void joint_indices(struct joint *j, const int64_t *dim, int rank, const struct idx **at)
{
	struct arena *a = j->fl->x->cx->prog;
	for (int r = 0; r < rank; r++)
		at[r] = idx_new(a, r == 0 ? j->slot[0].at[0]->name : r == 1 ? "slot" : "k", dim[r]);
}

static bool refuse(const struct joint *j)
{
	const struct factor *f = j->factor[0];
	diag(j->fl->x->cx->diags, DIAG_DRAW_STEPS, f->span, f->group->name);
	return false;
}

/* All slots drawn or computed slot by slot. */
static bool draw_joint(struct joint *j)
{
	struct flow *fl = j->fl;
	struct arena *a = fl->x->cx->prog;
	struct stmt st = {.batch = fl->batch, .sequential = true, .rhs = ex_num(a, 0)};
	const struct idx *at[MAX_RANK];
	const int many = fl->particle != NULL;
	int64_t dim[MAX_RANK];
	int rank, inner = -1;
	if (!joint_axes(j, dim, &rank) || rank + many > MAX_RANK)
		return refuse(j);
	joint_indices(j, dim, rank, at);
	struct step z = flow_state_begin(
	    fl, j->slot[0].sym, arena_printf(a, "%s.steps", j->factor[0]->group->name), at, rank, many);
	st.dst = j->z = z.sym;
	for (int r = 0; r < rank + many; r++)
		st.at[r] = z.at[r];
	for (int s = 0; s < j->n; s++) {
		const struct factor *f = j->slot[s].factor;
		bool own = f && reads(a, j->slot[s].body, f->group->sym, f->at[0]) != BEFORE;
		inner = own && (inner < 0 || f->block < inner) ? f->block : inner;
		struct node *body = flow_at(fl, with_z(j, j->slot[s].body));
		body = f && !f->draw ? flow_chosen(fl, f, body) : body;
		st.rhs = ex_add(a, st.rhs, at_slot(j, s, at, rank, body));
	}
	st.inner = inner < 0 ? rank - 2 : inner;
	program_stmt(fl->x->p, fl->f, st);
	return true;
}

/* What the slot has at step t, where that is read, put in its place. */
struct now {
	const struct slot *slot;
	const struct idx *t;
};
static struct node *now_in_place(struct arena *a, const struct node *access, void *arg)
{
	const struct now *n = arg;
	struct affine gap = affine_add(a, affine_idx(a, n->t), access->map[0], -1);
	if (gap.n || gap.c)
		return ex_access(a, access->sym, access->batch, access->map);
	return ex_subst_at(a, n->slot->body, n->slot->at, access->map, n->slot->sym->rank);
}

/* Bodies that read earlier steps only; false: one reads another in a way that is not plain to see.
 */
static bool unfold(struct joint *j)
{
	struct arena *a = j->fl->x->cx->prog;
	for (int i = 0; i < j->n; i++) {
		struct slot *s = &j->slot[i];
		for (int k = 0; k < i; k++) {
			struct now now = {&j->slot[k], s->at[0]};
			s->body =
			    ex_subst(a, s->body,
			             &(struct subst){.from = j->slot[k].sym, .fn = now_in_place, .arg = &now});
		}
		for (int k = 0; k < j->n; k++)
			if (reads(a, s->body, j->slot[k].sym, s->at[0]) != BEFORE)
				return false;
	}
	return true;
}

/* Marks the slots that the groups read at earlier steps, and those that these read; how many. */
static int mark_read(struct joint *j)
{
	int n = 0;
	for (bool more = true; more;) {
		more = false;
		for (int i = 0; i < j->n; i++)
			for (int k = 0; k < j->n && (j->slot[i].factor || j->slot[i].read); k++) {
				bool new = !j->slot[k].read &&ex_mentions(j->slot[i].body, j->slot[k].sym);
				j->slot[k].read = j->slot[k].read || new;
				more = more || new;
				n += new;
			}
	}
	return n;
}

/* The slots that are read as one recursion over z[t, s, k..]. */
static bool recur_joint(struct joint *all, int n)
{
	struct flow *fl = all->fl;
	struct arena *a = fl->x->cx->prog;
	struct joint j = {.fl = fl, .factor = all->factor, .nfactor = all->nfactor};
	const struct idx *at[MAX_RANK];
	int64_t dim[MAX_RANK];
	int rank;
	j.slot = NEW_ARRAY(a, struct slot, n);
	for (int s = 0; s < all->n; s++)
		if (all->slot[s].read)
			j.slot[j.n++] = all->slot[s];
	if (!joint_axes(&j, dim, &rank) || rank + (fl->particle != NULL) > MAX_RANK)
		return refuse(&j);
	joint_indices(&j, dim, rank, at);
	struct node *value = ex_num(a, 0);
	struct step z =
	    flow_state_begin(fl, j.slot[0].sym, arena_printf(a, "%s.steps", j.factor[0]->group->name),
	                     at, rank, fl->particle != NULL);
	j.z = z.sym;
	for (int s = 0; s < j.n; s++)
		value = ex_add(a, value, at_slot(&j, s, at, rank, flow_at(fl, with_z(&j, j.slot[s].body))));
	flow_state_end(fl, z, value);
	for (int s = 0; s < j.n; s++) {
		const struct slot *sl = &j.slot[s];
		struct node *own = with_z(&j, ex_at(a, sl->sym, fl->x->m->batch, sl->at));
		const struct sym *copy = flow_assign(fl, sl->sym->name, sl->at, sl->sym->rank, own);
		flow_set_state(fl, sl->sym, copy, fl->particle != NULL);
	}
	return true;
}

/* Draws that are smooth: a recursion, then what it does not hold. */
static bool recur(struct joint *j)
{
	struct flow *fl = j->fl;
	int n = mark_read(j);
	for (int s = 0; s < j->n && n == 1; s++) {
		const struct slot *sl = &j->slot[s];
		if (!sl->read)
			continue;
		struct step state = flow_state_begin(fl, sl->sym, sl->sym->name, sl->at, sl->sym->rank,
		                                     fl->particle != NULL);
		flow_set_state(fl, sl->sym, state.sym, fl->particle != NULL);
		flow_state_end(fl, state, flow_at(fl, sl->body));
	}
	if (n > 1 && !recur_joint(j, n))
		return false;
	for (int s = 0; s < j->n; s++)
		if (j->slot[s].factor && !j->slot[s].read)
			flow_set(fl, j->slot[s].factor, j->slot[s].body, false);
	return true;
}

/* The slots of these groups, in order; false: there is none. */
static bool begin(struct joint *j, struct flow *fl, const struct factor *const *f, int n)
{
	*j = (struct joint){.fl = fl, .factor = f, .nfactor = n};
	j->slot = NEW_ARRAY(fl->x->cx->prog, struct slot, fl->x->m->def.n + fl->x->m->group.n + 1);
	for (int i = 0; i < n; i++)
		add_slot(j, f[i]->group->sym, f[i]->at, f[i], f[i]->draw ? f[i]->draw : f[i]->mean);
	return sort_slots(j);
}

bool flow_draw_steps(struct flow *fl, const struct factor *const *f, int n, bool *done)
{
	struct arena *a = fl->x->cx->prog;
	struct joint j;
	const struct factor **smooth = NEW_ARRAY(a, const struct factor *, n);
	int nsmooth = 0;
	bool sorted = begin(&j, fl, f, n), alone = j.n == 1;
	for (int i = 0; i < n; i++) {
		bool own = false;
		for (int s = 0; s < j.n; s++)
			own = own || (j.slot[s].factor == f[i] &&
			              reads(a, j.slot[s].body, f[i]->group->sym, f[i]->at[0]) != BEFORE);
		if (!own && !flow_stepwise(fl->x->m, f[i]) && (fl->pop == POP_DATA))
			smooth[nsmooth++] = f[i];
	}
	*done = !alone || nsmooth;
	if (!*done)
		return true;
	if (!sorted)
		return refuse(&j);
	if (nsmooth < n && !draw_joint(&j))
		return false;
	for (int s = 0; s < j.n && nsmooth < n; s++) {
		const struct factor *drawn = j.slot[s].factor;
		for (int i = 0; i < nsmooth; i++)
			drawn = drawn == smooth[i] ? NULL : drawn;
		if (drawn)
			flow_set(fl, drawn, with_z(&j, ex_at(a, drawn->group->sym, fl->x->m->batch, drawn->at)),
			         true);
	}
	if (!nsmooth)
		return true;
	return (begin(&j, fl, smooth, nsmooth) && unfold(&j)) ? recur(&j) : refuse(&j);
}
