/* Loads and stores: an access as addresses, lanes and masks.
 *
 * The lanes of an access are consecutive elements (one vector load), the same element (a scalar
 * load) or others (a gather).  Lanes past an axis' end read what lies there, up to 64 bytes behind
 * a buffer, and are never stored nor summed.  An access that the ranges of its indices do not prove
 * to be inside its item (a convolution's border) reads 0 outside.
 *
 * Bits: element u is bit u%8 of byte u/8 (little endian words). */
#include "codegen/emit.h"

#include <string.h>

int slot_of(const struct emit *e, const struct sym *s)
{
	for (int k = 0; k < e->plan->slot.n; k++)
		if (e->plan->slot.at[k].sym == s && !e->plan->slot.at[k].pack)
			return k;
	BUG("codegen: %s has no slot", s->name);
}

LLVMValueRef call_field(struct emit *e, LLVMTypeRef type, size_t offset, const char *name)
{
	for (int k = 0; k < e->nfield; k++)
		if (e->field[k].offset == offset)
			return e->field[k].value;
	struct scope *was = scope_goto(e, e->root);
	LLVMValueRef at = emit_int(e, (int64_t)offset);
	LLVMValueRef p = LLVMBuildGEP2(e->b, e->i8, e->call, &at, 1, "");
	LLVMValueRef value = LLVMBuildLoad2(e->b, type, p, name);
	scope_goto(e, was);
	if (e->nfield < MAX_FIELD) {
		e->field[e->nfield].offset = offset;
		e->field[e->nfield++].value = value;
	}
	return value;
}

LLVMValueRef call_pop(struct emit *e, int pop)
{
	return call_field(e, e->i64, offsetof(struct dgm_call, pop) + 8 * (size_t)pop, "rows");
}

static bool has_number(const struct emit *e, int n)
{
	for (int k = 0; k < e->plan->slot.n; k++)
		if (e->number[k] == n)
			return true;
	return false;
}

int slot_number(struct emit *e, int slot)
{
	const char *name = e->slot[slot].name;
	int n = 0;
	if (!e->number)
		return slot;
	if (e->number[slot] >= 0)
		return e->number[slot];
	while (n < e->names->at.n && (strcmp(e->names->at.at[n], name) != 0 || has_number(e, n)))
		n++;
	if (n == e->names->at.n)
		vec_push(e->a, &e->names->at, name);
	e->number[slot] = n;
	return n;
}

LLVMValueRef slot_base(struct emit *e, int slot)
{
	e->used[slot] = true;
	if (!e->base[slot]) {
		LLVMValueRef table = call_field(e, e->ptr, offsetof(struct dgm_call, slot), "slots");
		struct scope *was = scope_goto(e, e->root);
		LLVMValueRef at = emit_int(e, slot_number(e, slot));
		LLVMValueRef p = LLVMBuildGEP2(e->b, e->ptr, table, &at, 1, "");
		e->base[slot] = LLVMBuildLoad2(e->b, e->ptr, p, e->slot[slot].name);
		scope_goto(e, was);
	}
	return e->base[slot];
}

struct spot { /* where the lanes of an access are, in elements (bits: in bits) */
	int slot;
	bool bits;
	LLVMTypeRef element; /* as it is kept */
	LLVMValueRef base;
	LLVMValueRef item;       /* first lane's element within its item */
	LLVMValueRef at;         /* ... within the buffer */
	const struct bind *lane; /* NULL: one element for all lanes */
	int64_t step;            /* from lane to lane */
	int64_t item_step;       /* ... of `item`: 0 where the lanes are rows */
	bool inside;             /* proved to be inside the item */
	int64_t items;
};

static LLVMTypeRef element_of(struct emit *e, const struct sym *s)
{
	return s->values == VALUES_INT8 ? e->i8 : s->values == VALUES_BF16 ? e->i16 : e->f32;
}

/* Elements as they are kept, as floats. */
static LLVMValueRef as_floats(struct emit *e, const struct spot *p, LLVMValueRef v)
{
	LLVMTypeRef type = emit_vec(e->f32, emit_lanes(v));
	if (p->element == e->i8)
		return LLVMBuildSIToFP(e->b, v, type, "");
	if (p->element != e->i16)
		return v;
	v = LLVMBuildZExt(e->b, v, emit_vec(e->i32, emit_lanes(v)), "");
	return LLVMBuildBitCast(e->b, LLVMBuildShl(e->b, v, emit_like(e, v, 16), ""), type, "");
}

static unsigned bytes_of(struct emit *e, const struct spot *p)
{
	return p->element == e->i8 ? 1 : p->element == e->i16 ? 2 : 4;
}

static struct spot spot_of(struct emit *e, const struct sym *s, struct lin in,
                           const struct idx *batch)
{
	struct spot p = {.slot = slot_of(e, s)};
	const struct dgm_slot *slot = &e->slot[p.slot];
	int64_t lo, hi;
	p.bits = slot->repr == DGM_BITS;
	p.element = element_of(e, s);
	p.base = slot_base(e, p.slot);
	p.items = dgm_slot_items(slot);
	p.inside = lin_range(e, &in, &lo, &hi) && lo >= 0 && hi < p.items;
	if (!p.inside)
		p.item = lin_value(e, &in, &p.lane, &p.item_step);
	if (batch)
		lin_add(&in, batch, dgm_item_stride(slot) * (p.bits ? 64 : 1));
	p.at = lin_value(e, &in, &p.lane, &p.step);
	return p;
}

static LLVMValueRef pointer(struct emit *e, LLVMTypeRef element, LLVMValueRef base, LLVMValueRef at)
{
	return LLVMBuildGEP2(e->b, element, base, &at, 1, "");
}

static LLVMValueRef byte_pointer(struct emit *e, const struct spot *p, LLVMValueRef at)
{
	return pointer(e, e->i8, p->base, LLVMBuildLShr(e->b, at, emit_int(e, 3), ""));
}

static LLVMValueRef mask_value(struct emit *e, LLVMValueRef mask)
{
	return LLVMBuildUIToFP(e->b, mask, emit_vec(e->f32, emit_lanes(mask)), "");
}

static LLVMValueRef load_scalar(struct emit *e, const struct spot *p)
{
	LLVMValueRef at = p->at, ok = NULL, v;
	if (!p->inside) {
		ok = LLVMBuildICmp(e->b, LLVMIntULT, p->item, emit_int(e, p->items), "inside");
		at = LLVMBuildSelect(e->b, ok, at, emit_int(e, 0), "");
	}
	if (p->bits) {
		v = LLVMBuildLoad2(e->b, e->i8, byte_pointer(e, p, at), "");
		LLVMValueRef by =
		    LLVMBuildTrunc(e->b, LLVMBuildAnd(e->b, at, emit_int(e, 7), ""), e->i8, "");
		v = LLVMBuildTrunc(e->b, LLVMBuildLShr(e->b, v, by, ""), e->i1, "");
		v = mask_value(e, v);
	} else {
		v = LLVMBuildLoad2(e->b, p->element, pointer(e, p->element, p->base, at), "");
		v = as_floats(e, p, v);
	}
	return emit_select(e, ok, v, emit_num(e, 0));
}

/* Consecutive bits of any alignment: a load of twice the lanes holds them after a shift. */
static LLVMValueRef load_bits(struct emit *e, const struct spot *p)
{
	int lanes = p->lane->lanes;
	LLVMTypeRef wide = LLVMIntTypeInContext(e->llvm, 2 * (unsigned)lanes);
	LLVMTypeRef narrow = LLVMIntTypeInContext(e->llvm, (unsigned)lanes);
	LLVMValueRef v = LLVMBuildLoad2(e->b, wide, byte_pointer(e, p, p->at), "");
	LLVMSetAlignment(v, 1);
	LLVMValueRef by = LLVMBuildAnd(e->b, p->at, emit_int(e, 7), "");
	by = lanes > 32   ? LLVMBuildZExt(e->b, by, wide, "")
	     : lanes < 32 ? LLVMBuildTrunc(e->b, by, wide, "")
	                  : by;
	v = LLVMBuildTrunc(e->b, LLVMBuildLShr(e->b, v, by, ""), narrow, "");
	v = LLVMBuildBitCast(e->b, v, LLVMVectorType(e->i1, (unsigned)lanes), "bits");
	return mask_value(e, v);
}

static LLVMValueRef masked_load(struct emit *e, LLVMValueRef p, LLVMValueRef mask, LLVMTypeRef type,
                                unsigned bytes)
{
	LLVMTypeRef types[] = {type, e->ptr};
	LLVMValueRef args[] = {p, LLVMConstInt(e->i32, bytes, 0), mask, LLVMConstNull(type)};
	return emit_intrinsic(e, "llvm.masked.load", types, 2, args, 4);
}

static LLVMValueRef gather(struct emit *e, LLVMTypeRef element, LLVMValueRef base, LLVMValueRef at,
                           LLVMValueRef mask, unsigned bytes)
{
	int lanes = emit_lanes(at);
	LLVMTypeRef type = emit_vec(element, lanes);
	LLVMValueRef p = LLVMBuildGEP2(e->b, element, base, &at, 1, "");
	LLVMTypeRef types[] = {type, LLVMVectorType(e->ptr, (unsigned)lanes)};
	LLVMValueRef args[] = {p, LLVMConstInt(e->i32, bytes, 0), mask, LLVMConstNull(type)};
	return emit_intrinsic(e, "llvm.masked.gather", types, 2, args, 4);
}

/* 0, 1, 2, ...; lanes past the end are taken from the last one that counts. */
static LLVMValueRef lane_numbers(struct emit *e, const struct bind *b)
{
	LLVMValueRef v = emit_iota(e, b->lanes);
	if (!b->tail)
		return v;
	LLVMValueRef left = LLVMBuildSub(e->b, b->end, b->value, "");
	LLVMValueRef last =
	    LLVMBuildTrunc(e->b, LLVMBuildSub(e->b, left, emit_int(e, 1), ""), e->i32, "");
	LLVMTypeRef type = LLVMTypeOf(v);
	return emit_intrinsic(e, "llvm.smin", &type, 1,
	                      (LLVMValueRef[]){v, emit_splat(e, last, b->lanes)}, 2);
}

static LLVMValueRef steps(struct emit *e, LLVMValueRef lane, int64_t step)
{
	return LLVMBuildMul(e->b, lane, emit_like(e, lane, (double)step), "");
}

/* Which lanes are inside the item. */
static LLVMValueRef inside_mask(struct emit *e, const struct spot *p, LLVMValueRef lane)
{
	LLVMValueRef first = LLVMBuildTrunc(e->b, p->item, e->i32, "");
	LLVMValueRef at =
	    LLVMBuildAdd(e->b, emit_splat(e, first, p->lane->lanes), steps(e, lane, p->item_step), "");
	return LLVMBuildICmp(e->b, LLVMIntULT, at, emit_like(e, at, (double)p->items), "inside");
}

static LLVMValueRef load_gather(struct emit *e, const struct spot *p)
{
	LLVMValueRef lane = lane_numbers(e, p->lane), off = steps(e, lane, p->step), mask;
	mask = p->inside ? LLVMConstAllOnes(LLVMVectorType(e->i1, (unsigned)p->lane->lanes))
	                 : inside_mask(e, p, lane);
	if (!p->bits)
		return as_floats(e, p,
		                 gather(e, p->element, pointer(e, p->element, p->base, p->at), off, mask,
		                        bytes_of(e, p)));
	LLVMValueRef word = LLVMBuildAShr(e->b, p->at, emit_int(e, 5), "");
	LLVMValueRef rest =
	    LLVMBuildTrunc(e->b, LLVMBuildAnd(e->b, p->at, emit_int(e, 31), ""), e->i32, "");
	LLVMValueRef bit = LLVMBuildAdd(e->b, emit_splat(e, rest, p->lane->lanes), off, "");
	LLVMValueRef v = gather(e, e->i32, pointer(e, e->i32, p->base, word),
	                        LLVMBuildAShr(e->b, bit, emit_like(e, bit, 5), ""), mask, 4);
	v = LLVMBuildLShr(e->b, v, LLVMBuildAnd(e->b, bit, emit_like(e, bit, 31), ""), "");
	return mask_value(
	    e, LLVMBuildTrunc(e->b, v, LLVMVectorType(e->i1, (unsigned)p->lane->lanes), "bits"));
}

LLVMValueRef emit_load(struct emit *e, const struct node *x)
{
	if (x->sym->kind == SYM_SCALAR) {
		for (int k = 0; k < e->plan->scalar.n; k++)
			if (e->plan->scalar.at[k] == x->sym)
				return call_field(e, e->f32, offsetof(struct dgm_call, scalar) + 4 * (size_t)k,
				                  x->sym->name);
		BUG("codegen: %s is no number of the call", x->sym->name);
	}
	struct spot p = spot_of(e, x->sym, lin_access(x->sym, x->map), x->batch);
	if (!p.lane)
		return load_scalar(e, &p);
	if (p.step != 1 || (p.bits && !p.inside))
		return load_gather(e, &p);
	if (p.bits)
		return load_bits(e, &p);
	LLVMTypeRef type = LLVMVectorType(p.element, (unsigned)p.lane->lanes);
	LLVMValueRef at = pointer(e, p.element, p.base, p.at);
	/* 16 lanes past the end are within the readable bytes, more are not */
	if (!p.inside || (p.lane->tail && p.lane->lanes > LANES)) {
		LLVMValueRef mask = tail_mask(e, p.lane);
		if (!p.inside)
			mask = emit_and(e, mask, inside_mask(e, &p, emit_iota(e, p.lane->lanes)));
		return as_floats(e, &p, masked_load(e, at, mask, type, bytes_of(e, &p)));
	}
	LLVMValueRef v = LLVMBuildLoad2(e->b, type, at, "");
	LLVMSetAlignment(v, bytes_of(e, &p));
	return as_floats(e, &p, v);
}

/* ---- stores ---- */
static void store_floats(struct emit *e, const struct spot *p, LLVMValueRef value)
{
	LLVMValueRef at = pointer(e, e->f32, p->base, p->at), mask = NULL;
	if (p->lane) {
		value = emit_splat(e, value, p->lane->lanes);
		mask = tail_mask(e, p->lane);
	}
	if (mask) {
		LLVMTypeRef types[] = {LLVMTypeOf(value), e->ptr};
		LLVMValueRef args[] = {value, at, LLVMConstInt(e->i32, 4, 0), mask};
		emit_intrinsic(e, "llvm.masked.store", types, 2, args, 4);
	} else {
		LLVMSetAlignment(LLVMBuildStore(e->b, value, at), 4);
	}
}

/* Replaces bits of one byte; where no bit is to change, a byte of our own takes the store. */
static void merge_byte(struct emit *e, LLVMValueRef at, LLVMValueRef change, LLVMValueRef bits)
{
	LLVMValueRef none = LLVMBuildICmp(e->b, LLVMIntEQ, change, LLVMConstInt(e->i8, 0, 0), "");
	at = LLVMBuildSelect(e->b, none, e->dummy, at, "");
	LLVMValueRef old = LLVMBuildLoad2(e->b, e->i8, at, "");
	LLVMValueRef keep = LLVMBuildAnd(e->b, old, LLVMBuildNot(e->b, change, ""), "");
	LLVMBuildStore(e->b, LLVMBuildOr(e->b, keep, bits, ""), at);
}

/* One bit of the byte at `at`. */
static void store_bit(struct emit *e, const struct spot *p, LLVMValueRef at, LLVMValueRef bit)
{
	LLVMValueRef by =
	    LLVMBuildTrunc(e->b, LLVMBuildAnd(e->b, p->at, emit_int(e, 7), ""), e->i8, "");
	LLVMValueRef change = LLVMBuildShl(e->b, LLVMConstInt(e->i8, 1, 0), by, "");
	LLVMValueRef keep =
	    LLVMBuildAnd(e->b, LLVMBuildLoad2(e->b, e->i8, at, ""), LLVMBuildNot(e->b, change, ""), "");
	bit = LLVMBuildShl(e->b, LLVMBuildZExt(e->b, bit, e->i8, ""), by, "");
	LLVMBuildStore(e->b, LLVMBuildOr(e->b, keep, bit, ""), at);
}

static void store_bits(struct emit *e, const struct spot *p, LLVMValueRef mask, bool aligned)
{
	if (!p->lane) {
		LLVMValueRef at = byte_pointer(e, p, p->at);
		if (p->items == 1) /* the only unit of its item */
			LLVMBuildStore(e->b, LLVMBuildZExt(e->b, mask, e->i64, ""), at);
		else
			store_bit(e, p, at, mask);
		return;
	}
	int lanes = p->lane->lanes;
	LLVMTypeRef word = LLVMIntTypeInContext(e->llvm, (unsigned)lanes);
	LLVMValueRef tail = tail_mask(e, p->lane),
	             ones = LLVMConstAllOnes(LLVMVectorType(e->i1, (unsigned)lanes));
	mask = emit_and(e, emit_splat(e, mask, lanes), tail);
	LLVMValueRef bits = LLVMBuildBitCast(e->b, mask, word, "");
	LLVMValueRef at = byte_pointer(e, p, p->at);
	if (aligned) { /* lanes past the end are zero: padding */
		LLVMSetAlignment(LLVMBuildStore(e->b, bits, at), 2);
		return;
	}
	LLVMTypeRef wide = LLVMIntTypeInContext(e->llvm, 32);
	LLVMValueRef by = LLVMBuildTrunc(e->b, LLVMBuildAnd(e->b, p->at, emit_int(e, 7), ""), wide, "");
	LLVMValueRef change = LLVMBuildBitCast(e->b, tail ? tail : ones, word, "");
	change = LLVMBuildShl(e->b, LLVMBuildZExt(e->b, change, wide, ""), by, "");
	bits = LLVMBuildShl(e->b, LLVMBuildZExt(e->b, bits, wide, ""), by, "");
	for (int k = 0; k <= lanes / 8; k++) {
		LLVMValueRef shift = LLVMConstInt(wide, 8 * (unsigned)k, 0), off = emit_int(e, k);
		merge_byte(e, LLVMBuildGEP2(e->b, e->i8, at, &off, 1, ""),
		           LLVMBuildTrunc(e->b, LLVMBuildLShr(e->b, change, shift, ""), e->i8, ""),
		           LLVMBuildTrunc(e->b, LLVMBuildLShr(e->b, bits, shift, ""), e->i8, ""));
	}
}

LLVMValueRef emit_store(struct emit *e, const struct store *s, LLVMValueRef value,
                        LLVMValueRef bits)
{
	const struct kernel *k = e->kernel;
	struct lin in = lin_at(s->dst, store_axes(k, s));
	struct spot p = spot_of(e, s->dst, in, s->dst->batched ? k->batch : NULL);
	if (!p.inside || (p.lane && p.step != 1))
		BUG("codegen: a store to %s is not in order", s->dst->name);
	if (!p.bits) {
		store_floats(e, &p, value);
		return value;
	}
	if (!s->dst->batched || s->accumulate)
		BUG("codegen: %s of bits must be batched and not accumulated", s->dst->name);
	bool aligned = true; /* is the first lane's unit a multiple of 16? */
	for (int t = 0; t < in.n; t++) {
		const struct bind *b = bind_find(e, in.t[t].ix);
		bool zero = b->max == 0;
		if (!zero && !b->lanes && in.t[t].coef % 16)
			aligned = false;
	}
	store_bits(e, &p, bits, aligned);
	return mask_value(e, bits);
}

void emit_bit_padding(struct emit *e, const struct store *s)
{
	int slot = slot_of(e, s->dst);
	int64_t items = dgm_slot_items(&e->slot[slot]), end = (items + 63) / 64 * 64;
	LLVMValueRef row = bind_find(e, e->kernel->batch)->value;
	LLVMValueRef at =
	    LLVMBuildNSWMul(e->b, row, emit_int(e, 8 * dgm_item_stride(&e->slot[slot])), "");
	for (int64_t u = (items + 15) / 16 * 16; u < end && items > 1; u += 16) {
		LLVMValueRef off = LLVMBuildNSWAdd(e->b, at, emit_int(e, u / 8), "");
		LLVMBuildStore(e->b, LLVMConstInt(e->i16, 0, 0),
		               pointer(e, e->i8, slot_base(e, slot), off));
	}
}
