/* Walks: the gradient of walkback along a walk whose draws are set, against its definition; a sweep
 * of samples; generated code against the program. */
#include "directed.h"

enum { UNITS = 3 };
static const char model[] =
    "model m(D = 3) { visible x : binary[D]; hidden c : binary[D]; param W : real[D,D] = 0; param "
    "b "
    ": real[D] = 0;\n"
    "posterior c ~ bernoulli(probs = 0.6*x + 0.2); x ~ bernoulli(logits = b + c@W); }\n"
    "data d = csv(\"d.csv\");\n";

/* The first draws are c and x, 1 where these are; then c is x as it was drawn: 0.5 < 0.6*x + 0.2.
 */
static const int first[2][UNITS] = {{1, 0, 0}, {0, 1, 1}};
static double set_draws(const struct memory *m, const struct node *draw)
{
	int number = (int)draw->num - first_stream;
	return number < 2 ? !first[number][m->unit] : 0.5;
}

static double logistic(double x)
{
	return 1 / (1 + exp(-x));
}

static void test_walkback(void)
{
	for (int steps = 1; steps <= 2; steps++) {
		struct memory m;
		CU_ASSERT_FATAL(expand(
		    arena_printf(arena_new(), "%strain m { x = d; objective walkback(steps = %d); }\n",
		                 model, steps),
		    0));
		prepare(&m);
		m.draw = set_draws;
		run(&m, "train.final");
		const double *W = named(&m, "W"), *b = named(&m, "b");
		const double *x = values_at(&m, block.m->group.at[0]->sym);
		for (int j = 0; j < UNITS; j++) {
			double bias = 0, weight[UNITS] = {0};
			for (int r = 0; r < INTERP_ROWS; r++)
				for (int s = 0; s < steps; s++) {
					double a = b[j];
					for (int i = 0; i < UNITS; i++)
						a += first[s][i] * W[i * UNITS + j];
					double gap = (logistic(a) - x[r * UNITS + j]) / (steps * INTERP_ROWS);
					bias += gap;
					for (int i = 0; i < UNITS; i++)
						weight[i] += gap * first[s][i];
				}
			CU_ASSERT_DOUBLE_EQUAL(named(&m, "grad.b")[j], bias, 1e-12);
			for (int i = 0; i < UNITS; i++)
				CU_ASSERT_DOUBLE_EQUAL(named(&m, "grad.W")[i * UNITS + j], weight[i], 1e-12);
		}
		memory_free(&m);
		cx = unit.cx;
		fun = NULL;
		prog = block.x->p;
		CU_ASSERT(generated_agrees(plan()));
	}
}

/* A sweep draws c given x, then x given that c. */
static void test_sweep(void)
{
	struct memory m;
	CU_ASSERT_FATAL(expand(arena_printf(arena_new(), "%ssample m { chains 3; }\n", model), 0));
	prepare(&m);
	m.draw = set_draws;
	run(&m, "sample.begin");
	double *x = named(&m, "x.sample"), *W = named(&m, "W"), *b = named(&m, "b");
	run(&m, "sample.sweep");
	for (int r = 0; r < INTERP_ROWS; r++)
		for (int j = 0; j < UNITS; j++) {
			double a = b[j];
			for (int i = 0; i < UNITS; i++)
				a += first[0][i] * W[i * UNITS + j];
			CU_ASSERT_DOUBLE_EQUAL(x[r * UNITS + j], first[1][j], 0);
			CU_ASSERT_DOUBLE_EQUAL(named(&m, "x.sample.mean")[r * UNITS + j], logistic(a), 1e-12);
		}
	memory_free(&m);
}

/* Of a model whose hidden variable has a law too, drawn by its posterior all the same. */
static void test_reconstruction(void)
{
	struct memory m;
	CU_ASSERT_FATAL(
	    expand("model m { visible x : binary[3]; hidden z : real[2] ~ normal(5, 1); param W : "
	           "real[2,3] = 0; param V : real[3,2] = 0;\n"
	           "x ~ bernoulli(logits = z@W); posterior z ~ normal(mean = x@V, sd = 0.5); }\n"
	           "data d = csv(\"d.csv\");\nevaluate m { x = d; reconstruction; }\n",
	           0));
	prepare(&m);
	run(&m, "reconstruction");
	const double *W = named(&m, "W"), *V = named(&m, "V"), *z = named(&m, "z.again");
	const double *x = values_at(&m, block.m->group.at[0]->sym);
	for (int r = 0; r < INTERP_ROWS; r++) {
		double sum = 0;
		for (int k = 0; k < 2; k++) {
			double mean = x[3 * r] * V[k] + x[3 * r + 1] * V[2 + k] + x[3 * r + 2] * V[4 + k];
			CU_ASSERT(fabs(z[2 * r + k] - mean) <= 0.75 && z[2 * r + k] != mean);
		}
		for (int j = 0; j < 3; j++)
			sum += pow(x[3 * r + j] - logistic(z[2 * r] * W[j] + z[2 * r + 1] * W[3 + j]), 2);
		CU_ASSERT_DOUBLE_EQUAL(named(&m, "out.reconstruction")[r], sum, 1e-12);
	}
	memory_free(&m);
}

int main(void)
{
	if (!codegen_init())
		return 1;
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("walks", NULL, NULL);
	CU_add_test(suite, "walkback", test_walkback);
	CU_add_test(suite, "sweep", test_sweep);
	CU_add_test(suite, "reconstruction", test_reconstruction);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
