/* run, eval and sample: the blocks of a file, one after the other, with what one hands to the next.
 */
#include "driver/driver.h"

#include <string.h>
#include <unistd.h>

int run_failed(void)
{
	fprintf(stderr, "dgm: %s\n", dgm_error());
	return EXIT_RUN;
}

/* The parameters: from --params, else as the model's last training left them, else as other models
 * hand them on. */
static int fill_params(struct session *s, const struct compiled *c, struct dgm_store *st)
{
	struct dgm_call call = dgm_call_on(st, (uint64_t)s->u->opt->seed);
	if (s->u->opt->params)
		return dgm_params_load(st, s->u->opt->params) == DGM_OK ? EXIT_DONE : run_failed();
	for (int i = s->trained.n - 1; i >= 0; i--)
		if (s->trained.at[i].m == c->whole) {
			memcpy(st->params, s->trained.at[i].store->params, sizeof(float) * (size_t)st->nparam);
			return EXIT_DONE;
		}
	handed_fill(s, c, st);
	dgm_run(dgm_function_find(c->mod, "init"), &call);
	return EXIT_DONE;
}

struct dgm_store *job_store(struct session *s, struct compiled *c, const int64_t *capacity,
                            int *status)
{
	struct dgm_store *st = dgm_store_new(c->mod, capacity);
	*status = st ? fill_params(s, c, st) : run_failed();
	if (*status == EXIT_DONE) {
		struct dgm_call call = dgm_call_on(st, (uint64_t)s->u->opt->seed);
		struct dgm_positive positive = job_positive(s, c);
		dgm_run(dgm_function_find(c->mod, "prepare"), &call);
		if (dgm_positive_check(st, &positive, (uint64_t)s->u->opt->seed) == DGM_OK)
			return st;
		*status = run_failed();
	}
	dgm_store_free(st);
	return NULL;
}

static const char *default_folder(struct arena *a, const char *file)
{
	const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file,
	           *dot = strrchr(base, '.');
	size_t n = dot && strcmp(dot, ".dgm") == 0 ? (size_t)(dot - base) : strlen(base);
	return arena_printf(a, "%.*s.out", (int)n, base);
}

/* Diagnostics come in two parts: of the file before anything runs, of the data while it runs. */
static int settle(struct unit *u, int status)
{
	if (diags_errors(u->cx.diags) && status == EXIT_DONE)
		status = EXIT_FILE;
	diags_print(u->cx.diags, stderr);
	diags_settle(u->cx.diags);
	return status;
}

static bool wanted(enum block_kind k, bool train, bool evaluate, bool sample)
{
	return k == BLOCK_TRAIN ? train : k == BLOCK_EVALUATE ? evaluate : sample;
}

/* The folders of the files that a block writes, before anything takes time. */
static int make_folders(struct session *s, const struct block_def *b)
{
	for (int i = 0; i < b->nclause; i++)
		for (int k = 0; k < b->clause[i].narg; k++) {
			if (b->clause[i].arg[k].kind != VAL_STR)
				continue;
			const char *path = job_path(s, b->clause[i].arg[k].name), *end = strrchr(path, '/');
			if (end > path &&
			    dgm_make_dir(arena_printf(s->u->cx.tmp, "%.*s", (int)(end - path), path)) != DGM_OK)
				return run_failed();
		}
	return EXIT_DONE;
}

/* What an earlier run has left of later trainings is not to be gone on from. */
static void forget(const struct session *s)
{
	for (int i = 0; i < s->u->checked->block.n; i++)
		if (s->u->checked->block.at[i]->kind == BLOCK_TRAIN)
			unlink(arena_printf(s->u->cx.prog, "%s/checkpoint.safetensors",
			                    train_folder(s, s->u->checked->block.at[i])));
}

static int run_blocks(struct options *o, bool train, bool evaluate, bool sample)
{
	struct unit u;
	int status = unit_read(&u, o), blocks = 0;
	if (status != EXIT_DONE)
		return status;
	for (int i = 0; i < u.checked->block.n;
	     i++) { /* every refusal before the first hour of training */
		struct compiled c;
		if (!wanted(u.checked->block.at[i]->kind, train, evaluate, sample))
			continue;
		if (block_expand(&u, u.checked->block.at[i], &c))
			params_check(&u, &c);
		blocks++;
	}
	status = settle(&u, status);
	if (status != EXIT_DONE)
		return status;
	if (blocks == 0) {
		fprintf(stderr, "dgm: %s has no block to %s\n", o->file, o->call);
		return EXIT_FILE;
	}
	if (!codegen_init()) {
		fprintf(stderr, "dgm: LLVM has no target for this machine\n");
		return EXIT_RUN;
	}
	dgm_threads((int)o->threads);
	struct session s = {.u = &u, .out_dir = o->out ? o->out : default_folder(u.cx.perm, o->file)};
	u.session = &s;
	if (dgm_make_dir(s.out_dir) != DGM_OK || dgm_folder_lock(s.out_dir) < 0)
		return run_failed();
	if (train && !o->resume)
		forget(&s);
	if (evaluate &&
	    dgm_out_open(&s.results, arena_printf(u.cx.perm, "%s/results.jsonl", s.out_dir)) != DGM_OK)
		return run_failed();
	for (int i = 0; i < u.checked->block.n && status == EXIT_DONE; i++)
		if (wanted(u.checked->block.at[i]->kind, train, evaluate, sample))
			status = make_folders(&s, u.checked->block.at[i]);
	for (int i = 0; i < u.checked->block.n && status == EXIT_DONE; i++) {
		const struct block_def *b = u.checked->block.at[i];
		if (!wanted(b->kind, train, evaluate, sample))
			continue;
		status = b->kind == BLOCK_TRAIN      ? job_train(&s, b)
		         : b->kind == BLOCK_EVALUATE ? job_evaluate(&s, b)
		                                     : job_sample(&s, b);
		status = settle(&u, status);
	}
	if (s.results.f && status != EXIT_DONE)
		dgm_out_abort(&s.results);
	else if (s.results.f && dgm_out_commit(&s.results) != DGM_OK)
		status = run_failed();
	if (status == EXIT_DONE)
		status = run_report(&s);
	if (status == EXIT_DONE && !o->json)
		printf("results in %s\n", s.out_dir);
	return status;
}

int call_run(struct options *o)
{
	return run_blocks(o, true, true, true);
}

static int with_params(struct options *o, bool evaluate)
{
	if (o->params == NULL) {
		fprintf(stderr, "dgm: 'dgm %s' needs --params F.safetensors\n", o->call);
		return EXIT_USAGE;
	}
	return run_blocks(o, false, evaluate, !evaluate);
}

int call_eval(struct options *o)
{
	return with_params(o, true);
}

int call_sample(struct options *o)
{
	return with_params(o, false);
}
