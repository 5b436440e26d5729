/* scan: statements whose right sides sum over running sums, and sums over rows of what they make.
 *
 *     t[d, j] = sum(n) y[n, d]*f(p[n, d, j])
 *     t[d, j] = sum(n) x[n, d]*sum(i | i > d) g(n, i, p[n, i, j])        (the derivative of p's
 * terms) One kernel goes through the rows for a block of j, along d with p in registers; sums that
 * go the other way need f(p[d, j]) of one row for that block, which is stored, D*H for all rows
 * together.
 *
 * requires: a right side in normal form.  ensures: carries of a kernel that go the other way than
 * it does read no others. */
#include "plan/running.h"

struct columns {
	struct work *w;
	const struct running_set *s;
	VEC(struct carry) carry;
	VEC(struct kept) kept;
};

static struct node *at_step(struct columns *c, const struct sym *s)
{
	return ex_at(c->w->a, s, NULL, (const struct idx *const[]){c->s->d, c->s->j});
}

static const struct sym *new_sym(struct columns *c)
{
	int64_t dim[] = {c->s->d->size, c->s->j->size};
	return sym_new(c->w->a, arena_printf(c->w->a, "$%d", c->w->ntemp++), SYM_TEMP, VALUES_REAL,
	               false, 2, dim, (struct span){0});
}

static struct node *rewrite(struct columns *c, struct node *x);

static struct node *rewrite_kids(struct columns *c, struct node *x)
{
	struct node **kid = NEW_ARRAY(c->w->a, struct node *, x->nkid + 1);
	for (int i = 0; i < x->nkid; i++)
		kid[i] = rewrite(c, x->kid[i]);
	return plan_rebuild(c->w, x, kid);
}

static struct node *carried(struct columns *c, const struct running *r)
{
	struct node *term = r->nested ? rewrite(c, r->term) : r->term;
	struct carry y = {.term = running_rows(c->w, term, c->s->j),
	                  .down = r->down,
	                  .own = r->own,
	                  .nested = r->nested,
	                  .when = running_when(c->s, r)};
	int k = 0;
	while (k < c->carry.n && !(ex_same(c->carry.at[k].term, y.term) &&
	                           c->carry.at[k].down == y.down && c->carry.at[k].own == y.own))
		k++;
	if (k == c->carry.n) {
		y.sym = new_sym(c);
		vec_push(c->w->a, &c->carry, y);
	}
	return at_step(c, c->carry.at[k].sym);
}

static struct node *sums_in(struct columns *c, struct node *x)
{
	const struct running *r = running_of(c->s, x);
	struct node **kid = NEW_ARRAY(c->w->a, struct node *, x->nkid + 1);
	for (int i = 0; i < x->nkid && !r; i++)
		kid[i] = sums_in(c, x->kid[i]);
	return r ? carried(c, r) : plan_rebuild(c->w, x, kid);
}

static struct node *kept(struct columns *c, struct node *x)
{
	struct node *f = running_rows(c->w, sums_in(c, x), c->s->j);
	int k = 0;
	while (k < c->kept.n && !ex_same(c->kept.at[k].rhs, f))
		k++;
	if (k == c->kept.n)
		vec_push(c->w->a, &c->kept, ((struct kept){new_sym(c), f}));
	return at_step(c, c->kept.at[k].sym);
}

/* x over carries and what is kept of them. */
static struct node *rewrite(struct columns *c, struct node *x)
{
	const struct running *r = running_of(c->s, x);
	bool heavy = running_function(x);
	if (r && r->nested)
		return carried(c, r);
	if (r || (heavy && running_pure(c->s, x)))
		return kept(c, x);
	return rewrite_kids(c, x);
}

/* ---- the kernel a sum joins
 * ---------------------------------------------------------------------- */

/* The way the kernel goes; false: its carries do not go one way each, nested or not. */
static bool direct(struct kernel *k)
{
	bool seen[2] = {false, false}, way[2] = {false, false}, own[2] = {false, false};
	for (int c = 0; c < k->ncarry; c++) {
		const struct carry *y = &k->carry[c];
		if (seen[y->nested] && (way[y->nested] != y->down || own[y->nested] != y->own))
			return false;
		own[y->nested] = y->own;
		seen[y->nested] = true;
		way[y->nested] = y->down;
	}
	k->down = way[seen[1]];
	return true;
}

struct rename { /* from a kernel's names to another's */
	struct work *w;
	const struct kernel *from, *to;
	VEC(struct known_rows) sym; /* of, to */
};

static struct node *renamed(struct rename *r, struct node *x)
{
	struct arena *a = r->w->a;
	x = ex_rename_batch(a, x, r->from->batch, r->to->batch);
	x = ex_subst_idx(a, x, r->from->scan, affine_idx(a, r->to->scan));
	x = ex_subst_idx(a, x, r->from->lane, affine_idx(a, r->to->lane));
	for (int k = 0; k < r->from->nouter; k++)
		x = ex_subst_idx(a, x, r->from->outer[k], affine_idx(a, r->to->outer[k]));
	for (int k = 0; k < r->sym.n; k++)
		x = ex_subst(a, x, &(struct subst){.from = r->sym.at[k].of, .to = r->sym.at[k].to});
	return x;
}

static const struct idx *renamed_idx(const struct rename *r, const struct idx *i)
{
	for (int k = 0; k < r->from->nouter; k++)
		if (i == r->from->outer[k])
			return r->to->outer[k];
	return i == r->from->scan ? r->to->scan : i == r->from->lane ? r->to->lane : i;
}

static void add_carries(struct rename *r, struct kernel *to, bool nested)
{
	for (int c = 0; c < r->from->ncarry; c++) {
		struct carry y = r->from->carry[c];
		int k = 0;
		if (y.nested != nested)
			continue;
		y.term = renamed(r, y.term);
		y.when = y.when ? renamed(r, y.when) : NULL;
		while (k < to->ncarry && !(ex_same(to->carry[k].term, y.term) &&
		                           to->carry[k].down == y.down && to->carry[k].own == y.own))
			k++;
		if (k == to->ncarry)
			to->carry[to->ncarry++] = y;
		vec_push(r->w->a, &r->sym, ((struct known_rows){y.sym, to->carry[k].sym, 0}));
	}
}

/* to := to and from; false: they do not go the same way. */
static bool join(struct work *w, struct kernel *to, const struct kernel *from)
{
	struct kernel k = *to;
	struct rename r = {.w = w, .from = from, .to = &k};
	k.carry = NEW_ARRAY(w->a, struct carry, to->ncarry + from->ncarry + 1);
	k.kept = NEW_ARRAY(w->a, struct kept, to->nkept + from->nkept + 1);
	k.store = NEW_ARRAY(w->a, struct store, to->nstore + from->nstore);
	for (int c = 0; c < to->ncarry; c++)
		k.carry[c] = to->carry[c];
	for (int c = 0; c < to->nkept; c++)
		k.kept[c] = to->kept[c];
	for (int c = 0; c < to->nstore; c++)
		k.store[c] = to->store[c];
	add_carries(&r, &k, false);
	for (int c = 0; c < from->nkept; c++) {
		struct kept y = {from->kept[c].sym, renamed(&r, from->kept[c].rhs)};
		int i = 0;
		while (i < k.nkept && !ex_same(k.kept[i].rhs, y.rhs))
			i++;
		if (i == k.nkept)
			k.kept[k.nkept++] = y;
		vec_push(w->a, &r.sym, ((struct known_rows){y.sym, k.kept[i].sym, 0}));
	}
	add_carries(&r, &k, true);
	for (int s = 0; s < from->nstore; s++) {
		struct store *y = &k.store[k.nstore++];
		*y = from->store[s];
		y->rhs = renamed(&r, y->rhs);
		for (int d = 0; d < y->dst->rank; d++)
			y->at[d] = renamed_idx(&r, y->at[d]);
	}
	if (!direct(&k))
		return false;
	*to = k;
	return true;
}

/* Have both as many rows, steps and elements? */
static bool same_space(const struct kernel *x, const struct kernel *y)
{
	bool same = x->batch->pop == y->batch->pop && x->scan->size == y->scan->size &&
	            x->lane->size == y->lane->size && x->nouter == y->nouter;
	for (int k = 0; same && k < x->nouter; k++)
		same = x->outer[k]->size == y->outer[k]->size;
	return same;
}

/* Appends k, or joins it to a kernel over as many rows, steps and elements behind which nothing
 * stands that must come before it. */
static void emit(struct work *w, struct work_kernel *k)
{
	for (int i = w->f->kernel.n - 1; i >= 0; i--) {
		struct work_kernel *p = w->f->kernel.at[i];
		struct kernel *x = &p->k;
		if (x->kind == KERNEL_SCAN && same_space(x, &k->k) && join(w, x, &k->k))
			return;
		if (plan_conflict(p, k))
			break;
	}
	plan_emit(w, k);
}

/* Is there a sum over the set's d in x, but for running sums? */
static bool sums_over(const struct running_set *s, const struct node *x)
{
	bool found = false;
	for (int b = 0; b < x->nbound; b++)
		found = found || x->bound[b] == s->d;
	for (int k = 0; k < x->nkid && !found && !running_of(s, x); k++)
		found = sums_over(s, x->kid[k]);
	return found;
}

/* sum(n) sum(d) as sum(n, d) */
static struct node *one_sum(struct work *w, struct node *x)
{
	struct node *y = x->kid[0];
	const struct idx *bound[2 * MAX_BOUND];
	int n = 0;
	if (x->red != RED_SUM || x->nguard || y->kind != N_REDUCE || y->red != RED_SUM || y->nguard ||
	    x->nbound + y->nbound > MAX_BOUND)
		return x;
	for (int b = 0; b < x->nbound; b++)
		bound[n++] = x->bound[b];
	for (int b = 0; b < y->nbound; b++)
		bound[n++] = y->bound[b];
	return ex_reduce(w->a, RED_SUM, bound, n, NULL, 0, y->kid[0]);
}

struct node *plan_columns(struct work *w, struct node *x, const struct running_set *s)
{
	x = one_sum(w, x);
	struct seq free = plan_free(x), layout = {.n = 0};
	bool has_n = false, other = false;
	for (int b = 0; b < x->nbound; b++) {
		has_n = has_n || x->bound[b] == s->n;
		other = other ||
		        (x->bound[b] != s->n && x->bound[b] != s->d && !seq_has(&s->outer, x->bound[b]));
	}
	for (int k = 0; k < free.n; k++)
		other = other || free.ix[k]->pop >= 0;
	if (x->red != RED_SUM || x->nguard || !has_n || other || !seq_has(&free, s->j) ||
	    s->outer.n > MAX_RANK || ex_has_draw(x) || sums_over(s, x->kid[0]))
		return NULL;
	if (seq_has(&free, s->d))
		seq_push(&layout, s->d);
	for (int k = 0; k < free.n; k++)
		if (free.ix[k] != s->d && free.ix[k] != s->j)
			seq_push(&layout, free.ix[k]);
	seq_push(&layout, s->j);
	struct node *known = plan_known(w, x);
	if (known)
		return known;
	struct columns c = {.w = w, .s = s};
	struct store out = {.rhs = running_rows(w, rewrite(&c, x->kid[0]), s->j)};
	out.dst = plan_temp(w, &layout, VALUES_REAL);
	for (int d = 0; d < layout.n; d++)
		out.at[d] = layout.ix[d];
	struct work_kernel *k = NEW(w->a, struct work_kernel);
	k->k = (struct kernel){.kind = KERNEL_SCAN,
	                       .batch = s->n,
	                       .scan = s->d,
	                       .lane = s->j,
	                       .nouter = s->outer.n,
	                       .carry = c.carry.at,
	                       .ncarry = c.carry.n,
	                       .kept = c.kept.at,
	                       .nkept = c.kept.n,
	                       .store = arena_copy(w->a, &out, sizeof out),
	                       .nstore = 1};
	for (int d = 0; d < s->outer.n; d++)
		k->k.outer[d] = s->outer.ix[d];
	if (!direct(&k->k))
		return NULL;
	emit(w, k);
	plan_learn(w, out.dst, &layout, x);
	return plan_access(w, out.dst, &layout);
}

/* ---- statements
 * ------------------------------------------------------------------------------------ */
struct replace {
	struct work *w;
	const struct seq *order;
};

/* x as an access to what a kernel computes; NULL: it is no sum over running sums. */
static struct node *computed(struct replace *r, struct node *x)
{
	struct running_set s;
	if (x->kind != N_REDUCE || !running_find(r->w, x, &s))
		return NULL;
	struct node *y = plan_columns(r->w, x, &s);
	return y ? y : plan_steps(r->w, x, &s, r->order);
}

static struct node *replace(struct replace *r, struct node *x)
{
	struct node *y = computed(r, x);
	if (y)
		return y;
	struct node **kid = NEW_ARRAY(r->w->a, struct node *, x->nkid + 1);
	for (int i = 0; i < x->nkid; i++)
		kid[i] = replace(r, x->kid[i]);
	x = plan_rebuild(r->w, x, kid);
	y = computed(r, x);
	return y ? y : x;
}

struct node *plan_scan(struct work *w, const struct seq *order, struct node *rhs)
{
	struct replace r = {w, order};
	return running_any(rhs) ? replace(&r, running_split(w, rhs)) : rhs;
}
