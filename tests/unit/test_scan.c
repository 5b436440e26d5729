/* Running sums: programs with them are planned as kernels that go along the index once, and both
 * the plan and the generated code compute what the naive formula says. */
#include "generated.h"
#include "nade_program.h"

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
	CU_add_test(suite, "samples of an autoregressive model", test_samples);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
