/* SCAN kernels: running sums in registers for a block of lanes, along an index, for each row.
 *
 *     for lanes j: t = 0
 *         for rows n:  [for d the other way: p, f(p) -> kept[d, j]]
 *             for d: t[d, j] += rhs, running sums += their terms
 * A chunk has its own lanes, so a sum over rows is in their order whatever the number of chunks.
 * Where a term is 0 the sum, and what is kept of it, stay as they are.
 *
 * A function of sums is emitted for a sum's new value by giving that value the name sym[one, j],
 * with an index `one` that is bound just there. */
#include "codegen/emit.h"

#include <string.h>

enum { MAX_SUM = 12 };

struct way { /* sums that go one way, in a loop along the index, and functions of them */
	const struct kernel *k;
	const struct carry *c[MAX_SUM];
	int n, nkept;
	/* at this step, and behind it: the sums, then the functions */
	LLVMValueRef now[2 * MAX_SUM], next[2 * MAX_SUM];
};

static void remember(struct emit *e, struct node *x, LLVMValueRef v)
{
	struct memo m = {x, v};
	vec_push(e->a, &place_of(e, x)->memo, m);
}

static struct node *at(struct emit *e, const struct kernel *k, const struct sym *s,
                       const struct idx *d)
{
	return ex_at(e->a, s, NULL, (const struct idx *const[]){d, k->lane});
}

static LLVMValueRef wide(struct emit *e, const struct kernel *k, LLVMValueRef v)
{
	return emit_splat(e, v, bind_find(e, k->lane)->lanes);
}

/* The functions in v[n..], of the sums v[0..n), in this scope. */
static void functions(struct emit *e, struct way *w, LLVMValueRef *v)
{
	const struct idx *one = idx_new(e->a, "one", 1);
	bind_idx(e, one, emit_int(e, 0), 0);
	for (int c = 0; c < w->n; c++)
		remember(e, at(e, w->k, w->c[c]->sym, one), v[c]);
	for (int f = 0; f < w->nkept; f++) {
		struct node *x = ex_subst_idx(e->a, w->k->kept[f].rhs, w->k->scan, affine_idx(e->a, one));
		v[w->n + f] = wide(e, w->k, emit_value(e, x));
	}
}

/* Adds the terms of this step: next[] from now[]. */
static void add_terms(struct emit *e, struct way *w)
{
	struct node *when = w->n == 1 ? w->c[0]->when : NULL;
	LLVMValueRef in[2 * MAX_SUM];
	int n = w->n + w->nkept;
	if (when) {
		LLVMValueRef on = LLVMBuildZExt(e->b, emit_truth(e, when), e->i64, "");
		loop_open(e, "when", emit_int(e, 0), on, 1);
	}
	for (int i = 0; i < n; i++)
		in[i] = when ? loop_acc(e, w->now[i]) : w->now[i];
	for (int c = 0; c < w->n; c++)
		w->next[c] = wide(e, w->k, emit_accumulate(e, in[c], w->c[c]->term));
	functions(e, w, w->next);
	if (when) {
		loop_close(e, w->next, in);
		memcpy(w->next, in, sizeof in);
	}
}

/* Gives the sums, and what is kept of them, their names at this step; own: behind it. */
static void name_sums(struct emit *e, struct way *w, bool own)
{
	for (int i = 0; i < w->n + w->nkept; i++) {
		const struct sym *s = i < w->n ? w->c[i]->sym : w->k->kept[i - w->n].sym;
		remember(e, at(e, w->k, s, w->k->scan), own ? w->next[i] : w->now[i]);
	}
}

static struct way way_of(const struct kernel *k, bool nested)
{
	struct way w = {.k = k, .nkept = nested ? 0 : k->nkept};
	for (int c = 0; c < k->ncarry; c++)
		if (k->carry[c].nested == nested) {
			if (w.n == MAX_SUM || k->nkept > MAX_SUM)
				BUG("codegen: more than %d running sums", MAX_SUM);
			w.c[w.n++] = &k->carry[c];
		}
	return w;
}

static bool is_own(const struct way *w)
{
	return w->n && w->c[0]->own;
}

static void first_values(struct emit *e, struct way *w)
{
	for (int c = 0; c < w->n; c++)
		w->now[c] = wide(e, w->k, emit_num(e, 0));
	functions(e, w, w->now);
}

static void scan_open(struct emit *e, const struct kernel *k)
{
	loop_open(e, k->scan->name, emit_int(e, 0), emit_int(e, k->scan->size), 1);
}

static void accumulators(struct emit *e, struct way *w)
{
	for (int i = 0; i < w->n + w->nkept; i++)
		w->now[i] = loop_acc(e, w->now[i]);
}

static void bind_scan(struct emit *e, const struct kernel *k, bool down)
{
	LLVMValueRef d = e->scope->iv;
	if (down)
		d = LLVMBuildNSWSub(e->b, emit_int(e, k->scan->size - 1), d, "");
	bind_idx(e, k->scan, d, k->scan->size - 1);
}

/* dst at the kernel's indices := v */
static void put(struct emit *e, const struct kernel *k, const struct sym *dst,
                const struct idx *const *at, LLVMValueRef v)
{
	struct kernel view = *k;
	struct store s = {.dst = dst};
	view.batch = NULL;
	view.rank = dst->rank;
	for (int d = 0; d < dst->rank; d++)
		view.at[d] = at[d];
	e->kernel = &view;
	emit_store(e, &s, v, NULL);
	e->kernel = k;
}

/* The functions of the sums of w of one row to their slots. */
static void keep(struct emit *e, const struct kernel *k, struct way *w)
{
	first_values(e, w);
	scan_open(e, k);
	accumulators(e, w);
	bind_scan(e, k, !k->down);
	add_terms(e, w);
	for (int f = 0; f < w->nkept; f++)
		put(e, k, k->kept[f].sym, (const struct idx *const[]){k->scan, k->lane},
		    is_own(w) ? w->next[w->n + f] : w->now[w->n + f]);
	loop_close(e, w->next, w->now);
}

static struct node *element(struct emit *e, const struct store *s)
{
	return ex_at(e->a, s->dst, NULL, s->at);
}

/* Loops over the axes of a store that are not bound; their number. */
static int open_rest(struct emit *e, const struct store *s)
{
	int n = 0;
	for (int d = 0; d < s->dst->rank; d++) {
		if (bind_find(e, s->at[d]))
			continue;
		loop_open(e, s->at[d]->name, emit_int(e, 0), emit_int(e, s->at[d]->size), 1);
		bind_idx(e, s->at[d], e->scope->iv, s->at[d]->size - 1);
		n++;
	}
	return n;
}

static void close_rest(struct emit *e, int n)
{
	while (n--)
		loop_close(e, NULL, NULL);
}

/* Adds what a row gives. */
static void add_row(struct emit *e, const struct kernel *k)
{
	bool both = plan_both_ways(k);
	struct way first = way_of(k, false), second = way_of(k, true);
	LLVMValueRef acc[MAX_ACC], next[MAX_ACC];
	int n = 0;
	if (both) {
		keep(e, k, &first);
		first = (struct way){.k = k};
	}
	first_values(e, &first);
	first_values(e, &second);
	scan_open(e, k);
	struct scope *along = e->scope;
	accumulators(e, &first);
	accumulators(e, &second);
	for (int s = 0; s < k->nstore; s++)
		if (k->store[s].dst->rank == 1)
			acc[s] = loop_acc(e, wide(e, k, emit_num(e, 0)));
	bind_scan(e, k, k->down);
	e->turn = along;
	struct way *way[] = {&first, &second};
	for (int w = 0; w < 2; w++) {
		if (is_own(way[w]))
			add_terms(e, way[w]);
		name_sums(e, way[w], is_own(way[w]));
	}
	for (int s = 0; s < k->nstore; s++) {
		const struct store *t = &k->store[s];
		if (t->dst->rank == 1) {
			acc[s] = wide(e, k, emit_accumulate(e, acc[s], t->rhs));
			continue;
		}
		int rest = open_rest(e, t);
		put(e, k, t->dst, t->at, emit_accumulate(e, emit_value(e, element(e, t)), t->rhs));
		close_rest(e, rest);
	}
	for (int w = 0; w < 2; w++) {
		if (!is_own(way[w]))
			add_terms(e, way[w]);
		for (int i = 0; i < way[w]->n + way[w]->nkept; i++)
			next[n++] = way[w]->next[i];
	}
	int sums = n;
	for (int s = 0; s < k->nstore; s++)
		if (k->store[s].dst->rank == 1)
			next[n++] = acc[s];
	LLVMValueRef out[MAX_ACC];
	loop_close(e, next, out);
	e->turn = e->scope;
	for (int s = 0; s < k->nstore; s++) {
		const struct store *t = &k->store[s];
		if (t->dst->rank == 1)
			put(e, k, t->dst, t->at, emit_op(e, OP_ADD, emit_value(e, element(e, t)), out[sums++]));
	}
	e->turn = NULL;
}

static void clear(struct emit *e, const struct kernel *k)
{
	LLVMValueRef zero = wide(e, k, emit_num(e, 0));
	for (int s = 0; s < k->nstore; s++) {
		int n = open_rest(e, &k->store[s]);
		put(e, k, k->store[s].dst, k->store[s].at, zero);
		close_rest(e, n);
	}
}

void emit_scan(struct emit *e, const struct kernel *k)
{
	int64_t H = k->lane->size, lanes = H < LANES_LONG ? LANES : LANES_LONG;
	LLVMValueRef lo, hi, to = emit_int(e, H);
	if (k->ncarry + k->nkept + k->nstore > MAX_ACC)
		BUG("codegen: a kernel with %d running sums", k->ncarry);
	emit_rows(e, emit_int(e, (H + lanes - 1) / lanes), &lo, &hi);
	lo = LLVMBuildNSWMul(e->b, lo, emit_int(e, lanes), "");
	hi = LLVMBuildNSWMul(e->b, hi, emit_int(e, lanes), "");
	hi = emit_intrinsic(e, "llvm.smin", &e->i64, 1, (LLVMValueRef[]){hi, to}, 2);
	loop_open(e, k->lane->name, lo, hi, lanes);
	bind_lanes(e, k->lane, (int)lanes, H % lanes, H - 1);
	clear(e, k);
	loop_open(e, k->batch->name, emit_int(e, 0), call_pop(e, k->batch->pop), 1);
	bind_idx(e, k->batch, e->scope->iv, -1);
	add_row(e, k);
	loop_close(e, NULL, NULL);
	loop_close(e, NULL, NULL);
}
