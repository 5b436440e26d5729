/* Entry points: a function of a model as seen from C.
 *
 *     int M_F(const void *model, size_t rows, size_t COUNT.., const float *in.., float *out..,
 *             struct dgm_random *random, void *work, size_t work_size)
 *     size_t M_F_work(size_t rows)
 *
 * The workspace holds the slots that the function's regions use, in their order; a slot begins at a
 * multiple of 64 bytes and has 64 readable bytes behind it, so that it lies at
 * constant + rows*constant where both are such multiples.  It is zeroed first: what a slot has
 * behind its items is never a signal.  Outputs are written when all has been computed. */
#include "codegen/entry.h"

#include <string.h>

enum { LINE = 64, RATE_NUM = 2, RATE_DEN = 10 /* of adaptation, as runtime/transition.c has it */ };

/* ---- small pieces of code ---- */
LLVMValueRef entry_at(struct emit *e, LLVMValueRef base, LLVMValueRef offset)
{
	return LLVMBuildGEP2(e->b, e->i8, base, &offset, 1, "");
}

LLVMValueRef entry_add(struct emit *e, LLVMValueRef a, LLVMValueRef b)
{
	return LLVMBuildAdd(e->b, a, b, "");
}

LLVMValueRef entry_mul(struct emit *e, LLVMValueRef a, int64_t by)
{
	return LLVMBuildMul(e->b, a, emit_int(e, by), "");
}

LLVMBasicBlockRef entry_block(struct emit *e)
{
	return LLVMAppendBasicBlockInContext(e->llvm, e->fn, "");
}

void entry_return(struct emit *e, int status)
{
	LLVMBuildRet(e->b, LLVMConstInt(e->i32, (unsigned long long)status, true));
}

void entry_unless(struct emit *e, LLVMValueRef wrong, int status)
{
	LLVMBasicBlockRef stop = entry_block(e), go = entry_block(e);
	LLVMBuildCondBr(e->b, wrong, stop, go);
	LLVMPositionBuilderAtEnd(e->b, stop);
	entry_return(e, status);
	LLVMPositionBuilderAtEnd(e->b, go);
}

static LLVMValueRef is_null(struct emit *e, LLVMValueRef p)
{
	return LLVMBuildIsNull(e->b, p, "");
}

LLVMValueRef entry_round_up(struct emit *e, LLVMValueRef p)
{
	LLVMTypeRef types[] = {e->ptr, entry_size_type(e)};
	LLVMValueRef up[] = {entry_at(e, p, emit_int(e, LINE - 1)),
	                     LLVMConstInt(types[1], (unsigned long long)-LINE, true)};
	return emit_intrinsic(e, "llvm.ptrmask", types, 2, up, 2);
}

LLVMTypeRef entry_size_type(struct emit *e)
{
	LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(e->machine);
	LLVMTypeRef t = LLVMIntPtrTypeInContext(e->llvm, layout);
	LLVMDisposeTargetData(layout);
	return t;
}

/* ---- the workspace ---- */
/* Bytes of a slot of the workspace: least + rows*each. */
static void slot_room(const struct dgm_slot *s, int64_t *least, int64_t *each)
{
	int64_t item = dgm_item_stride(s) * (s->repr == DGM_BITS ? 8 : 4);
	*each = s->pop >= 0 ? (item + LINE - 1) / LINE * LINE : 0;
	*least = LINE + (s->pop >= 0 ? 0 : (item + LINE - 1) / LINE * LINE);
}

static bool in_work(const struct emit *e, int slot)
{
	enum dgm_space space = e->slot[slot].space;
	return e->used[slot] && space != DGM_PARAM && space != DGM_PACK;
}

static void work_room(const struct emit *e, int64_t *least, int64_t *each)
{
	*least = LINE; /* to round the pointer up */
	*each = 0;
	for (int k = 0; k < e->plan->slot.n; k++) {
		int64_t l, r;
		if (!in_work(e, k))
			continue;
		slot_room(&e->slot[k], &l, &r);
		*least += l;
		*each += r;
	}
}

int64_t entry_work(const struct emit *e, int64_t rows)
{
	int64_t least, each;
	work_room(e, &least, &each);
	return least + rows * each;
}

/* The most rows that can be counted in an int32_t, or whose workspace half of the addresses can
 * hold. */
static int64_t most_rows(struct emit *e)
{
	bool wide = LLVMGetIntTypeWidth(entry_size_type(e)) == 64;
	int64_t least, each, most = INT32_MAX;
	work_room(e, &least, &each);
	int64_t room = ((wide ? INT64_MAX : INT32_MAX) - least) / (each ? each : 1);
	for (int k = 0; k < e->plan->most.n; k++)
		if (e->plan->most.at[k] && e->plan->most.at[k] < most)
			most = e->plan->most.at[k];
	return room < most ? room : most;
}

static LLVMValueRef work_bytes(struct emit *e, LLVMValueRef rows)
{
	int64_t least, each;
	work_room(e, &least, &each);
	return entry_add(e, entry_mul(e, rows, each), emit_int(e, least));
}

/* rows outside 1 .. most? */
static LLVMValueRef rows_wrong(struct emit *e, LLVMValueRef rows)
{
	LLVMValueRef less = LLVMBuildSub(e->b, rows, emit_int(e, 1), "");
	return LLVMBuildICmp(e->b, LLVMIntUGE, less, emit_int(e, most_rows(e)), "");
}

static LLVMValueRef wide(struct emit *e, LLVMValueRef size)
{
	return LLVMTypeOf(size) == e->i64 ? size : LLVMBuildZExt(e->b, size, e->i64, "");
}

/* ---- functions ---- */
void entry_begin(struct emit *e, const char *name, LLVMTypeRef result, LLVMTypeRef *type, int n)
{
	e->fn = LLVMAddFunction(e->module, name, LLVMFunctionType(result, type, (unsigned)n, false));
	emit_attributes(e);
	if (result == e->i32) { /* where an int is kept in a wider register */
		unsigned sign = LLVMGetEnumAttributeKindForName("signext", 7);
		LLVMAddAttributeAtIndex(e->fn, LLVMAttributeReturnIndex,
		                        LLVMCreateEnumAttribute(e->llvm, sign, 0));
	}
	LLVMPositionBuilderAtEnd(e->b, entry_block(e));
}

/* What an entry point does itself is done once a call: its code is made in a hurry. */
static void in_a_hurry(struct emit *e)
{
	static const char *const name[] = {"noinline", "optnone"};
	for (int k = 0; k < 2; k++) {
		unsigned kind = LLVMGetEnumAttributeKindForName(name[k], strlen(name[k]));
		LLVMAddAttributeAtIndex(e->fn, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
		                        LLVMCreateEnumAttribute(e->llvm, kind, 0));
	}
}

static void emit_work_size(struct emit *e, const char *name)
{
	LLVMTypeRef size = entry_size_type(e);
	entry_begin(e, arena_printf(e->a, "%s_work", name), size, &size, 1);
	LLVMValueRef rows = wide(e, LLVMGetParam(e->fn, 0));
	LLVMValueRef bytes = LLVMBuildTrunc(e->b, work_bytes(e, rows), size, "");
	LLVMBuildRet(e->b,
	             LLVMBuildSelect(e->b, rows_wrong(e, rows), LLVMConstInt(size, 0, 0), bytes, ""));
}

struct frame { /* of an entry point while it is emitted */
	struct emit *e;
	const struct entry *entry;
	const struct object_layout *layout;
	LLVMValueRef model, rows, *count, *array, random, work, size;
	LLVMValueRef call;  /* struct dgm_call, laid out as on this machine */
	LLVMValueRef slots; /* its table */
	LLVMValueRef *slot; /* pointers */
	LLVMValueRef bad;
	LLVMValueRef step; /* of the random state */
};

static LLVMValueRef field(struct frame *f, size_t offset)
{
	return entry_at(f->e, f->call, emit_int(f->e, (int64_t)offset));
}

static int prototype(const struct emit *e, const struct entry *entry, LLVMTypeRef size,
                     LLVMTypeRef *type)
{
	int n = 0;
	type[n++] = e->ptr;
	type[n++] = size;
	for (int k = 0; k < entry->phase.n; k++)
		if (entry->phase.at[k].count)
			type[n++] = size;
	for (int k = 0; k < entry->arg.n; k++)
		type[n++] = e->ptr;
	if (entry->random)
		type[n++] = e->ptr;
	type[n++] = e->ptr;
	type[n++] = size;
	return n;
}

static void name_params(struct frame *f)
{
	struct emit *e = f->e;
	unsigned n = 0;
	f->model = LLVMGetParam(e->fn, n++);
	f->rows = wide(e, LLVMGetParam(e->fn, n++));
	f->count = NEW_ARRAY(e->a, LLVMValueRef, f->entry->phase.n + 1);
	f->array = NEW_ARRAY(e->a, LLVMValueRef, f->entry->arg.n + 1);
	for (int k = 0; k < f->entry->phase.n; k++)
		if (f->entry->phase.at[k].count)
			f->count[k] = wide(e, LLVMGetParam(e->fn, n++));
	for (int k = 0; k < f->entry->arg.n; k++)
		f->array[k] = LLVMGetParam(e->fn, n++);
	f->random = f->entry->random ? LLVMGetParam(e->fn, n++) : NULL;
	f->work = LLVMGetParam(e->fn, n++);
	f->size = wide(e, LLVMGetParam(e->fn, n));
}

static LLVMValueRef either(struct emit *e, LLVMValueRef a, LLVMValueRef b)
{
	return LLVMBuildOr(e->b, a, b, "");
}

static void check_pointers(struct frame *f)
{
	struct emit *e = f->e;
	LLVMValueRef wrong = is_null(e, f->work);
	for (int k = 0; k < f->entry->arg.n; k++)
		if (!f->entry->arg.at[k].optional)
			wrong = either(e, wrong, is_null(e, f->array[k]));
	if (f->random)
		wrong = either(e, wrong, is_null(e, f->random));
	entry_unless(e, wrong, OBJECT_NULL);
}

static void check_numbers(struct frame *f)
{
	struct emit *e = f->e;
	LLVMValueRef wrong = rows_wrong(e, f->rows);
	for (int k = 0; k < f->entry->phase.n; k++) {
		const struct entry_phase *p = &f->entry->phase.at[k];
		if (!p->count)
			continue;
		LLVMValueRef over = LLVMBuildSub(e->b, f->count[k], emit_int(e, p->least), "");
		wrong = either(e, wrong, LLVMBuildICmp(e->b, LLVMIntUGT, over, emit_int(e, INT32_MAX), ""));
	}
	entry_unless(e, wrong, OBJECT_ROWS);
	LLVMValueRef need = work_bytes(e, f->rows);
	entry_unless(e, LLVMBuildICmp(e->b, LLVMIntULT, f->size, need, ""), OBJECT_WORK);
}

/* Pointers of all slots that are used. */
static void lay_out(struct frame *f)
{
	struct emit *e = f->e;
	LLVMValueRef base = entry_round_up(e, f->work), at = emit_int(e, 0);
	LLVMValueRef model = layout_model(e, f->layout, f->model);
	for (int k = 0; k < e->plan->slot.n; k++) {
		int64_t least, each;
		if (!e->used[k])
			continue;
		if (in_work(e, k)) {
			f->slot[k] = entry_at(e, base, at);
			slot_room(&e->slot[k], &least, &each);
			at = entry_add(e, at, entry_add(e, entry_mul(e, f->rows, each), emit_int(e, least)));
		} else {
			f->slot[k] = layout_slot(e, f->layout, model, k);
		}
		LLVMValueRef i = emit_int(e, slot_number(e, k));
		LLVMBuildStore(e->b, f->slot[k], LLVMBuildGEP2(e->b, e->ptr, f->slots, &i, 1, ""));
	}
	LLVMBuildMemSet(e->b, base, LLVMConstInt(e->i8, 0, 0),
	                LLVMBuildTrunc(e->b, at, entry_size_type(e), ""), LINE);
}

static void set_call(struct frame *f)
{
	struct emit *e = f->e;
	LLVMBuildMemSet(e->b, f->call, LLVMConstInt(e->i8, 0, 0),
	                LLVMConstInt(entry_size_type(e), sizeof(struct dgm_call), 0), 8);
	LLVMBuildStore(e->b, f->slots, field(f, offsetof(struct dgm_call, slot)));
	for (int k = 0; k < e->plan->pop.n; k++)
		LLVMBuildStore(e->b, f->rows, field(f, offsetof(struct dgm_call, pop) + 8 * (size_t)k));
	if (!f->random)
		return;
	LLVMValueRef seed = LLVMBuildLoad2(e->b, e->i64, f->random, "seed");
	LLVMBuildStore(e->b, seed, field(f, offsetof(struct dgm_call, seed)));
	LLVMValueRef from = entry_at(e, f->random, emit_int(e, 8));
	LLVMBuildStore(e->b, LLVMBuildLoad2(e->b, e->i64, from, ""), f->step);
}

/* ---- numbers of the call ---- */
/* Of rows and counts, which are checked: 32 bits hold them. */
static LLVMValueRef as_float(struct emit *e, LLVMValueRef n)
{
	return LLVMBuildUIToFP(e->b, LLVMBuildTrunc(e->b, n, e->i32, ""), e->f32, "");
}

static LLVMValueRef inverse(struct emit *e, LLVMValueRef n)
{
	return LLVMBuildFDiv(e->b, emit_num(e, 1), as_float(e, n), "");
}

static LLVMValueRef scalar_value(struct frame *f, const char *name)
{
	struct emit *e = f->e;
	bool inv = strncmp(name, "inv_", 4) == 0;
	for (int k = 0; k < f->entry->phase.n; k++) {
		const char *count = f->entry->phase.at[k].count;
		if (count && strcmp(name + (inv ? 4 : 0), count) == 0)
			return inv ? inverse(e, f->count[k]) : as_float(e, f->count[k]);
	}
	return inv ? inverse(e, f->rows) : emit_num(e, 0); /* inv_n, inv_walkers; what a phase sets */
}

static void set_scalars(struct frame *f)
{
	for (int k = 0; k < f->e->plan->scalar.n; k++)
		LLVMBuildStore(f->e->b, scalar_value(f, f->e->plan->scalar.at[k]->name),
		               field(f, offsetof(struct dgm_call, scalar) + 4 * (size_t)k));
}

static void set_adaptation(struct frame *f, bool adapt)
{
	for (int k = 0; k < f->e->plan->scalar.n; k++)
		if (strcmp(f->e->plan->scalar.at[k]->name, "adaptation") == 0)
			LLVMBuildStore(f->e->b, emit_num(f->e, adapt ? (double)RATE_NUM / RATE_DEN : 0),
			               field(f, offsetof(struct dgm_call, scalar) + 4 * (size_t)k));
}

/* ---- running ---- */
/* The random state's step goes on by one: its low half is the call's step, its high half the stage.
 */
static void next_step(struct frame *f)
{
	struct emit *e = f->e;
	LLVMValueRef step = LLVMBuildLoad2(e->b, e->i64, f->step, "");
	LLVMValueRef high = LLVMBuildLShr(e->b, step, emit_int(e, 32), "");
	LLVMBuildStore(e->b, LLVMBuildTrunc(e->b, step, e->i32, ""),
	               field(f, offsetof(struct dgm_call, step)));
	LLVMBuildStore(e->b, LLVMBuildTrunc(e->b, high, e->i32, ""),
	               field(f, offsetof(struct dgm_call, stage)));
	LLVMBuildStore(e->b, entry_add(e, step, emit_int(e, 1)), f->step);
}

static void run_regions(struct frame *f, const char *name)
{
	struct emit *e = f->e;
	LLVMTypeRef type[] = {e->ptr, e->i64, e->i64};
	LLVMValueRef args[] = {f->call, emit_int(e, 0), emit_int(e, 1)};
	for (int k = 0; k < e->plan->function.n; k++) {
		const struct plan_function *from = e->plan->function.at[k];
		if (strcmp(from->name, name) != 0)
			continue;
		for (int r = 0; r < from->region.n; r++)
			LLVMBuildCall2(e->b, LLVMFunctionType(e->none, type, 3, false),
			               LLVMGetNamedFunction(e->module, entry_region(e, f->entry, from, r)),
			               args, 3, "");
		return;
	}
	BUG("codegen: %s has no function %s", f->entry->name, name);
}

static void run_function(struct frame *f, const char *name)
{
	if (f->random)
		next_step(f);
	run_regions(f, name);
}

static void run_calls(struct frame *f, const struct entry_phase *p)
{
	for (int k = 0; k < p->call.n; k++) {
		if (p->call.at[k].times == 1) {
			run_function(f, p->call.at[k].function);
			continue;
		}
		struct entry_loop l = entry_loop(f->e, emit_int(f->e, p->call.at[k].times));
		run_function(f, p->call.at[k].function);
		entry_loop_end(f->e, &l);
	}
}

static void run_phase(struct frame *f, int k)
{
	const struct entry_phase *p = &f->entry->phase.at[k];
	set_adaptation(f, p->adapt);
	if (!p->count) {
		run_calls(f, p);
		return;
	}
	struct entry_loop l = entry_loop(f->e, f->count[k]);
	run_calls(f, p);
	entry_loop_end(f->e, &l);
}

/* ---- arrays ---- */
static void copy_array(struct frame *f, int k, enum entry_pass pass)
{
	struct emit *e = f->e;
	const struct entry_arg *a = &f->entry->arg.at[k];
	int slot = slot_of(e, a->sym), known = a->known ? slot_of(e, a->known) : -1;
	const struct dgm_slot *s = &e->slot[slot];
	struct entry_copy c = {.e = e, .bad = f->bad, .arg = a, .bits = s->repr == DGM_BITS};
	c.items = dgm_slot_items(s);
	c.stride = dgm_item_stride(s) * (c.bits ? 64 : 1);
	c.known_stride = known >= 0 ? dgm_item_stride(&e->slot[known]) : 0;
	c.user = f->array[k];
	c.slot = f->slot[slot];
	c.has_known = known >= 0 && e->used[known];
	c.known = c.has_known ? f->slot[known] : NULL;
	if (!a->optional) {
		entry_copy(&c, pass, f->rows);
		return;
	}
	LLVMBasicBlockRef copy = entry_block(e), done = entry_block(e);
	LLVMBuildCondBr(e->b, is_null(e, f->array[k]), done, copy);
	LLVMPositionBuilderAtEnd(e->b, copy);
	entry_copy(&c, pass, f->rows);
	LLVMBuildBr(e->b, done);
	LLVMPositionBuilderAtEnd(e->b, done);
}

static void stop_if_bad(struct frame *f, int status)
{
	struct emit *e = f->e;
	LLVMValueRef bad = LLVMBuildLoad2(e->b, e->i8, f->bad, "");
	entry_unless(e, LLVMBuildICmp(e->b, LLVMIntNE, bad, LLVMConstInt(e->i8, 0, 0), ""), status);
}

static void copy_arrays(struct frame *f, enum entry_pass pass)
{
	for (int k = 0; k < f->entry->arg.n; k++)
		if (f->entry->arg.at[k].way != (pass == PASS_IN ? ENTRY_OUT : ENTRY_IN))
			copy_array(f, k, pass);
}

/* What inputs hold together. */
static void check_blocks(struct frame *f)
{
	struct emit *e = f->e;
	if (!f->entry->check)
		return;
	run_regions(f, f->entry->check);
	int slot = slot_of(e, f->entry->wrong);
	struct entry_loop row = entry_loop(e, f->rows);
	LLVMValueRef at = entry_mul(e, row.iv, dgm_item_stride(&e->slot[slot]));
	LLVMValueRef p = LLVMBuildGEP2(e->b, e->f32, f->slot[slot], &at, 1, "");
	LLVMValueRef wrong = LLVMBuildLoad2(e->b, e->f32, p, "");
	wrong = LLVMBuildFCmp(e->b, LLVMRealUNE, wrong, emit_num(e, 0), "");
	LLVMValueRef was = LLVMBuildLoad2(e->b, e->i8, f->bad, "");
	wrong = LLVMBuildOr(e->b, was, LLVMBuildZExt(e->b, wrong, e->i8, ""), "");
	LLVMBuildStore(e->b, wrong, f->bad);
	entry_loop_end(e, &row);
	stop_if_bad(f, OBJECT_BLOCK);
}

static LLVMValueRef local(struct emit *e, LLVMTypeRef element, unsigned n, unsigned align)
{
	LLVMValueRef v = LLVMBuildAlloca(e->b, LLVMArrayType2(element, n), "");
	LLVMSetAlignment(v, align);
	return v;
}

/* Arrays of the function are in its workspace even where no region uses them. */
static void use_arrays(struct emit *e, const struct entry *entry)
{
	for (int k = 0; k < entry->arg.n; k++)
		e->used[slot_of(e, entry->arg.at[k].sym)] = true;
}

static unsigned slots_room(struct emit *e)
{
	int room = 1;
	for (int k = 0; k < e->plan->slot.n; k++)
		if (e->used[k] && slot_number(e, k) >= room)
			room = slot_number(e, k) + 1;
	return (unsigned)room;
}

void entry_emit(struct emit *e, const struct entry *entry, const struct object_layout *layout)
{
	LLVMTypeRef *type = NEW_ARRAY(e->a, LLVMTypeRef, entry->phase.n + entry->arg.n + 5),
	            size = entry_size_type(e);
	use_arrays(e, entry);
	emit_work_size(e, entry->symbol);
	entry_begin(e, entry->symbol, e->i32, type, prototype(e, entry, size, type));
	if (!e->bare) /* such objects go where code and stack are small */
		in_a_hurry(e);
	struct frame f = {.e = e, .entry = entry, .layout = layout};
	f.call = local(e, e->i8, sizeof(struct dgm_call), 8);
	f.slots = local(e, e->ptr, slots_room(e), 8);
	f.bad = local(e, e->i8, 1, 1);
	f.step = entry->random ? local(e, e->i64, 1, 8) : NULL;
	f.slot = NEW_ARRAY(e->a, LLVMValueRef, e->plan->slot.n + 1);
	name_params(&f);
	layout_check(e, layout, f.model);
	check_pointers(&f);
	check_numbers(&f);
	lay_out(&f);
	set_call(&f);
	set_scalars(&f);
	LLVMBuildStore(e->b, LLVMConstInt(e->i8, 0, 0), f.bad);
	copy_arrays(&f, PASS_IN);
	stop_if_bad(&f, OBJECT_VALUE);
	check_blocks(&f);
	for (int k = 0; k < entry->phase.n; k++)
		run_phase(&f, k);
	copy_arrays(&f, PASS_FINITE);
	stop_if_bad(&f, OBJECT_RESULT);
	copy_arrays(&f, PASS_OUT);
	if (f.random)
		LLVMBuildStore(e->b, LLVMBuildLoad2(e->b, e->i64, f.step, ""),
		               entry_at(e, f.random, emit_int(e, 8)));
	entry_return(e, OBJECT_OK);
}
