/* The shape of the plans of known programs. */
#include "plan_case.h"

static void test_cd(void)
{
	begin();
	const struct sym *W = tensor("W", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(12, 10));
	const struct sym *b = tensor("b", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(12));
	const struct sym *c = tensor("c", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(10));
	const struct sym *gc = tensor("gc", SPACE_GRAD, -1, VALUES_REAL, c, DIMS(10));
	const struct sym *gW = tensor("gW", SPACE_GRAD, -1, VALUES_REAL, W, DIMS(12, 10));
	const struct sym *gb = tensor("gb", SPACE_GRAD, -1, VALUES_REAL, b, DIMS(12));
	const struct sym *v = tensor("v", SPACE_STATE, data, VALUES_BINARY, NULL, DIMS(12));
	const struct sym *h = tensor("h", SPACE_STATE, data, VALUES_BINARY, NULL, DIMS(10));
	const struct sym *ph = tensor("ph", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(10));
	const struct sym *vm = tensor("vm", SPACE_TEMP, data, VALUES_BINARY, NULL, DIMS(12));
	const struct sym *pm = tensor("pm", SPACE_TEMP, data, VALUES_REAL, NULL, DIMS(10));
	const struct idx *n = batch("n", data), *m = batch("m", data), *i = ix("i", 12),
	                 *j = ix("j", 10);

	fun = program_function(prog, "first");
	struct node *p = sigmoid(add(SUM(mul(AT(v, n, i), AT(W, NULL, i, j)), i), AT(c, NULL, j)));
	ASSIGN(h, n, false, bernoulli(p), j);
	ASSIGN(ph, n, false, p, j);
	fun = program_function(prog, "final");
	ASSIGN(vm, n, false,
	       bernoulli(sigmoid(add(SUM(mul(AT(h, n, j), AT(W, NULL, i, j)), j), AT(b, NULL, i)))), i);
	ASSIGN(pm, n, false, sigmoid(add(SUM(mul(AT(vm, n, i), AT(W, NULL, i, j)), i), AT(c, NULL, j))),
	       j);
	struct node *pos = SUM(mul(AT(v, n, i), AT(ph, n, j)), n),
	            *neg = SUM(mul(AT(vm, m, i), AT(pm, m, j)), m);
	ASSIGN(gW, NULL, false, add(ex_scale(cx.prog, -0.01, pos), ex_scale(cx.prog, 0.01, neg)), i, j);
	ASSIGN(gb, NULL, false,
	       add(ex_scale(cx.prog, -0.01, SUM(AT(v, n, i), n)),
	           ex_scale(cx.prog, 0.01, SUM(AT(vm, m, i), m))),
	       i);
	ASSIGN(gc, NULL, false,
	       add(ex_scale(cx.prog, -0.01, SUM(AT(ph, n, j), n)),
	           ex_scale(cx.prog, 0.01, SUM(AT(pm, m, j), m))),
	       j);
	struct plan *q = plan();

	CU_ASSERT_EQUAL_FATAL(q->function.n, 3);
	CU_ASSERT_EQUAL_FATAL(q->function.at[0]->region.n, 1);
	CU_ASSERT_EQUAL(q->function.at[0]->region.at[0]->kernel.n, 2);
	CU_ASSERT_EQUAL(kernel(q, 0, 0, 0)->mm.how, MM_BITS);
	CU_ASSERT_EQUAL(kernel(q, 0, 0, 1)->nstore, 2);
	CU_ASSERT_EQUAL_FATAL(q->function.at[1]->region.n, 2);
	CU_ASSERT_EQUAL(q->function.at[1]->region.at[0]->kernel.n, 4);
	CU_ASSERT_EQUAL(q->function.at[1]->region.at[1]->kernel.n, 4);
	const struct kernel *first = kernel(q, 1, 1, 0), *second = kernel(q, 1, 1, 1);
	CU_ASSERT(first->mm.how == MM_BITS_T && !first->mm.accumulate && first->mm.alpha->num == -0.01);
	CU_ASSERT(second->mm.how == MM_BITS_T && second->mm.accumulate &&
	          second->mm.c == plan_slot(q, gW));
	CU_ASSERT_EQUAL(q->slot.at[plan_slot(q, vm)].repr, REPR_BITS);
	CU_ASSERT_EQUAL(q->slot.at[plan_slot(q, pm)].repr, REPR_F32);
	/* slots: gradients in the order of their parameters, packs last */
	CU_ASSERT(plan_slot(q, gW) == 3 && plan_slot(q, gb) == 4 && plan_slot(q, gc) == 5);
	CU_ASSERT_STRING_EQUAL(q->function.at[2]->name, "prepare");
	CU_ASSERT_EQUAL(count(q, KERNEL_PACK, MM_SGEMM), 2);
	end();
}

/* Both operands of a statistic are bits; the same sum in two statements is computed once. */
static void test_count(void)
{
	begin();
	const struct sym *W = tensor("W", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(8, 9));
	const struct sym *g = tensor("g", SPACE_GRAD, -1, VALUES_REAL, W, DIMS(8, 9));
	const struct sym *v = tensor("v", SPACE_STATE, data, VALUES_BINARY, NULL, DIMS(8));
	const struct sym *h = tensor("h", SPACE_STATE, data, VALUES_BINARY, NULL, DIMS(9));
	const struct sym *x = tensor("x", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(9));
	const struct sym *y = tensor("y", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(9));
	const struct sym *beta = tensor("beta", SPACE_SCALAR, -1, VALUES_REAL, NULL, DIMS());
	const struct idx *n = batch("n", data), *m = batch("m", data);
	const struct idx *i = ix("i", 8), *j = ix("j", 9), *a = ix("a", 8), *k = ix("k", 9);
	fun = program_function(prog, "f");
	ASSIGN(g, NULL, true, mul(AT(beta, NULL), SUM(mul(AT(v, n, i), AT(h, n, j)), n)), i, j);
	ASSIGN(x, n, false, sigmoid(SUM(mul(AT(v, n, i), AT(W, NULL, i, j)), i)), j);
	ASSIGN(y, m, false, ex_op1(cx.prog, OP_TANH, SUM(mul(AT(v, m, a), AT(W, NULL, a, k)), a)), k);
	struct plan *p = plan();
	CU_ASSERT_EQUAL(count(p, KERNEL_MATMUL, MM_BITS_COUNT), 1);
	CU_ASSERT_EQUAL(count(p, KERNEL_MATMUL, MM_BITS), 1);
	CU_ASSERT_EQUAL(count(p, KERNEL_LOOP, MM_SGEMM), 1);
	CU_ASSERT_EQUAL(p->scalar.n, 1);
	end();
}

/* The product is written where dst wants it; bits on the right are read as floats. */
static void test_orientation(void)
{
	begin();
	const struct sym *W = tensor("W", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(8, 9));
	const struct sym *g = tensor("g", SPACE_GRAD, -1, VALUES_REAL, W, DIMS(8, 9));
	const struct sym *p = tensor("p", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(8));
	const struct sym *q = tensor("q", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(8));
	const struct sym *h = tensor("h", SPACE_STATE, data, VALUES_BINARY, NULL, DIMS(9));
	const struct idx *n = batch("n", data), *i = ix("i", 8), *j = ix("j", 9);
	fun = program_function(prog, "f");
	ASSIGN(g, NULL, false, SUM(mul(AT(p, n, i), AT(h, n, j)), n), i, j);
	struct plan *f = plan();
	CU_ASSERT_EQUAL(count(f, KERNEL_MATMUL, MM_SGEMM), 1);
	CU_ASSERT_EQUAL(f->slot.at[plan_slot(f, h)].repr, REPR_F32);
	CU_ASSERT_EQUAL(f->function.at[1]->region.n, 0);
	ASSIGN(q, n, false, SUM(mul(AT(h, n, j), AT(W, NULL, i, j)), j), i);
	f = plan();
	CU_ASSERT_EQUAL(count(f, KERNEL_MATMUL, MM_SGEMM), 1);
	CU_ASSERT_EQUAL(count(f, KERNEL_MATMUL, MM_BITS), 1);
	CU_ASSERT_EQUAL(count(f, KERNEL_LOOP, MM_SGEMM), 1);
	CU_ASSERT_EQUAL(f->slot.at[plan_slot(f, h)].repr, REPR_BITS);
	end();
}

/* Weights and a nonlinear factor are materialised once; the expression may be known already. */
static void test_factors(void)
{
	begin();
	const struct sym *W = tensor("W", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(8, 9));
	const struct sym *c = tensor("c", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(9));
	const struct sym *g = tensor("g", SPACE_GRAD, -1, VALUES_REAL, W, DIMS(8, 9));
	const struct sym *w = tensor("w", SPACE_STATE, data, VALUES_REAL, NULL, DIMS());
	const struct sym *v = tensor("v", SPACE_STATE, data, VALUES_BINARY, NULL, DIMS(8));
	const struct sym *ph = tensor("ph", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(9));
	const struct idx *n = batch("n", data), *i = ix("i", 8), *j = ix("j", 9), *k = ix("k", 8);
	struct node *p = sigmoid(add(SUM(mul(AT(v, n, k), AT(W, NULL, k, j)), k), AT(c, NULL, j)));
	fun = program_function(prog, "f");
	ASSIGN(ph, n, false, p, j);
	ASSIGN(g, NULL, false, SUM(mul(AT(v, n, i), p), n), i, j);
	struct plan *f = plan();
	CU_ASSERT_EQUAL(count(f, KERNEL_MATMUL, MM_BITS), 1);
	CU_ASSERT_EQUAL(count(f, KERNEL_MATMUL, MM_BITS_T), 1);
	CU_ASSERT_EQUAL(count(f, KERNEL_LOOP, MM_SGEMM), 1);
	CU_ASSERT_EQUAL(kernel(f, 0, 1, 0)->mm.b, plan_slot(f, ph));
	ASSIGN(g, NULL, true, SUM(mul(mul(AT(w, n), AT(v, n, i)), AT(ph, n, j)), n), i, j);
	f = plan();
	CU_ASSERT_EQUAL(count(f, KERNEL_MATMUL, MM_BITS_T), 2);
	end();
}

/* A third-order sum is two products; what stands under a mask on the parameter is still a product.
 */
static void test_third_order_and_masks(void)
{
	begin();
	const struct sym *A = tensor("A", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(8, 6));
	const struct sym *B = tensor("B", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(9, 6));
	const struct sym *T = tensor("T", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(8, 9, 6));
	const struct sym *gT = tensor("gT", SPACE_GRAD, -1, VALUES_REAL, T, DIMS(8, 9, 6));
	const struct sym *x = tensor("x", SPACE_STATE, data, VALUES_BINARY, NULL, DIMS(8));
	const struct sym *y = tensor("y", SPACE_STATE, data, VALUES_BINARY, NULL, DIMS(9));
	const struct sym *z = tensor("z", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(6));
	const struct sym *u = tensor("u", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(9));
	const struct idx *n = batch("n", data), *i = ix("i", 8), *j = ix("j", 9), *f = ix("f", 6);
	fun = program_function(prog, "f");
	ASSIGN(u, n, false, SUM(mul(mul(AT(x, n, i), AT(A, NULL, i, f)), AT(B, NULL, j, f)), i, f), j);
	struct plan *p = plan();
	CU_ASSERT_EQUAL(count(p, KERNEL_MATMUL, MM_BITS), 1);
	CU_ASSERT_EQUAL(count(p, KERNEL_MATMUL, MM_PACKED), 1);
	CU_ASSERT_EQUAL(count(p, KERNEL_LOOP, MM_SGEMM), 0);
	CU_ASSERT_EQUAL(p->function.at[0]->region.n, 1);

	fun->nstmt = 0;
	ASSIGN(gT, NULL, false, SUM(mul(mul(AT(x, n, i), AT(y, n, j)), AT(z, n, f)), n), i, j, f);
	p = plan();
	CU_ASSERT_EQUAL(count(p, KERNEL_MATMUL, MM_SGEMM) + count(p, KERNEL_MATMUL, MM_BITS_T), 1);

	fun->nstmt = 0;
	ASSIGN(z, n, false, SUM(mul(mul(AT(x, n, i), AT(y, n, j)), AT(T, NULL, i, j, f)), i, j), f);
	p = plan();
	CU_ASSERT(count(p, KERNEL_MATMUL, MM_BITS) == 1);

	fun->nstmt = 0;
	struct affine below = affine_add(cx.prog, affine_idx(cx.prog, f), affine_idx(cx.prog, i), -1);
	struct guard g = {false, affine_add(cx.prog, below, affine_const(1), -1)};
	struct node *body = mul(AT(x, n, i), AT(A, NULL, i, f));
	ASSIGN(z, n, false, sigmoid(ex_reduce(cx.prog, RED_SUM, &i, 1, &g, 1, body)), f);
	p = plan();
	CU_ASSERT_EQUAL(count(p, KERNEL_MATMUL, MM_SGEMM), 1);
	end();
}

/* A staircase of zeros in a factor, and in a gradient, goes with the product: nothing is masked
 * apart. */
static void test_staircase(void)
{
	begin();
	const struct sym *W = tensor("W", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(8, 9));
	const struct sym *gW = tensor("gW", SPACE_GRAD, -1, VALUES_REAL, W, DIMS(8, 9));
	const struct sym *x = tensor("x", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(8));
	const struct sym *y = tensor("y", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(9));
	const struct idx *n = batch("n", data), *i = ix("i", 8), *j = ix("j", 9);
	fun = program_function(prog, "f");
	struct affine twice = affine_add(cx.prog, affine_const(1), affine_idx(cx.prog, j), 2);
	struct guard g = {false, affine_add(cx.prog, twice, affine_idx(cx.prog, i), -3)};
	struct node *xw = mul(AT(x, n, i), AT(W, NULL, i, j)),
	            *yw = mul(AT(y, n, j), AT(W, NULL, i, j));
	ASSIGN(y, n, false, ex_reduce(cx.prog, RED_SUM, &i, 1, &g, 1, xw), j);
	ASSIGN(x, n, false, ex_reduce(cx.prog, RED_SUM, &j, 1, &g, 1, yw), i);
	ASSIGN(gW, NULL, false, ex_mask(cx.prog, &g, 1, SUM(mul(AT(x, n, i), AT(y, n, j)), n)), i, j);
	struct plan *p = plan();
	CU_ASSERT_EQUAL(count(p, KERNEL_MATMUL, MM_SGEMM), 3);
	CU_ASSERT_EQUAL(count(p, KERNEL_LOOP, MM_SGEMM), 0);

	fun->nstmt = 0; /* what is added to is masked apart, and an equation is no staircase */
	ASSIGN(gW, NULL, true, ex_mask(cx.prog, &g, 1, SUM(mul(AT(x, n, i), AT(y, n, j)), n)), i, j);
	p = plan();
	CU_ASSERT_EQUAL(count(p, KERNEL_LOOP, MM_SGEMM), 1);
	fun->nstmt = 0;
	g.equal = true;
	ASSIGN(gW, NULL, false, ex_mask(cx.prog, &g, 1, SUM(mul(AT(x, n, i), AT(y, n, j)), n)), i, j);
	plan();
	end();
}

/* The denominator of a softmax is computed once a row; a loss is summed in two steps. */
static void test_hoist(void)
{
	begin();
	const struct sym *a = tensor("a", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(7));
	const struct sym *s = tensor("s", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(7));
	const struct sym *loss = tensor("loss", SPACE_STATE, -1, VALUES_REAL, NULL, DIMS());
	const struct idx *n = batch("n", data), *i = ix("i", 7), *k = ix("k", 7);
	fun = program_function(prog, "f");
	struct node *e = ex_op1(cx.prog, OP_EXP, AT(a, n, i)),
	            *t = ex_op1(cx.prog, OP_EXP, AT(a, n, k));
	ASSIGN(s, n, false, mul(e, ex_op2(cx.prog, OP_POW, SUM(t, k), ex_num(cx.prog, -1))), i);
	ASSIGN(loss, NULL, false, SUM(ex_op1(cx.prog, OP_LOG, AT(s, n, i)), n, i));
	struct plan *p = plan();
	CU_ASSERT_EQUAL(count(p, KERNEL_LOOP, MM_SGEMM), 4);
	CU_ASSERT_EQUAL(p->function.at[0]->region.n, 2);
	CU_ASSERT_EQUAL(kernel(p, 0, 1, 0)->rank, 0);
	end();
}

/* Temporaries of one kernel vanish, dead ones too; draws are kept. */
static void test_fusion(void)
{
	begin();
	const struct sym *x = tensor("x", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(6));
	const struct sym *y = tensor("y", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(6));
	const struct sym *z = tensor("z", SPACE_STATE, chains, VALUES_REAL, NULL, DIMS(6));
	const struct sym *t = tensor("t", SPACE_TEMP, data, VALUES_REAL, NULL, DIMS(6));
	const struct sym *u = tensor("u", SPACE_TEMP, data, VALUES_REAL, NULL, DIMS(6));
	const struct sym *dead = tensor("dead", SPACE_TEMP, data, VALUES_REAL, NULL, DIMS(6));
	const struct idx *n = batch("n", data), *m = batch("m", chains), *i = ix("i", 6),
	                 *k = ix("k", 6);
	fun = program_function(prog, "f");
	ASSIGN(t, n, false, sigmoid(AT(x, n, i)), i);
	ASSIGN(z, m, false, sigmoid(AT(z, m, k)), k);
	ASSIGN(u, n, false, ex_draw(cx.prog, OP_UNIFORM, program_stream(prog)), k);
	ASSIGN(dead, n, false, mul(AT(t, n, k), AT(t, n, k)), k);
	ASSIGN(y, n, false, add(AT(t, n, k), mul(AT(u, n, k), AT(u, n, k))), k);
	ASSIGN(x, n, true, AT(t, n, i), i);
	struct plan *p = plan();
	CU_ASSERT_EQUAL_FATAL(p->function.at[0]->region.n, 1);
	CU_ASSERT_EQUAL_FATAL(p->function.at[0]->region.at[0]->kernel.n, 2);
	CU_ASSERT_EQUAL(kernel(p, 0, 0, 0)->nstore, 3);
	CU_ASSERT(plan_slot(p, t) < 0 && plan_slot(p, dead) < 0 && plan_slot(p, u) >= 0);
	/* a reversed read is no loop over own elements */
	struct affine back = affine_add(cx.prog, affine_const(5), affine_idx(cx.prog, k), -1);
	ASSIGN(y, n, true, ex_access(cx.prog, x, n, &back), k);
	p = plan();
	CU_ASSERT_EQUAL(p->function.at[0]->region.n, 1);
	CU_ASSERT_EQUAL(p->function.at[0]->region.at[0]->kernel.n, 3);
	end();
}

/* What was read before a write is not read again behind it: a temporary's expression, a float copy
 * of bits, a transposed operand. */
static void test_order(void)
{
	begin();
	const struct sym *W = tensor("W", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(8, 9));
	const struct sym *S = tensor("S", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(8, 8));
	const struct sym *R = tensor("R", SPACE_STATE, -1, VALUES_REAL, NULL, DIMS(8, 8));
	const struct sym *Q = tensor("Q", SPACE_STATE, -1, VALUES_REAL, NULL, DIMS(8, 8));
	const struct sym *g = tensor("g", SPACE_GRAD, -1, VALUES_REAL, W, DIMS(8, 9));
	const struct sym *p = tensor("p", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(8));
	const struct sym *q = tensor("q", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(8));
	const struct sym *t = tensor("t", SPACE_TEMP, data, VALUES_REAL, NULL, DIMS(8));
	const struct sym *h = tensor("h", SPACE_STATE, data, VALUES_BINARY, NULL, DIMS(9));
	const struct idx *n = batch("n", data), *i = ix("i", 8), *j = ix("j", 9), *k = ix("k", 8);

	fun = program_function(prog, "f");
	ASSIGN(t, n, false, sigmoid(AT(p, n, i)), i);
	ASSIGN(p, n, true, AT(t, n, i), i);
	ASSIGN(q, n, false, AT(t, n, i), i);
	struct plan *f = plan();
	CU_ASSERT(plan_slot(f, t) >= 0);
	CU_ASSERT_EQUAL(kernel(f, 0, 0, 0)->nstore, 3);

	fun->nstmt = 0;
	ASSIGN(q, n, false, SUM(mul(AT(h, n, j), AT(W, NULL, i, j)), j), i);
	ASSIGN(g, NULL, false, SUM(mul(AT(p, n, i), AT(h, n, j)), n), i, j);
	ASSIGN(h, n, false, bernoulli(sigmoid(AT(h, n, j))), j);
	ASSIGN(g, NULL, true, SUM(mul(AT(q, n, i), AT(h, n, j)), n), i, j);
	f = plan();
	CU_ASSERT_EQUAL(f->slot.at[plan_slot(f, h)].repr, REPR_BITS);
	CU_ASSERT_EQUAL(count(f, KERNEL_MATMUL, MM_SGEMM), 2);

	fun->nstmt = 0;
	ASSIGN(R, NULL, false, sigmoid(AT(S, NULL, i, k)), i, k);
	struct node *gram = SUM(mul(AT(R, NULL, i, k), AT(S, NULL, i, ix("l", 8))), i);
	const struct idx *free[2];
	CU_ASSERT_EQUAL_FATAL(ex_free(gram, free, 2), 2);
	ASSIGN(Q, NULL, false, gram, free[0], free[1]);
	f = plan();
	CU_ASSERT_EQUAL(count(f, KERNEL_MATMUL, MM_SGEMM), 1);
	CU_ASSERT_EQUAL(f->function.at[0]->region.n, 2);
	end();
}

/* What a repeated function does not change is computed in the function before it, and only that. */
static void test_repeat(void)
{
	begin();
	const struct sym *W = tensor("W", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(8, 9));
	const struct sym *U = tensor("U", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(9, 9));
	const struct sym *v = tensor("v", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(8));
	const struct sym *q = tensor("q", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(9));
	const struct idx *n = batch("n", data), *i = ix("i", 8), *j = ix("j", 9), *k = ix("k", 9);
	struct function *first = program_function(prog, "first");
	fun = first;
	ASSIGN(q, n, false, ex_num(cx.prog, 0.5), j);
	fun = program_function(prog, "pass");
	fun->first = first;
	ASSIGN(q, n, false,
	       sigmoid(add(SUM(mul(AT(v, n, i), AT(W, NULL, i, j)), i),
	                   SUM(mul(AT(q, n, k), AT(U, NULL, k, j)), k))),
	       j);
	struct plan *p = plan();
	CU_ASSERT_EQUAL(p->function.at[0]->region.at[0]->kernel.n, 2);
	CU_ASSERT_EQUAL(p->function.at[1]->region.at[0]->kernel.n, 2);
	CU_ASSERT_EQUAL(count(p, KERNEL_MATMUL, MM_PACKED), 2);
	fun->first = NULL;
	p = plan();
	CU_ASSERT_EQUAL(p->function.at[0]->region.at[0]->kernel.n, 1);
	end();
}

/* Sums with a common factor are one product; what two bits leave beside a plain factor stays apart.
 */
static void test_merge(void)
{
	begin();
	const struct sym *W = tensor("W", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(8, 9));
	const struct sym *g = tensor("g", SPACE_GRAD, -1, VALUES_REAL, W, DIMS(8, 9));
	const struct sym *rate = tensor("rate", SPACE_SCALAR, -1, VALUES_REAL, NULL, DIMS());
	const struct sym *x = tensor("x", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(8));
	const struct sym *y = tensor("y", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(9));
	const struct sym *z = tensor("z", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(9));
	const struct sym *h = tensor("h", SPACE_STATE, data, VALUES_BINARY, NULL, DIMS(9));
	const struct idx *n = batch("n", data), *m = batch("m", data), *i = ix("i", 8), *j = ix("j", 9);
	struct node *r = ex_at(cx.prog, rate, NULL, NULL);
	fun = program_function(prog, "f");
	ASSIGN(g, NULL, false,
	       mul(r, add(SUM(mul(AT(x, n, i), AT(y, n, j)), n),
	                  ex_scale(cx.prog, -2, SUM(mul(AT(x, m, i), AT(z, m, j)), m)))),
	       i, j);
	struct plan *p = plan();
	CU_ASSERT_EQUAL(count(p, KERNEL_MATMUL, MM_SGEMM), 1);
	fun->nstmt = 0;
	ASSIGN(g, NULL, false,
	       add(SUM(mul(AT(x, n, i), AT(y, n, j)), n), SUM(mul(AT(x, m, i), AT(h, m, j)), m)), i, j);
	p = plan();
	CU_ASSERT_EQUAL(count(p, KERNEL_MATMUL, MM_SGEMM), 2);
	end();
}

int main(void)
{
	CU_pSuite suite;
	unsigned failed;

	CU_initialize_registry();
	suite = CU_add_suite("plan", NULL, NULL);
	CU_add_test(suite, "contrastive divergence", test_cd);
	CU_add_test(suite, "counts and sums computed once", test_count);
	CU_add_test(suite, "orientation and representation", test_orientation);
	CU_add_test(suite, "materialised factors", test_factors);
	CU_add_test(suite, "third order and masks", test_third_order_and_masks);
	CU_add_test(suite, "staircases", test_staircase);
	CU_add_test(suite, "hoisted reductions", test_hoist);
	CU_add_test(suite, "repeated functions", test_repeat);
	CU_add_test(suite, "sums with a common factor", test_merge);
	CU_add_test(suite, "fusion", test_fusion);
	CU_add_test(suite, "order of reads and writes", test_order);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
