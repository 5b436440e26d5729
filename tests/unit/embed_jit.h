/* A function of an object by the JIT: the same plan, called in the order of the function's phases. */
#ifndef EMBED_JIT_H
#define EMBED_JIT_H
#include "embed_model.h"

struct jit_run {
	const struct plan *plan;
	struct jit *jit;
	struct dgm_store *store;
	struct dgm_call call;
};

static void jit_copy(struct jit_run *j, struct memory *m, const struct sym *s, int64_t rows)
{
	int k = plan_slot(j->plan, s);
	if (k < 0) /* nobody reads it */
		return;
	const struct dgm_slot *slot = &j->store->mod->slot[k];
	int64_t items = items_of(s), stride = dgm_item_stride(slot);
	for (int64_t r = 0; r < rows; r++)
		for (int64_t i = 0; i < items; i++) {
			double x = values_at(m, s)[r * items + i];
			if (slot->repr == DGM_F32)
				((float *)j->store->slot[k])[r * stride + i] = (float)x;
			else if (x == 1)
				((uint64_t *)j->store->slot[k])[r * stride + i / 64] |= (uint64_t)1 << i % 64;
		}
}

static float jit_value(const struct jit_run *j, const struct sym *s, int64_t row, int64_t i)
{
	int k = plan_slot(j->plan, s);
	const struct dgm_slot *slot = &j->store->mod->slot[k];
	int64_t at = row * dgm_item_stride(slot);
	if (slot->repr == DGM_F32)
		return ((const float *)j->store->slot[k])[at + i];
	return (float)(((const uint64_t *)j->store->slot[k])[at + i / 64] >> i % 64 & 1);
}

static void jit_call(struct jit_run *j, const char *name)
{
	const struct dgm_function *f = dgm_function_find(j->store->mod, name);
	for (int r = 0; f && r < f->nregion; r++)
		f->region[r].run(&j->call, 0, 1);
}

/* What the memory has of parameters and arguments is in the store, all else is 0. */
static void jit_open(struct jit_run *j, const struct embed *e, const struct plan *plan,
                     struct memory *m, int64_t rows, uint64_t seed)
{
	int64_t room[DGM_MAX_POP];
	for (int k = 0; k < DGM_MAX_POP; k++)
		room[k] = rows;
	j->plan = plan;
	j->jit = jit_compile(&small.cx, plan);
	j->store = dgm_store_new(jit_module(j->jit), room);
	CU_ASSERT_FATAL(j->store != NULL);
	for (int k = 0; k < object.param.n; k++)
		jit_copy(j, m, object.param.at[k].sym, 1);
	for (int k = 0; k < e->arg.n; k++) {
		jit_copy(j, m, e->arg.at[k].sym, rows);
		if (e->arg.at[k].known)
			jit_copy(j, m, e->arg.at[k].known, rows);
	}
	j->call = dgm_call_on(j->store, seed);
	for (int k = 0; k < DGM_MAX_POP; k++)
		j->call.pop[k] = rows;
	j->call.step = j->call.stage = 0;
	jit_call(j, "prepare");
	jit_call(j, EMBED_BLOCKS);
}

static void jit_phase(struct jit_run *j, const struct embed_phase *p, struct memory *m, int count)
{
	for (int k = 0; k < j->plan->scalar.n; k++)
		j->call.scalar[k] = (float)*values_at(m, j->plan->scalar.at[k]);
	for (int n = 0; n < (p->count ? count : 1); n++)
		for (int c = 0; c < p->ncall; c++)
			for (int64_t t = 0; t < p->call[c].times; t++, j->call.step++)
				jit_call(j, p->call[c].function);
}

static void jit_close(struct jit_run *j)
{
	dgm_store_free(j->store);
	jit_free(j->jit);
}

#endif
