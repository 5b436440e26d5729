/* running: running sums, and temporaries that hold them.
 *
 *     a[n, d, j] = sum(i | i < d) f(n, i, j)    is   a[n, d+1, j] = a[n, d, j] + f(n, d, j)
 * A temporary of the size of a, made of running sums element by element, is put back into the
 * expressions that read it, so that it need not be stored.
 *
 * requires: statements in normal form. */
#include "plan/running.h"

enum { MIN_STEPS = 4, SHORT_SUM = 64 };

static bool binds(const struct node *x, const struct idx *i)
{
	for (int k = 0; k < x->nbound; k++)
		if (x->bound[k] == i)
			return true;
	return false;
}

/* Is x a sum whose guard is +-(i - d) + c >= 0, i bound?  *i: which of the two. */
static bool is_range(const struct node *x, int *i)
{
	if (x->kind != N_REDUCE || x->red != RED_SUM || x->nguard != 1 || x->guard[0].equal)
		return false;
	struct affine e = x->guard[0].e;
	if (e.n != 2 || (e.coef[0] != 1 && e.coef[0] != -1) || e.coef[0] + e.coef[1] != 0 ||
	    e.ix[0]->pop >= 0 || e.ix[1]->pop >= 0 || e.ix[0]->size != e.ix[1]->size ||
	    e.ix[0]->size < MIN_STEPS || (e.c != 0 && e.c != -1))
		return false;
	*i = binds(x, e.ix[0]) ? 0 : 1;
	return binds(x, e.ix[*i]) && !binds(x, e.ix[1 - *i]);
}

bool running_any(const struct node *x)
{
	int i;
	bool any = is_range(x, &i);
	for (int k = 0; k < x->nkid && !any; k++)
		any = running_any(x->kid[k]);
	return any;
}

static bool is_running(struct arena *a, struct node *x, struct running *r)
{
	int k, nrest = 0;
	if (!is_range(x, &k))
		return false;
	struct affine e = x->guard[0].e;
	const struct idx *i = e.ix[k], *d = e.ix[1 - k], *rest[MAX_BOUND];
	if (ex_uses_idx(x->kid[0], d) || ex_has_draw(x))
		return false;
	for (int b = 0; b < x->nbound; b++)
		if (x->bound[b] != i)
			rest[nrest++] = x->bound[b];
	struct node *at = ex_subst_idx(a, x->kid[0], i, affine_idx(a, d));
	*r = (struct running){.sum = x,
	                      .outer = d,
	                      .term = ex_reduce(a, RED_SUM, rest, nrest, NULL, 0, at),
	                      .down = e.coef[k] > 0,
	                      .own = e.c == 0};
	return true;
}

bool running_function(const struct node *x)
{
	return x->kind == N_OP && x->op != OP_ADD && x->op != OP_MUL;
}

/* Has x a function of running sums that depends on i? */
static bool functions_use(const struct node *x, const struct idx *i)
{
	bool use = running_function(x) && running_any(x) && ex_uses_idx(x, i);
	for (int k = 0; k < x->nkid && !use; k++)
		use = functions_use(x->kid[k], i);
	return use;
}

/* sum(n, i | i < d) f(n, i)*g(n, d)  as  sum(n) g(n, d) * sum(i | i < d) f(n, i) */
static struct node *split_sum(struct work *w, struct node *x)
{
	struct arena *a = w->a;
	struct node *body, *in = NULL, *out = NULL;
	int k;
	if (!is_range(x, &k))
		return x;
	body = x->kid[0];
	if (body->kind != N_OP || body->op != OP_MUL)
		return x;
	const struct idx *i = x->guard[0].e.ix[k], *inner[MAX_BOUND], *outer[MAX_BOUND];
	int ninner = 0, nouter = 0;
	for (int f = 0; f < body->nkid; f++) {
		struct node **to = ex_uses_idx(body->kid[f], i) ? &in : &out;
		*to = *to ? ex_mul(a, *to, body->kid[f]) : body->kid[f];
	}
	for (int b = 0; b < x->nbound; b++) {
		bool stays = x->bound[b]->pop >= 0 || (out && ex_uses_idx(out, x->bound[b])) ||
		             (x->bound[b] != i && functions_use(in, x->bound[b]));
		if (stays)
			outer[nouter++] = x->bound[b];
		else
			inner[ninner++] = x->bound[b];
	}
	if (!out || !nouter)
		return x;
	in = ex_reduce(a, RED_SUM, inner, ninner, x->guard, x->nguard, in);
	return ex_reduce(a, RED_SUM, outer, nouter, NULL, 0, ex_mul(a, out, in));
}

struct node *running_split(struct work *w, struct node *x)
{
	struct node **kid = NEW_ARRAY(w->a, struct node *, x->nkid + 1);
	for (int i = 0; i < x->nkid; i++)
		kid[i] = running_split(w, x->kid[i]);
	return split_sum(w, plan_rebuild(w, x, kid));
}

const struct running *running_of(const struct running_set *s, const struct node *x)
{
	for (int k = 0; k < s->count; k++)
		if (x->kind == N_REDUCE && ex_same(s->at[k].sum, x))
			return &s->at[k];
	return NULL;
}

/* Takes the indices of one running sum into the set, j among the outer ones; false: its rows or its
 * d are others. */
static bool agree(struct running_set *s, const struct running *r)
{
	struct seq free = plan_free(r->sum);
	if ((s->d && s->d != r->outer) || seq_batches(&free) != 1)
		return false;
	s->d = r->outer;
	for (int k = 0; k < free.n; k++) {
		const struct idx *i = free.ix[k];
		if (i->pop >= 0 && s->n && s->n != i)
			return false;
		if (i->pop >= 0)
			s->n = i;
		else if (i != s->d && !seq_has(&s->outer, i))
			seq_push(&s->outer, i);
	}
	return true;
}

static bool collect(struct work *w, struct node *x, struct running_set *s)
{
	struct running r;
	bool running = is_running(w->a, x, &r);
	struct running_set inner = *s;
	if (running && running_any(x->kid[0])) {
		struct node *term = r.term; /* nested: sums along the same index, seen from the term */
		if (!collect(w, term, &inner) || inner.d != r.outer)
			return false;
		*s = inner;
		r.nested = true;
	}
	for (int k = 0; k < x->nkid && !running; k++)
		if (!collect(w, x->kid[k], s))
			return false;
	if (!running || running_of(s, x))
		return true;
	if (s->count == MAX_RUNNING || !agree(s, &r))
		return false;
	s->at[s->count++] = r;
	return true;
}

struct reader {
	const struct idx *i;
};

static bool not_shared(const struct node *access, void *arg)
{
	const struct reader *r = arg;
	return access->batch || !ex_uses_idx(access, r->i);
}

/* Does a tensor that all rows share have i as an axis in the running sums? */
static bool is_shared(const struct running_set *s, const struct idx *i)
{
	for (int k = 0; k < s->count; k++)
		if (!plan_each_access(s->at[k].sum, not_shared, &(struct reader){i}))
			return true;
	return false;
}

/* Takes j out of the outer indices: the one that x sums over, else one that is left of x, of
 * parameters rather than of the rows alone, and the longest; false: there is none. */
static bool choose_lane(struct running_set *s, const struct node *x)
{
	struct seq free = plan_free(x);
	int best = -1, n = 0;
	bool best_shared = false;
	for (int k = 0; k < s->outer.n; k++) {
		const struct idx *i = s->outer.ix[k];
		bool shared = is_shared(s, i), summed = x->nbound == 1 && x->bound[0] == i;
		if (!summed && !seq_has(&free, i))
			continue;
		if (best < 0 || summed || shared > best_shared ||
		    (shared == best_shared && i->size > s->outer.ix[best]->size)) {
			best = k;
			best_shared = shared;
		}
		if (summed)
			break;
	}
	if (best < 0)
		return false;
	s->j = s->outer.ix[best];
	for (int k = 0; k < s->outer.n; k++)
		if (k != best)
			s->outer.ix[n++] = s->outer.ix[k];
	s->outer.n = n;
	return true;
}

/* Axes of the rows too are those that functions of the sums depend on: what is kept of them is one
 * row's. */
static void own_axes(struct running_set *s, const struct node *x)
{
	if (!running_function(x) || !running_pure(s, x)) {
		for (int k = 0; k < x->nkid && !running_of(s, x); k++)
			own_axes(s, x->kid[k]);
		return;
	}
	struct seq free = plan_free(x);
	for (int k = 0; k < free.n; k++)
		if (free.ix[k] != s->n && free.ix[k] != s->d && free.ix[k] != s->j &&
		    !seq_has(&s->outer, free.ix[k]))
			seq_push(&s->outer, free.ix[k]);
}

/* Do all running sums have j, and x the outer indices, free or as its own? */
static bool has_all(const struct running_set *s, const struct node *x)
{
	struct seq free = plan_free(x);
	bool all = true;
	for (int k = 0; k < s->count; k++)
		all = all && ex_uses_idx(s->at[k].sum, s->j);
	for (int k = 0; k < s->outer.n; k++)
		all = all && (seq_has(&free, s->outer.ix[k]) || binds(x, s->outer.ix[k]));
	return all;
}

bool running_find(struct work *w, struct node *x, struct running_set *out)
{
	*out = (struct running_set){0};
	if (!running_any(x) || !collect(w, x, out) || !out->count || !choose_lane(out, x))
		return false;
	own_axes(out, x);
	for (int k = 0; k < out->count; k++)
		own_axes(out, out->at[k].term);
	if (!has_all(out, x) || !plan_in_bounds(w, x))
		return false;
	for (int k = 0; k < out->count; k++)
		if (!plan_in_bounds(w, out->at[k].term))
			return false;
	return true;
}

static bool pure(const struct running_set *s, const struct node *x, bool *has)
{
	const struct running *r = running_of(s, x);
	if (r) {
		*has = true;
		return !r->nested;
	}
	bool here = !ex_uses_idx(x, s->d) || x->nkid;
	for (int g = 0; g < x->nguard; g++)
		for (int k = 0; k < x->guard[g].e.n; k++)
			here = here && x->guard[g].e.ix[k] != s->d;
	for (int k = 0; k < x->nkid && here; k++)
		here = pure(s, x->kid[k], has);
	return here;
}

bool running_pure(const struct running_set *s, const struct node *x)
{
	bool has = false;
	return !ex_has_draw(x) && pure(s, x, &has) && has;
}

struct node *running_when(const struct running_set *s, const struct running *r)
{
	struct node *x = r->term;
	bool product = x->kind == N_OP && x->op == OP_MUL;
	for (int k = 0; k < (product ? x->nkid : 1); k++) {
		struct node *f = product ? x->kid[k] : x;
		if (f->kind == N_ACCESS && f->sym->values == VALUES_BINARY && !ex_uses_idx(f, s->j))
			return f;
	}
	return NULL;
}

struct node *running_rows(struct work *w, struct node *x, const struct idx *j)
{
	if (x->kind != N_ACCESS) {
		struct node **kid = NEW_ARRAY(w->a, struct node *, x->nkid + 1);
		for (int i = 0; i < x->nkid; i++)
			kid[i] = running_rows(w, x->kid[i], j);
		return plan_rebuild(w, x, kid);
	}
	struct factor f = plan_factor(x);
	int axis = 0;
	while (axis < f.ix.n && f.ix.ix[axis] != j)
		axis++;
	if (x->batch || !f.plain || axis >= f.ix.n - 1)
		return x;
	struct seq layout = {.n = 0};
	for (int i = 0; i < f.ix.n; i++)
		if (i != axis)
			seq_push(&layout, f.ix.ix[i]);
	seq_push(&layout, j);
	for (int k = 0; k < w->rows.n; k++)
		if (w->rows.at[k].of == x->sym && w->rows.at[k].axis == axis)
			return plan_access(w, w->rows.at[k].to, &layout);
	struct node *copy = plan_materialise(w, x, &layout);
	vec_push(w->a, &w->rows, ((struct known_rows){x->sym, copy->sym, axis}));
	return copy;
}

/* ---- temporaries put back into what reads them -------------------------------------------------
 */
struct unfold { /* the statement whose value takes the place of its temporary */
	struct work *w;
	const struct stmt *s;
};

static struct node *unfolded(struct arena *a, const struct node *access, void *arg)
{
	const struct unfold *u = arg;
	const struct stmt *s = u->s;
	const struct idx *own[MAX_RANK];
	struct node *x = s->rhs;
	if (s->batch && access->batch != s->batch)
		x = ex_rename_batch(a, x, s->batch, access->batch);
	for (int d = 0; d < s->dst->rank; d++) { /* first away from all names in use */
		own[d] = idx_new(a, s->at[d]->name, s->at[d]->size);
		x = ex_subst_idx(a, x, s->at[d], affine_idx(a, own[d]));
	}
	for (int d = 0; d < s->dst->rank; d++)
		x = ex_subst_idx(a, x, own[d], access->map[d]);
	return x;
}

/* Is there a sum in x that is no running sum, nor short? */
static bool sums(struct work *w, struct node *x)
{
	struct running r;
	struct seq bound = {.n = 0};
	for (int k = 0; k < x->nbound; k++)
		seq_push(&bound, x->bound[k]);
	if (x->kind == N_REDUCE && !is_running(w->a, x, &r) && seq_size(&bound) > SHORT_SUM)
		return true;
	for (int k = 0; k < x->nkid && x->kind != N_REDUCE; k++)
		if (sums(w, x->kid[k]))
			return true;
	return false;
}

static bool same_shape(const struct sym *x, const struct sym *y)
{
	bool same = x->batched && y->batched && x->rank == y->rank;
	for (int d = 0; same && d < x->rank; d++)
		same = x->dim[d] == y->dim[d];
	return same;
}

/* May what s assigns be computed where it is read? */
static bool stays(const struct work *w, const struct function *f, int s)
{
	const struct stmt *x = &f->stmt[s];
	int last = s;
	for (int t = 0; t < f->nstmt; t++) {
		if (t != s && f->stmt[t].dst == x->dst)
			return false;
		if (ex_mentions(f->stmt[t].rhs, x->dst)) {
			if (t <= s || f->stmt[t].sequential)
				return false;
			last = t;
		}
	}
	for (int t = s + 1; t < last; t++)
		if (ex_mentions(x->rhs, f->stmt[t].dst))
			return false;
	return plan_tensor(w, x->dst)->t.space == SPACE_TEMP && !x->accumulate && !x->sequential &&
	       !ex_has_draw(x->rhs) && !ex_mentions(x->rhs, x->dst);
}

struct function plan_unfold(struct work *w, const struct function *from)
{
	struct function f = *from;
	const struct sym *shape = NULL; /* of a tensor of running sums */
	f.stmt = arena_copy(w->a, f.stmt, sizeof *f.stmt * (size_t)f.nstmt);
	for (int s = 0; s < f.nstmt; s++) {
		struct stmt *x = &f.stmt[s];
		bool running = running_any(x->rhs) && x->batch && x->dst->rank > 1;
		if (!(running || (shape && same_shape(x->dst, shape))) || sums(w, x->rhs) ||
		    !stays(w, &f, s))
			continue;
		shape = running ? x->dst : shape;
		struct unfold u = {w, x};
		for (int t = s + 1; t < f.nstmt; t++)
			if (ex_mentions(f.stmt[t].rhs, x->dst))
				f.stmt[t].rhs =
				    ex_subst(w->a, f.stmt[t].rhs,
				             &(struct subst){.from = x->dst, .fn = unfolded, .arg = &u});
		for (int t = s--; t + 1 < f.nstmt; t++)
			f.stmt[t] = f.stmt[t + 1];
		f.nstmt--;
	}
	return f;
}
