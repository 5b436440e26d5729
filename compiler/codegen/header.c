/* The C header of an object: prototypes with shapes, ranges, units and errors; what the model does
 * not offer, and why. */
#include "codegen/object.h"

#include <math.h>
#include <string.h>

static void dimensions(const struct sym *s, FILE *out)
{
	for (int k = 0; k < s->rank; k++)
		fprintf(out, "[%lld]", (long long)s->dim[k]);
}

static void shape(const struct sym *s, FILE *out)
{
	fprintf(out, "[rows]");
	dimensions(s, out);
}

/* Text of a comment: no end of it within. */
static void comment(const char *s, FILE *out)
{
	for (; *s; s++)
		if (!(s[0] == '*' && s[1] == '/'))
			fputc(*s, out);
}

static void head(const struct object *o, FILE *out)
{
	fprintf(out, "/* %s: functions of the model of ", o->name);
	comment(o->from, out);
	fprintf(out, ", made by dgm %s.\n *\n", o->version);
	fprintf(
	    out,
	    " * Arrays are row-major floats, rows of items one behind the other; energies and "
	    "log-probabilities\n"
	    " * are in nats.  Functions return DGM_EMBED_OK or what went wrong; then neither outputs "
	    "nor the random\n * state are written, so that chains are as they were.  They\n"
	    " * allocate nothing and write nothing but their outputs, the random state and the "
	    "workspace, so any\n"
	    " * number of threads may call them, each with a workspace and a random state of its "
	    "own; they may\n"
	    " * share a model.  FUNCTION_work(rows) gives the bytes of the workspace, 0 where "
	    "there may not be so\n"
	    " * many rows.  Blocks and workspaces need no alignment.  The same random state gives "
	    "the same\n"
	    " * numbers, each call advances it.  %s",
	    o->freestanding ? "Nothing but memcpy and memset is called."
	                    : "Link with -ldgmrt -lopenblas -lm.  Products of\n"
	                      " * matrices take up to half a megabyte of the stack.");
	if (o->loss) {
		fprintf(out, "\n * Parameters ");
		comment(o->loss, out);
		fputc('.', out);
	}
	fprintf(out, " */\n");
}

static void common(FILE *out)
{
	fprintf(out, "#ifndef DGM_EMBED\n#define DGM_EMBED\nenum dgm_embed_status {\n");
#define S(name, value, what) \
	fprintf(out, "\tDGM_EMBED_%s = %d%s /* %s */\n", #name, value, \
	        strcmp(#name, "BLOCK") ? "," : "", what);
	DGM_EMBED_STATUS_LIST(S)
#undef S
	fprintf(out, "};\nstruct dgm_random { /* seed: any; step: 0 at first */\n\tuint64_t seed, "
	             "step;\n};\n#endif\n\n");
}

static void params(const struct object *o, FILE *out)
{
	if (object_takes_params(o)) {
		fprintf(out, "struct %s_params { /* all are copied by %s_load */\n", o->name, o->name);
		for (int k = 0; k < o->param.n; k++) {
			const struct sym *s = o->param.at[k].sym;
			fprintf(out, "\tconst float *%s; /* ", o->param.at[k].name);
			dimensions(s, out);
			fprintf(out, "%s */\n", s->rank ? "" : "one number");
		}
		fprintf(out, "};\n");
	}
	fprintf(out,
	        "/* The bytes of the model's block; 0: it has none, and `model` may be NULL. "
	        "*/\nsize_t %s_size(void);\n",
	        o->name);
	fprintf(
	    out,
	    "/* Fills it.  It may not be moved afterwards. */\nint %s_load(void *model, size_t size",
	    o->name);
	if (object_takes_params(o))
		fprintf(out, ", const struct %s_params *params", o->name);
	fprintf(out, ");\n\n");
}

/* Parameters from a file, for programs that have one: it allocates, so it is no function of the
 * object. */
static void load_file(const struct object *o, FILE *out)
{
	if (!object_takes_params(o) || o->freestanding)
		return;
	fprintf(
	    out,
	    "#ifdef DGM_EMBED_FILES /* define it to load .safetensors files; link with -lcjson too */\n"
	    "static inline int %s_load_file(void *model, size_t size, const char *path)\n{\n"
	    "\tstatic const struct dgm_embed_param param[] = {\n",
	    o->name);
	for (int k = 0; k < o->param.n; k++) {
		const struct sym *s = o->param.at[k].sym;
		fprintf(out, "\t\t{\"%s\", %d, {", o->param.at[k].in_file, s->rank);
		for (int d = 0; d < s->rank; d++)
			fprintf(out, "%s%lld", d ? ", " : "", (long long)s->dim[d]);
		fprintf(out, "%s}},\n", s->rank ? "" : "0");
	}
	fprintf(out,
	        "\t};\n\tstruct %s_params params;\n\tconst float *values[%d];\n"
	        "\tvoid *block = dgm_embed_read(\"%s\", path, param, %d, values);\n"
	        "\tint status;\n\tif (!block)\n\t\treturn DGM_EMBED_FILE;\n",
	        o->name, o->param.n, o->name, o->param.n);
	for (int k = 0; k < o->param.n; k++)
		fprintf(out, "\tparams.%s = values[%d];\n", o->param.at[k].name, k);
	fprintf(out,
	        "\tstatus = %s_load(model, size, &params);\n\tfree(block);\n\treturn "
	        "status;\n}\n#endif\n\n",
	        o->name);
}

static void range(const struct entry_arg *a, FILE *out)
{
	if (a->two)
		fprintf(out, ", %g or %g", a->lo, a->hi);
	else if (a->whole)
		fprintf(out, ", whole numbers from %g%s", a->lo, a->way == ENTRY_OUT ? "" : " to 16777216");
	else if (a->lo > -INFINITY && a->hi < INFINITY)
		fprintf(out, ", in [%g, %g]", a->lo, a->hi);
	else if (a->lo > -INFINITY)
		fprintf(out, ", from %g", a->lo);
}

static void describe(const struct entry_arg *a, FILE *out)
{
	static const char *const way[] = {"in", "out", "in and out", "in and out"};
	fprintf(out, " *   %s", a->name);
	shape(a->sym, out);
	fprintf(out, " %s: %s", way[a->way], a->domain ? a->domain : "real");
	range(a, out);
	if (*a->what)
		fprintf(out, "; %s", a->what);
	fprintf(out, "%s\n", a->optional ? "; may be NULL" : "");
}

static void prototype(const struct object *o, const struct entry *e, FILE *out)
{
	fprintf(out, "int %s_%s(const void *model, size_t rows", o->name, e->name);
	for (int k = 0; k < e->phase.n; k++)
		if (e->phase.at[k].count)
			fprintf(out, ", size_t %s", e->phase.at[k].count);
	for (int k = 0; k < e->arg.n; k++)
		fprintf(out, ", %sfloat *%s", e->arg.at[k].way == ENTRY_IN ? "const " : "",
		        e->arg.at[k].name);
	fprintf(out, "%s, void *work, size_t work_size);\n",
	        e->random ? ", struct dgm_random *random" : "");
}

static void function(const struct object *o, const struct entry *e, FILE *out)
{
	fprintf(out, "/* ");
	comment(e->what, out);
	fprintf(out, "\n");
	for (int k = 0; k < e->arg.n; k++)
		describe(&e->arg.at[k], out);
	fprintf(out, " */\nsize_t %s_%s_work(size_t rows);\n", o->name, e->name);
	prototype(o, e, out);
	fprintf(out, "\n");
}

static void refused(const struct object *o, FILE *out)
{
	int n = 0;
	for (int k = 0; k < o->entry.n; k++) {
		if (!o->entry.at[k].refused)
			continue;
		if (n++ == 0)
			fprintf(out, "/* What the model does not offer:\n");
		fprintf(out, " *   %s: ", o->entry.at[k].name);
		comment(o->entry.at[k].refused, out);
		fprintf(out, "\n");
	}
	if (o->train && o->train->refused) {
		fprintf(out, "%s *   train_step: ", n++ ? "" : "/* What the model does not offer:\n");
		comment(o->train->refused, out);
		fprintf(out, "\n");
	}
	if (n)
		fprintf(out, " */\n\n");
}

/* ---- a training ---- */
static void train(const struct object *o, FILE *out)
{
	const struct object_train *t = o->train;
	const struct dgm_train *of = &t->updates->train;
	fprintf(
	    out,
	    "/* Updates of the model's training: the caller's parameters move in place.\n"
	    " *   params: all are read and written\n"
	    " *   state: moments, chains and buffers, in %s_train_size(rows) bytes for batches of at\n"
	    " *     most so many rows; train_begin fills it.  It may not be moved afterwards.\n"
	    " *   epoch: from 0, what schedules go by; the file has %lld, of batches of %lld\n",
	    o->name, (long long)of->epochs, (long long)of->batch);
	for (int k = 0; k < t->ninput; k++)
		describe(&t->input[k], out);
	for (int k = 0; k < t->nmean; k++) {
		fprintf(out, " *   %s", t->mean[k].name);
		dimensions(t->mean[k].sym, out);
		fprintf(out, " in: over the data; of 0 and 1 and of counts the mean is (sum + 1)/(n + 2), "
		             "of spins sum/(n + 2)\n");
	}
	fprintf(out, " * The same parameters, random state {seed, 0} and batches give the same bits as "
	             "dgm run --seed.\n"
	             " * Behind DGM_EMBED_RESULT parameters are as they were, the state is to begin "
	             "anew.  Updates\n"
	             " * run on the threads of the process; those of several threads take turns. */\n");
	fprintf(out, "struct %s_train_params {\n", o->name);
	for (int k = 0; k < t->nparam; k++) {
		const struct sym *s = t->param[k].sym;
		fprintf(out, "\tfloat *%s; /* ", t->param[k].name);
		dimensions(s, out);
		fprintf(out, "%s */\n", s->rank ? "" : "one number");
	}
	fprintf(out, "};\nsize_t %s_train_size(size_t rows);\n", o->name);
	fprintf(out,
	        "int %s_train_begin(void *state, size_t size, size_t rows, const struct "
	        "%s_train_params *params",
	        o->name, o->name);
	for (int k = 0; k < t->nmean; k++)
		fprintf(out, ", const float *%s", t->mean[k].name);
	fprintf(out, ", struct dgm_random *random);\n");
	fprintf(
	    out,
	    "int %s_train_step(void *state, size_t rows, size_t epoch, const struct %s_train_params "
	    "*params",
	    o->name, o->name);
	for (int k = 0; k < t->ninput; k++)
		fprintf(out, ", const float *%s", t->input[k].name);
	fprintf(out, ", struct dgm_random *random);\n\n");
}

void header_print(const object_list *list, FILE *out)
{
	for (int k = 0; k < list->n; k++) {
		const struct object *o = &list->at[k];
		head(o, out);
		fprintf(out, "#ifndef DGM_EMBED_MODEL_%s\n#define DGM_EMBED_MODEL_%s\n", o->name, o->name);
		fprintf(out,
		        "#include <stddef.h>\n#include <stdint.h>\n"
		        "#ifdef DGM_EMBED_FILES\n#include <dgm_embed.h>\n#include <stdlib.h>\n#endif\n\n"
		        "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
		common(out);
		params(o, out);
		load_file(o, out);
		for (int i = 0; i < o->entry.n; i++)
			if (!o->entry.at[i].refused)
				function(o, &o->entry.at[i], out);
		if (o->train && !o->train->refused)
			train(o, out);
		refused(o, out);
		fprintf(out, "#ifdef __cplusplus\n}\n#endif\n#endif\n");
	}
}
