/* Generated code against the reference evaluator: kernels of every shape. */
#include "codegen_fixture.h"

#include "codegen_fixture.c"

static struct node *sum_over(struct fx *f, const struct idx *const *i, int n, struct node *body)
{
	return ex_reduce(f->a, RED_SUM, i, n, NULL, 0, body);
}

static void elementwise(void)
{
	static const int64_t size[] = {1, 15, 16, 17, 500};
	for (int k = 0; k < 5; k++) {
		struct fx *f = fx_new(9);
		const struct sym *x = fx_sym(f, "x", true, false, DIMS(size[k])),
		                 *y = fx_sym(f, "y", true, false, DIMS(size[k]));
		const struct sym *b = fx_sym(f, "b", false, false, DIMS(size[k])),
		                 *c = fx_sym(f, "c", false, false, NODIMS);
		const struct sym *beta = fx_scalar(f, "beta");
		const struct idx *i = fx_idx(f, "i", size[k]);
		struct node *e = ex_mul(f->a, ex_at(f->a, beta, NULL, NULL), ex_at(f->a, x, f->n, AT(i)));
		e = ex_add(f->a, e, ex_mul(f->a, ex_at(f->a, b, NULL, AT(i)), ex_at(f->a, c, NULL, NULL)));
		fx_store(f, y, AT(i), false, ex_op1(f->a, OP_SIGMOID, e));
		fx_check(f, 1e-6);
	}
}

static void unbatched(void)
{
	struct fx *f = fx_new(3);
	const struct sym *w = fx_sym(f, "W", false, false, DIMS(37, 21)),
	                 *g = fx_sym(f, "G", false, false, DIMS(37, 21));
	const struct sym *s = fx_sym(f, "s", false, false, NODIMS),
	                 *b = fx_sym(f, "b", false, false, DIMS(1));
	const struct sym *t = fx_sym(f, "T", false, false, DIMS(37, 21)),
	                 *m = fx_sym(f, "M", false, false, DIMS(21, 37));
	const struct idx *i = fx_idx(f, "i", 37), *j = fx_idx(f, "j", 21), *o = fx_idx(f, "o", 1);
	struct node *wij = ex_at(f->a, w, NULL, AT(i, j));
	fx_store(f, g, AT(i, j), true, ex_op1(f->a, OP_TANH, wij));
	fx_store(f, t, AT(i, j), false, ex_add(f->a, ex_at(f->a, m, NULL, AT(j, i)), wij));
	fx_store(f, s, NULL, false, sum_over(f, AT(i, j), 2, ex_op1(f->a, OP_EXP, wij)));
	fx_store(f, b, AT(o), true, ex_op1(f->a, OP_EXP, ex_at(f->a, b, NULL, AT(o))));
	fx_check(f, 1e-5);
}

static void free_energy(void)
{
	static const int64_t size[] = {1, 5, 16, 100, 784};
	for (int k = 0; k < 5; k++) {
		struct fx *f = fx_new(6);
		const struct sym *v = fx_sym(f, "v", true, true, DIMS(size[k])),
		                 *h = fx_sym(f, "h", true, false, DIMS(13));
		const struct sym *b = fx_sym(f, "b", false, false, DIMS(size[k])),
		                 *w = fx_sym(f, "W", false, false, DIMS(size[k], 13));
		const struct sym *energy = fx_sym(f, "F", true, false, NODIMS),
		                 *pre = fx_sym(f, "pre", true, false, DIMS(13));
		const struct idx *i = fx_idx(f, "i", size[k]), *j = fx_idx(f, "j", 13),
		                 *l = fx_idx(f, "l", size[k]);
		struct node *act = sum_over(
		    f, AT(i), 1, ex_mul(f->a, ex_at(f->a, v, f->n, AT(i)), ex_at(f->a, w, NULL, AT(i, j))));
		struct node *e = ex_neg(
		    f->a, sum_over(f, AT(l), 1,
		                   ex_mul(f->a, ex_at(f->a, v, f->n, AT(l)), ex_at(f->a, b, NULL, AT(l)))));
		e = ex_sub(
		    f->a, e,
		    sum_over(f, AT(j), 1,
		             ex_op1(f->a, OP_SOFTPLUS, ex_add(f->a, act, ex_at(f->a, h, f->n, AT(j))))));
		fx_store(f, energy, NULL, false, e);
		fx_store(f, pre, AT(j), false, act);
		fx_check(f, 2e-5);
	}
}

static void reductions(void)
{
	static const enum reduce red[] = {RED_SUM, RED_PROD, RED_MAX, RED_MIN, RED_LOGSUMEXP};
	for (int k = 0; k < 5; k++) {
		struct fx *f = fx_new(5);
		const struct sym *x = fx_sym(f, "x", true, false, DIMS(7, 33)),
		                 *r = fx_sym(f, "r", true, false, NODIMS);
		const struct sym *c = fx_sym(f, "c", true, false, DIMS(33)),
		                 *p = fx_sym(f, "p", true, false, DIMS(7, 33));
		const struct idx *i = fx_idx(f, "i", 7), *j = fx_idx(f, "j", 33), *i2 = fx_idx(f, "i2", 7),
		                 *j2 = fx_idx(f, "j2", 33);
		struct node *xij = ex_at(f->a, x, f->n, AT(i, j)),
		            *all = ex_reduce(f->a, red[k], AT(i, j), 2, NULL, 0, xij);
		fx_store(f, r, NULL, false, all);
		fx_store(f, c, AT(j), false, ex_reduce(f->a, red[k], AT(i), 1, NULL, 0, xij));
		struct node *row =
		    ex_reduce(f->a, red[k], AT(j2), 1, NULL, 0, ex_at(f->a, x, f->n, AT(i2, j2)));
		fx_store(f, p, AT(i2, j), false,
		         ex_op1(f->a, OP_EXP, ex_sub(f->a, ex_at(f->a, x, f->n, AT(i2, j)), row)));
		fx_check(f, 2e-5);
	}
}

static double load_w(void *arg, const struct sym *s, int64_t row, const int64_t *at)
{
	(void)row;
	return ((const double *)arg)[at[0] * s->dim[1] + at[1]];
}

/* The slope of a product with no, one and two factors at 0, over a whole range and a guarded one,
 * against central differences. */
static void product_slopes(struct node *e, struct node *slope, const struct idx *k,
                           const struct idx *l)
{
	for (int zeros = 0; zeros < 3; zeros++)
		for (int at = 0; at < 12; at++) {
			double w[12], y[2], h = 1e-5;
			for (int i = 0; i < 12; i++)
				w[i] = i < 2 * zeros && i % 2 ? 0 : 0.6 + 0.1 * i;
			struct env env = {.load = load_w, .arg = w};
			double d = ex_eval(slope, &env, (struct binding[]){{k, at / 4}, {l, at % 4}}, 2);
			w[at] += h;
			y[1] = ex_eval(e, &env, NULL, 0);
			w[at] -= 2 * h;
			y[0] = ex_eval(e, &env, NULL, 0);
			CU_ASSERT(fabs(d - (y[1] - y[0]) / (2 * h)) <= 1e-7);
		}
}

static void product_gradients(void)
{
	for (int guarded = 0; guarded < 2; guarded++) {
		struct fx *f = fx_new(1);
		const struct sym *w = fx_sym(f, "W", false, false, DIMS(3, 4)),
		                 *g = fx_sym(f, "G", false, false, DIMS(3, 4));
		const struct idx *i = fx_idx(f, "i", 3), *j = fx_idx(f, "j", 4), *k = fx_idx(f, "k", 3),
		                 *l = fx_idx(f, "l", 4);
		struct affine later = affine_add(f->a, affine_idx(f->a, j), affine_idx(f->a, i), -1);
		struct node *factor = ex_op1(f->a, OP_TANH, ex_at(f->a, w, NULL, AT(i, j)));
		struct node *e =
		    ex_reduce(f->a, RED_PROD, AT(i, j), 2, &(struct guard){false, later}, guarded, factor);
		struct affine at[2] = {affine_idx(f->a, k), affine_idx(f->a, l)};
		product_slopes(e, ex_diff(f->a, e, w, at), k, l);
		fx_store(f, g, AT(k, l), false, ex_diff(f->a, e, w, at));
		fx_check(f, 2e-5);
	}
}

/* strictly lower triangle, bands and an equality */
static void guards(void)
{
	for (int kind = 0; kind < 4; kind++) {
		struct fx *f = fx_new(4);
		const struct sym *x = fx_sym(f, "x", true, false, DIMS(37)),
		                 *w = fx_sym(f, "W", false, false, DIMS(37, 37));
		const struct sym *y = fx_sym(f, "y", true, false, DIMS(37)),
		                 *s = fx_sym(f, "s", true, false, NODIMS);
		const struct sym *z = fx_sym(f, "Z", false, false, DIMS(37, 37));
		const struct idx *d = fx_idx(f, "d", 37), *i = fx_idx(f, "i", 37);
		struct affine di = affine_add(f->a, affine_idx(f->a, d), affine_idx(f->a, i), -1);
		struct guard g[2] = {{false, affine_add(f->a, di, affine_const(1), -1)}, {false, {0}}};
		int ng = 1;
		if (kind == 1)
			g[0] =
			    (struct guard){false, affine_add(f->a, affine_const(3), di, -1)}; /* i >= d - 3 */
		if (kind == 2) {
			g[1] = (struct guard){false, affine_add(f->a, affine_const(5), di, -1)};
			ng = 2;
		}
		if (kind == 3)
			g[0] = (struct guard){false,
			                      affine_add(f->a, di, di, 1)}; /* 2d - 2i >= 0: no loop bound */
		struct node *wx = ex_mul(f->a, ex_at(f->a, w, NULL, AT(d, i)),
		                         ex_op1(f->a, OP_EXP, ex_at(f->a, x, f->n, AT(i))));
		fx_store(f, y, AT(d), false, ex_reduce(f->a, RED_SUM, AT(i), 1, g, ng, wx));
		fx_store(f, s, NULL, false, ex_reduce(f->a, RED_SUM, AT(d, i), 2, g, ng, wx));
		fx_store(f, z, AT(d, i), false, ex_mask(f->a, g, ng, ex_at(f->a, w, NULL, AT(i, d))));
		fx_check(f, 2e-5);
	}
}

static void indices(void)
{
	struct fx *f = fx_new(4);
	const struct sym *y = fx_sym(f, "y", true, false, DIMS(6, 37)),
	                 *s = fx_sym(f, "s", true, false, NODIMS);
	const struct sym *x = fx_sym(f, "x", true, false, DIMS(6, 37));
	const struct idx *i = fx_idx(f, "i", 6), *j = fx_idx(f, "j", 37);
	struct affine ij = affine_add(f->a, affine_add(f->a, affine_const(2), affine_idx(f->a, i), 100),
	                              affine_idx(f->a, j), -3);
	struct node *e = ex_mul(f->a, ex_index(f->a, ij), ex_at(f->a, x, f->n, AT(i, j)));
	fx_store(f, y, AT(i, j), false, e);
	fx_store(f, s, NULL, false, sum_over(f, AT(i, j), 2, e));
	fx_check(f, 2e-5);
}

/* valid and zero-padded, floats and bits */
static void convolution(void)
{
	for (int bits = 0; bits < 2; bits++)
		for (int pad = 0; pad < 2; pad++) {
			const int64_t in = 20, out = pad ? 20 : 18;
			struct fx *f = fx_new(3);
			const struct sym *v = fx_sym(f, "v", true, bits, DIMS(in, in)),
			                 *w = fx_sym(f, "W", false, false, DIMS(4, 3, 3));
			const struct sym *y = fx_sym(f, "y", true, false, DIMS(4, out, out)),
			                 *g = fx_sym(f, "gW", false, false, DIMS(4, 3, 3));
			const struct idx *k = fx_idx(f, "k", 4), *yy = fx_idx(f, "y", out),
			                 *xx = fx_idx(f, "x", out);
			const struct idx *r = fx_idx(f, "r", 3), *s = fx_idx(f, "s", 3);
			struct affine map[2] = {affine_add(f->a, affine_idx(f->a, yy), affine_idx(f->a, r), 1),
			                        affine_add(f->a, affine_idx(f->a, xx), affine_idx(f->a, s), 1)};
			struct guard g4[4];
			if (pad)
				for (int d = 0; d < 2; d++) {
					map[d] = affine_add(f->a, map[d], affine_const(1), -1);
					g4[2 * d] = (struct guard){false, map[d]};
					g4[2 * d + 1] =
					    (struct guard){false, affine_add(f->a, affine_const(in - 1), map[d], -1)};
				}
			struct node *vw =
			    ex_mul(f->a, ex_access(f->a, v, f->n, map), ex_at(f->a, w, NULL, AT(k, r, s)));
			fx_store(f, y, AT(k, yy, xx), false,
			         ex_reduce(f->a, RED_SUM, AT(r, s), 2, g4, pad ? 4 : 0, vw));
			struct node *vy =
			    ex_mul(f->a, ex_access(f->a, v, f->n, map), ex_at(f->a, y, f->n, AT(k, yy, xx)));
			struct node *stat = ex_reduce(f->a, RED_SUM, AT(f->n, yy, xx), 3, g4, pad ? 4 : 0, vy);
			if (!pad) /* reads all rows of y: not with chunks */
				stat = ex_reduce(f->a, RED_SUM, AT(f->n, yy, xx), 3, NULL, 0,
				                 ex_access(f->a, v, f->n, map));
			else
				stat = ex_reduce(f->a, RED_SUM, AT(f->n, yy, xx), 3, g4, 4,
				                 ex_access(f->a, v, f->n, map));
			fx_store(f, g, AT(k, r, s), true, stat);
			fx_check(f, 2e-5);
		}
}

static void bits(void)
{
	static const int64_t size[] = {1, 7, 16, 37, 64, 500, 784};
	for (int k = 0; k < 7; k++) {
		struct fx *f = fx_new(9);
		const struct sym *x = fx_sym(f, "x", true, false, DIMS(size[k])),
		                 *v = fx_sym(f, "v", true, true, DIMS(size[k]));
		const struct sym *h = fx_sym(f, "h", true, true, DIMS(size[k])),
		                 *u = fx_sym(f, "u", true, false, DIMS(size[k]));
		const struct sym *b = fx_sym(f, "b", false, false, DIMS(size[k]));
		const struct idx *i = fx_idx(f, "i", size[k]);
		struct node *xi = ex_at(f->a, x, f->n, AT(i)), *vi = ex_at(f->a, v, f->n, AT(i)),
		            *hi = ex_at(f->a, h, f->n, AT(i));
		fx_store(f, h, AT(i), false, ex_op2(f->a, OP_LT, xi, vi));
		fx_store(f, u, NULL, false, ex_add(f->a, ex_scale(f->a, 3, hi), xi));
		fx_store(f, b, AT(i), false, sum_over(f, AT(f->n), 1, vi));
		fx_check(f, 1e-6);
	}
}

/* axes that cannot run as one: rows of 7 units at odd bit offsets, read shifted and transposed */
static void bits_unaligned(void)
{
	struct fx *f = fx_new(9);
	const struct sym *h = fx_sym(f, "h", true, true, DIMS(6, 19)),
	                 *x = fx_sym(f, "x", true, false, DIMS(19, 6));
	const struct sym *v = fx_sym(f, "v", true, true, DIMS(19, 6)),
	                 *y = fx_sym(f, "y", true, false, DIMS(6, 19));
	const struct idx *i = fx_idx(f, "i", 6), *j = fx_idx(f, "j", 19);
	struct node *vt = ex_at(f->a, v, f->n, AT(j, i));
	fx_store(f, h, AT(i, j), false, ex_op2(f->a, OP_LT, ex_at(f->a, x, f->n, AT(j, i)), vt));
	fx_store(f, y, NULL, false, ex_add(f->a, vt, ex_at(f->a, h, f->n, AT(i, j))));
	fx_check(f, 1e-6);
}

static void draws(void)
{
	static const int64_t size[] = {1, 37, 500, 784};
	for (int k = 0; k < 4; k++) {
		struct fx *f = fx_new(9);
		const struct sym *x = fx_sym(f, "x", true, false, DIMS(size[k])),
		                 *h = fx_sym(f, "h", true, true, DIMS(size[k]));
		const struct sym *p = fx_sym(f, "p", true, false, DIMS(size[k])),
		                 *g = fx_sym(f, "g", true, false, DIMS(size[k]));
		const struct sym *e = fx_sym(f, "e", true, false, NODIMS),
		                 *w = fx_sym(f, "w", false, false, DIMS(size[k], 3));
		const struct idx *i = fx_idx(f, "i", size[k]), *j = fx_idx(f, "j", 3);
		struct node *prob = ex_op1(f->a, OP_SIGMOID, ex_at(f->a, x, f->n, AT(i)));
		fx_store(f, h, AT(i), false, ex_op2(f->a, OP_LT, ex_draw(f->a, OP_UNIFORM, 7), prob));
		fx_store(f, g, AT(i), false, ex_add(f->a, prob, ex_draw(f->a, OP_NORMAL, 8)));
		fx_store(f, p, NULL, false, ex_mul(f->a, prob, ex_draw(f->a, OP_UNIFORM, 9)));
		fx_store(f, e, NULL, false, ex_draw(f->a, OP_NORMAL, 10));
		fx_store(f, w, AT(i, j), true, ex_draw(f->a, OP_NORMAL, 11));
		fx_check(f, 1e-6);
	}
}

static void rows_as_lanes(void)
{
	static const int64_t rows[] = {1, 15, 16, 100};
	for (int k = 0; k < 4; k++) {
		struct fx *f = fx_new(rows[k]);
		const struct sym *x = fx_sym(f, "x", true, false, NODIMS),
		                 *y = fx_sym(f, "y", true, false, NODIMS);
		const struct sym *v = fx_sym(f, "v", true, false, DIMS(5)),
		                 *b = fx_sym(f, "b", true, true, DIMS(70));
		const struct sym *mean = fx_sym(f, "m", false, false, NODIMS);
		struct affine four = affine_const(4), last = affine_const(69);
		struct node *e = ex_add(f->a, ex_at(f->a, x, f->n, NULL), ex_access(f->a, v, f->n, &four));
		fx_store(f, y, NULL, false, ex_add(f->a, e, ex_access(f->a, b, f->n, &last)));
		fx_store(f, mean, NULL, false,
		         sum_over(f, AT(f->n), 1, ex_mul(f->a, e, ex_access(f->a, b, f->n, &last))));
		fx_check(f, 1e-5);
	}
}

/* ---- products: C = alpha op(A) op(B) (+ C), every routine ---------------------------------
 */
struct product_case {
	enum matmul how;
	bool statistic; /* G[i,j] += alpha sum(n) a[n,i] b[n,j]; else C[n,j] = sum(i) a[n,i] B[i,j] */
	bool transposed_b; /* B stored as [j,i] */
	bool accumulate;
	struct cut b_cut, c_cut;
};

static bool in_cut(struct cut c, int64_t row, int64_t column)
{
	return c.row * row + c.column * column + c.constant >= 0;
}

static void product(const struct product_case *t)
{
	enum { I = 37, J = 150, ROWS = 21 };
	bool bits_a = t->how != MM_SGEMM && t->how != MM_PACKED, bits_b = t->how == MM_BITS_COUNT;
	struct fx *f = fx_new(ROWS);
	const struct sym *a = fx_sym(f, "a", true, bits_a, DIMS(I)),
	                 *h = fx_sym(f, "h", true, bits_b, DIMS(J));
	const struct sym *w = t->transposed_b ? fx_sym(f, "W", false, false, DIMS(J, I))
	                                      : fx_sym(f, "W", false, false, DIMS(I, J));
	const struct sym *g = fx_sym(f, "G", false, false, DIMS(I, J)),
	                 *c = fx_sym(f, "C", true, false, DIMS(J));
	const struct sym *rate = fx_scalar(f, "rate");
	struct kernel *k = NEW(f->a, struct kernel);
	struct matmul_op *mm = &k->mm;
	struct extent rows = {0, -1}, ei = {-1, I}, ej = {-1, J};
	k->kind = KERNEL_MATMUL;
	mm->how = t->how;
	mm->a = 0;
	mm->lda = -1;
	mm->n = ej;
	mm->accumulate = t->accumulate;
	mm->b_cut = t->b_cut;
	mm->c_cut = t->c_cut;
	if (t->statistic) {
		mm->b = 1;
		mm->c = 3;
		mm->ta = true;
		mm->m = ei;
		mm->k = rows;
		mm->ldb = -1;
		mm->ldc = J;
		mm->alpha = ex_scale(f->a, 0.5, ex_at(f->a, rate, NULL, NULL));
	} else {
		mm->b = 2;
		mm->c = 4;
		mm->tb = t->transposed_b;
		mm->m = rows;
		mm->k = ei;
		mm->ldb = t->transposed_b ? I : J;
		mm->ldc = -1;
	}
	if (t->how == MM_BITS || t->how == MM_PACKED) {
		struct slot s = {.space = SPACE_PARAM, .pop = -1, .param = -1, .pack = true, .pack_of = 2};
		s.pack_transposed = t->transposed_b;
		s.pack_k = I;
		s.pack_n = J;
		mm->b = f->plan->slot.n;
		vec_push(f->a, &f->plan->slot, s);
		struct kernel *pack = NEW(f->a, struct kernel);
		pack->kind = KERNEL_PACK;
		pack->pack_slot = mm->b;
		struct region *r = NEW(f->a, struct region);
		vec_push(f->a, &r->kernel, pack);
		vec_push(f->a, &f->plan->function.at[0]->region, r);
		f->plan->function.at[0]->region.at[0] = r;
		f->plan->function.at[0]->region.at[1] = f->region;
	}
	vec_push(f->a, &f->region->kernel, k);
	fx_compile(f);
	for (int64_t split = 1; split <= 7; split += 2) {
		fx_fill(f, 5);
		int64_t nm = t->statistic ? I : ROWS, nk = t->statistic ? ROWS : I;
		double *want = malloc(sizeof *want * (size_t)(nm * J));
		for (int64_t m = 0; m < nm; m++)
			for (int64_t n = 0; n < J; n++) {
				double sum = 0;
				for (int64_t d = 0; d < nk; d++)
					sum += !in_cut(t->b_cut, d, n) || !in_cut(t->c_cut, m, n) ? 0
					       : t->statistic
					           ? fx_get(f, a, d, m) * fx_get(f, h, d, n)
					           : fx_get(f, a, m, d) *
					                 fx_get(f, w, 0, t->transposed_b ? n * I + d : d * J + n);
				double old = t->statistic ? fx_get(f, g, 0, m * J + n) : fx_get(f, c, m, n);
				want[m * J + n] = sum * (t->statistic ? 0.375 : 1) + (t->accumulate ? old : 0);
			}
		fx_run(f, split);
		for (int64_t m = 0; m < nm; m++)
			for (int64_t n = 0; n < J; n++) {
				double got = t->statistic ? fx_get(f, g, 0, m * J + n) : fx_get(f, c, m, n);
				CU_ASSERT_DOUBLE_EQUAL_FATAL(got, want[m * J + n], 1e-4);
			}
		free(want);
	}
	fx_free(f);
}

static void products(void)
{
	static const struct product_case cases[] = {
	    {MM_SGEMM, false, false, false, {0}, {0}},
	    {MM_SGEMM, false, true, true, {0}, {0}},
	    {MM_PACKED, false, false, false, {0}, {0}},
	    {MM_PACKED, false, true, true, {0}, {0}},
	    {MM_SGEMM, true, false, true, {0}, {0}},
	    {MM_BITS, false, false, false, {0}, {0}},
	    {MM_BITS, false, true, true, {0}, {0}},
	    {MM_BITS_T, true, false, true, {0}, {0}},
	    {MM_BITS_T, true, false, false, {0}, {0}},
	    {MM_BITS_COUNT, true, false, true, {0}, {0}},
	    {MM_BITS_COUNT, true, false, false, {0}, {0}},
	    {MM_SGEMM, false, false, true, {-4, 1, 3}, {0}},
	    {MM_SGEMM, false, true, false, {3, -1, 0}, {0}},
	    {MM_SGEMM, true, false, false, {0}, {4, -1, -2}},
	    {MM_SGEMM, true, false, false, {0}, {-3, 1, 5}},
	};
	for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
		product(&cases[k]);
}

/* More units than a scratch buffer holds, and runs that start inside a group of 64 */
static void draws_in_pieces(void)
{
	struct fx *f = fx_new(2);
	const struct sym *big = fx_sym(f, "big", true, false, DIMS(18000)),
	                 *w = fx_sym(f, "W", false, false, DIMS(9, 50));
	const struct sym *t = fx_sym(f, "T", false, false, DIMS(50, 9)),
	                 *large = fx_sym(f, "L", false, false, DIMS(200, 301));
	const struct idx *i = fx_idx(f, "i", 18000), *j = fx_idx(f, "j", 9), *k = fx_idx(f, "k", 50);
	const struct idx *p = fx_idx(f, "p", 200), *q = fx_idx(f, "q", 301);
	struct node *u = ex_draw(f->a, OP_UNIFORM, 1);
	fx_store(f, big, AT(i), false, ex_add(f->a, u, ex_draw(f->a, OP_NORMAL, 2)));
	fx_store(f, w, AT(j, k), false, ex_add(f->a, u, ex_at(f->a, t, NULL, AT(k, j))));
	fx_store(f, large, AT(p, q), true, u);
	fx_check(f, 1e-6);
}

/* A later store of a kernel sees what an earlier one wrote. */
static void later_stores(void)
{
	struct fx *f = fx_new(4);
	const struct sym *x = fx_sym(f, "x", true, false, DIMS(37)),
	                 *y = fx_sym(f, "y", true, false, DIMS(37));
	const struct sym *h = fx_sym(f, "h", true, true, DIMS(37));
	const struct idx *i = fx_idx(f, "i", 37);
	struct node *xi = ex_at(f->a, x, f->n, AT(i)), *yi = ex_at(f->a, y, f->n, AT(i)),
	            *hi = ex_at(f->a, h, f->n, AT(i));
	fx_store(f, h, AT(i), false, ex_op2(f->a, OP_LT, xi, yi));
	fx_store(f, y, NULL, true, ex_mul(f->a, hi, xi));
	fx_store(f, x, NULL, false, ex_add(f->a, yi, ex_op1(f->a, OP_EXP, yi)));
	fx_store(f, y, NULL, false, ex_add(f->a, ex_at(f->a, x, f->n, AT(i)), hi));
	fx_check(f, 1e-6);
}

static struct affine shifted(struct fx *f, const struct idx *i, int64_t scale, int64_t c)
{
	return affine_add(f->a, affine_const(c), affine_idx(f->a, i), scale);
}

/* A softmax over a short last axis, its cumulative sums, and the one-hot state that u draws. */
static void one_hot(void)
{
	static const int64_t size[][2] = {{7, 21}, {1, 10}, {20, 3}, {3, 16}, {2, 2}};
	for (int t = 0; t < 5; t++) {
		const int64_t L = size[t][0], Q = size[t][1];
		struct fx *f = fx_new(5);
		const struct sym *x = fx_sym(f, "f", true, false, DIMS(L, Q)),
		                 *u = fx_sym(f, "u", true, false, DIMS(L));
		const struct sym *z = fx_sym(f, "z", true, false, DIMS(L)),
		                 *p = fx_sym(f, "p", true, false, DIMS(L, Q));
		const struct sym *S = fx_sym(f, "S", true, false, DIMS(L, Q)),
		                 *h = fx_sym(f, "h", true, true, DIMS(L, Q));
		const struct idx *i = fx_idx(f, "i", L), *a = fx_idx(f, "a", Q), *b = fx_idx(f, "b", Q);
		struct node *fia = ex_at(f->a, x, f->n, AT(i, a)), *ui = ex_at(f->a, u, f->n, AT(i));
		struct node *lse =
		    ex_reduce(f->a, RED_LOGSUMEXP, &b, 1, NULL, 0, ex_at(f->a, x, f->n, AT(i, b)));
		fx_store(f, z, AT(i), false, lse);
		fx_store(f, p, AT(i, a), false, ex_op1(f->a, OP_EXP, ex_sub(f->a, fia, lse)));
		struct affine ab = affine_add(f->a, affine_idx(f->a, a), affine_idx(f->a, b), -1);
		struct guard g = {false, ab};
		fx_store(f, S, AT(i, a), false,
		         ex_reduce(f->a, RED_SUM, &b, 1, &g, 1, ex_at(f->a, p, f->n, AT(i, b))));
		struct guard first = {false, shifted(f, a, -1, Q - 2)},
		             last = {true, shifted(f, a, 1, 1 - Q)}, rest = {false, shifted(f, a, 1, -1)};
		struct affine before[2] = {affine_idx(f->a, i), rest.e};
		struct node *up = ex_op2(f->a, OP_LT, ui, ex_at(f->a, S, f->n, AT(i, a)));
		struct node *down = ex_op2(f->a, OP_LT, ui, ex_access(f->a, S, f->n, before));
		struct node *e =
		    ex_add(f->a, ex_mask(f->a, &first, 1, up), ex_mask(f->a, &last, 1, ex_num(f->a, 1)));
		fx_store(f, h, AT(i, a), false, ex_sub(f->a, e, ex_mask(f->a, &rest, 1, down)));
		fx_check(f, 1e-6);
	}
}

/* Each element sees those before it: floats and bits, coupled in the row, more units than a scratch
 * buffer holds; and steps of an axis. */
static void in_turn(void)
{
	static const int64_t size[] = {1, 37, 300, 20000};
	for (int t = 0; t < 8; t++) {
		const int64_t H = size[t / 2];
		struct fx *f = fx_new(H > 1000 ? 2 : 9);
		const struct sym *h = fx_sym(f, "h", true, t % 2, DIMS(H)),
		                 *b = fx_sym(f, "b", true, false, DIMS(H)),
		                 *J = fx_sym(f, "J", false, false, DIMS(H < 1000 ? H : 1, H));
		const struct idx *j = fx_idx(f, "j", H), *k = fx_idx(f, "k", H);
		struct guard g = {false, shifted(f, j, 1, -1)};
		struct node *e = ex_mask(f->a, &g, 1, ex_access(f->a, h, f->n, &g.e));
		if (H < 1000)
			e = ex_add(f->a, e,
			           sum_over(f, AT(k), 1,
			                    ex_mul(f->a, ex_at(f->a, J, NULL, AT(j, k)),
			                           ex_at(f->a, h, f->n, AT(k)))));
		e = ex_op1(f->a, OP_SIGMOID, ex_sub(f->a, ex_at(f->a, b, f->n, AT(j)), e));
		struct node *u = ex_draw(f->a, OP_UNIFORM, 3);
		e = t % 2 ? ex_op2(f->a, OP_LT, u, e) : ex_add(f->a, e, ex_scale(f->a, 0.01, u));
		fx_store(f, h, AT(j), false, e);
		fx_turn(f, 0);
		fx_check(f, 2e-5);
	}
	for (int bits = 0; bits < 2; bits++) {
		const int64_t L = 1000, Q = 21;
		struct fx *f = fx_new(2);
		const struct sym *h = fx_sym(f, "h", true, bits, DIMS(L, Q)),
		                 *t = fx_sym(f, "t", true, false, DIMS(L, Q));
		const struct idx *i = fx_idx(f, "i", L), *a = fx_idx(f, "a", Q), *b = fx_idx(f, "b", Q);
		struct guard g = {false, shifted(f, i, 1, -1)};
		struct affine before[2] = {g.e, affine_idx(f->a, b)};
		struct node *e = ex_mask(f->a, &g, 1, ex_access(f->a, h, f->n, before));
		e = sum_over(f, AT(b), 1, ex_mul(f->a, e, ex_index(f->a, affine_idx(f->a, b))));
		fx_store(f, t, AT(i, a), false,
		         ex_op1(f->a, OP_SIGMOID, ex_sub(f->a, e, ex_at(f->a, t, f->n, AT(i, a)))));
		struct node *own =
		    ex_sub(f->a, ex_draw(f->a, OP_UNIFORM, 4), ex_at(f->a, t, f->n, AT(i, a)));
		fx_store(f, h, NULL, false, ex_op2(f->a, OP_LT, own, ex_num(f->a, 0)));
		fx_turn(f, 1);
		fx_check(f, 1e-5);
	}
}

static void printing(void)
{
	struct fx *f = fx_new(4);
	const struct sym *x = fx_sym(f, "x", true, false, DIMS(37));
	const struct idx *i = fx_idx(f, "i", 37);
	fx_store(f, x, AT(i), false, ex_op1(f->a, OP_EXP, ex_at(f->a, x, f->n, AT(i))));
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	codegen_print_llvm(&f->cx, f->plan, out);
	codegen_print_asm(&f->cx, f->plan, out);
	fclose(out);
	CU_ASSERT(strstr(text, "define void @f.r0(ptr %call, i64 %chunk, i64 %nchunk)") != NULL);
	CU_ASSERT(strstr(text, "f.r0:") != NULL);
	free(text);
	fx_free(f);
}

int main(void)
{
	if (!codegen_init())
		return 1;
	CU_initialize_registry();
	CU_pSuite s = CU_add_suite("codegen", NULL, NULL);
	CU_ADD_TEST(s, elementwise);
	CU_ADD_TEST(s, unbatched);
	CU_ADD_TEST(s, free_energy);
	CU_ADD_TEST(s, reductions);
	CU_ADD_TEST(s, product_gradients);
	CU_ADD_TEST(s, guards);
	CU_ADD_TEST(s, indices);
	CU_ADD_TEST(s, convolution);
	CU_ADD_TEST(s, bits);
	CU_ADD_TEST(s, bits_unaligned);
	CU_ADD_TEST(s, draws);
	CU_ADD_TEST(s, rows_as_lanes);
	CU_ADD_TEST(s, products);
	CU_ADD_TEST(s, draws_in_pieces);
	CU_ADD_TEST(s, later_stores);
	CU_ADD_TEST(s, one_hot);
	CU_ADD_TEST(s, in_turn);
	CU_ADD_TEST(s, printing);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
