/* MATMUL and PACK kernels: calls of the runtime's products on the rows of a chunk. */
#include "codegen/emit.h"

#include <string.h>

static LLVMValueRef extent(struct emit *e, struct extent x)
{
	return x.pop >= 0 ? call_pop(e, x.pop) : emit_int(e, x.size);
}

/* Leading dimension: -1 stands for the item stride of a batched slot. */
static int64_t leading(const struct emit *e, int slot, int64_t ld)
{
	return ld >= 0 ? ld : dgm_item_stride(&e->slot[slot]);
}

static LLVMValueRef offset(struct emit *e, int slot, LLVMTypeRef element, LLVMValueRef row,
                           int64_t ld)
{
	LLVMValueRef at = ld == 1 ? row : LLVMBuildNSWMul(e->b, row, emit_int(e, ld), "");
	return LLVMBuildGEP2(e->b, element, slot_base(e, slot), &at, 1, "");
}

static LLVMValueRef flag(struct emit *e, bool on)
{
	return LLVMConstInt(e->i32, on, 0);
}

/* Operand `slot` of the product of this row, from element `at` on. */
static LLVMValueRef row_operand(struct emit *e, int slot, LLVMValueRef row, LLVMValueRef at)
{
	if (e->slot[slot].pop >= 0)
		at = LLVMBuildNSWAdd(
		    e->b, at, LLVMBuildNSWMul(e->b, row, emit_int(e, dgm_item_stride(&e->slot[slot])), ""),
		    "");
	return LLVMBuildGEP2(e->b, e->f32, slot_base(e, slot), &at, 1, "");
}

/* Does each row of a batched slot begin where the row before, `floats` long, ends? */
static bool is_seamless(const struct emit *e, int slot, int64_t floats)
{
	return e->slot[slot].pop >= 0 && dgm_item_stride(&e->slot[slot]) == floats;
}

/* Are the products of rows lo..hi parts of one: of its m, or, of their sum, of its k? */
static bool is_one_product(const struct emit *e, const struct matmul_op *mm)
{
	if (mm->sum)
		return mm->ta && !mm->tb && is_seamless(e, mm->a, mm->k.size * mm->lda) &&
		       is_seamless(e, mm->b, mm->k.size * mm->ldb);
	return !mm->ta && e->slot[mm->b].pop < 0 && is_seamless(e, mm->a, mm->m.size * mm->lda) &&
	       is_seamless(e, mm->c, mm->m.size * mm->ldc);
}

/* A product for each row: the chunk has rows lo..hi of c, or, of their sum, rows lo..hi of m. */
static void emit_row_products(struct emit *e, const struct matmul_op *mm)
{
	LLVMValueRef lo, hi, none = emit_int(e, 0), first = none, m = emit_int(e, mm->m.size);
	LLVMValueRef alpha = mm->alpha ? emit_value(e, mm->alpha) : emit_num(e, 1);
	LLVMValueRef n = emit_int(e, mm->n.size), depth = emit_int(e, mm->k.size);
	LLVMValueRef lda = emit_int(e, mm->lda), ldb = emit_int(e, mm->ldb), ldc = emit_int(e, mm->ldc);
	LLVMValueRef rows = call_pop(e, mm->row->pop);
	bool one = is_one_product(e, mm);
	LLVMValueRef beta = emit_num(e, mm->accumulate || (mm->sum && !one)), row;
	emit_rows(e, mm->sum ? m : rows, &lo, &hi);
	if (mm->sum) {
		first = lo;
		m = LLVMBuildNSWSub(e->b, hi, lo, "m");
		lo = none;
		hi = rows;
	}
	LLVMValueRef from = LLVMBuildNSWMul(e->b, first, mm->ta ? emit_int(e, 1) : lda, "");
	LLVMValueRef to = LLVMBuildNSWMul(e->b, first, ldc, "");
	if (one) {
		LLVMValueRef *side = mm->sum ? &depth : &m, all = LLVMBuildNSWSub(e->b, hi, lo, "");
		*side = LLVMBuildNSWMul(e->b, all, *side, "");
		row = lo;
	} else {
		if (mm->sum && !mm->accumulate)
			emit_rt(e, "dgm_scale",
			        (LLVMValueRef[]){m, n, emit_num(e, 0), row_operand(e, mm->c, none, to), ldc},
			        5);
		loop_open(e, mm->row->name, lo, hi, 1);
		row = e->scope->iv;
	}
	LLVMValueRef a = row_operand(e, mm->a, row, from), b = row_operand(e, mm->b, row, none),
	             c = row_operand(e, mm->c, row, to);
	if (mm->how == MM_PACKED)
		emit_rt(e, "dgm_mm", (LLVMValueRef[]){m, n, depth, alpha, a, lda, b, beta, c, ldc}, 10);
	else
		emit_rt(e, "dgm_sgemm",
		        (LLVMValueRef[]){flag(e, mm->ta), flag(e, mm->tb), m, n, depth, alpha, a, lda, b,
		                         ldb, beta, c, ldc},
		        13);
	if (!one)
		loop_close(e, NULL, NULL);
}

/* With the arguments of dgm_sgemm, C from row m0 on. */
static void emit_sgemm(struct emit *e, const struct matmul_op *mm, LLVMValueRef *arg,
                       LLVMValueRef m0)
{
	enum { PLAIN = 13, ALL = PLAIN + 6 };
	const struct cut *b = &mm->b_cut, *c = &mm->c_cut;
	LLVMValueRef all[ALL] = {NULL};
	if (!plan_is_cut(*b) && !plan_is_cut(*c)) {
		emit_rt(e, "dgm_sgemm", arg, PLAIN);
		return;
	}
	memcpy(all, arg, PLAIN * sizeof *all);
	int64_t cut[] = {b->row, b->column, b->constant, c->row, c->column, c->constant};
	for (int i = PLAIN; i < ALL; i++)
		all[i] = emit_int(e, cut[i - PLAIN]);
	all[ALL - 1] =
	    LLVMBuildNSWAdd(e->b, all[ALL - 1], LLVMBuildNSWMul(e->b, m0, emit_int(e, c->row), ""), "");
	emit_rt(e, "dgm_cut_sgemm", all, ALL);
}

void emit_matmul(struct emit *e, const struct kernel *k)
{
	const struct matmul_op *mm = &k->mm;
	if (mm->row) {
		emit_row_products(e, mm);
		return;
	}
	int64_t lda = leading(e, mm->a, mm->lda), ldb = leading(e, mm->b, mm->ldb),
	        ldc = leading(e, mm->c, mm->ldc);
	LLVMValueRef m0, m1, rows = extent(e, mm->m), n = extent(e, mm->n), depth = extent(e, mm->k);
	LLVMValueRef alpha = mm->alpha ? emit_value(e, mm->alpha) : emit_num(e, 1);
	LLVMValueRef beta = emit_num(e, mm->accumulate ? 1 : 0);
	if (emit_lanes(alpha) || mm->lda == 0 || mm->ldc == 0)
		BUG("codegen: a malformed product into %s", e->slot[mm->c].name);
	emit_rows(e, rows, &m0, &m1);
	LLVMBasicBlockRef run = scope_block(e, "product"), skip;
	LLVMValueRef some = LLVMBuildICmp(e->b, LLVMIntSLT, m0, m1, "");
	LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
	LLVMValueRef b = slot_base(e, mm->b), la = emit_int(e, lda), lb = emit_int(e, ldb),
	             lc = emit_int(e, ldc);
	slot_base(e, mm->a);
	slot_base(e, mm->c);
	LLVMPositionBuilderAtEnd(e->b, run);
	LLVMValueRef c = offset(e, mm->c, e->f32, m0, ldc), a, m = LLVMBuildNSWSub(e->b, m1, m0, "m");
	switch (mm->how) {
	case MM_SGEMM:
		a = offset(e, mm->a, e->f32, m0, mm->ta ? 1 : lda);
		emit_sgemm(e, mm,
		           (LLVMValueRef[]){flag(e, mm->ta), flag(e, mm->tb), m, n, depth, alpha, a, la, b,
		                            lb, beta, c, lc},
		           m0);
		break;
	case MM_PACKED:
		a = offset(e, mm->a, e->f32, m0, lda);
		emit_rt(e, "dgm_mm", (LLVMValueRef[]){m, n, depth, alpha, a, la, b, beta, c, lc}, 10);
		break;
	case MM_BITS:
		a = offset(e, mm->a, e->i64, m0, lda);
		emit_rt(e, "dgm_bits_mm", (LLVMValueRef[]){m, n, depth, alpha, a, la, b, beta, c, lc}, 10);
		break;
	case MM_BITS_T:
	case MM_BITS_COUNT:
		a = slot_base(e, mm->a);
		emit_rt(e, mm->how == MM_BITS_T ? "dgm_bits_tmm" : "dgm_bits_count",
		        (LLVMValueRef[]){m0, m1, n, depth, alpha, a, la, b, lb, beta, c, lc}, 12);
		break;
	}
	skip = scope_block(e, "");
	LLVMBuildBr(e->b, skip);
	LLVMPositionBuilderAtEnd(e->b, here);
	LLVMBuildCondBr(e->b, some, run, skip);
	LLVMPositionBuilderAtEnd(e->b, skip);
	e->scope->block = skip;
}

void emit_pack(struct emit *e, const struct kernel *k)
{
	const struct slot *s = &e->plan->slot.at[k->pack_slot];
	if (!s->pack)
		BUG("codegen: slot %d is not packed", k->pack_slot);
	int64_t ldb = s->pack_transposed ? s->pack_k : s->pack_n;
	LLVMValueRef args[] = {
	    flag(e, s->pack_transposed),
	    emit_int(e, s->pack_k),
	    emit_int(e, s->pack_n),
	    slot_base(e, s->pack_of),
	    emit_int(e, ldb),
	    slot_base(e, k->pack_slot),
	    e->chunk,
	    e->nchunk,
	};
	emit_rt(e, "dgm_pack", args, 8);
}
