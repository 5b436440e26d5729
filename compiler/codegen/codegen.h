/* codegen: a plan as LLVM IR, and that as functions in memory, an object file or text.  The only
 * folder that knows LLVM. */
#ifndef DGM_CODEGEN_H
#define DGM_CODEGEN_H
#include "plan/plan.h"

struct dgm_module; /* runtime/dgm_rt.h */
struct jit;

/* One host target, once a process.  false: LLVM has no target for this machine. */
bool codegen_init(void);
/* Compiles a plan; NULL with a BUG on a malformed module.  The module's tables and code live until
 * jit_free. */
/* The tables alone: functions without regions. */
const struct dgm_module *codegen_module(struct cx *cx, const struct plan *p);
struct jit *jit_compile(struct cx *cx, const struct plan *p);
const struct dgm_module *jit_module(const struct jit *j);
void jit_free(struct jit *j);
/* dgm emit --stage=llvm and --stage=asm */
void codegen_print_llvm(struct cx *cx, const struct plan *p, FILE *out);
void codegen_print_asm(struct cx *cx, const struct plan *p, FILE *out);

#endif
