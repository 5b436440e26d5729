/* The names of a file's models in C: words that C, C++ and a function's own arguments have are left
 * to them, and no two things bear the same name. */
#include "driver/driver.h"

#include <string.h>

static bool is_taken(const char *s)
{
	static const char *const word[] = {
	    "model",    "rows",      "work",      "work_size",  "random",    "size",      "params",
	    "sweeps",   "burn",      "passes",    "iterations", "out",       "dgm",       "alignas",
	    "alignof",  "and",       "and_eq",    "asm",        "auto",      "bitand",    "bitor",
	    "bool",     "break",     "case",      "catch",      "char",      "class",     "compl",
	    "concept",  "const",     "consteval", "constexpr",  "constinit", "continue",  "decltype",
	    "default",  "delete",    "do",        "double",     "else",      "enum",      "explicit",
	    "export",   "extern",    "false",     "float",      "for",       "friend",    "goto",
	    "if",       "inline",    "int",       "long",       "mutable",   "namespace", "new",
	    "noexcept", "not",       "not_eq",    "nullptr",    "operator",  "or",        "or_eq",
	    "private",  "protected", "public",    "register",   "requires",  "restrict",  "return",
	    "short",    "signed",    "sizeof",    "static",     "struct",    "switch",    "template",
	    "this",     "throw",     "true",      "try",        "typedef",   "typeid",    "typename",
	    "union",    "unsigned",  "using",     "virtual",    "void",      "volatile",  "wchar_t",
	    "while",    "xor",       "xor_eq",    "linux",      "unix"};
	for (size_t k = 0; k < sizeof word / sizeof *word; k++)
		if (strcmp(s, word[k]) == 0)
			return true;
	return false;
}

const char *c_name(struct arena *a, const char *name)
{
	char *s = arena_printf(a, "%s", name);
	for (char *p = s; *p; p++)
		if (*p == '.')
			*p = '_';
	return is_taken(s) ? arena_printf(a, "%s_", s) : s;
}

/* The first clash alone is told. */
static void add(struct cx *cx, c_names *names, const char *c, const char *what, struct span at)
{
	for (int k = 0; k < names->n; k++)
		if (strcmp(names->at[k].c, c) == 0 && diags_errors(cx->diags) == 0)
			diag(cx->diags, DIAG_EMBED_NAME, at, names->at[k].what, what, c);
	vec_push(cx->prog, names, ((struct c_name){c, what}));
}

/* A function of the object, and the one that gives the size of its workspace. */
static void add_function(struct cx *cx, c_names *names, const struct object *o, const char *name,
                         struct span at)
{
	struct arena *a = cx->prog;
	const char *symbol = arena_printf(a, "%s_%s", o->name, name);
	const char *what = arena_printf(a, "function %s of model %s", name, o->name);
	add(cx, names, symbol, what, at);
	add(cx, names, arena_printf(a, "%s_work", symbol),
	    arena_printf(a, "the workspace's size of %s", what), at);
}

static void arguments(struct cx *cx, const struct embed *e, const struct entry *to, struct span at)
{
	c_names names = {0};
	for (int k = 0; k < to->arg.n; k++) {
		const struct embed_arg *arg = &e->arg.at[k];
		const char *what = arena_printf(cx->prog, "the %s %s of function %s",
		                                arg->group ? "variable" : "output", arg->name, e->name);
		add(cx, &names, to->arg.at[k].name, what, arg->group ? arg->group->span : at);
	}
}

void c_names_add(struct cx *cx, const struct object *o, const struct model_def *def,
                 const struct model *m, const embed_list *offers, c_names *names)
{
	struct arena *a = cx->prog;
	c_names params = {0};
	for (int k = 0; k < m->weight.n; k++)
		add(cx, &params, o->param.at[k].name,
		    arena_printf(a, "parameter %s", m->weight.at[k]->name), m->weight.at[k]->span);
	add_function(cx, names, o, "size", def->span);
	add_function(cx, names, o, "load", def->span);
	for (int k = 0; k < o->entry.n; k++)
		if (!o->entry.at[k].refused) {
			arguments(cx, offers->at[k], &o->entry.at[k], def->span);
			add_function(cx, names, o, o->entry.at[k].name, def->span);
		}
}
