/* Data definitions as the runtime's specs; each set is read once, and checked against the variable
 * it is bound to. */
#include "driver/driver.h"

#include <math.h>
#include <string.h>

struct loaded {
	const struct data_def *def;
	struct dgm_data *data;
};
static VEC(struct loaded) cache;

const struct data_def *data_named(const struct unit *u, const char *name)
{
	for (int i = 0; i < u->checked->data.n; i++)
		if (strcmp(u->checked->data.at[i]->name, name) == 0)
			return u->checked->data.at[i];
	return NULL;
}

/* ---- specs ---- */
static const struct dgm_reader *reader_named(const char *name)
{
	for (int i = 0; dgm_readers[i]; i++)
		if (strcmp(dgm_readers[i]->name, name) == 0)
			return dgm_readers[i];
	return NULL;
}

static const char *reader_list(struct arena *a)
{
	struct buf b;
	buf_init(&b, a);
	for (int i = 0; dgm_readers[i]; i++)
		buf_printf(&b, "%s%s", i ? ", " : "", dgm_readers[i]->name);
	return b.s;
}

static bool binarize_step(struct unit *u, const struct call *c, struct dgm_step *s)
{
	struct value v[2];
	if (!call_bind(&u->cx, c, "how:any seed:num=1", v, NULL))
		return false;
	const char *how = v[0].kind == VAL_CALL   ? v[0].call->name
	                  : v[0].kind == VAL_NAME ? v[0].name
	                                          : "";
	s->seed = (uint64_t)v[1].num;
	if (strcmp(how, "fixed") == 0) {
		s->kind = DGM_STEP_BINARIZE_FIXED;
	} else if (strcmp(how, "resampled") == 0) {
		s->kind = DGM_STEP_BINARIZE_RESAMPLED;
	} else if (strcmp(how, "threshold") == 0) {
		struct value t[1] = {{.num = 0.5}};
		if (v[0].kind == VAL_CALL && !call_bind(&u->cx, v[0].call, "at:num=0.5", t, NULL))
			return false;
		s->kind = DGM_STEP_BINARIZE_THRESHOLD;
		s->value = t[0].num;
	} else {
		diag(u->cx.diags, DIAG_BINARIZE, v[0].span);
		return false;
	}
	return true;
}

static const struct { /* steps that are calls */
	const char *name, *signature;
	enum dgm_step_kind kind;
} step_calls[] = {
    {"binarize", NULL, DGM_STEP_BINARIZE_FIXED},      {"rows", "from:num to:num", DGM_STEP_ROWS},
    {"columns", "from:num to:num", DGM_STEP_COLUMNS}, {"shuffle", "seed:num=1", DGM_STEP_SHUFFLE},
    {"standardize", "", DGM_STEP_STANDARDIZE},
};
enum { NSTEP = sizeof step_calls / sizeof *step_calls };

static bool call_step(struct unit *u, const struct call *c, struct dgm_step *s)
{
	const char *names[NSTEP];
	for (int i = 0; i < NSTEP; i++) {
		struct value v[2] = {0};
		names[i] = step_calls[i].name;
		if (strcmp(names[i], c->name) != 0)
			continue;
		s->kind = step_calls[i].kind;
		if (step_calls[i].signature == NULL)
			return binarize_step(u, c, s);
		if (!call_bind(&u->cx, c, step_calls[i].signature, v, NULL))
			return false;
		s->lo = (int64_t)v[0].num;
		s->hi = (int64_t)v[1].num;
		s->seed = (uint64_t)v[0].num;
		return true;
	}
	const char *near = nearest_word(c->name, names, NSTEP);
	diag(u->cx.diags, DIAG_DATA_STEP, c->name_span, c->name);
	diag(u->cx.diags, DIAG_NOTE, c->name_span,
	     near ? arena_printf(u->cx.prog, "did you mean '%s'?", near)
	          : "there are binarize, rows, columns, shuffle and standardize");
	return false;
}

static const char *folder_of(struct unit *u)
{
	const char *slash = strrchr(u->src->path, '/');
	return slash ? intern_n(u->src->path, (size_t)(slash - u->src->path)) : ".";
}

static bool read_spec(struct unit *u, const struct data_def *def, struct dgm_data_spec *out)
{
	const struct call *c = def->reader;
	const struct dgm_reader *r = reader_named(c->name);
	*out = (struct dgm_data_spec){.name = def->name, .base_dir = folder_of(u)};
	if (r == NULL) {
		diag(u->cx.diags, DIAG_READER, c->name_span, c->name, reader_list(u->cx.prog));
		return false;
	}
	out->reader = r->name;
	struct value v[4] = {0};
	static const char *const sizes[] = {"", "n:int", "n:int m:int", "n:int m:int k:int"};
	if (!call_bind(&u->cx, c, r->is_file ? "path:str" : sizes[r->nargs], v, NULL))
		return false;
	if (r->is_file)
		out->path = v[0].name;
	for (int i = 0; !r->is_file && i < r->nargs; i++)
		out->arg[i] = (int64_t)v[i].num;
	for (int i = 0; i < def->nstep; i++) {
		const struct data_step *d = &def->step[i];
		if (i == (int)(sizeof out->step / sizeof *out->step)) {
			diag(u->cx.diags, DIAG_DATA_STEPS, d->span, i);
			return false;
		}
		struct dgm_step *s = &out->step[out->nstep++];
		if (d->op == 0 && !call_step(u, d->call, s))
			return false;
		if (d->op == '*' || d->op == '/')
			*s = (struct dgm_step){.kind = DGM_STEP_MUL,
			                       .value = d->op == '*' ? d->num : 1 / d->num};
		if (d->op == '+' || d->op == '-')
			*s = (struct dgm_step){.kind = DGM_STEP_ADD, .value = d->op == '+' ? d->num : -d->num};
	}
	return true;
}

bool datasets_check(struct unit *u)
{
	bool ok = true;
	for (int i = 0; i < u->checked->data.n; i++) {
		struct dgm_data_spec spec;
		ok = read_spec(u, u->checked->data.at[i], &spec) && ok;
	}
	return ok;
}

/* ---- loading ---- */
struct dgm_data *dataset(struct unit *u, const struct data_def *def, int *status)
{
	struct loaded l = {.def = def};
	struct dgm_data_spec spec;
	for (int i = 0; i < cache.n; i++)
		if (cache.at[i].def == def)
			return cache.at[i].data;
	*status = EXIT_FILE;
	if (!read_spec(u, def, &spec))
		return NULL;
	*status = EXIT_RUN;
	double t = dgm_now();
	int loaded = dgm_data_load(&spec, &l.data);
	u->data_ms += 1000 * (dgm_now() - t);
	if (loaded != DGM_OK) {
		diag(u->cx.diags, DIAG_DATA_LOAD, def->span, def->name, dgm_error());
		return NULL;
	}
	vec_push(u->cx.perm, &cache, l);
	*status = EXIT_DONE;
	return l.data;
}

static bool all_spins(const struct dgm_data *d)
{
	if (d->resampled)
		return false;
	for (int64_t i = 0; i < d->n * d->items; i++) {
		float v = d->f32 ? d->f32[i] : (float)d->u8[i] * d->scale;
		if (v != 1 && v != -1)
			return false;
	}
	return true;
}

bool dataset_fits(struct unit *u, const struct dgm_data *d, const struct group *g, struct span at)
{
	static const char *const words[] = {"real numbers", "grey values in [0, 1]", "counts",
	                                    "0 and 1"};
	int64_t items = 1;
	for (int i = 0; i < g->sym->rank; i++)
		items *= g->sym->dim[i];
	if (items != d->items) {
		diag(u->cx.diags, DIAG_DATA_SIZE, at, d->name, (long long)d->items, g->name,
		     (long long)items);
		diag(u->cx.diags, DIAG_NOTE, g->span,
		     arena_printf(u->cx.prog, "'%s' is declared here", g->name));
		return false;
	}
	enum values v = g->sym->values;
	bool fits = v == VALUES_BINARY ? d->domain == DGM_DATA_BINARY
	            : v == VALUES_SPIN ? all_spins(d)
	                               : true;
	if (fits)
		return true;
	diag(u->cx.diags, DIAG_DATA_DOMAIN, at, d->name, words[d->domain], g->name, g->domain);
	diag(u->cx.diags, DIAG_NOTE, at,
	     v == VALUES_SPIN ? "spins are -1 and +1: from 0 and 1 they come with  * 2 - 1"
	                      : "make them 0 and 1 with  |> binarize(resampled), binarize(fixed) or "
	                        "binarize(threshold(0.5))");
	return false;
}
