/* Scopes, loops and the indices they bind.
 *
 * Loops are emitted rotated: the body runs at least once where its bounds are constants, else a
 * branch in the preheader skips it.  That branch is emitted when the loop is closed, so code can be
 * placed in front of an open loop until then. */
#include "codegen/emit.h"

LLVMBasicBlockRef scope_block(struct emit *e, const char *name)
{
	LLVMBasicBlockRef b = LLVMAppendBasicBlockInContext(e->llvm, e->fn, name);
	LLVMMoveBasicBlockAfter(b, LLVMGetInsertBlock(e->b));
	return b;
}

struct scope *scope_goto(struct emit *e, struct scope *to)
{
	struct scope *was = e->scope;
	if (was)
		was->block = LLVMGetInsertBlock(e->b);
	e->scope = to;
	LLVMPositionBuilderAtEnd(e->b, to->block);
	return was;
}

void loop_open(struct emit *e, const char *name, LLVMValueRef lo, LLVMValueRef hi, int64_t step)
{
	struct scope *s = NEW(e->a, struct scope);
	s->up = e->scope;
	s->depth = e->scope->depth + 1;
	s->head = s->block = scope_block(e, name);
	s->lo = lo;
	s->hi = hi;
	s->step = emit_int(e, step);
	scope_goto(e, s);
	s->iv = LLVMBuildPhi(e->b, e->i64, name);
}

LLVMValueRef loop_acc(struct emit *e, LLVMValueRef init)
{
	struct scope *s = e->scope;
	if (s->nacc == MAX_ACC || LLVMGetInsertBlock(e->b) != s->head)
		BUG("codegen: accumulators of a loop come first, at most %d", MAX_ACC);
	s->acc[s->nacc].init = init;
	return s->acc[s->nacc++].phi = LLVMBuildPhi(e->b, LLVMTypeOf(init), "acc");
}

void loop_close(struct emit *e, LLVMValueRef *next, LLVMValueRef *result)
{
	struct scope *s = e->scope, *up = s->up;
	LLVMValueRef iv = LLVMBuildNSWAdd(e->b, s->iv, s->step, "");
	LLVMValueRef more = LLVMBuildICmp(e->b, LLVMIntSLT, iv, s->hi, "");
	LLVMBasicBlockRef latch = LLVMGetInsertBlock(e->b), exit = scope_block(e, "");
	LLVMBuildCondBr(e->b, more, s->head, exit);

	scope_goto(e, up);
	LLVMBasicBlockRef pre = LLVMGetInsertBlock(e->b);
	LLVMValueRef any = LLVMBuildICmp(e->b, LLVMIntSLT, s->lo, s->hi, "");
	bool sure = LLVMIsAConstantInt(any) && LLVMConstIntGetZExtValue(any);
	if (sure)
		LLVMBuildBr(e->b, s->head);
	else
		LLVMBuildCondBr(e->b, any, s->head, exit);
	LLVMAddIncoming(s->iv, &s->lo, &pre, 1);
	LLVMAddIncoming(s->iv, &iv, &latch, 1);
	up->block = exit;
	LLVMPositionBuilderAtEnd(e->b, exit);
	for (int i = 0; i < s->nacc; i++) {
		LLVMAddIncoming(s->acc[i].phi, &s->acc[i].init, &pre, 1);
		LLVMAddIncoming(s->acc[i].phi, &next[i], &latch, 1);
		result[i] = next[i];
		if (!sure) {
			result[i] = LLVMBuildPhi(e->b, LLVMTypeOf(next[i]), "");
			LLVMAddIncoming(result[i], &s->acc[i].init, &pre, 1);
			LLVMAddIncoming(result[i], &next[i], &latch, 1);
		}
	}
	while (e->nbind && e->bind[e->nbind - 1].scope == s)
		e->nbind--;
}

static struct bind *bind_new(struct emit *e, const struct idx *i)
{
	if (e->nbind == MAX_BIND)
		BUG("codegen: more than %d indices in scope", MAX_BIND);
	struct bind *b = &e->bind[e->nbind++];
	*b = (struct bind){.idx = i, .scope = e->scope};
	return b;
}

static int64_t last_of(const struct emit *e, const struct idx *i, int64_t max)
{
	return i->pop >= 0 ? e->plan->most.at[i->pop] - 1 : max;
}

void bind_idx(struct emit *e, const struct idx *i, LLVMValueRef value, int64_t max)
{
	struct bind *b = bind_new(e, i);
	b->value = value;
	b->max = last_of(e, i, max);
}

void bind_lanes(struct emit *e, const struct idx *i, int lanes, bool tail, int64_t max)
{
	struct bind *b = bind_new(e, i);
	b->value = e->scope->iv;
	b->end = e->scope->hi;
	b->lanes = lanes;
	b->tail = tail;
	b->max = last_of(e, i, max);
}

const struct bind *bind_find(const struct emit *e, const struct idx *i)
{
	for (int k = e->nbind - 1; k >= 0; k--)
		if (e->bind[k].idx == i)
			return &e->bind[k];
	return NULL;
}

/* ---- where an expression belongs ------------------------------------------------------------ */
static int depth_idx(const struct emit *e, const struct idx *i, int depth, int *lanes)
{
	const struct bind *b = bind_find(e, i);
	if (!b)
		return depth;
	if (b->lanes)
		*lanes = b->lanes;
	return b->scope->depth > depth ? b->scope->depth : depth;
}

static int depth_affine(const struct emit *e, const struct affine *x, int depth, int *lanes)
{
	for (int k = 0; k < x->n; k++)
		depth = depth_idx(e, x->ix[k], depth, lanes);
	return depth;
}

static bool kernel_writes(const struct kernel *k, const struct sym *s)
{
	for (int t = 0; t < k->nstore; t++)
		if (k->store[t].dst == s)
			return true;
	return false;
}

static int depth_of(const struct emit *e, const struct node *x, int depth, int *lanes)
{
	switch (x->kind) {
	case N_CONST:
		break;
	case N_INDEX:
		depth = depth_affine(e, &x->index, depth, lanes);
		break;
	case N_ACCESS:
		for (int k = 0; k < x->sym->rank; k++)
			depth = depth_affine(e, &x->map[k], depth, lanes);
		if (x->batch)
			depth = depth_idx(e, x->batch, depth, lanes);
		if (e->turn && e->turn->depth > depth && kernel_writes(e->kernel, x->sym))
			depth = e->turn->depth;
		break;
	case N_OP:
		if (op_flags(x->op) & OPF_DRAW) {
			if (!e->draw_scope)
				BUG("codegen: a draw outside a loop over its units");
			depth = e->draw_scope->depth > depth ? e->draw_scope->depth : depth;
			if (e->draw_lanes)
				*lanes = e->draw_lanes;
		}
		break;
	case N_REDUCE:
	case N_MASK:
		for (int k = 0; k < x->nguard; k++)
			depth = depth_affine(e, &x->guard[k].e, depth, lanes);
		break;
	}
	for (int k = 0; k < x->nkid; k++)
		depth = depth_of(e, x->kid[k], depth, lanes);
	return depth;
}

struct scope *place_of(struct emit *e, const struct node *x)
{
	int lanes = 0, depth = depth_of(e, x, 0, &lanes);
	struct scope *s = e->scope;
	while (s && s->depth > depth)
		s = s->up;
	if (!s || s->depth != depth)
		BUG("codegen: an index of a closed loop is in use");
	return s;
}

int lanes_of(struct emit *e, const struct node *x)
{
	int lanes = 0;
	depth_of(e, x, 0, &lanes);
	return lanes;
}

LLVMValueRef tail_mask(struct emit *e, const struct bind *b)
{
	if (!b->lanes || !b->tail)
		return NULL;
	LLVMValueRef left = LLVMBuildTrunc(e->b, LLVMBuildSub(e->b, b->end, b->value, ""), e->i32, "");
	return LLVMBuildICmp(e->b, LLVMIntSLT, emit_iota(e, b->lanes), emit_splat(e, left, b->lanes),
	                     "tail");
}
