/* The names of a file's models in C: words that C, C++ and a function's own arguments have are left
 * to them, and no two things bear the same name. */
#include "driver/driver.h"

#include <string.h>

static bool ends_with(const char *s, const char *tail)
{
	size_t n = strlen(s), k = strlen(tail);
	return n >= k && strcmp(s + n - k, tail) == 0;
}

/* Words of C and C++, names of the functions' own arguments, and what the headers of the C library
 * that a header needs have as macros and types. */
static bool is_taken(const char *s)
{
	static const char words[] =
	    " model rows work work_size random size params sweeps burn passes iterations out dgm "
	    "alignas alignof and and_eq asm auto bitand bitor bool break case catch char class "
	    "co_await co_return co_yield compl concept const const_cast consteval constexpr "
	    "constinit continue decltype default delete do double dynamic_cast else enum explicit "
	    "export extern false float for friend goto if inline int long mutable namespace new "
	    "noexcept not not_eq nullptr operator or or_eq private protected public register "
	    "reinterpret_cast requires restrict return short signed sizeof static static_assert "
	    "static_cast struct switch template this thread_local throw true try typedef typeid "
	    "typename typeof union unsigned using virtual void volatile while xor xor_eq linux unix "
	    "NULL EOF BUFSIZ FILE SEEK_CUR SEEK_END SEEK_SET EXIT_FAILURE EXIT_SUCCESS L_tmpnam "
	    "errno stdin stdout stderr offsetof assert ";
	char spaced[64];
	if (snprintf(spaced, sizeof spaced, " %s ", s) < (int)sizeof spaced && strstr(words, spaced))
		return true;
	return s[0] == '_' || ends_with(s, "_t") || ends_with(s, "_MAX") || ends_with(s, "_MIN");
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
