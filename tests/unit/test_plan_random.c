/* Plans of random programs compute what the programs say. */
#include "random_program.h"

static void test_random(void)
{
	int matmuls = 0, loops = 0, stmts = 0,
	    cases = getenv("PLAN_CASES") ? atoi(getenv("PLAN_CASES")) : 300;
	for (int c = 0; c < cases; c++) {
		begin();
		random_tensors();
		random_functions(&stmts);
		struct plan *p = plan();
		for (int how = MM_SGEMM; how <= MM_BITS_COUNT; how++)
			matmuls += count(p, KERNEL_MATMUL, (enum matmul)how);
		loops += count(p, KERNEL_LOOP, MM_SGEMM);
		end();
	}
	printf(" %d statements: %d matmuls, %d loops ... ", stmts, matmuls, loops);
	CU_ASSERT(matmuls > cases / 4);
}

int main(void)
{
	CU_pSuite suite;
	unsigned failed;

	CU_initialize_registry();
	suite = CU_add_suite("plan_random", NULL, NULL);
	CU_add_test(suite, "random programs", test_random);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
