/* emit: what the files of codegen share.
 *
 * A value of an expression is a scalar (the same in every lane) or a vector of lanes; the helpers
 * widen a scalar when it meets a vector, so that both have one emitter and equal bits.
 *
 * Scopes.  Code is emitted into nested loops.  A loop that is open has its preheader (the end of
 * its parent scope) unterminated, so an expression can be placed in the outermost scope that binds
 * its indices: loop-invariant code never enters the loop.  No value is emitted under a branch but
 * those of a loop's body; conditions are selects.  Hence every value of a scope dominates all that
 * is emitted there later, and a scope remembers the values it has (memo). */
#ifndef DGM_EMIT_H
#define DGM_EMIT_H

#include "codegen/codegen.h"
#include "dgm_rt.h"

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

enum {
	MAX_BIND = 64,
	MAX_ACC = 96,
	MAX_TERMS = 32,
	MAX_FIELD = 32,
	LANES = 16,      /* of one vector step, at most */
	LANES_LONG = 64, /* where more independent chains hide the latency of additions */
	SCRATCH = 16384  /* floats of one draw's scratch buffer */
};

struct memo {
	const struct node *node;
	LLVMValueRef value;
};
struct scope {
	struct scope *up;
	int depth;               /* 0: the region's body */
	LLVMBasicBlockRef block; /* where the next instruction of this scope goes */
	VEC(struct memo) memo;
	/* of a loop */
	LLVMBasicBlockRef head;
	LLVMValueRef iv, lo, hi, step; /* i64 */
	struct {
		LLVMValueRef phi, init;
	} acc[MAX_ACC];
	int nacc;
};

/* An index in scope: value, or lanes value .. value + lanes - 1, of which those below `end` count.
 */
struct bind {
	const struct idx *idx;
	struct scope *scope;
	LLVMValueRef value, end;
	int lanes;   /* 0: a scalar */
	bool tail;   /* some lanes may be at `end` or above */
	int64_t max; /* the largest value; -1: not known */
};

struct emit {
	struct arena *a;
	const struct plan *plan;
	const struct dgm_slot *slot; /* the module's table */
	LLVMContextRef llvm;
	LLVMModuleRef module;
	LLVMTargetMachineRef machine;
	int lanes;   /* of one vector step: LANES, 4, or 1 where numbers are handled one by one */
	bool bare;   /* calls nothing but memcpy and memset */
	bool whole;  /* regions are called with one chunk */
	bool no_fma; /* the machine has no fused multiply-add, and a bare object is made */
	LLVMBuilderRef b;
	LLVMTypeRef f32, i1, i8, i16, i32, i64, ptr, none;
	/* the region */
	LLVMValueRef fn, call, chunk, nchunk;
	LLVMValueRef *base; /* slot pointers, loaded once */
	struct {
		size_t offset;
		LLVMValueRef value;
	} field[MAX_FIELD]; /* of the call, loaded once */
	int nfield;
	bool *used;         /* one a slot: read or written by a region of the plan */
	int *number;        /* one a slot: its place in the table of a call; -1: none yet; NULL: the slot's own number */
	struct slot_names {
		VEC(const char *) at;
	} *names; /* by those places, of all plans of the module */
	struct scope *root, *scope;
	VEC(LLVMValueRef) scratch; /* [SCRATCH] floats for each draw of a kernel */
	LLVMValueRef lane;  /* [3][LANES_LONG] floats: operands that are taken lane by lane */
	LLVMValueRef dummy; /* a byte that takes unwanted stores */
	/* the kernel */
	const struct kernel *kernel;
	struct bind bind[MAX_BIND];
	int nbind;
	VEC(const struct node *) draw; /* its random numbers */
	struct scope *turn; /* of a kernel in turn: its step; what it writes is read no further out */
	struct scope *draw_scope; /* where dst's unit is known */
	LLVMValueRef draw_unit;   /* position of dst's first lane in the scratch buffers */
	int draw_lanes;
};

/* emit_op.c: values */
LLVMValueRef emit_num(struct emit *e, double x);                  /* scalar */
LLVMValueRef emit_like(struct emit *e, LLVMValueRef v, double x); /* a constant of v's type */
LLVMValueRef emit_int(struct emit *e, int64_t x);                 /* i64 */
LLVMTypeRef emit_vec(LLVMTypeRef element, int lanes);             /* lanes 0: the element */
int emit_lanes(LLVMValueRef v);                                   /* 0: scalar */
LLVMValueRef emit_splat(struct emit *e, LLVMValueRef v, int lanes);
void emit_pair(struct emit *e, LLVMValueRef *a, LLVMValueRef *b); /* widens one to the other */
LLVMValueRef emit_iota(struct emit *e, int lanes);                /* <lanes x i32> 0, 1, ... */
LLVMValueRef emit_select(struct emit *e, LLVMValueRef cond, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef emit_and(struct emit *e, LLVMValueRef a, LLVMValueRef b); /* masks; NULL: true */
bool emit_known(LLVMValueRef v, double *x); /* a floating constant or splat? */
LLVMValueRef emit_intrinsic(struct emit *e, const char *name, LLVMTypeRef *types, int ntype,
                            LLVMValueRef *args, int nargs);
LLVMValueRef emit_unary(struct emit *e, const char *intrinsic, LLVMValueRef a);
LLVMValueRef emit_fma(struct emit *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c);
LLVMValueRef emit_less(struct emit *e, LLVMValueRef a, LLVMValueRef b); /* mask a < b */
LLVMValueRef emit_op(struct emit *e, enum op op, LLVMValueRef a, LLVMValueRef b);

/* vmath.c, unit.c: elementary functions in vector code */
LLVMValueRef emit_exp(struct emit *e, LLVMValueRef x);
LLVMValueRef emit_log(struct emit *e, LLVMValueRef x);
LLVMValueRef emit_sigmoid(struct emit *e, LLVMValueRef x);
LLVMValueRef emit_softplus(struct emit *e, LLVMValueRef x);
LLVMValueRef emit_tanh(struct emit *e, LLVMValueRef x);
LLVMValueRef emit_logit(struct emit *e, LLVMValueRef x);
LLVMValueRef emit_xlogx(struct emit *e, LLVMValueRef x);
LLVMValueRef emit_pow(struct emit *e, LLVMValueRef x, LLVMValueRef y);
/* units on [0,1] with density proportional to exp(f x) */
LLVMValueRef emit_unit_logz(struct emit *e, LLVMValueRef f);
LLVMValueRef emit_unit_mean(struct emit *e, LLVMValueRef f);
LLVMValueRef emit_unit_var(struct emit *e, LLVMValueRef f);
LLVMValueRef emit_unit_quantile(struct emit *e, LLVMValueRef u, LLVMValueRef f);
/* uniform < sigmoid(x), without a division: u*(1 + exp(-x)) < 1 */
LLVMValueRef emit_below_sigmoid(struct emit *e, LLVMValueRef u, LLVMValueRef x);

/* scope.c: loops, indices */
struct scope *scope_goto(struct emit *e,
                         struct scope *to); /* continue there; returns where we were */
LLVMBasicBlockRef scope_block(struct emit *e, const char *name);
void loop_open(struct emit *e, const char *name, LLVMValueRef lo, LLVMValueRef hi, int64_t step);
LLVMValueRef loop_acc(struct emit *e,
                      LLVMValueRef init); /* its value at the start of an iteration */
void loop_close(struct emit *e, LLVMValueRef *next, LLVMValueRef *result);
void bind_idx(struct emit *e, const struct idx *i, LLVMValueRef value, int64_t max);
void bind_lanes(struct emit *e, const struct idx *i, int lanes, bool tail, int64_t max);
const struct bind *bind_find(const struct emit *e, const struct idx *i); /* NULL: not bound */
struct scope *place_of(struct emit *e, const struct node *x);            /* outermost scope for x */
int lanes_of(struct emit *e, const struct node *x);           /* 0: the same in all lanes */
LLVMValueRef tail_mask(struct emit *e, const struct bind *b); /* NULL: all lanes count */

/* linear.c: affine forms over indices, collapsed axes */
struct lin {
	int64_t c;
	int n;
	struct {
		const struct idx *ix;
		int64_t coef;
	} t[MAX_TERMS];
};
struct lin lin_affine(struct affine x);
struct lin lin_access(const struct sym *s, const struct affine *map); /* element within the item */
struct lin lin_at(const struct sym *s, const struct idx *const *at);
int64_t lin_coef(const struct lin *l, const struct idx *i);
void lin_add(struct lin *l, const struct idx *i, int64_t coef);
bool lin_range(struct emit *e, const struct lin *l, int64_t *lo, int64_t *hi);
/* Its value in the first lane (i64); *bind, *coef: the index that runs over lanes, NULL: none. */
LLVMValueRef lin_value(struct emit *e, const struct lin *l, const struct bind **bind,
                       int64_t *coef);
struct group { /* axes that run as one: their linear number is the value of `lead`, the others are 0
	            */
	const struct idx *lead, *first;
	const struct idx *other[MAX_BOUND];
	int nother;
	int64_t size; /* -1: a batch index */
};
/* Joins neighbouring indices ix[0..n) where every use in the roots and guards allows it. */
int group_axes(const struct idx *const *ix, int n, struct node *const *root, int nroot,
               const struct guard *guard, int nguard, struct group *out);
/* How well index i would run over lanes of x: unit strides count for it, gathers against it. */
int lane_score(struct emit *e, const struct node *x, const struct idx *i);

/* access.c: loads and stores */
int slot_of(const struct emit *e, const struct sym *s);
LLVMValueRef slot_base(struct emit *e, int slot);
/* Its place in the table of a call.  Slots of one name have one place in all plans of the module where they can, so
 * that regions that do the same are the same code. */
int slot_number(struct emit *e, int slot);
LLVMValueRef call_field(struct emit *e, LLVMTypeRef type, size_t offset, const char *name);
LLVMValueRef call_pop(struct emit *e, int pop);
LLVMValueRef emit_load(struct emit *e, const struct node *access);
/* value: floats; bits: the same as a mask, for a slot of bits (else NULL). */
LLVMValueRef emit_store(struct emit *e, const struct store *s, LLVMValueRef value,
                        LLVMValueRef bits);
void emit_bit_padding(struct emit *e, const struct store *s);

/* value.c */
LLVMValueRef emit_value(struct emit *e, const struct node *x);
bool emit_heavy(const struct node *x); /* does it have operations that are long code? */
LLVMValueRef emit_truth(struct emit *e, const struct node *x); /* x != 0 as a mask */
LLVMValueRef emit_accumulate(struct emit *e, LLVMValueRef acc, const struct node *x); /* acc + x */
LLVMValueRef emit_guards(struct emit *e, const struct guard *g, int n,
                         uint32_t skip); /* NULL: true */
void memo_stored(struct emit *e, const struct store *s, LLVMValueRef value);

/* reduce.c */
LLVMValueRef emit_reduce(struct emit *e, const struct node *x);

/* draw.c */
void draws_find(struct emit *e, const struct kernel *k);
/* first: of the units, a multiple of 64; NULL: 0 */
void draws_fill(struct emit *e, LLVMValueRef chain, LLVMValueRef first, LLVMValueRef n);
LLVMValueRef draw_value(struct emit *e, const struct node *x);

/* loop.c, matmul.c: kernels */
void emit_rows(struct emit *e, LLVMValueRef rows, LLVMValueRef *lo, LLVMValueRef *hi);
void emit_loop(struct emit *e, const struct kernel *k);
void emit_assign(struct emit *e, const struct store *s);
void bind_group(struct emit *e, const struct group *g, int lanes, bool tail);
bool has_reduce(const struct node *x);
void emit_turn(struct emit *e, const struct kernel *k); /* turn.c */
void emit_steps(struct emit *e, const struct kernel *k); /* steps.c */
int open_outer(struct emit *e, const struct kernel *k);  /* loops over the axes of its rows; their number */
void emit_scan(struct emit *e, const struct kernel *k);  /* scan.c */
/* The loops of a store over the axes that are not bound yet, the last over lanes where that is good. */
int open_axes(struct emit *e, const struct idx *const *axis, int naxis, struct node *rhs, int *lanes);
void emit_matmul(struct emit *e, const struct kernel *k);
void emit_pack(struct emit *e, const struct kernel *k);

/* rt_call.c: the runtime's functions */
LLVMValueRef emit_rt(struct emit *e, const char *name, LLVMValueRef *args, int nargs);
struct rt_symbol {
	const char *name;
	uint64_t address;
};
/* name(a), name(a, b), name(a, b, c) of floats, for the lanes that count one by one */
LLVMValueRef emit_call(struct emit *e, const char *name, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c);
LLVMValueRef emit_op3(struct emit *e, enum op op, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c);
const struct rt_symbol *rt_symbols(int *n);

/* bare.c: of freestanding objects */
LLVMValueRef bare_fma(struct emit *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c);
LLVMValueRef bare_whole(struct emit *e, LLVMValueRef x, bool up); /* floor, (up) ceil */
LLVMValueRef bare_call(struct emit *e, const char *name, LLVMValueRef *args, int nargs); /* of rt.def */

/* module.c: emit_open; of each plan emit_plan, then its regions; emit_close. */
struct emit *emit_open(struct cx *cx, LLVMContextRef llvm, LLVMTargetMachineRef machine, const char *name);
void emit_plan(struct emit *e, const struct plan *p, const struct dgm_slot *slot);
LLVMValueRef emit_inner_region(struct emit *e, const struct region *r, const char *symbol);
void emit_attributes(struct emit *e); /* of the function e->fn: the machine's */
LLVMModuleRef emit_close(struct emit *e, const char *name);
/* The regions of one part; every region belongs to one of nparts. */
LLVMModuleRef emit_module(struct cx *cx, const struct plan *p, LLVMContextRef llvm,
                          const struct dgm_slot *slot, int part, int nparts);
const struct dgm_slot *emit_slots(struct cx *cx, const struct plan *p);
int emit_regions(const struct plan *p); /* their number */
const char *region_symbol(struct arena *a, const struct plan_function *f, int r);

/* target.c */
LLVMTargetMachineRef target_new(void);     /* NULL: LLVM has none for this machine */
LLVMTargetMachineRef target_named(const char *name); /* of codegen_targets */
/* Lanes, and whether there is a fused multiply-add; name NULL: of this machine. */
void target_traits(const char *name, int *lanes, bool *fma);
void target_head(const char *name, LLVMModuleRef m); /* what the machine's objects begin with */
LLVMTargetMachineRef codegen_target(void); /* the process' own */
/* Optimises and compiles a module to an object or to assembly. */
void codegen_share(LLVMModuleRef m); /* one of its inner functions that are the same */
LLVMMemoryBufferRef codegen_emit(LLVMModuleRef m, LLVMTargetMachineRef on, bool assembly);

#endif
