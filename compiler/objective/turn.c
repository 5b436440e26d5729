/* Draws of a group whose distribution reads states made of the group itself: x[t] given u[t-1],
 * u[t] given x[t].  Group and states are one array z[t, s, k..]    slot s of step t: x, or one of
 * the states, over its further axes assigned by one sequential statement, step by step, in a step
 * slot by slot in an order in which each reads what is there already. */
#include "objective/flow.h"

struct slot {
	const struct sym *sym;
	const struct idx *const *at;
	struct node *body; /* over at[] */
};
struct joint {
	struct flow *fl;
	const struct sym *z;
	struct slot *slot;
	int n;
};

/* Slots x, and the states in its value that are made of it, and in theirs. */
static void add_slot(struct joint *j, const struct factor *f, const struct sym *s,
                     const struct idx *const *at, struct node *value)
{
	const struct model *m = j->fl->x->m;
	struct node *body = j->slot[j->n].body = model_inline(m, value);
	j->slot[j->n].sym = s;
	j->slot[j->n++].at = at;
	for (int i = 0; i < m->def.n; i++) {
		const struct definition *d = m->def.at[i];
		bool known =
		    !d->state || !ex_mentions(body, d->sym) || !model_reads(m, d->rhs, f->group->sym);
		for (int k = 0; k < j->n; k++)
			known = known || j->slot[k].sym == d->sym;
		if (!known)
			add_slot(j, f, d->sym, d->at, d->rhs);
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
	struct affine map[MAX_RANK] = {access->map[0]};
	int s = 0;
	while (j->slot[s].sym != access->sym)
		s++;
	map[1] = affine_const(s);
	for (int r = 1; r < j->z->rank - 1; r++)
		map[r + 1] = r < access->sym->rank ? access->map[r] : affine_const(0);
	return ex_access(a, j->z, j->fl->batch, map);
}

static struct node *with_z(struct joint *j, struct node *x)
{
	for (int s = 0; s < j->n; s++)
		x = ex_subst(j->fl->x->cx->prog, x,
		             &(struct subst){.from = j->slot[s].sym, .fn = in_z, .arg = j});
	return x;
}

/* The body of slot s where z[at] is an element of it, else 0. */
static struct node *at_slot(struct joint *j, int s, const struct idx *const *at, struct node *body)
{
	struct arena *a = j->fl->x->cx->prog;
	struct guard own[MAX_RANK];
	const struct slot *sl = &j->slot[s];
	int n = 0;
	own[n++] = (struct guard){true, affine_add(a, affine_idx(a, at[1]), affine_const(s), -1)};
	body = ex_subst_idx(a, body, sl->at[0], affine_idx(a, at[0]));
	for (int r = 1; r < j->z->rank - 1; r++) {
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

bool flow_draw_steps(struct flow *fl, const struct factor *f, struct node **value)
{
	struct arena *a = fl->x->cx->prog;
	struct joint j = {.fl = fl, .slot = NEW_ARRAY(a, struct slot, fl->x->m->def.n + 1)};
	struct stmt st = {.batch = fl->batch, .sequential = true};
	int64_t dim[MAX_RANK];
	int rank;
	*value = NULL;
	add_slot(&j, f, f->group->sym, f->at, f->draw ? f->draw : f->mean);
	if (j.n == 1)
		return true;
	bool own = reads(a, j.slot[0].body, f->group->sym, f->at[0]) != BEFORE;
	if (!sort_slots(&j) || !joint_axes(&j, dim, &rank)) {
		diag(fl->x->cx->diags, DIAG_DRAW_STEPS, f->span, f->group->name);
		return false;
	}
	j.z = sym_new(a, arena_printf(a, "%s.steps.%s", f->group->name, fl->suffix), SYM_TEMP,
	              VALUES_REAL, true, rank, dim, (struct span){0});
	program_tensor(fl->x->p, j.z, SPACE_TEMP, fl->pop, NULL);
	st.dst = j.z;
	st.inner = own ? f->block : rank - 2;
	st.rhs = ex_num(a, 0);
	for (int r = 0; r < rank; r++)
		st.at[r] = idx_new(a, r == 0 ? f->at[0]->name : r == 1 ? "slot" : "k", dim[r]);
	for (int s = 0; s < j.n; s++) {
		bool drawn = j.slot[s].sym == f->group->sym;
		struct node *body = flow_at(fl, with_z(&j, j.slot[s].body));
		body = drawn && !f->draw ? flow_chosen(fl, f, body) : body;
		st.rhs = ex_add(a, st.rhs, at_slot(&j, s, st.at, body));
	}
	program_stmt(fl->x->p, fl->f, st);
	*value = with_z(&j, ex_at(a, f->group->sym, fl->x->m->batch, f->at));
	return true;
}
