/* Time of NADE's loss and gradient by the number of inputs: batch 100, 500 hidden units, binary
 * inputs of the density of MNIST.  Prints medians of processor time, all threads', in milliseconds.
 */
#include "codegen/codegen.h"
#include "dgm_rt.h"
#include "nade_program.h"

#include <time.h>

enum { ROWS = 100, HIDDEN = 500, RUNS = 21 };

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int ascending(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;
	return (a > b) - (a < b);
}

static double measure(int64_t D, double density)
{
	begin();
	nade_program(D, HIDDEN, true, true, false, false);
	struct plan *p = plan_build(&cx, prog);
	struct jit *j = jit_compile(&cx, p);
	struct dgm_store *st = dgm_store_new(jit_module(j), (int64_t[DGM_MAX_POP]){ROWS, 1});
	for (int s = 0; s < p->slot.n; s++) {
		const struct dgm_slot *slot = &jit_module(j)->slot[s];
		bool x = !strcmp(slot->name, "x");
		for (int64_t i = 0; i < dgm_item_stride(slot) * (slot->pop >= 0 ? ROWS : 1); i++)
			((float *)st->slot[s])[i] = x ? random_unit() < density : (float)random_unit() - 0.5f;
	}
	struct dgm_call call = dgm_call_on(st, 1);
	double ms[RUNS];
	for (int r = 0; r < RUNS; r++) {
		double t = now();
		dgm_run(dgm_function_find(jit_module(j), "f"), &call);
		ms[r] = now() - t;
	}
	qsort(ms, RUNS, sizeof *ms, ascending);
	dgm_store_free(st);
	jit_free(j);
	end();
	return ms[RUNS / 2];
}

int main(int argc, char **argv)
{
	static const int64_t inputs[] = {196, 392, 784, 1568};
	double density = argc > 2 ? atof(argv[2]) : 0.13;
	if (!codegen_init())
		return 1;
	dgm_threads(argc > 1 ? atoi(argv[1]) : 1);
	for (int k = 0; k < 4; k++) {
		double ms = measure(inputs[k], density);
		printf("inputs %4d: %7.2f ms, %.4f ms an input\n", (int)inputs[k], ms,
		       ms / (double)inputs[k]);
	}
	return 0;
}
