/* repr: which binary symbols are kept as bits, and which routine every MATMUL is.
 *
 * A bit operand on the left may be read along its rows against a parameter (packed for it), or
 * transposed in a sum over the batch; on the right it may stand only beside bits on the left.  A
 * symbol becomes bits when at least one MATMUL profits; where another MATMUL needs it as floats, it
 * reads a float copy.
 *
 * requires: MATMULs as MM_SGEMM.  ensures: MM_SGEMM and MM_PACKED have float operands only, the bit
 * routines have theirs as runtime/rt.def says. */
#include "plan/work.h"

static bool function_writes(const struct work_function *f, const struct sym *s)
{
	for (int i = 0; i < f->kernel.n; i++)
		if (plan_writes(f->kernel.at[i], s))
			return true;
	return false;
}

static bool is_bits(const struct work *w, const struct sym *s)
{
	return plan_tensor(w, s)->repr == REPR_BITS;
}

static bool is_cut(const struct work_kernel *k)
{
	return plan_is_cut(k->k.mm.b_cut) || plan_is_cut(k->k.mm.c_cut);
}

/* Is the right operand of k a parameter, to be packed once for all uses until it changes? */
static bool right_is_packed(const struct work *w, const struct work_function *f,
                            const struct work_kernel *k)
{
	return plan_tensor(w, k->b)->t.space == SPACE_PARAM && !function_writes(f, k->b) && !is_cut(k);
}

/* Can the left operand of k be bits? */
static bool left_may_be_bits(const struct work *w, const struct work_function *f,
                             const struct work_kernel *k)
{
	const struct matmul_op *mm = &k->k.mm;
	if (!k->a->batched || mm->row || is_cut(k))
		return false;
	if (mm->ta)
		return mm->k.pop >= 0;
	return mm->m.pop >= 0 && right_is_packed(w, f, k);
}

static bool right_may_be_bits(const struct work *w, const struct work_function *f,
                              const struct work_kernel *k)
{
	return k->b->batched && k->k.mm.ta && !k->k.mm.tb && is_bits(w, k->a) &&
	       left_may_be_bits(w, f, k);
}

/* Is every kernel that writes s one that can write bits? */
static bool written_as_bits(const struct work *w, const struct sym *s)
{
	for (int i = 0; i < w->function.n; i++)
		for (int j = 0; j < w->function.at[i]->kernel.n; j++) {
			const struct work_kernel *k = w->function.at[i]->kernel.at[j];
			if (k->k.kind == KERNEL_MATMUL && k->c == s)
				return false;
			for (int t = 0; t < k->k.nstore; t++)
				if (k->k.store[t].dst == s && k->k.store[t].accumulate)
					return false;
		}
	return true;
}

static bool profits(const struct work *w, const struct sym *s)
{
	for (int i = 0; i < w->function.n; i++)
		for (int j = 0; j < w->function.at[i]->kernel.n; j++) {
			const struct work_function *f = w->function.at[i];
			const struct work_kernel *k = f->kernel.at[j];
			if (k->k.kind != KERNEL_MATMUL)
				continue;
			if ((k->a == s && left_may_be_bits(w, f, k)) ||
			    (k->b == s && right_may_be_bits(w, f, k)))
				return true;
		}
	return false;
}

static void choose(struct work *w)
{
	for (int i = 0; i < w->tensor.n; i++) {
		struct work_tensor *t = &w->tensor.at[i];
		bool may = t->t.sym->batched && t->t.sym->values == VALUES_BINARY && t->t.sym->rank > 0 &&
		           (t->t.space == SPACE_STATE || t->t.space == SPACE_TEMP);
		t->repr = may && written_as_bits(w, t->t.sym) ? REPR_BITS : REPR_F32;
	}
	for (bool changed = true; changed;) {
		changed = false;
		for (int i = 0; i < w->tensor.n; i++) {
			struct work_tensor *t = &w->tensor.at[i];
			if (t->repr != REPR_BITS || profits(w, t->t.sym))
				continue;
			t->repr = REPR_F32;
			changed = true;
		}
	}
}

struct copy { /* a float copy of bits, good until they are written */
	const struct sym *of, *to;
};
struct copies {
	VEC(struct copy) at;
};

static const struct sym *float_copy(struct work *w, struct copies *c, const struct sym *s)
{
	for (int i = 0; i < c->at.n; i++)
		if (c->at.at[i].of == s)
			return c->at.at[i].to;
	struct seq layout = {.n = 0};
	seq_push(&layout, idx_batch(w->a, "n", plan_tensor(w, s)->t.pop));
	for (int i = 0; i < s->rank; i++)
		seq_push(&layout, idx_new(w->a, arena_printf(w->a, "i%d", i), s->dim[i]));
	const struct sym *to = plan_temp(w, &layout, VALUES_REAL);
	plan_emit_loop(w, to, &layout, false, plan_access(w, s, &layout));
	vec_push(w->a, &c->at, ((struct copy){s, to}));
	return to;
}

static void drop_copies(struct copies *c, const struct work_kernel *k)
{
	int n = 0;
	for (int i = 0; i < c->at.n; i++)
		if (!plan_writes(k, c->at.at[i].of))
			c->at.at[n++] = c->at.at[i];
	c->at.n = n;
}

static void choose_routine(struct work *w, const struct work_function *f, struct copies *c,
                           struct work_kernel *k)
{
	bool left = is_bits(w, k->a) && left_may_be_bits(w, f, k);
	bool right = is_bits(w, k->b) && right_may_be_bits(w, f, k);
	if (left)
		k->k.mm.how = !k->k.mm.ta ? MM_BITS : right ? MM_BITS_COUNT : MM_BITS_T;
	if (!left && is_bits(w, k->a))
		k->a = float_copy(w, c, k->a);
	if (!left && !k->k.mm.ta && right_is_packed(w, f, k))
		k->k.mm.how = MM_PACKED;
	if (!right && is_bits(w, k->b))
		k->b = float_copy(w, c, k->b);
}

void plan_repr(struct work *w)
{
	choose(w);
	for (int i = 0; i < w->function.n; i++) {
		struct work_function old = *w->function.at[i];
		struct copies c = {0};
		w->f = w->function.at[i];
		w->f->kernel.at = NULL;
		w->f->kernel.n = w->f->kernel.cap = 0;
		for (int j = 0; j < old.kernel.n; j++) {
			struct work_kernel *k = old.kernel.at[j];
			if (k->k.kind == KERNEL_MATMUL)
				choose_routine(w, &old, &c, k);
			drop_copies(&c, k);
			plan_emit(w, k);
		}
	}
}
