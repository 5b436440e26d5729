/* Engines: one program, run in double by the reference evaluator or as generated code in float, its
 * tensors filled and read by name. */
#include "verify/verify.h"

#include <math.h>
#include <string.h>

/* ---- generated code: slots ---- */
static double slot_get(const struct engine *e, int slot, int64_t row, int64_t element)
{
	const struct dgm_slot *s = &e->c.mod->slot[slot];
	int64_t at = row * dgm_item_stride(s);
	if (s->repr == DGM_BITS)
		return (double)(((const uint64_t *)e->store->slot[slot])[at + element / 64] >>
		                    (element % 64) &
		                1);
	return (double)((const float *)e->store->slot[slot])[at + element];
}

static void slot_set(struct engine *e, int slot, int64_t row, int64_t element, double x)
{
	const struct dgm_slot *s = &e->c.mod->slot[slot];
	int64_t at = row * dgm_item_stride(s);
	if (s->repr == DGM_BITS) {
		uint64_t *w = &((uint64_t *)e->store->slot[slot])[at + element / 64],
		         bit = (uint64_t)1 << (element % 64);
		*w = x != 0 ? *w | bit : *w & ~bit;
	} else {
		((float *)e->store->slot[slot])[at + element] = (float)x;
	}
}

static int slot_of(const struct engine *e, const char *name)
{
	int slot = dgm_slot_find(e->c.mod, name);
	if (slot < 0)
		BUG("verify: no slot %s in %s", name, e->t->m->name);
	return slot;
}

double engine_get(const struct engine *e, const char *name, int64_t row, int64_t element)
{
	if (e->generated)
		return slot_get(e, slot_of(e, name), row, element);
	const struct sym *s = program_symbol(e->c.x->p, name);
	return memory_get(&e->mem, s)[row * sym_items(s) + element];
}

void engine_set(struct engine *e, const char *name, int64_t row, int64_t element, double x)
{
	const struct sym *s = program_symbol(e->c.x->p, name);
	for (int i = 0; e->generated && i < e->c.mod->nscalar; i++)
		if (strcmp(e->c.mod->scalar_name[i], name) == 0)
			e->call.scalar[i] = (float)x;
	if (e->generated) {
		int slot = dgm_slot_find(e->c.mod, name);
		if (slot >= 0) /* what nothing reads has none */
			slot_set(e, slot, row, element, x);
	} else if (s) {
		memory_get(&e->mem, s)[row * sym_items(s) + element] = x;
	}
}

void engine_put(struct engine *e, const char *suffix, enum group_role role, int64_t row,
                const double *state)
{
	const struct model *m = e->t->m;
	for (int g = 0; g < m->group.n; state += sym_items(m->group.at[g++]->sym))
		for (int64_t i = 0; m->group.at[g]->role == role && i < sym_items(m->group.at[g]->sym); i++)
			engine_set(e, arena_printf(e->t->u->cx.tmp, "%s%s", m->group.at[g]->name, suffix), row,
			           i, state[i]);
}

void engine_take(const struct engine *e, const char *suffix, enum group_role role, int64_t row,
                 double *state)
{
	const struct model *m = e->t->m;
	for (int g = 0; g < m->group.n; state += sym_items(m->group.at[g++]->sym))
		for (int64_t i = 0; m->group.at[g]->role == role && i < sym_items(m->group.at[g]->sym); i++)
			state[i] = engine_get(
			    e, arena_printf(e->t->u->cx.tmp, "%s%s", m->group.at[g]->name, suffix), row, i);
}

/* ---- opening ---- */
static void put_values(struct engine *e, const struct sym *s)
{
	const double *x = s ? memory_get(&e->t->mem, s) : NULL;
	for (int64_t i = 0; s && i < sym_items(s); i++)
		engine_set(e, s->name, 0, i, x[i]);
}

static void put_rows(struct engine *e)
{
	for (int64_t r = 0; r < e->pop[POP_DATA]; r++) {
		engine_put(e, "", GROUP_VISIBLE, r, e->t->row[r % ROWS]);
		engine_put(e, "", GROUP_GIVEN, r, e->t->row[r % ROWS]);
	}
}

/* What generated code draws there. */
static double noise(void *arg, const struct node *x)
{
	const struct engine *e = arg;
	int64_t n = e->mem.unit + 1;
	if (!e->noise)
		return e->t->mem.draw(e->t->mem.draw_arg, x);
	float *v = NEW_ARRAY(e->t->a, float, n);
	(x->op == OP_UNIFORM ? dgm_uniform : dgm_normal)(v, n, NOISE_SEED, (uint32_t)e->mem.row,
	                                                 e->call.step, (uint32_t)x->num);
	return (double)v[n - 1];
}

static bool open_memory(struct engine *e)
{
	const struct program *p = e->c.x->p;
	e->mem = (struct memory){.a = e->t->a, .draw = noise, .draw_arg = e};
	for (int i = 0; i < POP_COUNT; i++)
		e->mem.pop[i] = e->pop[i];
	for (int i = 0; i < p->tensor.n; i++)
		memory_put(&e->mem, p->tensor.at[i].sym,
		           p->tensor.at[i].pop < 0 ? 1 : e->pop[p->tensor.at[i].pop]);
	return true;
}

static bool open_code(struct engine *e, const char *key)
{
	struct code_cache *cache = e->t->cache;
	struct unit *u = e->t->u;
	int k = 0;
	while (k < cache->key.n && strcmp(cache->key.at[k], key) != 0)
		k++;
	if (k == cache->key.n) {
		block_plan(u, &e->c);
		if (!block_jit(u, &e->c))
			return false;
		vec_push(u->cx.prog, &cache->code, e->c);
		vec_push(u->cx.prog, &cache->key, arena_printf(u->cx.prog, "%s", key));
	}
	e->c = cache->code.at[k];
	e->store = dgm_store_new(e->c.mod, e->pop);
	if (e->store == NULL)
		return false;
	e->call = dgm_call_on(e->store, (uint64_t)(1e9 * trial_uniform(e->t)));
	return true;
}

void code_cache_free(struct code_cache *c)
{
	for (int i = 0; i < c->code.n; i++)
		jit_free(c->code.at[i].jit);
}

bool engine_open(struct engine *e, struct trial *t, const char *key, const struct compiled *c,
                 bool generated, const int64_t *pop)
{
	*e = (struct engine){.t = t, .c = *c, .generated = generated};
	memcpy(e->pop, pop, sizeof e->pop);
	if (!(generated ? open_code(e, key) : open_memory(e)))
		return false;
	for (int i = 0; i < t->m->weight.n; i++)
		put_values(e, t->m->weight.at[i]->sym);
	for (int i = 0; i < t->m->group.n; i++) {
		put_values(e, t->m->group.at[i]->mean);
		put_values(e, t->m->group.at[i]->var);
	}
	put_rows(e);
	engine_set(e, "inv_n", 0, 0, 1 / (double)pop[POP_DATA]);
	engine_set(e, "inv_m", 0, 0, 1 / (double)pop[POP_CHAINS]);
	if (generated)
		engine_run(e, "prepare");
	return true;
}

void engine_close(struct engine *e)
{
	if (e->generated)
		dgm_store_free(e->store);
}

/* ---- running ---- */
bool engine_run(struct engine *e, const char *function)
{
	if (!e->generated) {
		bool there = memory_run(&e->mem, e->c.x->p, function);
		e->call.step++;
		return there;
	}
	const struct dgm_function *f = dgm_function_find(e->c.mod, function);
	if (f)
		dgm_run(f, &e->call);
	e->call.step++;
	return f != NULL;
}

/* The listed groups run through all their states, the first unit fastest. */
static double reference_log_z(struct engine *e)
{
	struct states st;
	int64_t n = e->pop[POP_STATES];
	double top = -INFINITY, sum = 0;
	objective_states(&e->t->u->cx, e->t->m, &st);
	for (int64_t r = 0; r < n; r++) {
		int64_t bits = r;
		for (int g = 0; g < e->t->m->group.n; g++) {
			const struct group *x = e->t->m->group.at[g];
			for (int64_t i = 0; st.listed[g] && i < sym_items(x->sym); i++, bits >>= 1)
				engine_set(e, arena_printf(e->t->a, "%s.states", x->name), r, i,
				           bits & 1 ? x->family->hi : x->family->lo);
		}
	}
	engine_run(e, "enum.energy");
	for (int64_t r = 0; r < n; r++)
		top = fmax(top, -engine_get(e, "out.enum.energy", r, 0));
	for (int64_t r = 0; r < n; r++)
		sum += exp(-engine_get(e, "out.enum.energy", r, 0) - top);
	double log_z = top + log(sum);
	for (int64_t r = 0; r < n; r++)
		engine_set(e, "out.enum.weight", r, 0,
		           exp(-engine_get(e, "out.enum.energy", r, 0) - log_z));
	engine_run(e, "enum.grad");
	return log_z;
}

double engine_log_z(struct engine *e)
{
	struct session s = {.u = e->t->u};
	double log_z = NAN;
	if (!e->generated)
		return reference_log_z(e);
	dgm_enumerate(e->store, job_enumeration(&s, &e->c), 1, true, &log_z);
	return log_z;
}

double engine_gradient(const struct engine *e, int w)
{
	const struct sym *s = e->t->m->weight.at[w]->sym;
	double *g = NEW_ARRAY(e->t->a, double, sym_items(s));
	const char *name = arena_printf(e->t->a, "grad.%s", s->name);
	for (int64_t i = 0; i < sym_items(s); i++)
		g[i] = engine_get(e, name, 0, i);
	return trial_along(e->t, w, g);
}

double engine_tolerance(const struct engine *e, double in_double)
{
	return e->generated ? TOL_FLOAT : in_double;
}

const char *engine_label(const struct engine *e, const char *what)
{
	return arena_printf(e->t->a, "%s%s", what, e->generated ? ", generated code" : "");
}
