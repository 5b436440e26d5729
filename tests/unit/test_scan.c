/* Running sums: programs with them are planned as kernels that go along the index once, and both
 * the plan and the generated code compute what the naive formula says. */
#include "generated.h"
#include "nade_program.h"

/* The gradients that need no sum from behind. */
static void test_one_way(void)
{
	for (int k = 0; k < 4; k++) {
		begin();
		nade_program(11, 21, k & 1, true, false, k & 2);
		fun->nstmt--;
		struct plan *p = plan();
		CU_ASSERT_EQUAL(count(p, KERNEL_SCAN, MM_SGEMM), 1);
		CU_ASSERT(generated_agrees(p));
		end();
	}
}

static void nade(int64_t D, int64_t H, bool binary, bool temps, bool down, bool own)
{
	begin();
	nade_program(D, H, binary, temps, down, own);
	struct plan *p = plan();
	CU_ASSERT_EQUAL(count(p, KERNEL_STEPS, MM_SGEMM), 1);
	CU_ASSERT_EQUAL(count(p, KERNEL_SCAN, MM_SGEMM), 1);
	for (int s = 0; s < p->slot.n; s++) /* nothing of D*H a row */
		CU_ASSERT(p->slot.at[s].pop < 0 || p->slot.at[s].sym->rank < 2);
	CU_ASSERT(generated_agrees(p));
	end();
}

static void test_nade(void)
{
	for (int k = 0; k < 16; k++)
		nade(k & 8 ? 5 : 19, k & 8 ? 70 : 21, k & 1, k & 2, k & 4, (k >> 3) & (k >> 1) & 1);
	nade(33, 130, true, true, false, true);
}

/* Units of several states, each given those before it: outputs and inputs have an axis more. */
static void test_categorical(void)
{
	enum { D = 9, Q = 3, H = 37 };
	begin();
	const struct sym *W = tensor("W", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(D, Q, H));
	const struct sym *V = tensor("V", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(D, H, Q));
	const struct sym *gW = tensor("gW", SPACE_GRAD, -1, VALUES_REAL, W, DIMS(D, Q, H));
	const struct sym *gV = tensor("gV", SPACE_GRAD, -1, VALUES_REAL, V, DIMS(D, H, Q));
	const struct sym *x = tensor("x", SPACE_STATE, data, VALUES_BINARY, NULL, DIMS(D, Q));
	const struct sym *L = tensor("L", SPACE_STATE, data, VALUES_REAL, NULL, DIMS());
	const struct sym *z = tensor("z", SPACE_TEMP, data, VALUES_REAL, NULL, DIMS(D, Q));
	const struct sym *dz = tensor("dz", SPACE_TEMP, data, VALUES_REAL, NULL, DIMS(D, Q));
	const struct sym *g = tensor("g", SPACE_TEMP, data, VALUES_REAL, NULL, DIMS(D, H));
	const struct sym *dg = tensor("dg", SPACE_TEMP, data, VALUES_REAL, NULL, DIMS(D, H));
	const struct sym *da = tensor("da", SPACE_TEMP, data, VALUES_REAL, NULL, DIMS(D, H));
	const struct idx *n = batch("n", data), *d = ix("d", D), *i = ix("i", D), *j = ix("j", H),
	                 *q = ix("q", Q), *r = ix("r", Q);
	struct affine e = affine_add(cx.prog, affine_idx(cx.prog, d), affine_idx(cx.prog, i), -1);
	struct guard earlier = {false, affine_add(cx.prog, e, affine_const(1), -1)};
	fun = program_function(prog, "f");
	struct node *a = ex_reduce(cx.prog, RED_SUM, (const struct idx *[]){i, r}, 2, &earlier, 1,
	                           mul(AT(W, NULL, i, r, j), AT(x, n, i, r)));
	ASSIGN(g, n, false, ex_op1(cx.prog, OP_TANH, a), d, j);
	ASSIGN(z, n, false, SUM(mul(AT(V, NULL, d, j, q), AT(g, n, d, j)), j), d, q);
	struct node *norm = ex_reduce(cx.prog, RED_LOGSUMEXP, &r, 1, NULL, 0, AT(z, n, d, r));
	ASSIGN(L, n, false, SUM(mul(AT(x, n, d, q), ex_sub(cx.prog, norm, AT(z, n, d, q))), d, q), );
	ASSIGN(dz, n, false,
	       ex_sub(cx.prog, ex_op1(cx.prog, OP_EXP, ex_sub(cx.prog, AT(z, n, d, q), norm)),
	              AT(x, n, d, q)),
	       d, q);
	ASSIGN(gV, NULL, false, SUM(mul(AT(dz, n, d, q), AT(g, n, d, j)), n), d, j, q);
	ASSIGN(dg, n, false, SUM(mul(AT(dz, n, d, q), AT(V, NULL, d, j, q)), q), d, j);
	ASSIGN(da, n, false, mul(AT(dg, n, d, j), one_less(mul(AT(g, n, d, j), AT(g, n, d, j)))), d, j);
	ASSIGN(gW, NULL, false,
	       ex_reduce(cx.prog, RED_SUM, (const struct idx *[]){n, d}, 2, &earlier, 1,
	                 mul(AT(da, n, d, j), AT(x, n, i, q))),
	       i, q, j);
	struct plan *p = plan();
	CU_ASSERT_EQUAL(count(p, KERNEL_STEPS, MM_SGEMM), 1);
	CU_ASSERT_EQUAL(count(p, KERNEL_SCAN, MM_SGEMM), 1);
	CU_ASSERT(generated_agrees(p));
	end();
}

/* A distribution of this kind at each place t of a row, its hidden units' biases given: the
 * derivative by these is summed along d. */
static void test_places(void)
{
	for (int binary = 0; binary < 2; binary++) {
		enum { T = 3, D = 9, H = 37 };
		enum values values = binary ? VALUES_BINARY : VALUES_REAL;
		begin();
		const struct sym *W = tensor("W", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(H, D));
		const struct sym *V = tensor("V", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(D, H));
		const struct sym *gW = tensor("gW", SPACE_GRAD, -1, VALUES_REAL, W, DIMS(H, D));
		const struct sym *gV = tensor("gV", SPACE_GRAD, -1, VALUES_REAL, V, DIMS(D, H));
		const struct sym *x = tensor("x", SPACE_STATE, data, values, NULL, DIMS(T, D));
		const struct sym *c = tensor("c", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(T, H));
		const struct sym *y = tensor("y", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(T, D));
		const struct sym *z = tensor("z", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(T, D));
		const struct sym *dc = tensor("dc", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(T, H));
		const struct sym *all = tensor("all", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(H));
		const struct idx *n = batch("n", data), *t = ix("t", T), *d = ix("d", D), *i = ix("i", D),
		                 *j = ix("j", H);
		fun = program_function(prog, "f");
		struct node *g = sigmoid(add(
		    AT(c, n, t, j), running(i, d, false, false, mul(AT(W, NULL, j, i), AT(x, n, t, i)))));
		struct node *slope = mul(AT(y, n, t, d), mul(AT(V, NULL, d, j), mul(g, one_less(g))));
		ASSIGN(z, n, false, SUM(mul(AT(V, NULL, d, j), g), j), t, d);
		ASSIGN(gV, NULL, false, SUM(mul(AT(y, n, t, d), g), n, t), d, j);
		ASSIGN(dc, n, false, SUM(slope, d), t, j);
		ASSIGN(all, n, false, SUM(slope, t, d), j);
		struct affine e = affine_add(cx.prog, affine_idx(cx.prog, d), affine_idx(cx.prog, i), -1);
		struct guard later = {false, affine_add(cx.prog, e, affine_const(1), -1)};
		struct node *dW = ex_reduce(cx.prog, RED_SUM, (const struct idx *[]){n, t, d}, 3, &later, 1,
		                            mul(slope, AT(x, n, t, i)));
		ASSIGN(gW, NULL, false, dW, j, i);
		struct plan *p = plan();
		CU_ASSERT_EQUAL(count(p, KERNEL_STEPS, MM_SGEMM), 2);
		CU_ASSERT_EQUAL(count(p, KERNEL_SCAN, MM_SGEMM), 1);
		for (int s = 0; s < p->slot.n; s++) /* nothing of D*H a place */
			CU_ASSERT(p->slot.at[s].pop < 0 || p->slot.at[s].sym->rank < 3);
		CU_ASSERT(generated_agrees(p));
		end();
	}
}

/* Samples of it: a unit after the other. */
static void test_samples(void)
{
	for (int binary = 0; binary < 2; binary++) {
		enum { D = 23, H = 40 };
		begin();
		const struct sym *W = tensor("W", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(H, D));
		const struct sym *V = tensor("V", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(D, H));
		const struct sym *b = tensor("b", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(D));
		const struct sym *x =
		    tensor("x", SPACE_STATE, data, binary ? VALUES_BINARY : VALUES_REAL, NULL, DIMS(D));
		const struct idx *n = batch("n", data), *d = ix("d", D), *i = ix("i", D), *j = ix("j", H);
		fun = program_function(prog, "f");
		struct node *a = running(i, d, false, false, mul(AT(W, NULL, j, i), AT(x, n, i)));
		struct node *z = add(AT(b, NULL, d), SUM(mul(AT(V, NULL, d, j), sigmoid(a)), j));
		struct node *noise = ex_draw(cx.prog, OP_NORMAL, program_stream(prog));
		program_stmt(prog, fun,
		             (struct stmt){.dst = x,
		                           .batch = n,
		                           .at = {d},
		                           .sequential = true,
		                           .rhs = binary ? bernoulli(sigmoid(z)) : add(z, noise)});
		struct plan *p = plan();
		CU_ASSERT_EQUAL(count(p, KERNEL_STEPS, MM_SGEMM), 1);
		CU_ASSERT(generated_agrees(p));
		end();
	}
}

int main(void)
{
	if (!codegen_init())
		return 1;
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("scan", NULL, NULL);
	CU_add_test(suite, "loss and gradient of an autoregressive model", test_nade);
	CU_add_test(suite, "sums that go one way", test_one_way);
	CU_add_test(suite, "units of several states", test_categorical);
	CU_add_test(suite, "rows of several indices", test_places);
	CU_add_test(suite, "samples of an autoregressive model", test_samples);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
