/* matmul: which sums of products of two factors are matrix products, and their kernels.
 *
 *     C[m.., n..] = sum(k..) x*y
 * with m the indices of x alone, n those of y alone, k those of both.  A factor that is an access
 * to a whole tensor is used where it lies when k is a contiguous run at one end of its axes; any
 * other factor, and an unbatched tensor with its axes in another order, is first written to a
 * temporary in the order that fits.  A batch index is the first axis of what is batched; items are
 * padded, so it forms a run of its own; where it would have to be one with other indices, there is
 * a product for each of its rows, and where k has it, their sum.
 *
 * A factor that one inequality makes zero outside of a part of a whole tensor (a mask of a
 * staircase) is that tensor, and the part is handed on with the product; so is a part of the
 * result.
 *
 * A product is taken when it is not small: a sum of few terms, or with few results, is better off
 * in the loop that uses it. */
#include "plan/work.h"

enum { MIN_SIDE = 2, MIN_SUM = 4, MIN_WORK = 512, MIN_REUSE = 4, MAX_SPREAD = 4 };

static void sort_by_id(struct seq *s)
{
	for (int i = 1; i < s->n; i++)
		for (int j = i; j > 0 && s->ix[j - 1]->id > s->ix[j]->id; j--) {
			const struct idx *t = s->ix[j];
			s->ix[j] = s->ix[j - 1];
			s->ix[j - 1] = t;
		}
}

struct factor plan_factor(struct node *e)
{
	struct factor f = {.e = e, .plain = e->kind == N_ACCESS};
	if (f.plain && e->sym->batched)
		seq_push(&f.ix, e->batch);
	for (int i = 0; f.plain && i < e->sym->rank; i++) {
		const struct idx *ix = affine_single(e->map[i]);
		f.plain = ix && (ix->pop >= 0 || ix->size == e->sym->dim[i]) && !seq_has(&f.ix, ix);
		if (f.plain)
			seq_push(&f.ix, ix);
	}
	if (!f.plain) {
		f.ix = plan_free(e);
		sort_by_id(&f.ix);
	}
	return f;
}

/* Puts the indices of s that are in `order` first, in that order. */
static void sort_like(struct seq *s, const struct seq *order)
{
	struct seq out = {.n = 0};
	for (int i = 0; i < order->n; i++)
		if (seq_has(s, order->ix[i]))
			seq_push(&out, order->ix[i]);
	for (int i = 0; i < s->n; i++)
		if (!seq_has(&out, s->ix[i]))
			seq_push(&out, s->ix[i]);
	*s = out;
}

static struct seq join(const struct seq *x, const struct seq *y)
{
	struct seq out = *x;
	for (int i = 0; i < y->n; i++)
		seq_push(&out, y->ix[i]);
	return out;
}

/* Are the indices of k, in any order, a run at one end of the axes of f? */
static bool fits(const struct factor *f, const struct seq *k)
{
	if (!f->plain)
		return false;
	bool first = true, last = true;
	for (int i = 0; i < k->n; i++) {
		first = first && seq_has(k, f->ix.ix[i]);
		last = last && seq_has(k, f->ix.ix[f->ix.n - 1 - i]);
	}
	return first || last;
}

bool plan_is_cut(struct cut c)
{
	return c.row || c.column || c.constant;
}

/* The guard as a cut of a matrix with one index of rows, one of columns. */
static bool cut_of(const struct guard *g, const struct seq *rows, const struct seq *columns,
                   struct cut *out)
{
	if (g->equal || rows->n != 1 || columns->n != 1 || rows->ix[0]->pop >= 0 ||
	    columns->ix[0]->pop >= 0)
		return false;
	*out = (struct cut){.constant = g->e.c};
	for (int i = 0; i < g->e.n; i++)
		if (g->e.ix[i] == rows->ix[0])
			out->row = g->e.coef[i];
		else if (g->e.ix[i] == columns->ix[0])
			out->column = g->e.coef[i];
		else
			return false;
	return true;
}

bool plan_product_cut(const struct product *p, const struct guard *g, struct cut *out)
{
	return !p->row && cut_of(g, &p->m, &p->n, out);
}

/* A y that is part of a tensor as that tensor and its cut. */
static void take_cut(struct product *p)
{
	struct node *e = p->y.e;
	if (e->kind != N_MASK || e->nguard != 1 || p->row || !cut_of(e->guard, &p->k, &p->n, &p->y_cut))
		return;
	struct factor whole = plan_factor(e->kid[0]);
	if (fits(&whole, &p->k) && whole.ix.n == p->y.ix.n)
		p->y = whole;
	else
		p->y_cut = (struct cut){0};
}

static bool is_binary(const struct factor *f)
{
	return f->plain && f->e->sym->values == VALUES_BINARY;
}

static void swap_sides(struct product *p)
{
	struct factor x = p->x;
	p->x = p->y;
	p->y = x;
	struct seq m = p->m;
	p->m = p->n;
	p->n = m;
	m = p->x_layout;
	p->x_layout = p->y_layout;
	p->y_layout = m;
	bool made = p->x_made;
	p->x_made = p->y_made;
	p->y_made = made;
	bool ta = p->ta;
	p->ta = !p->tb;
	p->tb = !ta;
}

/* Does an index of n come before all of m? */
static bool n_first(const struct product *p, const struct seq *order)
{
	for (int i = 0; i < order->n; i++)
		if (seq_has(&p->m, order->ix[i]) || seq_has(&p->n, order->ix[i]))
			return seq_has(&p->n, order->ix[i]);
	return false;
}

/* A rule for which side is x that does not depend on how the product was written. */
static bool should_swap(const struct product *p, const struct seq *order)
{
	if (p->row)
		return n_first(p, order);
	if (seq_batches(&p->n) != seq_batches(&p->m))
		return seq_batches(&p->n) > 0;
	if (is_binary(&p->x) != is_binary(&p->y))
		return is_binary(&p->y);
	return p->x.plain && p->y.plain && p->y.e->sym->id < p->x.e->sym->id;
}

static bool runs_are_possible(const struct work *w, const struct product *p)
{
	bool alone = true;
	for (const struct seq *s[] = {&p->m, &p->n, &p->k, NULL}, **i = s; *i; i++)
		alone = alone && (!seq_batches(*i) || (*i)->n == 1);
	struct seq mn = join(&p->m, &p->n);
	return alone && plan_storable(w, &mn);
}

static bool reads_much(const struct node *access, void *size)
{
	double items = 1;
	for (int i = 0; i < access->sym->rank; i++)
		items *= (double)access->sym->dim[i];
	return access->batch || items * MAX_SPREAD >= *(double *)size;
}

/* Is f mostly zeros between what it reads? */
static bool spread_out(const struct factor *f)
{
	double size = seq_size(&f->ix);
	return f->e->kind == N_MASK && !plan_each_access(f->e, reads_much, &size);
}

static bool can_make(struct work *w, const struct factor *f, bool guarded)
{
	return !ex_has_draw(f->e) && !spread_out(f) && !(f->plain && f->e->sym->batched) &&
	       plan_storable(w, &f->ix) && (!guarded || plan_in_bounds(w, f->e));
}

/* Decides what is materialised and in which order the axes lie. */
static bool lay_out(struct work *w, struct product *p, const struct seq *order, bool guarded)
{
	p->x_made = !fits(&p->x, &p->k);
	p->y_made = !fits(&p->y, &p->k);
	sort_by_id(&p->k);
	sort_by_id(&p->m);
	sort_by_id(&p->n);
	sort_like(&p->m, p->x_made ? order : &p->x.ix);
	sort_like(&p->n, p->y_made ? order : &p->y.ix);
	struct seq k_of_y = p->k;
	sort_like(&k_of_y, &p->y.ix);
	if (!p->x_made)
		sort_like(&p->k, &p->x.ix);
	else if (!p->y_made)
		p->k = k_of_y;
	if (!p->x_made && !p->y_made && !seq_same(&p->k, &k_of_y)) {
		p->x_made = seq_batches(&p->y.ix) > 0;
		p->y_made = !p->x_made;
		if (p->x_made)
			p->k = k_of_y;
	}
	if ((p->x_made && !can_make(w, &p->x, guarded)) || (p->y_made && !can_make(w, &p->y, guarded)))
		return false;
	bool batch_k = seq_batches(&p->k) > 0;
	bool batch_m = seq_batches(&p->m) > 0, batch_n = seq_batches(&p->n) > 0;
	p->ta = p->x_made ? batch_k && !batch_m : p->x.ix.ix[0] == p->k.ix[0];
	p->tb = p->y_made ? batch_n : p->y.ix.ix[0] != p->k.ix[0];
	p->x_layout = p->ta ? join(&p->k, &p->m) : join(&p->m, &p->k);
	p->y_layout = p->tb ? join(&p->n, &p->k) : join(&p->k, &p->n);
	return true;
}

static bool worth_it(struct product *p)
{
	double m = seq_size(&p->m), n = seq_size(&p->n), k = seq_size(&p->k);
	double rows = p->row ? BATCH_ROWS : 1, terms = k * (p->summed ? rows : 1);
	p->cost = (m * n * k + (p->x_made ? m * k : 0) + (p->y_made ? n * k : 0)) * rows;
	return m >= MIN_SIDE && n >= MIN_SIDE && terms >= MIN_SUM && m * n * k >= MIN_WORK &&
	       (!p->x_made || n >= MIN_REUSE) && (!p->y_made || m >= MIN_REUSE);
}

static bool has_more(const struct seq *x, const struct seq *y)
{
	int n = 0;
	for (int i = 0; i < x->n; i++)
		n += !seq_has(y, x->ix[i]);
	return n > 1;
}

/* The batch index for each row of which there is to be a product. */
static const struct idx *row_of(const struct seq *x, const struct seq *y, const struct seq *k)
{
	if (seq_batches(x) > 1 || seq_batches(y) > 1)
		return NULL;
	for (int s = 0; s < 2; s++) {
		const struct seq *one = s ? y : x, *other = s ? x : y;
		const struct idx *b = one->n && one->ix[0]->pop >= 0 ? one->ix[0] : NULL;
		for (int i = 0; i < one->n && !b; i++)
			b = one->ix[i]->pop >= 0 ? one->ix[i] : NULL;
		if (!b || (seq_batches(other) && !seq_has(other, b)))
			continue;
		bool both = seq_has(other, b),
		     alone = both ? seq_has(k, b) && k->n == 1 : !has_more(one, other);
		if (!alone)
			return b;
	}
	return NULL;
}

static void leave_out(struct seq *s, const struct idx *i)
{
	int n = 0;
	for (int k = 0; k < s->n; k++)
		if (s->ix[k] != i)
			s->ix[n++] = s->ix[k];
	s->n = n;
}

bool plan_match(struct work *w, const struct factor *x, const struct factor *y, const struct seq *k,
                const struct seq *order, bool guarded, struct product *out)
{
	*out = (struct product){.x = *x, .y = *y, .row = row_of(&x->ix, &y->ix, k)};
	out->summed = out->row && seq_has(k, out->row);
	leave_out(&out->x.ix, out->row);
	leave_out(&out->y.ix, out->row);
	x = &(struct factor){.ix = out->x.ix};
	y = &(struct factor){.ix = out->y.ix};
	for (int i = 0; i < x->ix.n; i++)
		seq_push(seq_has(&y->ix, x->ix.ix[i]) ? &out->k : &out->m, x->ix.ix[i]);
	for (int i = 0; i < y->ix.n; i++)
		if (!seq_has(&x->ix, y->ix.ix[i]))
			seq_push(&out->n, y->ix.ix[i]);
	for (int i = 0; i < out->k.n; i++)
		if (!seq_has(k, out->k.ix[i]))
			return false;
	if (w->prog->loops || !out->k.n || !out->m.n || !out->n.n)
		return false;
	if (should_swap(out, order))
		swap_sides(out);
	take_cut(out);
	return out->m.n + out->n.n <= MAX_RANK && runs_are_possible(w, out) &&
	       lay_out(w, out, order, guarded) && worth_it(out);
}

/* s, behind the row where there is one. */
static struct seq behind_row(const struct idx *row, const struct seq *s)
{
	struct seq first = {.n = 0};
	if (row)
		seq_push(&first, row);
	return join(&first, s);
}

struct seq plan_product_layout(const struct product *p)
{
	struct seq mn = join(&p->m, &p->n);
	return behind_row(p->summed ? NULL : p->row, &mn);
}

bool plan_product_fits(struct product *p, const struct sym *dst, const struct seq *layout)
{
	if (dst->values != VALUES_REAL || ex_mentions(p->x.e, dst) || ex_mentions(p->y.e, dst))
		return false;
	struct seq mn = plan_product_layout(p);
	if (seq_same(&mn, layout))
		return true;
	if (plan_is_cut(p->y_cut))
		return false;
	swap_sides(p);
	mn = plan_product_layout(p);
	if (seq_same(&mn, layout))
		return true;
	swap_sides(p);
	return false;
}

static bool same_cut(struct cut x, struct cut y)
{
	return x.row == y.row && x.column == y.column && x.constant == y.constant;
}

static const struct known_product *find_product(const struct work *w, const struct product *p)
{
	if (p->x_made || p->y_made)
		return NULL;
	for (int i = 0; i < w->product.n; i++) {
		const struct known_product *q = &w->product.at[i];
		if (q->a == p->x.e->sym && q->b == p->y.e->sym && q->ta == p->ta && q->tb == p->tb &&
		    q->nk == p->k.n && q->rows == (p->row != NULL) && q->summed == p->summed &&
		    same_cut(q->b_cut, p->y_cut))
			return q;
	}
	return NULL;
}

bool plan_product_known(struct work *w, struct product *p)
{
	return find_product(w, p) != NULL;
}

static struct extent extent_of(const struct seq *s)
{
	if (s->ix[0]->pop >= 0)
		return (struct extent){.pop = s->ix[0]->pop};
	return (struct extent){.pop = -1, .size = (int64_t)seq_size(s)};
}

static int64_t leading(const struct product *p, const struct sym *s, const struct seq *last)
{
	return s->batched && !p->row ? -1 : (int64_t)seq_size(last);
}

static const struct sym *operand(struct work *w, const struct product *p, const struct factor *f,
                                 bool made, const struct seq *layout)
{
	struct seq free = plan_free(f->e),
	           all = behind_row(seq_has(&free, p->row) ? p->row : NULL, layout);
	return made ? plan_materialise(w, f->e, &all)->sym : f->e->sym;
}

void plan_product_into(struct work *w, struct product *p, const struct sym *dst, struct node *alpha,
                       bool accumulate, struct cut cut)
{
	struct work_kernel *k = NEW(w->a, struct work_kernel);
	k->a = operand(w, p, &p->x, p->x_made, &p->x_layout);
	k->b = operand(w, p, &p->y, p->y_made, &p->y_layout);
	k->c = dst;
	k->k.kind = KERNEL_MATMUL;
	k->k.mm = (struct matmul_op){.how = MM_SGEMM,
	                             .m = extent_of(&p->m),
	                             .n = extent_of(&p->n),
	                             .k = extent_of(&p->k),
	                             .ta = p->ta,
	                             .tb = p->tb,
	                             .lda = leading(p, k->a, p->ta ? &p->m : &p->k),
	                             .ldb = leading(p, k->b, p->tb ? &p->k : &p->n),
	                             .ldc = leading(p, dst, &p->n),
	                             .alpha = alpha,
	                             .accumulate = accumulate,
	                             .b_cut = p->y_cut,
	                             .c_cut = cut,
	                             .row = p->row,
	                             .sum = p->summed};
	plan_emit(w, k);
	if (!alpha && !accumulate && !plan_is_cut(cut))
		vec_push(w->a, &w->product,
		         ((struct known_product){.a = k->a,
		                                 .b = k->b,
		                                 .c = dst,
		                                 .ta = p->ta,
		                                 .tb = p->tb,
		                                 .nk = p->k.n,
		                                 .rows = p->row != NULL,
		                                 .summed = p->summed,
		                                 .b_cut = p->y_cut}));
}

struct node *plan_product(struct work *w, struct product *p)
{
	struct seq layout = plan_product_layout(p);
	const struct known_product *q = find_product(w, p);
	if (q)
		return plan_access(w, q->c, &layout);
	const struct sym *t = plan_temp(w, &layout, VALUES_REAL);
	plan_product_into(w, p, t, NULL, false, (struct cut){0});
	return plan_access(w, t, &layout);
}
