/* A model's object: all regions of its functions, then the entry points, then what fills the block
 * of parameters:
 *
 *     size_t M_size(void)
 *     int M_load(void *model, size_t size, const struct M_params *params)
 *
 * The block is a line of 64 bytes that begins with a mark of the model, written last; the
 * parameters where they are not constants; packed copies, one for all functions that read the same.
 */
#include "codegen/entry.h"
#include "codegen/size.h"

#include <string.h>

enum { LINE = 64 };

struct packed { /* a packed copy of a parameter */
	const struct sym *of;
	bool transposed;
	int64_t k, n, at; /* at: in the block */
};
struct object_layout {
	const struct object *object;
	int64_t *at;            /* one a parameter: in the block, */
	LLVMValueRef *constant; /* or a constant */
	VEC(struct packed) pack;
	int64_t size; /* of the block; LINE: there is nothing in it */
	uint64_t mark;
};

static int64_t room(int64_t floats)
{
	return (floats * 4 + LINE - 1) / LINE * LINE + LINE;
}

static int64_t place(struct object_layout *l, int64_t floats)
{
	int64_t at = l->size;
	l->size += room(floats);
	return at;
}

static bool has_block(const struct object_layout *l)
{
	return l->size > LINE;
}

static int64_t block_size(const struct object_layout *l)
{
	return has_block(l) ? l->size + LINE : 0;
}

static const struct packed *find_pack(const struct object_layout *l, const struct plan *p, int slot)
{
	const struct slot *s = &p->slot.at[slot];
	for (int k = 0; k < l->pack.n; k++) {
		const struct packed *q = &l->pack.at[k];
		if (q->of == p->slot.at[s->pack_of].sym && q->transposed == s->pack_transposed &&
		    q->k == s->pack_k && q->n == s->pack_n)
			return q;
	}
	return NULL;
}

/* ---- the layout ---- */
/* The values as they are kept, little endian as all targets are. */
static size_t keep_values(const struct entry_param *p, char *to)
{
	int64_t n = sym_items(p->sym);
	enum values kind = p->sym->values;
	size_t each = kind == VALUES_INT8 ? 1 : kind == VALUES_BF16 ? 2 : 4;
	for (int64_t i = 0; to && i < n; i++) {
		signed char whole = kind == VALUES_INT8 ? (signed char)p->values[i] : 0;
		const char *from = kind == VALUES_INT8 ? (const char *)&whole : (const char *)&p->values[i];
		memcpy(to + (size_t)i * each, from + (kind == VALUES_BF16 ? 2 : 0), each);
	}
	return (size_t)n * each;
}

static LLVMValueRef constant(struct emit *e, const struct object *o, const struct entry_param *p)
{
	size_t size = (keep_values(p, NULL) + LINE - 1) / LINE * LINE + LINE;
	char *bytes = arena_alloc(e->a, size);
	keep_values(p, bytes);
	LLVMValueRef data = LLVMConstStringInContext2(e->llvm, bytes, size, true);
	LLVMValueRef g =
	    LLVMAddGlobal(e->module, LLVMTypeOf(data), arena_printf(e->a, "%s.%s", o->name, p->name));
	LLVMSetInitializer(g, data);
	LLVMSetGlobalConstant(g, true);
	LLVMSetLinkage(g, LLVMInternalLinkage);
	LLVMSetAlignment(g, LINE);
	return g;
}

static uint64_t mark_of(const struct object *o)
{
	uint64_t h = 0xCBF29CE484222325u;
	for (const char *p = o->name; *p; p++)
		h = (h ^ (unsigned char)*p) * 0x100000001B3u;
	for (int k = 0; k < o->param.n; k++)
		h = (h ^ (uint64_t)sym_items(o->param.at[k].sym)) * 0x9E3779B97F4A7C15u;
	return h | 1;
}

static void layout_params(struct emit *e, struct object_layout *l)
{
	const struct object *o = l->object;
	l->size = LINE;
	l->mark = mark_of(o);
	l->at = NEW_ARRAY(e->a, int64_t, o->param.n + 1);
	l->constant = NEW_ARRAY(e->a, LLVMValueRef, o->param.n + 1);
	for (int k = 0; k < o->param.n; k++)
		if (o->param.at[k].values)
			l->constant[k] = constant(e, o, &o->param.at[k]);
		else
			l->at[k] = place(l, sym_items(o->param.at[k].sym));
}

static void layout_packs(struct emit *e, struct object_layout *l)
{
	const struct plan *p = e->plan;
	for (int k = 0; k < p->slot.n; k++) {
		const struct slot *s = &p->slot.at[k];
		if (!s->pack || !e->used[k] || find_pack(l, p, k))
			continue;
		struct packed q = {p->slot.at[s->pack_of].sym, s->pack_transposed, s->pack_k, s->pack_n,
		                   place(l, dgm_pack_size(s->pack_k, s->pack_n))};
		vec_push(e->a, &l->pack, q);
	}
}

LLVMValueRef layout_model(struct emit *e, const struct object_layout *l, LLVMValueRef model)
{
	return has_block(l) ? entry_round_up(e, model) : model;
}

void layout_check(struct emit *e, const struct object_layout *l, LLVMValueRef model)
{
	if (!has_block(l))
		return;
	entry_unless(e, LLVMBuildIsNull(e->b, model, ""), OBJECT_NULL);
	LLVMValueRef mark = LLVMBuildLoad2(e->b, e->i64, layout_model(e, l, model), "");
	entry_unless(e, LLVMBuildICmp(e->b, LLVMIntNE, mark, emit_int(e, (int64_t)l->mark), ""),
	             OBJECT_MODEL);
}

static LLVMValueRef param_at(struct emit *e, const struct object_layout *l, LLVMValueRef model,
                             const struct sym *s)
{
	for (int k = 0; k < l->object->param.n; k++)
		if (l->object->param.at[k].sym == s)
			return l->constant[k] ? l->constant[k] : entry_at(e, model, emit_int(e, l->at[k]));
	BUG("codegen: %s is no parameter of %s", s->name, l->object->name);
}

LLVMValueRef layout_slot(struct emit *e, const struct object_layout *l, LLVMValueRef model,
                         int slot)
{
	const struct slot *s = &e->plan->slot.at[slot];
	if (!s->pack)
		return param_at(e, l, model, s->sym);
	return entry_at(e, model, emit_int(e, find_pack(l, e->plan, slot)->at));
}

/* ---- load ---- */
static void emit_size(struct emit *e, const struct object_layout *l)
{
	LLVMTypeRef size = entry_size_type(e);
	entry_begin(e, arena_printf(e->a, "%s_size", l->object->name), size, NULL, 0);
	LLVMBuildRet(e->b, LLVMConstInt(size, (unsigned long long)block_size(l), 0));
}

static void load_param(struct emit *e, const struct object_layout *l, int k, LLVMValueRef model,
                       LLVMValueRef params, LLVMValueRef bad)
{
	LLVMValueRef i = emit_int(e, k), from = LLVMBuildGEP2(e->b, e->ptr, params, &i, 1, "");
	from = LLVMBuildLoad2(e->b, e->ptr, from, "");
	entry_unless(e, LLVMBuildIsNull(e->b, from, ""), OBJECT_NULL);
	entry_load(e, from, entry_at(e, model, emit_int(e, l->at[k])),
	           sym_items(l->object->param.at[k].sym), bad);
}

static void load_pack(struct emit *e, const struct object_layout *l, const struct packed *q,
                      LLVMValueRef model)
{
	LLVMValueRef args[] = {LLVMConstInt(e->i32, q->transposed, 0),
	                       emit_int(e, q->k),
	                       emit_int(e, q->n),
	                       param_at(e, l, model, q->of),
	                       emit_int(e, q->transposed ? q->k : q->n),
	                       entry_at(e, model, emit_int(e, q->at)),
	                       emit_int(e, 0),
	                       emit_int(e, 1)};
	emit_rt(e, "dgm_pack", args, 8);
}

static void emit_load_function(struct emit *e, const struct object_layout *l)
{
	const struct object *o = l->object;
	LLVMTypeRef size = entry_size_type(e), type[] = {e->ptr, size, e->ptr};
	bool given = object_takes_params(o);
	entry_begin(e, arena_printf(e->a, "%s_load", o->name), e->i32, type, 2 + given);
	if (!has_block(l)) {
		entry_return(e, OBJECT_OK);
		return;
	}
	LLVMValueRef model = LLVMGetParam(e->fn, 0), params = given ? LLVMGetParam(e->fn, 2) : NULL;
	LLVMValueRef bad = LLVMBuildAlloca(e->b, e->i8, ""), zero = LLVMConstInt(e->i8, 0, 0);
	entry_unless(e, LLVMBuildIsNull(e->b, model, ""), OBJECT_NULL);
	if (given)
		entry_unless(e, LLVMBuildIsNull(e->b, params, ""), OBJECT_NULL);
	LLVMValueRef need = LLVMConstInt(size, (unsigned long long)block_size(l), 0);
	entry_unless(e, LLVMBuildICmp(e->b, LLVMIntULT, LLVMGetParam(e->fn, 1), need, ""),
	             OBJECT_MODEL);
	model = layout_model(e, l, model);
	LLVMBuildMemSet(e->b, model, zero, LLVMConstInt(size, (unsigned long long)l->size, 0), LINE);
	LLVMBuildStore(e->b, zero, bad);
	for (int k = 0; k < o->param.n; k++)
		if (!l->constant[k])
			load_param(e, l, k, model, params, bad);
	LLVMValueRef wrong = LLVMBuildLoad2(e->b, e->i8, bad, "");
	entry_unless(e, LLVMBuildICmp(e->b, LLVMIntNE, wrong, zero, ""), OBJECT_VALUE);
	for (int k = 0; k < l->pack.n; k++)
		load_pack(e, l, &l->pack.at[k], model);
	LLVMBuildStore(e->b, emit_int(e, (int64_t)l->mark), model);
	entry_return(e, OBJECT_OK);
}

bool object_takes_params(const struct object *o)
{
	return o->param.n && !o->param.at[0].values;
}

/* ---- a model ---- */
struct body { /* of a function: what its regions use */
	const struct dgm_slot *slot;
	int *number;
	bool *used;
};

const char *entry_region(const struct emit *e, const struct entry *entry,
                         const struct plan_function *f, int r)
{
	return arena_printf(e->a, "%s.%s", entry->symbol, region_symbol(e->a, f, r));
}

static bool is_called(const struct entry *entry, const char *function)
{
	if (entry->check && strcmp(entry->check, function) == 0)
		return true;
	for (int k = 0; k < entry->phase.n; k++)
		for (int c = 0; c < entry->phase.at[k].call.n; c++)
			if (strcmp(entry->phase.at[k].call.at[c].function, function) == 0)
				return true;
	return false;
}

/* The last function first: what goes before it makes no difference to the numbers of its slots. */
static struct body emit_body(struct emit *e, struct cx *cx, const struct entry *entry)
{
	const struct plan *p = entry->plan;
	emit_plan(e, p, emit_slots(cx, p));
	e->number = NEW_ARRAY(e->a, int, p->slot.n + 1);
	memset(e->number, -1, sizeof *e->number * (size_t)p->slot.n);
	for (int k = p->function.n - 1; k >= 0; k--) {
		const struct plan_function *f = p->function.at[k];
		for (int r = 0; is_called(entry, f->name) && r < f->region.n; r++)
			emit_inner_region(e, f->region.at[r], entry_region(e, entry, f, r));
	}
	return (struct body){e->slot, e->number, e->used};
}

static void add_function(struct emit *e, struct object_sizes *s, const char *name, int64_t work)
{
	vec_push(e->a, &s->function, ((struct function_size){.name = name, .work = work}));
}

static void emit_object(struct emit *e, struct cx *cx, const struct object *o,
                        struct object_sizes *sizes)
{
	struct object_layout *l = NEW(e->a, struct object_layout);
	struct body *body = NEW_ARRAY(e->a, struct body, o->entry.n + 1);
	l->object = o;
	e->names = NEW(e->a, struct slot_names);
	layout_params(e, l);
	for (int k = 0; k < o->entry.n; k++)
		if (!o->entry.at[k].refused) {
			body[k] = emit_body(e, cx, &o->entry.at[k]);
			layout_packs(e, l);
		}
	for (int k = 0; k < o->entry.n; k++) {
		if (o->entry.at[k].refused)
			continue;
		e->plan = o->entry.at[k].plan;
		e->slot = body[k].slot;
		e->number = body[k].number;
		e->used = body[k].used;
		entry_emit(e, &o->entry.at[k], l);
		add_function(e, sizes, o->entry.at[k].symbol, entry_work(e, 1));
	}
	add_function(e, sizes, arena_printf(e->a, "%s_load", o->name), block_size(l));
	emit_size(e, l);
	emit_load_function(e, l);
	if (o->train && !o->train->refused)
		train_emit(e, cx, o->train, o->name);
}

/* Each function in a section of its own, so that a linker can leave out what a program does not
 * call. */
static void own_sections(struct emit *e, const char *triple)
{
	if (strstr(triple, "wasm"))
		return;
	for (LLVMValueRef f = LLVMGetFirstFunction(e->module); f; f = LLVMGetNextFunction(f)) {
		size_t n;
		if (!LLVMIsDeclaration(f))
			LLVMSetSection(f, arena_printf(e->a, ".text.%s", LLVMGetValueName2(f, &n)));
	}
	for (LLVMValueRef g = LLVMGetFirstGlobal(e->module); g; g = LLVMGetNextGlobal(g)) {
		size_t n;
		LLVMSetSection(g, arena_printf(e->a, ".rodata.%s", LLVMGetValueName2(g, &n)));
	}
}

struct object_text object_build(struct cx *cx, const object_list *list, const char *target)
{
	LLVMContextRef llvm = LLVMContextCreate();
	LLVMTargetMachineRef machine = target ? target_named(target) : target_new();
	struct emit *e = emit_open(cx, llvm, machine, list->at[0].name);
	e->whole = true;
	e->bare = list->at[0].freestanding;
	if (e->bare) {
		bool fma;
		target_traits(target, &e->lanes, &fma);
		e->no_fma = !fma;
		e->lanes = list->at[0].scalar ? 1 : e->lanes;
	}
	struct object_text text = {0};
	struct sizes frames;
	for (int k = 0; k < list->n; k++)
		emit_object(e, cx, &list->at[k], &text.sizes);
	codegen_share(e->module);
	if (e->bare)
		own_sections(e, LLVMGetTarget(e->module));
	sizes_begin(&frames, e);
	target_head(target, e->module);
	LLVMMemoryBufferRef made = codegen_emit(emit_close(e, list->at[0].name), e->machine, false);
	text.size = LLVMGetBufferSize(made);
	text.data = arena_copy(cx->prog, LLVMGetBufferStart(made), text.size);
	for (int k = 0; k < text.sizes.function.n; k++) {
		struct function_size *f = &text.sizes.function.at[k];
		f->stack = sizes_stack(&frames, LLVMGetNamedFunction(e->module, f->name));
	}
	sizes_sections(made, &text.sizes);
	LLVMDisposeMemoryBuffer(made);
	LLVMDisposeModule(e->module);
	LLVMContextDispose(llvm);
	LLVMDisposeTargetMachine(machine);
	return text;
}
