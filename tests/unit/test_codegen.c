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
	CU_ADD_TEST(s, guards);
	CU_ADD_TEST(s, indices);
	CU_ADD_TEST(s, convolution);
	CU_ADD_TEST(s, bits);
	CU_ADD_TEST(s, bits_unaligned);
	CU_ADD_TEST(s, draws);
	CU_ADD_TEST(s, rows_as_lanes);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
