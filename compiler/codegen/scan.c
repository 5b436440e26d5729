/* SCAN kernels: running sums in registers for a block of lanes, along an index, for some rows at a
 * time.
 *
 *     for lanes j: t = 0
 *         for the rows' own axes, rows n, ..:  [for all d: p += its term, where p goes the other
 * way] for d: t[d, j] += rhs, running sums += their terms (or -=) A chunk has its own lanes, so a
 * sum over rows is in their order whatever the number of chunks. Where a term is 0 the sum, and
 * what is kept of it, stay as they are.
 *
 * A function of sums is emitted for a sum's new value by giving that value the name sym[one, j],
 * with an index `one` that is bound just there. */
#include "codegen/emit.h"

#include <string.h>

enum { MAX_SUM = 12, ROWS = 4, WIDE = 2 * LANES };

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

/* ---- rows at a time
 * ------------------------------------------------------------------------------ */
struct row { /* a row's own names */
	struct emit *e;
	struct kernel k;
};

static struct node *own_names(struct row *r, const struct kernel *from, struct node *x)
{
	struct arena *a = r->e->a;
	x = ex_rename_batch(a, x, from->batch, r->k.batch);
	for (int c = 0; c < from->ncarry; c++)
		x = ex_subst(a, x, &(struct subst){.from = from->carry[c].sym, .to = r->k.carry[c].sym});
	for (int f = 0; f < from->nkept; f++)
		x = ex_subst(a, x, &(struct subst){.from = from->kept[f].sym, .to = r->k.kept[f].sym});
	return x;
}

static const struct sym *another(struct emit *e, const struct sym *s)
{
	return sym_new(e->a, s->name, s->kind, s->values, false, s->rank, s->dim, s->span);
}

/* The kernel as it is for the row n + number, bound here. */
static void row_of(struct emit *e, const struct kernel *k, int number, struct row *r)
{
	*r = (struct row){e, *k};
	r->k.batch = idx_batch(e->a, k->batch->name, k->batch->pop);
	bind_idx(e, r->k.batch, LLVMBuildNSWAdd(e->b, e->scope->iv, emit_int(e, number), ""), -1);
	r->k.carry = arena_copy(e->a, k->carry, sizeof *k->carry * (size_t)k->ncarry);
	r->k.kept = arena_copy(e->a, k->kept, sizeof *k->kept * (size_t)k->nkept);
	r->k.store = arena_copy(e->a, k->store, sizeof *k->store * (size_t)k->nstore);
	for (int c = 0; c < k->ncarry; c++)
		r->k.carry[c].sym = another(e, k->carry[c].sym);
	for (int f = 0; f < k->nkept; f++)
		r->k.kept[f].sym = another(e, k->kept[f].sym);
	for (int c = 0; c < k->ncarry; c++) {
		struct carry *y = &r->k.carry[c];
		y->term = own_names(r, k, y->term);
		y->when = y->when ? own_names(r, k, y->when) : NULL;
	}
	for (int f = 0; f < k->nkept; f++)
		r->k.kept[f].rhs = own_names(r, k, k->kept[f].rhs);
	for (int s = 0; s < k->nstore; s++)
		r->k.store[s].rhs = own_names(r, k, k->store[s].rhs);
}

/* The whole sums, of some rows, in now[]. */
static void whole_sums(struct emit *e, struct way *w, int rows)
{
	LLVMValueRef next[MAX_ACC], out[MAX_ACC];
	int n = 0;
	for (int r = 0; r < rows; r++)
		for (int c = 0; c < w->n; c++)
			w[r].now[c] = wide(e, w[r].k, emit_num(e, 0));
	scan_open(e, w->k);
	for (int r = 0; r < rows; r++)
		for (int c = 0; c < w->n; c++)
			w[r].now[c] = loop_acc(e, w[r].now[c]);
	bind_scan(e, w->k, false);
	for (int r = 0; r < rows; r++) {
		struct way sums = w[r];
		sums.nkept = 0;
		add_terms(e, &sums);
		for (int c = 0; c < w->n; c++)
			next[n++] = sums.next[c];
	}
	loop_close(e, next, out);
	for (int r = rows - 1; r >= 0; r--)
		for (int c = w->n - 1; c >= 0; c--)
			w[r].now[c] = out[--n];
}

/* From now on terms are taken away, the last one first. */
static void turn_round(struct emit *e, struct row *row, struct way *w)
{
	for (int c = 0; c < w->n; c++) {
		struct carry *y = &row->k.carry[w->c[c] - row->k.carry];
		y->term = ex_neg(e->a, y->term);
		y->own = !y->own;
	}
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

/* acc + what the rows give to store s */
static LLVMValueRef sum_rows(struct emit *e, const struct row *row, int rows, int s,
                             LLVMValueRef acc)
{
	for (int r = 0; r < rows; r++)
		acc = wide(e, &row[r].k, emit_accumulate(e, acc, row[r].k.store[s].rhs));
	return acc;
}

/* Adds what `rows` rows from here give. */
static void add_rows(struct emit *e, const struct kernel *k, int rows)
{
	struct row row[ROWS];
	struct way way[2][ROWS];
	LLVMValueRef acc[MAX_ACC], next[MAX_ACC], out[MAX_ACC];
	int n = 0;
	for (int r = 0; r < rows; r++) {
		row_of(e, k, r, &row[r]);
		way[0][r] = way_of(&row[r].k, false);
		way[1][r] = way_of(&row[r].k, true);
		for (int nested = 0; nested < 2; nested++)
			for (int c = 0; c < way[nested][r].n; c++)
				way[nested][r].now[c] = wide(e, k, emit_num(e, 0));
	}
	if (way[0]->n && way[0]->c[0]->down != k->down) {
		whole_sums(e, way[0], rows);
		for (int r = 0; r < rows; r++)
			turn_round(e, &row[r], &way[0][r]);
	}
	for (int r = 0; r < 2 * rows; r++)
		functions(e, &way[r % 2][r / 2], way[r % 2][r / 2].now);
	scan_open(e, k);
	for (int r = 0; r < 2 * rows; r++)
		accumulators(e, &way[r % 2][r / 2]);
	for (int s = 0; s < k->nstore; s++)
		if (k->store[s].dst->rank == 1)
			acc[s] = loop_acc(e, wide(e, k, emit_num(e, 0)));
	bind_scan(e, k, k->down);
	e->turn = e->scope;
	for (int r = 0; r < 2 * rows; r++) {
		struct way *w = &way[r % 2][r / 2];
		if (is_own(w))
			add_terms(e, w);
		name_sums(e, w, is_own(w));
	}
	for (int s = 0; s < k->nstore; s++) {
		const struct store *t = &k->store[s];
		if (t->dst->rank == 1) {
			acc[s] = sum_rows(e, row, rows, s, acc[s]);
			continue;
		}
		int rest = open_rest(e, t);
		put(e, k, t->dst, t->at, sum_rows(e, row, rows, s, emit_value(e, element(e, t))));
		close_rest(e, rest);
	}
	for (int r = 0; r < 2 * rows; r++) {
		struct way *w = &way[r % 2][r / 2];
		if (!is_own(w))
			add_terms(e, w);
		for (int i = 0; i < w->n + w->nkept; i++)
			next[n++] = w->next[i];
	}
	int sums = n;
	for (int s = 0; s < k->nstore; s++)
		if (k->store[s].dst->rank == 1)
			next[n++] = acc[s];
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
	int64_t H = k->lane->size, lanes = H < WIDE ? LANES : WIDE;
	LLVMValueRef lo, hi, to = emit_int(e, H);
	if ((k->ncarry + k->nkept) * ROWS + k->nstore > MAX_ACC)
		BUG("codegen: a kernel with %d running sums", k->ncarry);
	emit_rows(e, emit_int(e, (H + lanes - 1) / lanes), &lo, &hi);
	lo = LLVMBuildNSWMul(e->b, lo, emit_int(e, lanes), "");
	hi = LLVMBuildNSWMul(e->b, hi, emit_int(e, lanes), "");
	hi = emit_intrinsic(e, "llvm.smin", &e->i64, 1, (LLVMValueRef[]){hi, to}, 2);
	loop_open(e, k->lane->name, lo, hi, lanes);
	bind_lanes(e, k->lane, (int)lanes, H % lanes, H - 1);
	clear(e, k);
	int outer = open_outer(e, k);
	LLVMValueRef rows = call_pop(e, k->batch->pop);
	LLVMValueRef whole = LLVMBuildAnd(e->b, rows, emit_int(e, -ROWS), "");
	loop_open(e, k->batch->name, emit_int(e, 0), whole, ROWS);
	add_rows(e, k, ROWS);
	loop_close(e, NULL, NULL);
	loop_open(e, k->batch->name, whole, rows, 1);
	add_rows(e, k, 1);
	loop_close(e, NULL, NULL);
	while (outer--)
		loop_close(e, NULL, NULL);
	loop_close(e, NULL, NULL);
}
