/* The fixture of test_codegen.c and test_vmath.c. */
#include "codegen_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct fx *fx_new(int64_t rows)
{
	struct arena *a = arena_new();
	struct fx *f = NEW(a, struct fx);
	f->a = a;
	f->cx = (struct cx){a, a, a, diags_new(a)};
	f->rows = rows;
	f->plan = NEW(a, struct plan);
	f->plan->a = a;
	f->plan->model = "test";
	const char *pop = "batch";
	int64_t most = 0;
	vec_push(a, &f->plan->pop, pop);
	vec_push(a, &f->plan->most, most);
	struct plan_function *fn = NEW(a, struct plan_function);
	fn->name = "f";
	vec_push(a, &f->plan->function, fn);
	f->region = NEW(a, struct region);
	vec_push(a, &fn->region, f->region);
	f->n = idx_batch(a, "n", 0);
	return f;
}

void fx_free(struct fx *f)
{
	dgm_store_free(f->store);
	jit_free(f->jit);
	arena_free(f->a);
}

const struct sym *fx_sym(struct fx *f, const char *name, bool batched, bool bits,
                         const int64_t *dim, int rank)
{
	struct slot s = {.space = batched ? SPACE_STATE : SPACE_PARAM,
	                 .repr = bits ? REPR_BITS : REPR_F32,
	                 .param = -1};
	s.pop = batched ? 0 : -1;
	s.sym = sym_new(f->a, name, batched ? SYM_VAR : SYM_PARAM, bits ? VALUES_BINARY : VALUES_REAL,
	                batched, rank, dim, (struct span){0});
	vec_push(f->a, &f->plan->slot, s);
	return s.sym;
}

const struct sym *fx_scalar(struct fx *f, const char *name)
{
	const struct sym *s =
	    sym_new(f->a, name, SYM_SCALAR, VALUES_REAL, false, 0, NULL, (struct span){0});
	vec_push(f->a, &f->plan->scalar, s);
	return s;
}

const struct idx *fx_idx(struct fx *f, const char *name, int64_t size)
{
	return idx_new(f->a, name, size);
}

void fx_store(struct fx *f, const struct sym *dst, const struct idx *const *at, bool accumulate,
              struct node *rhs)
{
	struct kernel *k =
	    at || !dst->rank ? NEW(f->a, struct kernel) : f->region->kernel.at[f->region->kernel.n - 1];
	if (!k->store) {
		k->kind = KERNEL_LOOP;
		k->batch = dst->batched ? f->n : NULL;
		k->rank = dst->rank;
		for (int d = 0; d < dst->rank; d++)
			k->at[d] = at[d];
		k->store = NEW_ARRAY(f->a, struct store, 8);
		vec_push(f->a, &f->region->kernel, k);
	}
	struct store *s = &k->store[k->nstore++];
	*s = (struct store){.dst = dst, .accumulate = accumulate, .rhs = rhs};
	for (int d = 0; d < dst->rank; d++)
		s->at[d] = k->at[d];
}

void fx_turn(struct fx *f, int inner)
{
	struct kernel *k = f->region->kernel.at[f->region->kernel.n - 1];
	k->sequential = true;
	k->inner = inner;
}

void fx_compile(struct fx *f)
{
	f->jit = jit_compile(&f->cx, f->plan);
	f->store = dgm_store_new(jit_module(f->jit), (int64_t[DGM_MAX_POP]){f->rows});
	f->call = dgm_call_on(f->store, 42);
	f->call.step = 3;
	f->call.stage = 2;
	f->call.row0[0] = 5;
	f->call.scalar[0] = 0.75f;
}

static int slot_number(const struct fx *f, const struct sym *s)
{
	for (int k = 0; k < f->plan->slot.n; k++)
		if (f->plan->slot.at[k].sym == s)
			return k;
	abort();
}

static double get(const struct fx *f, void *const *slots, const struct sym *s, int64_t row,
                  int64_t u)
{
	int k = slot_number(f, s);
	const struct dgm_slot *slot = &jit_module(f->jit)->slot[k];
	int64_t at = row * dgm_item_stride(slot);
	if (slot->repr == DGM_BITS)
		return (double)(((const uint64_t *)slots[k])[at + u / 64] >> (u % 64) & 1);
	return (double)((const float *)slots[k])[at + u];
}

double fx_get(const struct fx *f, const struct sym *s, int64_t row, int64_t u)
{
	return get(f, f->store->slot, s, row, u);
}

void fx_set(const struct fx *f, const struct sym *s, int64_t row, int64_t u, double x)
{
	int k = slot_number(f, s);
	const struct dgm_slot *slot = &jit_module(f->jit)->slot[k];
	int64_t at = row * dgm_item_stride(slot);
	if (slot->repr == DGM_BITS) {
		uint64_t *w = &((uint64_t *)f->store->slot[k])[at + u / 64], bit = (uint64_t)1 << (u % 64);
		*w = x != 0 ? *w | bit : *w & ~bit;
	} else {
		((float *)f->store->slot[k])[at + u] = (float)x;
	}
}

static int64_t rows_of(const struct fx *f, int k)
{
	const struct sym *s = f->plan->slot.at[k].sym; /* NULL: a packed copy */
	return !s ? 0 : s->batched ? f->rows : 1;
}

void fx_fill(struct fx *f, uint64_t seed)
{
	for (int k = 0; k < f->plan->slot.n; k++) {
		const struct dgm_slot *slot = &jit_module(f->jit)->slot[k];
		for (int64_t n = 0; n < rows_of(f, k); n++)
			for (int64_t u = 0; u < dgm_slot_items(slot); u++) {
				seed = seed * 6364136223846793005u + 1442695040888963407u;
				double x = (double)(seed >> 40) * 0x1p-24;
				fx_set(f, f->plan->slot.at[k].sym, n, u,
				       slot->repr == DGM_BITS ? x < 0.4 : 4 * x - 2);
			}
	}
}

void fx_run(struct fx *f, int64_t nchunk)
{
	const struct dgm_function *fn = dgm_function_find(jit_module(f->jit), "f");
	for (int r = 0; r < fn->nregion; r++)
		for (int64_t c = nchunk - 1; c >= 0; c--)
			fn->region[r].run(&f->call, c, nchunk);
}

/* ---- the reference ---- */
struct reference {
	struct fx *f;
	void **slot; /* copies that the reference reads and writes */
	int64_t row, unit;
};

static double ref_load(void *arg, const struct sym *s, int64_t row, const int64_t *at)
{
	struct reference *r = arg;
	int64_t u = 0;
	if (s->kind == SYM_SCALAR)
		return (double)r->f->call.scalar[0];
	for (int d = 0; d < s->rank; d++)
		u = u * s->dim[d] + at[d];
	return get(r->f, r->slot, s, row, u);
}

static double ref_draw(void *arg, const struct node *draw)
{
	struct reference *r = arg;
	const struct dgm_call *c = &r->f->call;
	bool batched = r->row >= 0;
	uint32_t chain = batched ? (uint32_t)(r->row + c->row0[0]) : 0;
	int64_t n = r->unit / 64 * 64 + 64;
	float *v = malloc(sizeof *v * (size_t)n);
	(draw->op == OP_UNIFORM ? dgm_uniform : dgm_normal)(v, n, c->seed, chain, c->step,
	                                                    c->stage * 4096 + (uint32_t)draw->num);
	double x = (double)v[r->unit];
	free(v);
	return x;
}

static int64_t ref_pop(void *arg, int pop)
{
	(void)pop;
	return ((struct reference *)arg)->f->rows;
}

static size_t slot_size(const struct fx *f, int k)
{
	const struct dgm_slot *s = &jit_module(f->jit)->slot[k];
	return (size_t)(dgm_item_stride(s) * rows_of(f, k)) * (s->repr == DGM_BITS ? 8 : 4);
}

static void **copy_slots(const struct fx *f)
{
	void **c = malloc(sizeof *c * (size_t)(f->plan->slot.n + 1));
	for (int k = 0; k < f->plan->slot.n; k++) {
		c[k] = malloc(slot_size(f, k) + 64);
		memcpy(c[k], f->store->slot[k], slot_size(f, k));
	}
	return c;
}

static void free_slots(const struct fx *f, void **c)
{
	for (int k = 0; k < f->plan->slot.n; k++)
		free(c[k]);
	free(c);
}

static void put(struct reference *r, const struct sym *s, int64_t row, int64_t u, double x)
{
	int k = slot_number(r->f, s);
	void *was = r->f->store->slot[k];
	r->f->store->slot[k] = r->slot[k];
	fx_set(r->f, s, row, u, x);
	r->f->store->slot[k] = was;
}

static void evaluate(struct reference *r, const struct kernel *k, const struct store *s, int64_t n,
                     int64_t u)
{
	struct env env = {ref_load, ref_draw, ref_pop, r};
	struct binding b[MAX_RANK + 1];
	int nb = 0;
	int64_t rest = u;
	for (int d = k->rank - 1; d >= 0; d--) {
		b[nb++] = (struct binding){k->at[d], rest % k->at[d]->size};
		rest /= k->at[d]->size;
	}
	if (k->batch)
		b[nb++] = (struct binding){k->batch, n};
	r->row = k->batch ? n : -1;
	r->unit = u;
	double x = ex_eval(s->rhs, &env, b, nb);
	if (s->accumulate)
		x += get(r->f, r->slot, s->dst, n, u);
	put(r, s->dst, n, u, x);
}

/* Store after store over all elements; in turn: step after step. */
static void evaluate_kernel(struct reference *r, const struct kernel *k)
{
	int64_t items = 1, step = 1;
	for (int d = 0; d < k->rank; d++) {
		items *= k->at[d]->size;
		step *= !k->sequential || d >= k->rank - k->inner ? k->at[d]->size : 1;
	}
	for (int64_t first = 0; first < items; first += step)
		for (int s = 0; s < k->nstore; s++)
			for (int64_t n = 0; n < (k->batch ? r->f->rows : 1); n++)
				for (int64_t u = first; u < first + step; u++)
					evaluate(r, k, &k->store[s], n, u);
}

static void compare(struct fx *f, void **want, double tol)
{
	for (int k = 0; k < f->plan->slot.n; k++) {
		const struct dgm_slot *s = &jit_module(f->jit)->slot[k];
		const struct sym *sym = f->plan->slot.at[k].sym;
		for (int64_t n = 0; n < rows_of(f, k); n++)
			for (int64_t u = 0; u < dgm_slot_items(s); u++) {
				double x = fx_get(f, sym, n, u), y = get(f, want, sym, n, u);
				bool ok = fabs(x - y) <= tol * (1 + fabs(y)) || x == y || (isnan(x) && isnan(y));
				if (!ok)
					printf("\n%s[%ld; %ld]: %.9g, expected %.9g", s->name, (long)n, (long)u, x, y);
				CU_ASSERT_FATAL(ok);
			}
		if (s->repr == DGM_BITS)
			for (int64_t n = 0; n < rows_of(f, k); n++)
				for (int64_t u = dgm_slot_items(s); u < 64 * dgm_item_stride(s); u++)
					CU_ASSERT_FATAL(fx_get(f, sym, n, u) == 0);
	}
}

void fx_check(struct fx *f, double tol)
{
	static const int64_t split[] = {1, 2, 3, 7};
	fx_compile(f);
	void **first = NULL;
	for (int c = 0; c < 4; c++) {
		fx_fill(f, 1);
		if (!c) {
			struct reference r = {.f = f, .slot = copy_slots(f)};
			for (int k = 0; k < f->region->kernel.n; k++)
				evaluate_kernel(&r, f->region->kernel.at[k]);
			fx_run(f, 1);
			compare(f, r.slot, tol);
			free_slots(f, r.slot);
			first = copy_slots(f);
			continue;
		}
		fx_run(f, split[c]);
		for (int k = 0; k < f->plan->slot.n; k++)
			CU_ASSERT(!memcmp(first[k], f->store->slot[k], slot_size(f, k)));
	}
	free_slots(f, first);
	fx_free(f);
}
