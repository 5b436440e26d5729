/* steps: sums over the elements j of running sums, row by row.
 *
 *     z[n, d] = sum(j) V[d, j]*f(p[n, d, j]),  p[n, d, j] = sum(i | i < d) t(n, i, j)
 * becomes one kernel that goes along d with p[n, j] and f(p[n, j]) kept for the row:
 *     before: p = 0, f = f(0);  each d: z[n, d] = sum(j) V[d, j]*f[n, j], then p += t(n, d), f =
 * f(p) in time D*H and memory H a row.  Where t has a factor of 0 or 1, what is done then is
 * skipped at 0: nothing changes.  In a sequential statement z, and what is assigned from it, come
 * before t reads it.  What is summed along d, y[n, j] = sum(d) V[d, j]*f(p[n, d, j]), is added to
 * in each step.  Rows may be of several indices: x[n, t, i] has sums p[n, t, d, j], and one row's p
 * and f serve all t, one after the other.
 *
 * requires: running sums found.  ensures: no store reads what a later d writes. */
#include "plan/running.h"

struct steps {
	struct work *w;
	const struct running_set *s;
	struct work_kernel *k;
	const struct sym *sum[MAX_RUNNING]; /* p */
	VEC(struct kept) kept;              /* f, seen as kept.sym[n, j] */
};

static struct node *row_of(struct steps *t, const struct sym *s)
{
	return ex_at(t->w->a, s, t->s->n, &t->s->j);
}

static const struct sym *row_temp(struct steps *t)
{
	struct seq layout = {.ix = {t->s->n, t->s->j}, .n = 2};
	return plan_temp(t->w, &layout, VALUES_REAL);
}

static struct node *each_kid(struct steps *t, struct node *x,
                             struct node *(*fn)(struct steps *, struct node *))
{
	struct node **kid = NEW_ARRAY(t->w->a, struct node *, x->nkid + 1);
	for (int i = 0; i < x->nkid; i++)
		kid[i] = fn(t, x->kid[i]);
	return plan_rebuild(t->w, x, kid);
}

/* x with accesses to p. */
static struct node *with_sums(struct steps *t, struct node *x)
{
	const struct running *r = running_of(t->s, x);
	return r ? row_of(t, t->sum[r - t->s->at]) : each_kid(t, x, with_sums);
}

/* x with accesses to p, and to functions of it that are long to compute. */
static struct node *with_kept(struct steps *t, struct node *x)
{
	bool heavy = running_function(x);
	if (!heavy || !running_pure(t->s, x))
		return running_of(t->s, x) ? with_sums(t, x) : each_kid(t, x, with_kept);
	struct node *f = with_sums(t, x);
	int k = 0;
	while (k < t->kept.n && !ex_same(t->kept.at[k].rhs, f))
		k++;
	if (k == t->kept.n)
		vec_push(t->w->a, &t->kept, ((struct kept){row_temp(t), f}));
	return row_of(t, t->kept.at[k].sym);
}

static void push(struct steps *t, struct store s)
{
	struct kernel *k = &t->k->k;
	struct store *all = NEW_ARRAY(t->w->a, struct store, k->nstore + 1);
	for (int i = 0; i < k->nstore; i++)
		all[i] = k->store[i];
	all[k->nstore++] = s;
	k->store = all;
}

static void push_row(struct steps *t, const struct sym *dst, struct node *rhs, bool before,
                     bool accumulate, struct node *when)
{
	push(t, (struct store){.dst = dst,
	                       .rhs = rhs,
	                       .at = {t->s->j},
	                       .before = before,
	                       .accumulate = accumulate,
	                       .when = when});
}

/* p += t and what follows from it. */
static void advance(struct steps *t)
{
	for (int k = 0; k < t->s->count; k++) {
		const struct running *r = &t->s->at[k];
		struct node *when = running_when(t->s, r);
		push_row(t, t->sum[k], running_rows(t->w, r->term, t->s->j), false, true, when);
	}
	for (int k = 0; k < t->kept.n; k++) {
		struct node *when = t->s->count == 1 ? running_when(t->s, t->s->at) : NULL;
		push_row(t, t->kept.at[k].sym, t->kept.at[k].rhs, false, false, when);
	}
}

/* May the sums of the set be kept along one direction? */
static bool one_way(const struct running_set *s)
{
	for (int k = 0; k < s->count; k++)
		if (s->at[k].nested || s->at[k].down != s->at[0].down || s->at[k].own != s->at[0].own)
			return false;
	return true;
}

static struct steps begin(struct work *w, const struct running_set *s)
{
	struct steps t = {.w = w, .s = s, .k = NEW(w->a, struct work_kernel)};
	t.k->k.kind = KERNEL_STEPS;
	t.k->k.batch = s->n;
	t.k->k.scan = s->d;
	t.k->k.lane = s->j;
	t.k->k.down = s->at[0].down;
	t.k->k.nouter = s->outer.n;
	for (int k = 0; k < s->outer.n; k++)
		t.k->k.outer[k] = s->outer.ix[k];
	for (int k = 0; k < s->count; k++) {
		t.sum[k] = row_temp(&t);
		push_row(&t, t.sum[k], ex_num(w->a, 0), true, false, NULL);
	}
	return t;
}

/* The body of x over the row's sums; what it keeps is set before the first step. */
static struct node *body_of(struct steps *t, struct node *x)
{
	int first = t->kept.n;
	struct node *body = with_kept(t, x->kid[0]);
	for (int k = first; k < t->kept.n; k++)
		push_row(t, t->kept.at[k].sym, t->kept.at[k].rhs, true, false, NULL);
	return running_rows(t->w, body, t->s->j);
}

/* Is x the sum over i of what such a kernel can go through? */
static bool sums_alone(const struct node *x, const struct running_set *s, const struct idx *i)
{
	return x->red == RED_SUM && x->nbound == 1 && x->bound[0] == i && !x->nguard &&
	       !ex_has_draw(x) && one_way(s) && s->outer.n <= MAX_RANK && ex_uses_idx(x, s->n);
}

static bool fits(const struct node *x, const struct running_set *s)
{
	return sums_alone(x, s, s->j) && ex_uses_idx(x, s->d);
}

/* Rows, their axes and d, the others; j, where it is left, at the end. */
static struct seq layout_of(const struct node *x, const struct running_set *s,
                            const struct seq *order)
{
	struct seq free = plan_free(x), own = s->outer, out = {.ix = {s->n}, .n = 1};
	seq_push(&own, s->d);
	for (int pass = 0; pass < 4; pass++) {
		const struct seq *from = pass == 0 || pass == 2 ? order : pass == 1 ? &own : &free;
		for (int k = 0; k < from->n; k++)
			if (seq_has(&free, from->ix[k]) && !seq_has(&out, from->ix[k]) &&
			    (pass > 1 || seq_has(&own, from->ix[k])) && from->ix[k] != s->j)
				seq_push(&out, from->ix[k]);
	}
	if (seq_has(&free, s->j))
		seq_push(&out, s->j);
	return out;
}

/* The value of the sum x in the kernel, at a step: sum(j ..), or what is added to sum(d ..). */
static void push_sum(struct steps *t, const struct node *x, struct node *body,
                     const struct sym *dst, const struct seq *layout)
{
	bool along = x->bound[0] == t->s->d;
	struct store out = {.dst = dst, .accumulate = along};
	out.rhs = along ? body : ex_reduce(t->w->a, RED_SUM, x->bound, x->nbound, NULL, 0, body);
	for (int d = 1; d < layout->n; d++)
		out.at[d - 1] = layout->ix[d];
	if (along) {
		struct store zero = out;
		zero.before = true;
		zero.accumulate = false;
		zero.rhs = ex_num(t->w->a, 0);
		push(t, zero);
	}
	if (t->s->at[0].own)
		advance(t);
	push(t, out);
	if (!t->s->at[0].own)
		advance(t);
}

/* sum(t, j) and sum(t, d) as sums over a row's axes t of such a sum; NULL: x is none. */
static struct node *apart(struct work *w, const struct node *x, const struct running_set *s,
                          const struct seq *order)
{
	struct seq outer = {.n = 0}, inner = {.n = 0};
	for (int b = 0; b < x->nbound; b++)
		seq_push(seq_has(&s->outer, x->bound[b]) ? &outer : &inner, x->bound[b]);
	if (!outer.n || inner.n != 1 || x->red != RED_SUM || x->nguard)
		return NULL;
	struct node *y = ex_reduce(w->a, RED_SUM, inner.ix, 1, NULL, 0, x->kid[0]);
	y = plan_steps(w, y, s, order);
	return y ? ex_reduce(w->a, RED_SUM, outer.ix, outer.n, NULL, 0, y) : NULL;
}

struct node *plan_steps(struct work *w, struct node *x, const struct running_set *s,
                        const struct seq *order)
{
	if (x->nbound > 1)
		return apart(w, x, s, order);
	if (!fits(x, s) && !sums_alone(x, s, s->d))
		return NULL;
	struct seq layout = layout_of(x, s, order);
	if (seq_batches(&layout) > 1 || layout.n - 1 > MAX_RANK)
		return NULL;
	struct node *known = plan_known(w, x);
	if (known)
		return known;
	struct steps t = begin(w, s);
	struct node *body = body_of(&t, x);
	const struct sym *dst = plan_temp(w, &layout, VALUES_REAL);
	push_sum(&t, x, body, dst, &layout);
	plan_emit(w, t.k);
	plan_learn(w, dst, &layout, x);
	return plan_access(w, dst, &layout);
}

/* ---- sequential statements ---------------------------------------------------------------------
 */

/* The sum over running sums in x that reads dst; NULL: none. */
static struct node *sum_of(struct work *w, struct node *x, const struct sym *dst,
                           struct running_set *s)
{
	struct node *found = NULL;
	if (!ex_mentions(x, dst))
		return NULL;
	if (x->kind == N_REDUCE && running_find(w, x, s))
		return fits(x, s) ? x : NULL;
	for (int i = 0; i < x->nkid && !found; i++)
		found = sum_of(w, x->kid[i], dst, s);
	return found;
}

/* x with `from` as `to`, and draws as accesses to a temporary with this layout. */
static struct node *with_temps(struct work *w, struct node *x, const struct node *from,
                               struct node *to, const struct seq *layout)
{
	if (x == from)
		return to;
	if (layout && x->kind == N_OP && op_flags(x->op) & OPF_DRAW)
		return plan_materialise(w, x, layout);
	struct node **kid = NEW_ARRAY(w->a, struct node *, x->nkid + 1);
	for (int i = 0; i < x->nkid; i++)
		kid[i] = with_temps(w, x->kid[i], from, to, layout);
	return plan_rebuild(w, x, kid);
}

bool plan_steps_turn(struct work *w, const struct stmt *s)
{
	struct running_set set;
	struct seq layout = {.ix = {s->batch, s->at[0]}, .n = 2};
	if (s->inner || s->dst->rank != 1 || !s->batch || s->accumulate || !running_any(s->rhs))
		return false;
	struct node *sum = sum_of(w, s->rhs, s->dst, &set);
	if (!sum || set.at[0].own || set.at[0].down || set.d != s->at[0] || set.n != s->batch ||
	    set.outer.n || ex_mentions(with_temps(w, s->rhs, sum, ex_num(w->a, 0), NULL), s->dst))
		return false;
	struct steps t = begin(w, &set);
	struct store z = {.dst = plan_temp(w, &layout, VALUES_REAL), .at = {set.d}};
	struct node *body = body_of(&t, sum);
	z.rhs = ex_reduce(w->a, RED_SUM, sum->bound, sum->nbound, NULL, 0, body);
	push(&t, z);
	struct node *rhs = with_temps(w, s->rhs, sum, plan_access(w, z.dst, &layout), &layout);
	push(&t, (struct store){.dst = s->dst, .rhs = rhs, .at = {s->at[0]}});
	advance(&t);
	plan_emit(w, t.k);
	return true;
}
