/* plan: the passes in order, and at the end the numbers of slots and scalars.
 *
 * Slots: parameters, gradients in the order of their parameters, states, the temporaries that live,
 * packed copies.  "prepare", the last function, refreshes the packed copies. */
#include "plan/work.h"

int plan_slot(const struct plan *p, const struct sym *s)
{
	for (int i = 0; i < p->slot.n; i++)
		if (p->slot.at[i].sym == s)
			return i;
	return -1;
}

static int slot_of(const struct plan *p, const struct sym *s)
{
	int i = plan_slot(p, s);
	if (i < 0)
		BUG("plan: %s has no slot", s->name);
	return i;
}

static void add_slot(struct plan *p, const struct work_tensor *t)
{
	struct slot s = {.sym = t->t.sym,
	                 .space = t->t.space,
	                 .repr = t->repr,
	                 .pop = t->t.pop,
	                 .param = t->t.param ? slot_of(p, t->t.param) : -1,
	                 .pack_of = -1};
	vec_push(p->a, &p->slot, s);
}

static bool is_used(const struct work *w, const struct sym *s)
{
	for (int i = 0; i < w->function.n; i++)
		for (int j = 0; j < w->function.at[i]->kernel.n; j++) {
			const struct work_kernel *k = w->function.at[i]->kernel.at[j];
			if (plan_reads(k, s) || plan_writes(k, s))
				return true;
		}
	return false;
}

static void add_space(struct work *w, struct plan *p, enum space space)
{
	for (int i = 0; i < w->tensor.n; i++) {
		const struct work_tensor *t = &w->tensor.at[i];
		if (t->t.space == space && (space != SPACE_TEMP || is_used(w, t->t.sym)))
			add_slot(p, t);
	}
}

static void add_grads(struct work *w, struct plan *p)
{
	int params = p->slot.n;
	for (int s = 0; s < params; s++)
		for (int i = 0; i < w->tensor.n; i++)
			if (w->tensor.at[i].t.space == SPACE_GRAD &&
			    w->tensor.at[i].t.param == p->slot.at[s].sym)
				add_slot(p, &w->tensor.at[i]);
}

/* The packed copy of the right operand of a product. */
static int pack_for(struct plan *p, const struct work_kernel *k, int b)
{
	const struct matmul_op *mm = &k->k.mm;
	for (int i = 0; i < p->slot.n; i++) {
		const struct slot *s = &p->slot.at[i];
		if (s->pack && s->pack_of == b && s->pack_transposed == mm->tb && s->pack_k == mm->k.size &&
		    s->pack_n == mm->n.size)
			return i;
	}
	const char *name = arena_printf(p->a, "%s.%s%lldx%lld", k->b->name, mm->tb ? "T" : "",
	                                (long long)mm->k.size, (long long)mm->n.size);
	struct sym *sym = sym_new(p->a, name, SYM_TEMP, VALUES_REAL, false, 2,
	                          (int64_t[]){mm->k.size, mm->n.size}, (struct span){0});
	struct slot s = {.sym = sym,
	                 .space = SPACE_TEMP,
	                 .pop = -1,
	                 .param = -1,
	                 .pack = true,
	                 .pack_of = b,
	                 .pack_transposed = mm->tb,
	                 .pack_k = mm->k.size,
	                 .pack_n = mm->n.size};
	vec_push(p->a, &p->slot, s);
	return p->slot.n - 1;
}

static void number_operands(struct work *w, struct plan *p)
{
	for (int i = 0; i < w->function.n; i++)
		for (int j = 0; j < w->function.at[i]->kernel.n; j++) {
			struct work_kernel *k = w->function.at[i]->kernel.at[j];
			struct matmul_op *mm = &k->k.mm;
			if (k->k.kind != KERNEL_MATMUL)
				continue;
			mm->a = slot_of(p, k->a);
			mm->b = slot_of(p, k->b);
			mm->c = slot_of(p, k->c);
			if (mm->how != MM_BITS && mm->how != MM_PACKED)
				continue;
			mm->b = pack_for(p, k, mm->b);
			mm->tb = false;
			mm->ldb = 0;
		}
}

void plan_slots(struct work *w, struct plan *p)
{
	add_space(w, p, SPACE_PARAM);
	add_grads(w, p);
	add_space(w, p, SPACE_STATE);
	add_space(w, p, SPACE_TEMP);
	for (int i = 0; i < w->tensor.n; i++)
		if (w->tensor.at[i].t.space == SPACE_SCALAR)
			vec_push(p->a, &p->scalar, w->tensor.at[i].t.sym);
	number_operands(w, p);
}

static void add_prepare(struct plan *p)
{
	struct plan_function *f = NEW(p->a, struct plan_function);
	f->name = "prepare";
	struct region *r = NEW(p->a, struct region);
	for (int i = 0; i < p->slot.n; i++) {
		if (!p->slot.at[i].pack)
			continue;
		struct kernel *k = NEW(p->a, struct kernel);
		k->kind = KERNEL_PACK;
		k->pack_slot = i;
		vec_push(p->a, &r->kernel, k);
	}
	if (r->kernel.n)
		vec_push(p->a, &f->region, r);
	vec_push(p->a, &p->function, f);
}

struct plan *plan_build(struct cx *cx, struct program *prog)
{
	struct plan *p = NEW(cx->prog, struct plan);
	p->a = cx->prog;
	p->model = prog->model;
	for (int i = 0; i < prog->pop.n; i++) {
		vec_push(p->a, &p->pop, prog->pop.at[i]);
		vec_push(p->a, &p->most, prog->most.at[i]);
	}

	struct work w = {.cx = cx, .a = cx->prog, .prog = prog};
	for (int i = 0; i < prog->tensor.n; i++)
		vec_push(w.a, &w.tensor, ((struct work_tensor){.t = prog->tensor.at[i]}));
	plan_contract(&w);
	plan_repeat(&w);
	plan_repr(&w);
	plan_fuse(&w);
	plan_regions(&w, p);
	plan_slots(&w, p);
	add_prepare(p);
	return p;
}
