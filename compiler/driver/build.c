/* dgm build: the models of a file as functions of plain C, in an object file with its header. */
#include "driver/driver.h"

#include <errno.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_word(const char *s, const char *const *words, size_t n)
{
	for (size_t k = 0; k < n; k++)
		if (strcmp(s, words[k]) == 0)
			return true;
	return false;
}

/* ---- an offer as an entry ---- */
static const char *domain(struct arena *a, const struct group *g)
{
	const char *size = "", *rule = g->family->empty ? "at most one 1 in" : "one 1 in";
	if (g->family->shape != SHAPE_ONEHOT && !g->total)
		return g->domain;
	for (int k = 0; k < g->sym->rank; k++)
		size = arena_printf(a, "%s%s%lld", size, k ? "x" : "", (long long)g->block[k]);
	if (g->total)
		return arena_printf(a, "%s, the sum of each block of %s is in %s", g->domain, size,
		                    c_name(a, g->total->name));
	return arena_printf(a, "%s, %s each block of %s", g->domain, rule, size);
}

struct entry_arg build_argument(struct arena *a, const struct embed *e,
                                const struct embed_arg *from)
{
	static const enum entry_way way[] = {[EMBED_IN] = ENTRY_IN,
	                                     [EMBED_OUT] = ENTRY_OUT,
	                                     [EMBED_INOUT] = ENTRY_INOUT,
	                                     [EMBED_KNOWN] = ENTRY_KNOWN};
	struct entry_arg arg = {.name = from->group ? c_name(a, from->name) : from->name,
	                        .what = from->what,
	                        .sym = from->sym,
	                        .known = from->known,
	                        .way = way[from->way],
	                        .lo = -INFINITY,
	                        .hi = INFINITY};
	int out = 0;
	for (int k = 0; k < e->arg.n; k++)
		out += e->arg.at[k].way == EMBED_OUT;
	arg.optional = from->way == EMBED_OUT && out > 1;
	if (!from->group)
		return arg;
	const struct family *f = from->group->family;
	arg.domain = domain(a, from->group);
	arg.lo = f->lo;
	arg.hi = f->hi;
	arg.two = f->shape == SHAPE_TWO || f->shape == SHAPE_ONEHOT;
	arg.whole = !arg.two && !f->continuous;
	return arg;
}

static struct entry_phase phase(struct arena *a, const struct embed_phase *from)
{
	struct entry_phase p = {.count = from->count, .least = from->least, .adapt = from->adapt};
	for (int k = 0; k < from->ncall; k++)
		vec_push(a, &p.call, ((struct entry_call){from->call[k].function, from->call[k].times}));
	return p;
}

static struct entry entry(struct unit *u, const char *object, const struct embed *e)
{
	struct arena *a = u->cx.prog;
	struct entry to = {.symbol = arena_printf(a, "%s_%s", object, e->name),
	                   .name = e->name,
	                   .what = e->what,
	                   .refused = e->refused,
	                   .random = e->random,
	                   .check = e->wrong ? EMBED_BLOCKS : NULL,
	                   .wrong = e->wrong};
	if (e->refused)
		return to;
	to.plan = plan_build(&u->cx, e->x->p);
	for (int k = 0; k < e->arg.n; k++)
		vec_push(a, &to.arg, build_argument(a, e, &e->arg.at[k]));
	for (int k = 0; k < e->phase.n; k++)
		vec_push(a, &to.phase, phase(a, &e->phase.at[k]));
	return to;
}

/* ---- parameters ---- */
static struct dgm_slot param_slot(const struct weight *w)
{
	struct dgm_slot s = {.name = w->name, .space = DGM_PARAM, .pop = -1, .param = -1};
	s.rank = w->sym->rank;
	memcpy(s.dim, w->sym->dim, sizeof s.dim[0] * (size_t)s.rank);
	return s;
}

struct dgm_store *read_params(struct unit *u, const struct model *m, const char *file)
{
	struct dgm_module *mod = NEW(u->cx.prog, struct dgm_module);
	struct dgm_slot *slot = NEW_ARRAY(u->cx.prog, struct dgm_slot, m->weight.n + 1);
	for (int k = 0; k < m->weight.n; k++)
		slot[k] = param_slot(m->weight.at[k]);
	*mod = (struct dgm_module){.model = m->name, .nslot = m->weight.n, .slot = slot};
	struct dgm_store *s = dgm_store_new(mod, NULL);
	if (s && dgm_params_load(s, file) == DGM_OK)
		return s;
	dgm_store_free(s);
	return NULL;
}

static bool add_params(struct unit *u, const struct model *m, struct object *o)
{
	struct arena *a = u->cx.prog;
	struct dgm_store *s = NULL;
	const char *file = params_file(u, m->name);
	if (file && (s = read_params(u, m, file)) == NULL)
		return false;
	if (file && !u->opt->embed_params)
		fprintf(
		    stderr,
		    "dgm: %s fits model '%s'; without --embed-params the object has none of it, %s_load "
		    "takes parameters\n",
		    file, m->name, o->name);
	for (int k = 0; k < m->weight.n; k++) {
		const struct weight *w = m->weight.at[k];
		struct entry_param p = {.name = c_name(a, w->name), .in_file = w->name, .sym = w->sym};
		if (s && u->opt->embed_params)
			p.values =
			    arena_copy(a, s->slot[k], (size_t)dgm_slot_items(&s->mod->slot[k]) * sizeof(float));
		vec_push(a, &o->param, p);
	}
	dgm_store_free(s);
	return true;
}

/* ---- a model ---- */
/* The sampler that the model's first sample block names, else the standard one. */
static bool sampling_of(struct unit *u, const struct model *m, struct sampling *out)
{
	const struct block_def *from = &(struct block_def){.kind = BLOCK_SAMPLE};
	for (int k = u->checked->block.n - 1; k >= 0; k--) {
		const struct block_def *b = u->checked->block.at[k];
		if (b->kind == BLOCK_SAMPLE && unit_model(u, b->model) == m)
			from = b;
	}
	bool ok = block_sampler(u, from, out);
	out->temperatures = 1;
	return ok;
}

static bool is_wanted(const char *name, const char *const *wanted)
{
	while (wanted && *wanted && strcmp(*wanted, name) != 0)
		wanted++;
	return !wanted || *wanted;
}

bool build_functions(struct unit *u, struct model *m, const char *const *wanted, struct object *o,
                     embed_list *offers)
{
	struct sampling sampling;
	bool bare = u->opt->freestanding, few = build_bits(u->opt) != BITS_ALL;
	*o = (struct object){
	    .name = c_name(u->cx.prog, m->name), .from = u->opt->file, .version = DGM_VERSION};
	o->freestanding = bare;
	o->scalar = u->opt->scalar;
	if (!sampling_of(u, m, &sampling) || !add_params(u, m, o))
		return false;
	embed_offers(&u->cx, m, &sampling, bare || few, bare, offers);
	if (few)
		quantise_object(u, offers, o);
	for (int k = 0; k < offers->n; k++)
		if (is_wanted(offers->at[k]->name, wanted))
			vec_push(u->cx.prog, &o->entry, entry(u, o->name, offers->at[k]));
	o->train = u->opt->train && !wanted ? build_train(u, m) : NULL;
	return true;
}

bool build_object(struct unit *u, struct model *m, struct object *o, embed_list *offers)
{
	return build_functions(u, m, NULL, o, offers);
}

/* ---- files ---- */
static const char *with_suffix(struct arena *a, const char *path, const char *suffix)
{
	const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
	size_t n = dot ? (size_t)(dot - path) : strlen(path);
	return arena_printf(a, "%.*s%s", (int)n, path, suffix);
}

static int write_object(const char *path, const struct object_text *text)
{
	struct dgm_out out;
	if (dgm_out_open(&out, path) != DGM_OK)
		return run_failed();
	fwrite(text->data, 1, text->size, out.f);
	return dgm_out_commit(&out) == DGM_OK ? EXIT_DONE : run_failed();
}

/* Where libdgmrt.a is: beside the tool, or in ../lib of it. */
static const char *library_folder(struct arena *a)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (n <= 0)
		return ".";
	while (n > 0 && self[n] != '/')
		n--;
	self[n] = 0;
	bool beside = access(arena_printf(a, "%s/libdgmrt.a", self), R_OK) == 0;
	return beside ? arena_printf(a, "%s", self) : arena_printf(a, "%s/../lib", self);
}

static int link_shared(struct arena *a, const char *from, const char *to)
{
	extern char **environ;
	const char *folder = arena_printf(a, "-L%s", library_folder(a));
	const char *argv[] = {"cc",      "-shared",    "-o",  to,          from, folder,
	                      "-ldgmrt", "-lopenblas", "-lm", "-lpthread", NULL};
	pid_t child;
	int status,
	    error = posix_spawnp(&child, "cc", NULL, NULL, (char *const *)(uintptr_t)argv, environ);
	if (error == 0 && waitpid(child, &status, 0) == child && status == 0)
		return EXIT_DONE;
	if (error)
		fprintf(stderr, "dgm: --shared needs the C compiler cc: %s\n", strerror(error));
	else
		fprintf(stderr, "dgm: cc could not link %s\n", to);
	return EXIT_RUN;
}

static int write_shared(struct arena *a, const char *to, const struct object_text *text)
{
	const char *made = arena_printf(a, "%s.tmp.%ld", to, (long)getpid());
	const char *object = arena_printf(a, "%s.o", made);
	int status = write_object(object, text);
	if (status == EXIT_DONE)
		status = link_shared(a, object, made);
	if (status == EXIT_DONE && rename(made, to) != 0) {
		fprintf(stderr, "dgm: %s: cannot be written: %s\n", to, strerror(errno));
		status = EXIT_RUN;
	}
	remove(object);
	if (status != EXIT_DONE)
		remove(made);
	return status;
}

static bool is_same(const char *a, const char *b)
{
	struct stat x, y;
	if (strcmp(a, b) == 0)
		return true;
	return stat(a, &x) == 0 && stat(b, &y) == 0 && S_ISREG(x.st_mode) && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

static bool is_params(const struct unit *u, const char *path)
{
	for (int k = 0; k < u->model.n; k++) {
		const char *file = params_file(u, u->model.at[k]->name);
		if (file && is_same(path, file))
			return true;
	}
	return false;
}

/* Nothing that is read, or written too, is written over. */
static bool outputs_go(const struct unit *u, const char *object, const char *header)
{
	const char *to[] = {object, header}, *option[] = {"-o", "--header"};
	for (int k = 0; k < 2; k++) {
		const char *over = is_same(to[k], u->opt->file) ? "the file to be built"
		                   : is_params(u, to[k])        ? "the file of parameters"
		                   : k && is_same(to[k], to[0]) ? "the object"
		                                                : NULL;
		if (over == NULL)
			continue;
		fprintf(stderr, "dgm: %s would be written over %s: another name by %s\n", to[k], over,
		        option[k]);
		return false;
	}
	return true;
}

static int write_files(struct unit *u, const object_list *list, const char *to, const char *path)
{
	struct arena *a = u->cx.prog;
	struct object_text text = object_build(&u->cx, list, u->opt->target);
	struct dgm_out header;
	if (dgm_out_open(&header, path) != DGM_OK)
		return run_failed();
	header_print(list, header.f);
	int status = u->opt->shared ? write_shared(a, to, &text) : write_object(to, &text);
	if (status != EXIT_DONE) {
		dgm_out_abort(&header);
		return status;
	}
	if (u->opt->sizes)
		sizes_print(&text.sizes, stdout);
	return dgm_out_commit(&header) == DGM_OK ? EXIT_DONE : run_failed();
}

static bool options_go(const struct options *o)
{
	int n;
	const char *const *targets = codegen_targets(&n);
	if (o->embed_params && !o->params.n) {
		fprintf(stderr, "dgm: --embed-params needs --params F.safetensors\n");
		return false;
	}
	if (o->scalar && !o->freestanding) {
		fprintf(stderr, "dgm: --scalar needs --freestanding: the runtime library has vectors\n");
		return false;
	}
	if (o->train && o->freestanding) {
		fprintf(stderr, "dgm: --train goes without --freestanding: updates are the runtime's\n");
		return false;
	}
	if (o->quantize && !quantize_goes(o))
		return false;
	if (o->target && is_word(o->target, targets, (size_t)n) && codegen_target_bare(o->target) &&
	    (!o->freestanding || o->shared)) {
		fprintf(stderr, "dgm: --target %s %s: the runtime library is for this machine\n", o->target,
		        o->shared ? "goes without --shared" : "needs --freestanding");
		return false;
	}
	if (!o->target || is_word(o->target, targets, (size_t)n))
		return true;
	const char *near = nearest_word(o->target, targets, n);
	fprintf(stderr, "dgm: there is no target '%s'%s%s: 'dgm help build' lists them\n", o->target,
	        near ? "; did you mean " : "", near ? near : "");
	return false;
}

int call_build(struct options *o)
{
	struct unit u;
	object_list list = {0};
	c_names names = {0};
	int status = options_go(o) ? unit_read(&u, o) : EXIT_USAGE;
	if (status != EXIT_DONE)
		return status;
	const char *slash = strrchr(o->file, '/'), *base = slash ? slash + 1 : o->file;
	const char *to = o->object ? o->object : with_suffix(u.cx.prog, base, o->shared ? ".so" : ".o");
	const char *header = o->header ? o->header : with_suffix(u.cx.prog, to, ".h");
	if (!params_go(&u) || !outputs_go(&u, to, header))
		return EXIT_USAGE;
	if (!codegen_init()) {
		fprintf(stderr, "dgm: LLVM has no target for this machine\n");
		return EXIT_RUN;
	}
	for (int k = 0; k < u.model.n; k++) {
		struct object one;
		embed_list offers = {0};
		bool ok = build_object(&u, u.model.at[k], &one, &offers);
		if (ok)
			c_names_add(&u.cx, &one, u.checked->model.at[k], u.model.at[k], &offers, &names);
		if (!ok || diags_errors(u.cx.diags)) {
			diags_print(u.cx.diags, stderr);
			return diags_errors(u.cx.diags) ? EXIT_FILE : run_failed();
		}
		if (build_bits(o) != BITS_ALL)
			measure_loss(&u, u.model.at[k], &one);
		vec_push(u.cx.prog, &list, one);
	}
	if (list.n == 0) {
		fprintf(stderr, "dgm: %s has no model to build\n", o->file);
		return EXIT_FILE;
	}
	status = write_files(&u, &list, to, header);
	unit_time(&u);
	return status;
}
