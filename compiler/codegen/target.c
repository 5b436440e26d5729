/* The host as LLVM's target, and the passes that run over a module.
 *
 * The emitter places and shares code itself (emit.h), so only what it cannot see is left to LLVM:
 * equal address computations, instruction patterns, and empty blocks.  Machine code takes most of
 * the time: modules are cut into parts that are compiled in parallel, each by a machine of its own.
 */
#include "codegen/emit.h"
#include "codegen/object.h"

#include <llvm-c/Error.h>
#include <llvm-c/Support.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>

#include <string.h>

static LLVMTargetMachineRef machine;

#define INIT(name, target) \
	static void name(void) \
	{ \
		LLVMInitialize##target##TargetInfo(); \
		LLVMInitialize##target##Target(); \
		LLVMInitialize##target##TargetMC(); \
		LLVMInitialize##target##AsmPrinter(); \
	}
INIT(init_x86, X86)
INIT(init_aarch64, AArch64)
INIT(init_riscv, RISCV)
INIT(init_wasm, WebAssembly)
INIT(init_arm_code, ARM)
#undef INIT

static void init_arm(void)
{
	init_arm_code();
	LLVMInitializeARMAsmParser(); /* for `head` */
}

/* Machines to build objects for, beside this one. */
static const struct target {
	const char *name, *triple, *cpu, *features, *abi;
	void (*init)(void);
	int lanes;
	bool fma;
	bool bare;        /* there is no runtime for it */
	bool fixed;       /* code lies where it is linked to: no tables of addresses */
	const char *head; /* assembler before the code */
} targets[] = {
    {"x86-64", "x86_64-unknown-linux-gnu", "x86-64", "", "", init_x86, 4, false, false, false, ""},
    {"x86-64-v3", "x86_64-unknown-linux-gnu", "x86-64-v3", "", "", init_x86, LANES, true, false,
     false, ""},
    {"x86-64-v4", "x86_64-unknown-linux-gnu", "x86-64-v4", "", "", init_x86, LANES, true, false,
     false, ""},
    {"aarch64", "aarch64-unknown-linux-gnu", "generic", "", "", init_aarch64, 4, true, true, false,
     ""},
    {"riscv64", "riscv64-unknown-linux-gnu", "generic-rv64", "+m,+a,+f,+d,+c", "lp64d", init_riscv,
     1, true, true, false, ""},
    {"armv7em", "thumbv7em-none-eabihf", "cortex-m4", "", "", init_arm, 1, true, true, true,
     ".eabi_attribute Tag_ABI_VFP_args, 1" /* floats are passed in registers of floats */},
    {"wasm32", "wasm32-unknown-unknown", "generic", "+simd128,+bulk-memory", "", init_wasm, 4,
     false, true, true, ""},
};
enum { NTARGET = sizeof targets / sizeof *targets };

const char *const *codegen_targets(int *n)
{
	static const char *names[NTARGET];
	for (int k = 0; k < NTARGET; k++)
		names[k] = targets[k].name;
	*n = NTARGET;
	return names;
}

static const struct target *find_target(const char *name)
{
	for (int k = 0; k < NTARGET; k++)
		if (strcmp(targets[k].name, name) == 0)
			return &targets[k];
	BUG("codegen: there is no target %s", name);
}

bool codegen_target_bare(const char *name)
{
	return find_target(name)->bare;
}

void target_traits(const char *name, int *lanes, bool *fma)
{
	char *features = LLVMGetHostCPUFeatures();
	bool x86 = strstr(features, "sse2") != NULL;
	*lanes = name ? find_target(name)->lanes : x86 ? LANES : 4;
	*fma = name ? find_target(name)->fma : !x86 || strstr(features, "+fma");
	LLVMDisposeMessage(features);
}

void target_head(const char *name, LLVMModuleRef m)
{
	const char *head = name ? find_target(name)->head : "";
	LLVMSetModuleInlineAsm2(m, head, strlen(head));
}

LLVMTargetMachineRef target_named(const char *name)
{
	const struct target *t = find_target(name);
	LLVMTargetRef target;
	char *text = NULL;
	t->init();
	if (LLVMGetTargetFromTriple(t->triple, &target, &text))
		BUG("codegen: %s", text);
	LLVMTargetMachineOptionsRef o = LLVMCreateTargetMachineOptions();
	LLVMTargetMachineOptionsSetCPU(o, t->cpu);
	LLVMTargetMachineOptionsSetFeatures(o, t->features);
	LLVMTargetMachineOptionsSetABI(o, t->abi);
	LLVMTargetMachineOptionsSetCodeGenOptLevel(o, LLVMCodeGenLevelLess);
	LLVMTargetMachineOptionsSetRelocMode(o, t->fixed ? LLVMRelocStatic : LLVMRelocPIC);
	LLVMTargetMachineRef made = LLVMCreateTargetMachineWithOptions(target, t->triple, o);
	LLVMDisposeTargetMachineOptions(o);
	return made;
}

LLVMTargetMachineRef target_new(void)
{
	char *triple = LLVMGetDefaultTargetTriple(), *cpu = LLVMGetHostCPUName(), *text = NULL;
	char *features = LLVMGetHostCPUFeatures();
	LLVMTargetRef target;
	LLVMTargetMachineRef made = NULL;
	if (LLVMGetTargetFromTriple(triple, &target, &text))
		LLVMDisposeMessage(text);
	else
		made = LLVMCreateTargetMachine(target, triple, cpu, features, LLVMCodeGenLevelLess,
		                               LLVMRelocPIC, LLVMCodeModelDefault);
	LLVMDisposeMessage(triple);
	LLVMDisposeMessage(cpu);
	LLVMDisposeMessage(features);
	return made;
}

bool codegen_init(void)
{
	/* passes that cost a fifth of the time and gain nothing on such loops (measured) */
	static const char *const options[] = {"dgm", "-disable-lsr", "-enable-misched=false"};
	if (machine)
		return true;
	LLVMParseCommandLineOptions(3, options, NULL);
	if (LLVMInitializeNativeTarget() || LLVMInitializeNativeAsmPrinter() ||
	    LLVMInitializeNativeAsmParser())
		return false;
	machine = target_new();
	return machine != NULL;
}

LLVMTargetMachineRef codegen_target(void)
{
	if (!machine)
		BUG("codegen: codegen_init was not called");
	return machine;
}

static void run_passes(LLVMModuleRef m, const char *passes, LLVMTargetMachineRef on)
{
	LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
	LLVMErrorRef error = LLVMRunPasses(m, passes, on, options);
	if (error)
		BUG("codegen: LLVM's passes: %s", LLVMGetErrorMessage(error));
	LLVMDisposePassBuilderOptions(options);
}

void codegen_share(LLVMModuleRef m)
{
	run_passes(m, "mergefunc", NULL);
}

LLVMMemoryBufferRef codegen_emit(LLVMModuleRef m, LLVMTargetMachineRef on, bool assembly)
{
	LLVMMemoryBufferRef out = NULL;
	char *text = NULL;
	run_passes(m, "function(early-cse,instcombine<no-verify-fixpoint>,simplifycfg)", on);
	if (LLVMTargetMachineEmitToMemoryBuffer(on, m, assembly ? LLVMAssemblyFile : LLVMObjectFile,
	                                        &text, &out))
		BUG("codegen: no machine code: %s", text);
	return out;
}
