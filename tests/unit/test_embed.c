/* Objects to embed: every function of every model of models/, at small sizes where it has them,
 * linked into this process and called as a C program calls it, against the reference evaluator on
 * the function's program and, to the last bit, the JIT; and what is wrong in a call. */
#include "embed_jit.h"
#include "rounding.h"

#include <CUnit/Basic.h>

#include <dirent.h>
#include <float.h>

enum { ROWS = 5, COUNT = 3, SEED = 77, MAX_ARRAYS = 16 };
/* Sanitizers see the compiler and the runtime, not the objects: with them each file in one kind. */
#ifdef __SANITIZE_ADDRESS__
#define ALL_KINDS 0
#else
#define ALL_KINDS 1
#endif

/* ---- values of a group ---- */
static int64_t block_of(const struct group *g, int64_t unit)
{
	int64_t block = 0, stride = 1;
	for (int r = g->sym->rank - 1; r >= 0; r--) {
		block += unit % g->sym->dim[r] / g->block[r] * stride;
		stride *= g->sym->dim[r] / g->block[r];
		unit /= g->sym->dim[r];
	}
	return block;
}

static double value(const struct group *g)
{
	const struct family *f = g->family;
	switch (f->shape) {
	case SHAPE_TWO:
		return uniform() < 0.5 ? f->lo : f->hi;
	case SHAPE_GAUSS:
		return 2 * uniform() - 1;
	case SHAPE_GAMMA:
		return 0.2 + uniform();
	case SHAPE_EXPONENTIAL:
		return f->continuous ? uniform() : floor(4 * uniform());
	case SHAPE_ONEHOT:
	case SHAPE_TOTAL:
		break;
	}
	return 0;
}

static void random_row(const struct group *g, float *x)
{
	int64_t n = items_of(g->sym);
	bool *seen = calloc((size_t)n, sizeof *seen);
	for (int64_t i = 0; i < n; i++)
		x[i] = (float)value(g);
	for (int64_t i = 0; i < n && g->family->shape >= SHAPE_ONEHOT;
	     i++) { /* the first of each block */
		bool one = g->family->shape == SHAPE_ONEHOT || g->family->shape == SHAPE_TOTAL;
		if (one && !seen[block_of(g, i)])
			x[i] = g->family->shape == SHAPE_TOTAL ? 2 : 1;
		seen[block_of(g, i)] = true;
	}
	free(seen);
}

static bool is_total(const struct sym *s)
{
	for (int k = 0; k < small.model.at[0]->group.n; k++)
		if (small.model.at[0]->group.at[k]->total == s)
			return true;
	return false;
}

static void random_rows(const struct group *g, float *x)
{
	for (int64_t r = 0; r < ROWS; r++) {
		random_row(g, x + r * items_of(g->sym));
		for (int64_t i = 0; i < items_of(g->sym) && is_total(g->sym); i++)
			x[r * items_of(g->sym) + i] = 2;
	}
}

/* Some blocks of the group as unknown. */
static void forget(const struct group *g, float *x)
{
	for (int64_t r = 0; r < ROWS; r++)
		for (int64_t i = 0; i < items_of(g->sym); i++)
			if ((block_of(g, i) + r) % 2)
				x[r * items_of(g->sym) + i] = NAN;
}

/* ---- the reference ---- */
static struct dgm_random {
	uint64_t seed, step;
} random_state;
static uint64_t reference_step;

static double same_draw(const struct memory *m, const struct node *draw)
{
	float v[4096];
	CU_ASSERT_FATAL(m->unit < 4096);
	uint32_t stream = (uint32_t)(reference_step >> 32) * 4096 + (uint32_t)draw->num;
	(draw->op == OP_UNIFORM ? dgm_uniform : dgm_normal)(
	    v, m->unit + 1, SEED, m->batched ? (uint32_t)m->row : 0, (uint32_t)reference_step, stream);
	return (double)v[m->unit];
}

static void put(struct memory *m, const struct sym *s, const float *x, int64_t rows, bool known)
{
	double *to = values_at(m, s);
	for (int64_t i = 0; i < rows * items_of(s); i++)
		to[i] = known ? !isnan(x[i]) : isnan(x[i]) ? 0 : (double)x[i];
}

static void put_scalars(struct memory *m, const struct program *p, bool adapt)
{
	for (int k = 0; k < p->tensor.n; k++) {
		const struct sym *s = p->tensor.at[k].sym;
		if (p->tensor.at[k].space != SPACE_SCALAR)
			continue;
		bool inverse = strncmp(s->name, "inv_", 4) == 0;
		bool rows = strcmp(s->name, "inv_n") == 0 || strcmp(s->name, "inv_walkers") == 0;
		double x = rows ? ROWS : COUNT;
		*values_at(m, s) = inverse                              ? 1 / x
		                   : strcmp(s->name, "adaptation") == 0 ? (adapt ? 0.2 : 0)
		                                                        : x;
	}
}

static void put_scalar_errors(struct memory *m, struct memory *errors, const struct program *p)
{
	for (int k = 0; k < p->tensor.n; k++) {
		const struct sym *s = p->tensor.at[k].sym;
		if (p->tensor.at[k].space == SPACE_SCALAR)
			*values_at(errors, s) = fabs(*values_at(m, s) - (double)(float)*values_at(m, s));
	}
}

static void run_reference(struct memory *m, struct memory *errors, const struct program *p,
                          const char *name)
{
	for (int f = 0; f < p->function.n; f++)
		for (int s = 0; strcmp(p->function.at[f]->name, name) == 0 && s < p->function.at[f]->nstmt;
		     s++)
			run_rounded(m, errors, &p->function.at[f]->stmt[s]);
}

static void run_phases(struct memory *m, struct memory *errors, const struct embed *e)
{
	run_reference(m, errors, e->x->p, EMBED_BLOCKS);
	for (int k = 0; k < e->phase.n; k++) {
		const struct embed_phase *p = &e->phase.at[k];
		put_scalars(m, e->x->p, p->adapt);
		put_scalar_errors(m, errors, e->x->p);
		for (int n = 0; n < (p->count ? COUNT : 1); n++)
			for (int c = 0; c < p->ncall; c++)
				for (int64_t t = 0; t < p->call[c].times; t++, reference_step++)
					run_reference(m, errors, e->x->p, p->call[c].function);
	}
}

/* ---- one function ---- */
enum {
	OK = 0,
	NULL_POINTER = -1,
	WRONG_ROWS = -2,
	SMALL_WORK = -3,
	NOT_LOADED = -4,
	BAD_VALUE = -5,
	BAD_RESULT = -6
};

struct arrays {
	float *x[MAX_ARRAYS], *before[MAX_ARRAYS];
};

static void fill_arrays(const struct embed *e, struct arrays *v)
{
	for (int k = 0; k < e->arg.n; k++) {
		const struct embed_arg *a = &e->arg.at[k];
		size_t size = (size_t)(ROWS * items_of(a->sym)) * sizeof(float);
		v->x[k] = calloc(1, size);
		v->before[k] = malloc(size);
		if (a->way != EMBED_OUT)
			random_rows(a->group, v->x[k]);
		if (a->way == EMBED_KNOWN)
			forget(a->group, v->x[k]);
		memcpy(v->before[k], v->x[k], size);
	}
}

static void free_arrays(const struct embed *e, struct arrays *v)
{
	for (int k = 0; k < e->arg.n; k++) {
		free(v->x[k]);
		free(v->before[k]);
	}
}

/* The arguments of a call; the place of the workspace among them. */
static int arguments(const struct embed *e, float *const *x, size_t rows, char *work, size_t size,
                     uintptr_t *a)
{
	int n = 0;
	memset(a, 0, 20 * sizeof *a);
	a[n++] = (uintptr_t)model;
	a[n++] = rows;
	for (int k = 0; k < e->phase.n; k++)
		if (e->phase.at[k].count)
			a[n++] = COUNT;
	for (int k = 0; k < e->arg.n; k++)
		a[n++] = (uintptr_t)x[k];
	if (e->random)
		a[n++] = (uintptr_t)&random_state;
	a[n] = (uintptr_t)work;
	a[n + 1] = size;
	CU_ASSERT_FATAL(n + 2 <= 20);
	return n;
}

static size_t work_size(const struct embed *e, size_t rows)
{
	return ((size_fn *)(uintptr_t)function(arena_printf(small.cx.tmp, "%s_work", e->name)))(rows);
}

static int call_rows(const struct embed *e, float *const *x, size_t rows)
{
	uintptr_t a[20];
	size_t size = work_size(e, rows);
	char *work = malloc(size + ODD);
	memset(work, 0x7f, size + ODD); /* what it held does not matter */
	random_state = (struct dgm_random){SEED, 0};
	arguments(e, x, rows, work + ODD, size, a);
	int status = call(e->name, a);
	free(work);
	return status;
}

static void differ(const struct embed *e, const struct embed_arg *a, int64_t i, double x, double y)
{
	fprintf(stderr, "%s_%s: %s[%d] is %.9g, should be %.9g\n", object.name, e->name, a->name,
	        (int)i, x, y);
	CU_FAIL("object and reference differ");
}

static int64_t numbers, undecided; /* results compared; those whose bound says next to nothing */

static void compare(const struct embed *e, struct memory *m, struct memory *errors,
                    const struct arrays *v)
{
	for (int k = 0; k < e->arg.n; k++) {
		const struct embed_arg *a = &e->arg.at[k];
		const double *truth = values_at(m, a->sym), *error = values_at(errors, a->sym);
		for (int64_t i = 0; i < ROWS * items_of(a->sym) && a->way != EMBED_IN; i++) {
			double x = (double)v->x[k][i];
			numbers++;
			undecided += !(error[i] <= 1e-3 * (1 + fabs(truth[i])));
			if (!(fabs(x - truth[i]) <= error[i])) {
				differ(e, a, i, x, truth[i]);
				fprintf(stderr, "the bound is %g\n", error[i]);
				break;
			}
		}
	}
}

static bool has_sums(const struct node *x)
{
	bool any = x->kind == N_REDUCE;
	for (int k = 0; k < x->nkid && !any; k++)
		any = has_sums(x->kid[k]);
	return any;
}

static bool any_sums(const struct program *p)
{
	for (int f = 0; f < p->function.n; f++)
		for (int s = 0; s < p->function.at[f]->nstmt; s++)
			if (has_sums(p->function.at[f]->stmt[s].rhs))
				return true;
	return false;
}

static int in_one_order; /* functions without sums, vectors against scalars */

/* Vectors against one number after the other: within both bounds; where nothing is summed, 2 units
 * in the last place. */
static void compare_scalar(const struct embed *e, struct memory *errors, const struct arrays *v)
{
	struct object_jit *vectors = jit;
	bool sums = any_sums(e->x->p);
	float *x[MAX_ARRAYS];
	for (int k = 0; k < e->arg.n; k++) {
		size_t size = (size_t)(ROWS * items_of(e->arg.at[k].sym)) * sizeof(float);
		x[k] = memcpy(malloc(size), v->before[k], size);
	}
	jit = scalar;
	CU_ASSERT(load_model() == OK && call_rows(e, x, ROWS) == OK);
	jit = vectors;
	CU_ASSERT_EQUAL(load_model(), OK);
	for (int k = 0; k < e->arg.n; k++) {
		const double *error = values_at(errors, e->arg.at[k].sym);
		int64_t n = ROWS * items_of(e->arg.at[k].sym);
		for (int64_t i = 0; i < n && e->arg.at[k].way != EMBED_IN; i++) {
			double a = (double)x[k][i], b = (double)v->x[k][i];
			if (!(fabs(a - b) <= (sums ? 2 * error[i] : 2 * unit_in_last_place(a)))) {
				differ(e, &e->arg.at[k], i, b, a);
				break;
			}
		}
		free(x[k]);
	}
	in_one_order += !sums;
}

/* What a row gives does not depend on the rows beside it: to the last bit.  (Those of random
 * functions have other numbers.) */
static void compare_rows(const struct embed *e, const struct arrays *v)
{
	float *x[MAX_ARRAYS];
	for (int r = 0; r < ROWS; r++) {
		for (int k = 0; k < e->arg.n; k++) {
			int64_t n = items_of(e->arg.at[k].sym);
			x[k] = malloc((size_t)n * sizeof(float));
			memcpy(x[k], v->before[k] + r * n, (size_t)n * sizeof(float));
		}
		CU_ASSERT_EQUAL(call_rows(e, x, 1), 0);
		for (int k = 0; k < e->arg.n; k++) {
			int64_t n = items_of(e->arg.at[k].sym);
			if (memcmp(x[k], v->x[k] + r * n, (size_t)n * sizeof(float)) != 0)
				differ(e, &e->arg.at[k], r * n, (double)x[k][0], (double)v->x[k][r * n]);
			free(x[k]);
		}
	}
}

/* Is a result no float? */
static bool too_large(const struct embed *e, struct memory *m)
{
	for (int k = 0; k < e->arg.n; k++)
		for (int64_t i = 0; i < ROWS * items_of(e->arg.at[k].sym); i++)
			if (!(fabs(values_at(m, e->arg.at[k].sym)[i]) < FLT_MAX))
				return true;
	return false;
}

static void start_zero(const struct embed *e, struct memory *m) /* as workspaces are */
{
	for (int k = 0; k < 8; k++)
		m->pop_rows[k] = ROWS;
	for (int k = 0; k < e->x->p->tensor.n; k++) {
		const struct sym *s = e->x->p->tensor.at[k].sym;
		memset(values_at(m, s), 0, (size_t)(items_of(s) * 16) * sizeof(double));
	}
}

static void start_reference(const struct embed *e, const struct arrays *v, struct memory *m)
{
	start_zero(e, m);
	for (int k = 0; k < object.param.n; k++)
		put(m, object.param.at[k].sym, param[k], 1, false);
	for (int k = 0; k < e->arg.n; k++) {
		if (e->arg.at[k].way != EMBED_OUT)
			put(m, e->arg.at[k].sym, v->x[k], ROWS, false);
		if (e->arg.at[k].known)
			put(m, e->arg.at[k].known, v->x[k], ROWS, true);
	}
	reference_step = 0;
}

static int compiled; /* functions compared with the JIT */

/* The JIT's numbers are the object's, to the last bit; m: as before the function is run. */
static void compare_jit(const struct embed *e, const struct entry *entry, struct memory *m,
                        const struct arrays *v)
{
	struct jit_run j;
	jit_open(&j, e, entry->plan, m, ROWS, SEED);
	for (int k = 0; k < e->phase.n; k++) {
		put_scalars(m, e->x->p, e->phase.at[k].adapt);
		jit_phase(&j, &e->phase.at[k], m, COUNT);
	}
	for (int k = 0; k < e->arg.n; k++) {
		int64_t n = items_of(e->arg.at[k].sym);
		for (int64_t i = 0; i < ROWS * n && e->arg.at[k].way != EMBED_IN; i++) {
			float x = jit_value(&j, e->arg.at[k].sym, i / n, i % n);
			if (memcmp(&x, &v->x[k][i], sizeof x) != 0) {
				differ(e, &e->arg.at[k], i, (double)v->x[k][i], (double)x);
				break;
			}
		}
	}
	jit_close(&j);
	compiled++;
}

static void test_function(const struct embed *e, const struct entry *entry, enum kind kind)
{
	struct arrays v;
	struct memory m = {.prog = e->x->p, .draw = same_draw}, n = m, errors = m;
	errors.eval = error_eval;
	errors.of = &m;
	fill_arrays(e, &v);
	start_zero(e, &errors);
	start_reference(e, &v, &m);
	run_phases(&m, &errors, e);
	int status = call_rows(e, v.x, ROWS);
	if (status != (too_large(e, &m) ? BAD_RESULT : OK)) {
		fprintf(stderr, "%s_%s: status %d\n", object.name, e->name, status);
		CU_FAIL("status");
	}
	if (status == 0) {
		compare(e, &m, &errors, &v);
		CU_ASSERT(!e->random || random_state.step == reference_step);
		if (!e->random)
			compare_rows(e, &v);
	}
	if (status == 0 && kind == BARE)
		compare_scalar(e, &errors, &v);
	if (status == 0 && kind == HOSTED) {
		struct arrays before = {0};
		memcpy(before.x, v.before, sizeof before.x);
		start_reference(e, &before, &n);
		compare_jit(e, entry, &n, &v);
	}
	free_arrays(e, &v);
	memory_free(&m);
	memory_free(&n);
	memory_free(&errors);
}

/* ---- what is wrong in a call ---- */
static void test_errors(const struct embed *e)
{
	struct arrays v;
	uintptr_t a[20], b[20];
	size_t size = work_size(e, ROWS);
	char *work = malloc(size), other[64] = {0};
	fill_arrays(e, &v);
	random_state = (struct dgm_random){SEED, 0};
	int n = arguments(e, v.x, ROWS, work, size, a);
	memcpy(b, a, sizeof a);
	b[n] = 0;
	CU_ASSERT_EQUAL(call(e->name, b), NULL_POINTER);
	memcpy(b, a, sizeof a);
	b[n + 1] = size - 1;
	CU_ASSERT_EQUAL(call(e->name, b), SMALL_WORK);
	for (size_t rows = 0; rows < 2; rows++) {
		memcpy(b, a, sizeof a);
		b[1] = rows ? SIZE_MAX : 0;
		CU_ASSERT_EQUAL(call(e->name, b), WRONG_ROWS);
		CU_ASSERT_EQUAL(work_size(e, b[1]), 0);
	}
	memcpy(b, a, sizeof a);
	b[0] = 0;
	CU_ASSERT(model_size == 0 || call(e->name, b) == NULL_POINTER);
	b[0] = (uintptr_t)other;
	CU_ASSERT(model_size == 0 || call(e->name, b) == NOT_LOADED);
	int first = n - e->random - e->arg.n;
	for (int k = 0; k < e->arg.n; k++) {
		memcpy(b, a, sizeof a);
		b[first + k] = 0;
		if (e->arg.at[k].way != EMBED_OUT)
			CU_ASSERT_EQUAL(call(e->name, b), NULL_POINTER);
		float was = v.x[k][1 % items_of(e->arg.at[k].sym)];
		v.x[k][1 % items_of(e->arg.at[k].sym)] = e->arg.at[k].way == EMBED_KNOWN ? INFINITY : NAN;
		if (e->arg.at[k].way != EMBED_OUT)
			CU_ASSERT_EQUAL(call(e->name, a), BAD_VALUE);
		v.x[k][1 % items_of(e->arg.at[k].sym)] = was;
	}
	if (e->random) {
		memcpy(b, a, sizeof a);
		b[n - 1] = 0;
		CU_ASSERT_EQUAL(call(e->name, b), NULL_POINTER);
		CU_ASSERT_EQUAL(random_state.step, 0);
	}
	free_arrays(e, &v);
	free(work);
}

static int not_finite; /* functions that were seen to give no finite result */

static void scale_params(float by)
{
	for (int k = 0; k < object.param.n; k++)
		for (int64_t i = 0; i < items_of(object.param.at[k].sym); i++)
			param[k][i] *= by;
	CU_ASSERT_EQUAL(load_model(), OK);
}

/* Parameters so large that results are not finite: all arrays are left as they were. */
static void test_large(const struct embed *e)
{
	struct arrays v;
	scale_params(0x1p120f);
	fill_arrays(e, &v);
	if (call_rows(e, v.x, ROWS) == BAD_RESULT) {
		for (int k = 0; k < e->arg.n; k++)
			CU_ASSERT(memcmp(v.x[k], v.before[k],
			                 (size_t)(ROWS * items_of(e->arg.at[k].sym)) * sizeof(float)) == 0);
		CU_ASSERT_EQUAL(random_state.step, 0);
		not_finite++;
	}
	free_arrays(e, &v);
	scale_params(0x1p-120f);
}

static void test_load(void)
{
	if (model_size == 0)
		return;
	uintptr_t a[20] = {(uintptr_t)model, model_size - 1, (uintptr_t)param};
	CU_ASSERT_EQUAL(call("load", a), NOT_LOADED);
	a[0] = 0;
	CU_ASSERT_EQUAL(call("load", a), NULL_POINTER);
	if (!object_takes_params(&object))
		return;
	a[0] = (uintptr_t)model;
	a[1] = model_size;
	a[2] = 0;
	CU_ASSERT_EQUAL(call("load", a), NULL_POINTER);
	float was = *param[0];
	*param[0] = NAN;
	CU_ASSERT_EQUAL(load_model(), BAD_VALUE);
	*param[0] = was;
	float *kept = param[0];
	param[0] = NULL;
	CU_ASSERT_EQUAL(load_model(), NULL_POINTER);
	param[0] = kept;
	CU_ASSERT_EQUAL(load_model(), OK);
}

static int functions;
static const char *only = ""; /* part of the names of files */

static bool test_model(const char *folder, const char *path, int number, enum kind kind)
{
	if (!open_model(folder, path, number, kind))
		return false;
	test_load();
	for (int k = 0; k < offers.n; k++) {
		if (offers.at[k]->refused)
			continue;
		test_function(offers.at[k], &object.entry.at[k], kind);
		test_errors(offers.at[k]);
		if (kind == HOSTED && object_takes_params(&object))
			test_large(offers.at[k]);
		functions++;
	}
	close_model();
	return true;
}

static void test_folder(const char *folder)
{
	struct dirent **file;
	int n = scandir(folder, &file, NULL, alphasort);
	CU_ASSERT_FATAL(n > 0);
	for (int k = 0; k < n; k++) {
		const char *dot = strrchr(file[k]->d_name, '.');
		if (dot && strcmp(dot, ".dgm") == 0 && strstr(file[k]->d_name, only))
			for (int i = 0; i == 0 || i < whole.model.n; i++)
				for (enum kind kind = 0; kind < KINDS; kind++)
					if ((ALL_KINDS || kind == (enum kind)(k % KINDS)) &&
					    !test_model(folder, file[k]->d_name, i, kind))
						break;
		free(file[k]);
	}
	free(file);
}

static void test_models(void)
{
	CU_ASSERT_FATAL(codegen_init());
	test_folder(MODELS);
	test_folder(EXAMPLES);
	test_folder(APART);
	CU_ASSERT(functions > (ALL_KINDS ? 1000 : 200) || *only);
	CU_ASSERT(compiled > (ALL_KINDS ? 200 : 40) || *only);
	CU_ASSERT(not_finite > (ALL_KINDS ? 50 : 10) || *only);
	CU_ASSERT(in_one_order > 0 || !ALL_KINDS || *only);
	CU_ASSERT(100 * undecided < numbers || *only);
	printf("\n%d functions, %d also without a finite result, %d in one order, %lld numbers, "
	       "%lld undecided ",
	       functions, not_finite, in_one_order, (long long)numbers, (long long)undecided);
}

int main(int argc, char **argv)
{
	only = argc > 1 ? argv[1] : "";
	CU_initialize_registry();
	CU_pSuite s = CU_add_suite("embed", NULL, NULL);
	CU_add_test(s, "objects against the reference", test_models);
	CU_basic_run_tests();
	unsigned failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed ? 1 : 0;
}
