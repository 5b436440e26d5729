/* matmul: which sums of products of two factors are matrix products, and their kernels.
 *
 *     C[m.., n..] = sum(k..) x*y
 * with m the indices of x alone, n those of y alone, k those of both.  A factor that is an access
 * to a whole tensor is used where it lies when k is a contiguous run at one end of its axes; any
 * other factor, and an unbatched tensor with its axes in another order, is first written to a
 * temporary in the order that fits.  A batch index is the first axis of what is batched; items are
 * padded, so it forms a run of its own.
 *
 * A product is taken when it is not small: a sum of few terms, or with few results, is better off
 * in the loop that uses it. */
#include "plan/work.h"

enum { MIN_SIDE = 2, MIN_SUM = 4, MIN_WORK = 512, MIN_REUSE = 4 };

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

/* A rule for which side is x that does not depend on how the product was written. */
static bool should_swap(const struct product *p)
{
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

static bool can_make(const struct work *w, const struct factor *f, bool guarded)
{
	return !ex_has_draw(f->e) && !(f->plain && f->e->sym->batched) && plan_storable(w, &f->ix) &&
	       (!guarded || plan_in_bounds(f->e));
}

/* Decides what is materialised and in which order the axes lie. */
static bool lay_out(const struct work *w, struct product *p, const struct seq *order, bool guarded)
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
	p->cost = m * n * k + (p->x_made ? m * k : 0) + (p->y_made ? n * k : 0);
	return m >= MIN_SIDE && n >= MIN_SIDE && k >= MIN_SUM && m * n * k >= MIN_WORK &&
	       (!p->x_made || n >= MIN_REUSE) && (!p->y_made || m >= MIN_REUSE);
}

bool plan_match(const struct work *w, const struct factor *x, const struct factor *y,
                const struct seq *k, const struct seq *order, bool guarded, struct product *out)
{
	*out = (struct product){.x = *x, .y = *y};
	for (int i = 0; i < x->ix.n; i++)
		seq_push(seq_has(&y->ix, x->ix.ix[i]) ? &out->k : &out->m, x->ix.ix[i]);
	for (int i = 0; i < y->ix.n; i++)
		if (!seq_has(&x->ix, y->ix.ix[i]))
			seq_push(&out->n, y->ix.ix[i]);
	for (int i = 0; i < out->k.n; i++)
		if (!seq_has(k, out->k.ix[i]))
			return false;
	if (!out->k.n || !out->m.n || !out->n.n)
		return false;
	if (should_swap(out))
		swap_sides(out);
	return out->m.n + out->n.n <= MAX_RANK && runs_are_possible(w, out) &&
	       lay_out(w, out, order, guarded) && worth_it(out);
}

struct seq plan_product_layout(const struct product *p)
{
	return join(&p->m, &p->n);
}

bool plan_product_fits(struct product *p, const struct sym *dst, const struct seq *layout)
{
	if (dst->values != VALUES_REAL || ex_mentions(p->x.e, dst) || ex_mentions(p->y.e, dst))
		return false;
	struct seq mn = join(&p->m, &p->n), nm = join(&p->n, &p->m);
	if (seq_same(&mn, layout))
		return true;
	if (!seq_same(&nm, layout))
		return false;
	swap_sides(p);
	return true;
}

static const struct known_product *find_product(const struct work *w, const struct product *p)
{
	if (p->x_made || p->y_made)
		return NULL;
	for (int i = 0; i < w->product.n; i++) {
		const struct known_product *q = &w->product.at[i];
		if (q->a == p->x.e->sym && q->b == p->y.e->sym && q->ta == p->ta && q->tb == p->tb &&
		    q->nk == p->k.n)
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

static int64_t leading(const struct sym *s, const struct seq *last)
{
	return s->batched ? -1 : (int64_t)seq_size(last);
}

static const struct sym *operand(struct work *w, const struct factor *f, bool made,
                                 const struct seq *layout)
{
	return made ? plan_materialise(w, f->e, layout)->sym : f->e->sym;
}

void plan_product_into(struct work *w, struct product *p, const struct sym *dst, struct node *alpha,
                       bool accumulate)
{
	struct work_kernel *k = NEW(w->a, struct work_kernel);
	k->a = operand(w, &p->x, p->x_made, &p->x_layout);
	k->b = operand(w, &p->y, p->y_made, &p->y_layout);
	k->c = dst;
	k->k.kind = KERNEL_MATMUL;
	k->k.mm = (struct matmul_op){.how = MM_SGEMM,
	                             .m = extent_of(&p->m),
	                             .n = extent_of(&p->n),
	                             .k = extent_of(&p->k),
	                             .ta = p->ta,
	                             .tb = p->tb,
	                             .lda = leading(k->a, p->ta ? &p->m : &p->k),
	                             .ldb = leading(k->b, p->tb ? &p->k : &p->n),
	                             .ldc = leading(dst, &p->n),
	                             .alpha = alpha,
	                             .accumulate = accumulate};
	plan_emit(w, k);
	if (!alpha && !accumulate)
		vec_push(w->a, &w->product,
		         ((struct known_product){
		             .a = k->a, .b = k->b, .c = dst, .ta = p->ta, .tb = p->tb, .nk = p->k.n}));
}

struct node *plan_product(struct work *w, struct product *p)
{
	struct seq layout = plan_product_layout(p);
	const struct known_product *q = find_product(w, p);
	if (q)
		return plan_access(w, q->c, &layout);
	const struct sym *t = plan_temp(w, &layout, VALUES_REAL);
	plan_product_into(w, p, t, NULL, false);
	return plan_access(w, t, &layout);
}
