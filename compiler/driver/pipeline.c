/* The front half of the pipeline, and the calls that show it: check, emit, fmt. */
#include "driver/driver.h"

#include <errno.h>
#include <string.h>

enum pass {
#define PASS(id, stage, what) PASS_##id,
#include "driver/pass.def"
#undef PASS
	PASS_COUNT
};
static const struct {
	const char *stage, *what;
} passes[] = {
#define PASS(id, stage, what) {stage, what},
#include "driver/pass.def"
#undef PASS
};

static double lap(struct unit *u, enum pass p, double from)
{
	double now = dgm_now();
	u->ms[p] += 1000 * (now - from);
	return now;
}

void unit_time(const struct unit *u)
{
	if (!u->opt->time)
		return;
	for (int p = 0; p < PASS_COUNT; p++)
		fprintf(stderr, "pass_ms %-6s %8.2f  %s\n", passes[p].stage, u->ms[p], passes[p].what);
	fprintf(stderr, "data_ms %15.2f  reading data\n", u->data_ms);
}

static bool read_overrides(struct unit *u)
{
	bool ok = true;
	struct override *set = u->set = NEW_ARRAY(u->cx.prog, struct override, u->opt->set.n + 1);
	for (int i = 0; i < u->opt->set.n; i++) {
		const char *kv = u->opt->set.at[i], *eq = strchr(kv, '=');
		set[i].key = intern_n(kv, (size_t)(eq - kv));
		const char *path = arena_printf(u->cx.perm, "--set %s", set[i].key);
		set[i].value = parse_value(&u->cx, source_text(path, eq + 1, strlen(eq + 1)));
		ok = ok && set[i].value != NULL;
	}
	return ok;
}

int unit_read(struct unit *u, const struct options *opt)
{
	double t = dgm_now();
	*u = (struct unit){.opt = opt};
	u->cx.perm = arena_new();
	u->cx.prog = arena_new();
	u->cx.tmp = arena_new();
	u->cx.diags = diags_new(u->cx.prog);
	u->src = source_read(opt->file);
	if (u->src == NULL) {
		fprintf(stderr, "dgm: %s: %s\n", opt->file, strerror(errno));
		return EXIT_FILE;
	}
	u->ast = parse(&u->cx, u->src);
	bool ok = read_overrides(u);
	t = lap(u, PASS_PARSE, t);
	if (ok) {
		u->checked = sema_check(&u->cx, u->ast, u->set, opt->set.n);
		t = lap(u, PASS_SEMA, t);
	}
	if (ok && diags_errors(u->cx.diags) == 0) {
		for (int i = 0; i < u->checked->model.n; i++)
			vec_push(u->cx.prog, &u->model, model_build(&u->cx, u->checked->model.at[i]));
		datasets_check(u);
		outputs_check(u);
		lap(u, PASS_MODEL, t);
	}
	if (diags_errors(u->cx.diags) == 0)
		return EXIT_DONE;
	diags_print(u->cx.diags, stderr);
	return EXIT_FILE;
}

struct model *unit_model(const struct unit *u, const struct model_def *def)
{
	for (int i = 0; i < u->checked->model.n; i++)
		if (u->checked->model.at[i] == def)
			return u->model.at[i];
	BUG("no model %s", def->name);
}

/* ---- one block, pass by pass ---- */
void block_plan(struct unit *u, struct compiled *c)
{
	double t = dgm_now();
	c->plan = plan_build(&u->cx, c->x->p);
	lap(u, PASS_PLAN, t);
}

bool block_jit(struct unit *u, struct compiled *c)
{
	double t = dgm_now();
	c->jit = jit_compile(&u->cx, c->plan);
	c->mod = c->jit ? jit_module(c->jit) : NULL;
	lap(u, PASS_JIT, t);
	return c->jit != NULL;
}

static bool expand_timed(struct unit *u, const struct block_def *b, struct compiled *c)
{
	double t = dgm_now();
	bool ok = block_expand(u, b, c);
	lap(u, PASS_EXPAND, t);
	return ok;
}

/* ---- check ---- */
int call_check(struct options *o)
{
	struct unit u;
	int status = unit_read(&u, o);
	if (status != EXIT_DONE)
		return status;
	for (int i = 0; i < u.checked->block.n; i++) {
		struct compiled c;
		expand_timed(&u, u.checked->block.at[i], &c);
	}
	diags_print(u.cx.diags, stderr);
	unit_time(&u);
	return diags_errors(u.cx.diags) ? EXIT_FILE : EXIT_DONE;
}

/* ---- what is shown of a file that is only parsed ---- */
static int call_parsed(struct options *o,
                       void (*show)(const struct ast_file *f, const struct source *src))
{
	struct cx cx = {.perm = arena_new(), .prog = arena_new(), .tmp = arena_new()};
	const struct source *src = source_read(o->file);
	if (src == NULL) {
		fprintf(stderr, "dgm: %s: %s\n", o->file, strerror(errno));
		return EXIT_FILE;
	}
	cx.diags = diags_new(cx.prog);
	struct ast_file *f = parse(&cx, src);
	if (diags_errors(cx.diags)) {
		diags_print(cx.diags, stderr);
		return EXIT_FILE;
	}
	show(f, src);
	return EXIT_DONE;
}

static void show_ast(const struct ast_file *f, const struct source *src)
{
	(void)src;
	ast_print(f, stdout);
}

static void show_formatted(const struct ast_file *f, const struct source *src)
{
	ast_format(f, src, stdout);
}

int call_fmt(struct options *o)
{
	return call_parsed(o, show_formatted);
}

/* ---- emit ---- */
const char *block_word(const struct block_def *b)
{
	return b->kind == BLOCK_TRAIN ? "train" : b->kind == BLOCK_EVALUATE ? "evaluate" : "sample";
}

static void emit_block(struct unit *u, const char *stage, const struct block_def *b)
{
	struct compiled c;
	if (!expand_timed(u, b, &c))
		return;
	bool text = strcmp(stage, "expr") == 0 || strcmp(stage, "plan") == 0;
	printf(text ? "%s %s\n" : "; %s %s\n", block_word(b), b->model->name);
	if (strcmp(stage, "expr") == 0) {
		program_print(c.x->p, stdout);
		return;
	}
	block_plan(u, &c);
	if (strcmp(stage, "plan") == 0)
		plan_print(c.plan, stdout);
	else if (strcmp(stage, "llvm") == 0)
		codegen_print_llvm(&u->cx, c.plan, stdout);
	else
		codegen_print_asm(&u->cx, c.plan, stdout);
}

int call_emit(struct options *o)
{
	static const char *const stages[] = {"ast", "sema", "model", "expr", "plan", "llvm", "asm"};
	enum { NSTAGE = sizeof stages / sizeof *stages };
	int known = 0;
	for (int i = 0; i < NSTAGE; i++)
		known += o->stage && strcmp(stages[i], o->stage) == 0;
	if (!known) {
		const char *near = o->stage ? nearest_word(o->stage, stages, NSTAGE) : NULL;
		fprintf(stderr, "dgm: emit needs --stage=ast|sema|model|expr|plan|llvm|asm%s%s\n",
		        near ? "; did you mean " : "", near ? near : "");
		return EXIT_USAGE;
	}
	if (strcmp(o->stage, "ast") == 0)
		return call_parsed(o, show_ast);
	struct unit u;
	int status = unit_read(&u, o);
	if (status != EXIT_DONE)
		return status;
	if (strcmp(o->stage, "sema") == 0) {
		sema_print(u.checked, stdout);
	} else if (strcmp(o->stage, "model") == 0) {
		for (int i = 0; i < u.model.n; i++)
			model_print(&u.cx, u.model.at[i], stdout);
	} else {
		if (!codegen_init())
			BUG("LLVM has no target for this machine");
		for (int i = 0; i < u.checked->block.n; i++)
			emit_block(&u, o->stage, u.checked->block.at[i]);
	}
	diags_print(u.cx.diags, stderr);
	unit_time(&u);
	return diags_errors(u.cx.diags) ? EXIT_FILE : EXIT_DONE;
}
