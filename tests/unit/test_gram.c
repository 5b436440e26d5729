/* Sums over two batch indices: kernels between all pairs of rows, and what is differentiated
 * through them. */
#include "generated.h"

/* sum over pairs of exp(-|x[n] - y[m]|^2/2), by |x|^2 + |y|^2 - 2 x.y, and its gradients by x and
 * y; a kernel matrix that a statement names, and one over pairs of one population without the
 * diagonal. */
static void pairs(int64_t D, bool known)
{
	begin();
	if (known) {
		program_pop_most(prog, data, 7);
		program_pop_most(prog, chains, 6);
	}
	const struct sym *x = tensor("x", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(D));
	const struct sym *y = tensor("y", SPACE_STATE, chains, VALUES_REAL, NULL, DIMS(D));
	const struct sym *gx = tensor("gx", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(D));
	const struct sym *gy = tensor("gy", SPACE_STATE, chains, VALUES_REAL, NULL, DIMS(D));
	const struct sym *L = tensor("L", SPACE_STATE, -1, VALUES_REAL, NULL, DIMS());
	const struct sym *M = tensor("M", SPACE_STATE, -1, VALUES_REAL, NULL, DIMS());
	const struct idx *n = batch("n", data), *m = batch("m", chains), *o = batch("o", data),
	                 *d = ix("d", D), *e = ix("e", D);
	struct node *xx = SUM(mul(AT(x, n, e), AT(x, n, e)), e),
	            *yy = SUM(mul(AT(y, m, e), AT(y, m, e)), e),
	            *xy = SUM(mul(AT(x, n, e), AT(y, m, e)), e),
	            *xo = SUM(mul(AT(x, n, e), AT(x, o, e)), e);
	struct node *k = ex_op1(cx.prog, OP_EXP,
	                        ex_scale(cx.prog, -0.05, ex_sub(cx.prog, add(xx, yy), add(xy, xy))));
	struct node *kx = k, *ky = k;
	fun = program_function(prog, "f");
	if (known) {
		const struct sym *K = tensor("K", SPACE_TEMP, data, VALUES_REAL, NULL, DIMS(6));
		ASSIGN(K, n, false, k, m);
		kx = ky = AT(K, n, m);
	}
	ASSIGN(L, NULL, false, SUM(k, n, m), );
	ASSIGN(gx, n, false, SUM(mul(kx, ex_sub(cx.prog, AT(y, m, d), AT(x, n, d))), m), d);
	ASSIGN(gy, m, false, SUM(mul(ky, AT(x, n, d)), n), d);
	struct affine apart = affine_add(cx.prog, affine_idx(cx.prog, n), affine_idx(cx.prog, o), -1);
	struct guard same = {true, apart};
	struct node *all = ex_op1(cx.prog, OP_TANH, xo);
	ASSIGN(M, NULL, false, SUM(ex_sub(cx.prog, all, ex_mask(cx.prog, &same, 1, all)), n, o), );
	struct plan *p = plan();
	if (known)
		CU_ASSERT(count(p, KERNEL_MATMUL, MM_SGEMM) >= 4);
	CU_ASSERT(generated_agrees(p));
	end();
}

static void test_pairs(void)
{
	pairs(5, true);
	pairs(37, true);
	pairs(5, false);
}

/* Pairs of rows and a copy of them: one product of rows with themselves, and no copy. */
static void test_copy(void)
{
	begin();
	program_pop_most(prog, data, 7);
	const struct sym *x = tensor("x", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(37));
	const struct sym *y = tensor("y", SPACE_TEMP, data, VALUES_REAL, NULL, DIMS(37));
	const struct sym *z = tensor("z", SPACE_TEMP, data, VALUES_REAL, NULL, DIMS(37));
	const struct sym *L = tensor("L", SPACE_STATE, -1, VALUES_REAL, NULL, DIMS());
	const struct idx *n = batch("n", data), *o = batch("o", data), *e = ix("e", 37);
	fun = program_function(prog, "f");
	ASSIGN(y, n, false, AT(x, n, e), e);
	ASSIGN(z, n, false, AT(y, n, e), e);
	ASSIGN(L, NULL, false,
	       SUM(ex_op1(cx.prog, OP_TANH, SUM(mul(AT(z, n, e), AT(x, o, e)), e)), n, o), );
	struct plan *p = plan();
	CU_ASSERT_EQUAL(plan_slot(p, y), -1);
	CU_ASSERT_EQUAL(plan_slot(p, z), -1);
	CU_ASSERT_EQUAL(count(p, KERNEL_MATMUL, MM_SGEMM), 1);
	CU_ASSERT(generated_agrees(p));
	end();
}

int main(void)
{
	if (!codegen_init())
		return 1;
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("gram", NULL, NULL);
	CU_add_test(suite, "kernels between all pairs of rows", test_pairs);
	CU_add_test(suite, "rows and a copy of them", test_copy);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
