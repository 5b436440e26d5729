/* Draws: random numbers are filled into scratch buffers and read from there.
 *
 * A draw gives every element of what the kernel writes one number, that of unit = the element's
 * position in its item, chain = the item's number (0 when unbatched), so that no number depends on
 * the split of the work.  A buffer holds a whole item, or a piece of a run of elements. */
#include "codegen/emit.h"

static void find(struct emit *e, const struct node *x)
{
	if (x->kind == N_OP && op_flags(x->op) & OPF_DRAW) {
		for (int k = 0; k < e->draw.n; k++)
			if (ex_same(e->draw.at[k], x))
				return;
		vec_push(e->a, &e->draw, x);
	}
	for (int k = 0; k < x->nkid; k++)
		find(e, x->kid[k]);
}

void draws_find(struct emit *e, const struct kernel *k)
{
	e->draw.n = 0;
	e->draw_scope = NULL;
	for (int s = 0; s < k->nstore; s++)
		find(e, k->store[s].rhs);
}

void draws_fill(struct emit *e, LLVMValueRef chain, LLVMValueRef first, LLVMValueRef n)
{
	for (int k = 0; k < e->draw.n; k++) {
		const struct node *d = e->draw.at[k];
		LLVMValueRef stage = call_field(e, e->i32, offsetof(struct dgm_call, stage), "stage");
		LLVMValueRef stream = LLVMBuildMul(e->b, stage, LLVMConstInt(e->i32, 4096, 0), "");
		stream = LLVMBuildAdd(e->b, stream, LLVMConstInt(e->i32, (unsigned)d->num, 0), "stream");
		LLVMValueRef args[7] = {
		    e->scratch.at[k],
		    n,
		    call_field(e, e->i64, offsetof(struct dgm_call, seed), "seed"),
		    LLVMBuildTrunc(e->b, chain, e->i32, "chain"),
		    call_field(e, e->i32, offsetof(struct dgm_call, step), "step"),
		    stream,
		    first,
		};
		bool uniform = d->op == OP_UNIFORM;
		if (first)
			emit_rt(e, uniform ? "dgm_uniform_at" : "dgm_normal_at", args, 7);
		else
			emit_rt(e, uniform ? "dgm_uniform" : "dgm_normal", args, 6);
	}
}

LLVMValueRef draw_value(struct emit *e, const struct node *x)
{
	for (int k = 0; k < e->draw.n; k++) {
		if (!ex_same(e->draw.at[k], x))
			continue;
		LLVMValueRef at = LLVMBuildGEP2(e->b, e->f32, e->scratch.at[k], &e->draw_unit, 1, "");
		LLVMValueRef v = LLVMBuildLoad2(e->b, emit_vec(e->f32, e->draw_lanes), at, "draw");
		LLVMSetAlignment(v, 4);
		return v;
	}
	BUG("codegen: an unknown draw");
}
