/* Programs under test: built by hand, planned, checked for form and run against the program. */
#ifndef PLAN_CASE_H
#define PLAN_CASE_H
#include "plan_interp.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

static struct cx cx;
static struct program *prog;
static struct function *fun __attribute__((unused));
static int data, chains;

static inline void begin(void)
{
	cx = (struct cx){.perm = arena_new(), .prog = arena_new(), .tmp = arena_new()};
	prog = program_new(cx.prog, "test");
	data = program_pop(prog, "data");
	chains = program_pop(prog, "chains");
}

static inline void end(void)
{
	arena_free(cx.perm);
	arena_free(cx.prog);
	arena_free(cx.tmp);
}

#define DIMS(...) \
	(sizeof((int64_t[]){0, ##__VA_ARGS__}) / sizeof(int64_t) - 1), \
	    ((int64_t[]){0, ##__VA_ARGS__} + 1)

static inline const struct sym *tensor(const char *name, enum space space, int pop,
                                       enum values values, const struct sym *param, size_t rank,
                                       const int64_t *dim)
{
	enum sym_kind kind = space == SPACE_PARAM    ? SYM_PARAM
	                     : space == SPACE_SCALAR ? SYM_SCALAR
	                                             : SYM_VAR;
	struct sym *s =
	    sym_new(cx.prog, intern(name), kind, values, pop >= 0, (int)rank, dim, (struct span){0});
	program_tensor(prog, s, space, pop, param);
	return s;
}

static inline const struct idx *ix(const char *name, int64_t size)
{
	return idx_new(cx.prog, intern(name), size);
}

static inline const struct idx *batch(const char *name, int pop)
{
	return idx_batch(cx.prog, intern(name), pop);
}

#define AT(s, b, ...) ex_at(cx.prog, s, b, (const struct idx *const[]){__VA_ARGS__})
#define SUM(body, ...) \
	ex_reduce(cx.prog, RED_SUM, (const struct idx *[]){__VA_ARGS__}, \
	          (int)(sizeof((const struct idx *[]){__VA_ARGS__}) / sizeof(struct idx *)), NULL, 0, \
	          body)
#define ASSIGN(d, b, acc, e, ...) \
	program_stmt( \
	    prog, fun, \
	    (struct stmt){.dst = d, .batch = b, .accumulate = acc, .rhs = e, .at = {__VA_ARGS__}})

static inline struct node *mul(struct node *x, struct node *y)
{
	return ex_mul(cx.prog, x, y);
}

static inline struct node *add(struct node *x, struct node *y)
{
	return ex_add(cx.prog, x, y);
}

static inline struct node *sigmoid(struct node *x)
{
	return ex_op1(cx.prog, OP_SIGMOID, x);
}

static inline struct node *bernoulli(struct node *p)
{
	return ex_op2(cx.prog, OP_LT, ex_draw(cx.prog, OP_UNIFORM, program_stream(prog)), p);
}

static inline const struct kernel *kernel(const struct plan *p, int f, int r, int k)
{
	CU_ASSERT_FATAL(f < p->function.n && r < p->function.at[f]->region.n &&
	                k < p->function.at[f]->region.at[r]->kernel.n);
	return p->function.at[f]->region.at[r]->kernel.at[k];
}

static inline int count(const struct plan *p, enum kernel_kind kind, enum matmul how)
{
	int n = 0;
	for (int f = 0; f < p->function.n; f++)
		for (int r = 0; r < p->function.at[f]->region.n; r++)
			for (int k = 0; k < p->function.at[f]->region.at[r]->kernel.n; k++)
				n += kernel(p, f, r, k)->kind == kind &&
				     (kind != KERNEL_MATMUL || kernel(p, f, r, k)->mm.how == how);
	return n;
}

/* ---- plans compute what programs say ----------------------------------------------------------
 */

static inline double random_unit(void)
{
	static uint64_t s = 88172645463325252u;
	s ^= s << 13;
	s ^= s >> 7;
	s ^= s << 17;
	return (double)(s >> 11) / 9007199254740992.0;
}

static inline int pick(int n)
{
	return (int)(random_unit() * n);
}

static inline void fill(struct memory *m)
{
	for (int i = 0; i < prog->tensor.n; i++) {
		const struct tensor *t = &prog->tensor.at[i];
		if (t->space == SPACE_TEMP)
			continue;
		double *x = values_at(m, t->sym);
		for (int64_t k = 0; k < items_of(t->sym) * 16; k++)
			x[k] = t->sym->values == VALUES_BINARY ? pick(2) : random_unit() * 2 - (t->space != SPACE_SCALAR);
	}
}

/* Runs the program and its plan on the same values and compares all but temporaries. */
static inline bool agrees(const struct plan *p)
{
	struct memory x = {.prog = prog, .pop_rows = {5, 3}}, y = {.prog = prog, .pop_rows = {5, 3}};
	bool same = true;
	fill(&x);
	for (int i = 0; i < x.n; i++)
		memcpy(values_at(&y, x.sym[i]), x.at[i],
		       (size_t)(items_of(x.sym[i]) * 16) * sizeof(double));
	run_program(&x, prog);
	run_plan(&y, p);
	for (int i = 0; i < prog->tensor.n; i++) {
		const struct tensor *t = &prog->tensor.at[i];
		if (t->space == SPACE_TEMP)
			continue;
		int64_t n = items_of(t->sym) * (t->pop >= 0 ? x.pop_rows[t->pop] : 1);
		const double *u = values_at(&x, t->sym), *v = values_at(&y, t->sym);
		for (int64_t k = 0; k < n; k++)
			if (!(fabs(u[k] - v[k]) <= 1e-9 * (1 + fabs(u[k])))) {
				if (same)
					fprintf(stderr, "%s element %d: program %g, plan %g\n", t->sym->name, (int)k,
					        u[k], v[k]);
				same = false;
			}
	}
	memory_free(&x);
	memory_free(&y);
	return same;
}

/* Has every kernel operands of the representation that its routine takes? */
static inline void check_kernel(const struct plan *p, const struct kernel *k)
{
	for (int s = 0; s < k->nstore; s++) {
		int dst = plan_slot(p, k->store[s].dst);
		CU_ASSERT_FATAL(dst >= 0);
		CU_ASSERT(p->slot.at[dst].repr == REPR_F32 || !k->store[s].accumulate);
	}
	if (k->kind != KERNEL_MATMUL)
		return;
	const struct slot *a = &p->slot.at[k->mm.a], *b = &p->slot.at[k->mm.b],
	                  *c = &p->slot.at[k->mm.c];
	bool a_bits = a->repr == REPR_BITS, b_bits = b->repr == REPR_BITS;
	CU_ASSERT_EQUAL(c->repr, REPR_F32);
	CU_ASSERT_EQUAL(a_bits, k->mm.how != MM_SGEMM && k->mm.how != MM_PACKED);
	CU_ASSERT_EQUAL(b_bits, k->mm.how == MM_BITS_COUNT);
	CU_ASSERT_EQUAL(b->pack, k->mm.how == MM_BITS || k->mm.how == MM_PACKED);
	CU_ASSERT(!a_bits || (k->mm.ta == (k->mm.how != MM_BITS) && !k->mm.tb));
}

static inline char *text(const struct plan *p)
{
	char *s;
	size_t n;
	FILE *f = open_memstream(&s, &n);
	plan_print(p, f);
	fclose(f);
	return s;
}

/* The plan of prog, checked: well formed, the same when made again, and right. */
static inline struct plan *plan(void)
{
	struct plan *p = plan_build(&cx, prog);
	char *first = text(p), *again = text(plan_build(&cx, prog));
	CU_ASSERT_STRING_EQUAL(first, again);
	free(first);
	free(again);
	for (int f = 0; f < p->function.n; f++)
		for (int r = 0; r < p->function.at[f]->region.n; r++)
			for (int k = 0; k < p->function.at[f]->region.at[r]->kernel.n; k++)
				check_kernel(p, kernel(p, f, r, k));
	if (getenv("PLAN_PRINT"))
		plan_print(p, stdout);
	bool ok = agrees(p);
	CU_ASSERT(ok);
	if (!ok) {
		program_print(prog, stderr);
		plan_print(p, stderr);
	}
	return p;
}

#endif
