/* Plans compiled and run on the values that the plan's interpreter runs on, to compare the two. */
#ifndef GENERATED_H
#define GENERATED_H
#include "plan_case.h"

#include "codegen/codegen.h"
#include "dgm_rt.h"

enum { SEED = 9, STEP = 4, STAGE = 1 };

static double real_draw(const struct memory *m, const struct node *draw)
{
	int64_t n = m->unit + 1;
	float v[4096];
	if (n > 4096)
		abort();
	(draw->op == OP_UNIFORM ? dgm_uniform : dgm_normal)(
	    v, n, SEED, m->batched ? (uint32_t)m->row : 0, STEP, STAGE * 4096 + (uint32_t)draw->num);
	return (double)v[n - 1];
}

static double *element(struct memory *m, const struct sym *s, int64_t row, int64_t u)
{
	return values_at(m, s) + row * items_of(s) + u;
}

static int64_t rows_in(const struct memory *m, const struct slot *s)
{
	return s->pack ? 0 : s->pop >= 0 && s->sym->batched ? m->pop_rows[s->pop] : 1;
}

static void to_store(struct memory *m, const struct plan *p, const struct dgm_store *st)
{
	for (int k = 0; k < p->slot.n; k++)
		for (int64_t n = 0; n < rows_in(m, &p->slot.at[k]); n++)
			for (int64_t u = 0; u < items_of(p->slot.at[k].sym); u++) {
				const struct dgm_slot *s = &st->mod->slot[k];
				double x = *element(m, p->slot.at[k].sym, n, u);
				int64_t at = n * dgm_item_stride(s);
				if (s->repr == DGM_F32)
					((float *)st->slot[k])[at + u] = (float)x;
				else if (x == 1)
					((uint64_t *)st->slot[k])[at + u / 64] |= (uint64_t)1 << (u % 64);
			}
}

static double from_store(const struct dgm_store *st, int k, int64_t row, int64_t u)
{
	const struct dgm_slot *s = &st->mod->slot[k];
	int64_t at = row * dgm_item_stride(s);
	if (s->repr == DGM_F32)
		return (double)((const float *)st->slot[k])[at + u];
	return (double)(((const uint64_t *)st->slot[k])[at + u / 64] >> (u % 64) & 1);
}

static bool same_slot(struct memory *m, const struct slot *s, const struct dgm_store *st, int k)
{
	for (int64_t n = 0; n < rows_in(m, s); n++)
		for (int64_t u = 0; u < items_of(s->sym); u++) {
			double x = *element(m, s->sym, n, u), y = from_store(st, k, n, u);
			if ((isnan(x) && (s->space == SPACE_TEMP || isnan(y))) || fabs(x - y) <= 2e-3 * (1 + fabs(x)))
				continue;
			fprintf(stderr, "%s row %d element %d: interpreter %g, generated code %g\n",
			        s->sym->name, (int)n, (int)u, x, y);
			return false;
		}
	return true;
}

static bool same_as_store(struct memory *m, const struct plan *p, const struct dgm_store *st)
{
	bool same = true;
	for (int k = 0; k < p->slot.n; k++)
		if (!p->slot.at[k].pack)
			same &= same_slot(m, &p->slot.at[k], st, k);
	return same;
}

static void run_function(const struct dgm_module *mod, const char *name,
                         const struct dgm_call *call)
{
	const struct dgm_function *f = dgm_function_find(mod, name);
	for (int r = 0; f && r < f->nregion; r++) {
		for (int64_t c = 2; c >= 0; c--)
			f->region[r].run(call, c, 3);
	}
}

static bool generated_agrees(const struct plan *p)
{
	struct memory m = {.prog = prog, .pop_rows = {5, 3}, .draw = real_draw};
	struct jit *j = jit_compile(&cx, p);
	const struct dgm_module *mod = jit_module(j);
	struct dgm_store *st = dgm_store_new(mod, (int64_t[DGM_MAX_POP]){5, 3});
	fill(&m);
	for (int i = 0; i < m.n; i++)
		for (int64_t k = 0; k < items_of(m.sym[i]) * 16; k++)
			m.at[i][k] = (double)(float)m.at[i][k];
	to_store(&m, p, st);
	struct dgm_call call = dgm_call_on(st, SEED);
	call.step = STEP;
	call.stage = STAGE;
	for (int k = 0; k < p->scalar.n; k++)
		call.scalar[k] = (float)*values_at(&m, p->scalar.at[k]);
	run_plan(&m, p);
	for (int f = 0; f < mod->nfunction; f++) {
		run_function(mod, "prepare", &call);
		run_function(mod, mod->function[f].name, &call);
	}
	bool same = same_as_store(&m, p, st);
	memory_free(&m);
	dgm_store_free(st);
	jit_free(j);
	return same;
}

#endif
