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
	const char *file = params_file(s->u, c->whole->name);
	if (file)
		return dgm_params_load(st, file) == DGM_OK ? EXIT_DONE : run_failed();
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

/* What an earlier run has left of later trainings is not to be gone on from, and its figures and
 * its page are of other parameters. */
static void forget(const struct session *s)
{
	unlink(arena_printf(s->u->cx.prog, "%s/results.jsonl", s->out_dir));
	unlink(arena_printf(s->u->cx.prog, "%s/report.html", s->out_dir));
	for (int i = 0; i < s->u->checked->block.n; i++)
		if (s->u->checked->block.at[i]->kind == BLOCK_TRAIN)
			unlink(arena_printf(s->u->cx.prog, "%s/checkpoint.safetensors",
			                    train_folder(s, s->u->checked->block.at[i])));
}

/* Every refusal, and data that do not fit, before the first hour of training. */
static int check_blocks(struct session *s)
{
	struct unit *u = s->u;
	int status = EXIT_DONE, blocks = 0;
	for (int i = 0; i < u->checked->block.n; i++) {
		struct compiled c;
		if (!s->wants[u->checked->block.at[i]->kind])
			continue;
		if (block_expand(u, u->checked->block.at[i], &c))
			params_check(u, &c);
		blocks++;
	}
	for (int i = 0; i < u->checked->block.n && !diags_errors(u->cx.diags); i++)
		if (status == EXIT_DONE && s->wants[u->checked->block.at[i]->kind])
			status = block_ready(u, u->checked->block.at[i]);
	status = settle(u, status);
	if (status != EXIT_DONE || blocks)
		return status;
	fprintf(stderr, "dgm: %s has no block to %s\n", u->opt->file, u->opt->call);
	return EXIT_FILE;
}

static int run_block(struct session *s, const struct block_def *b)
{
	s->block = b;
	int status = b->kind == BLOCK_TRAIN      ? job_train(s, b)
	             : b->kind == BLOCK_EVALUATE ? job_evaluate(s, b)
	                                         : job_sample(s, b);
	return settle(s->u, status);
}

static int end_well(struct session *s)
{
	int status = run_report(s);
	if (status == EXIT_DONE && !s->u->opt->json)
		printf("results in %s\n", s->out_dir);
	return status;
}

/* In a run the models that --params has parameters for are as if they had been trained. */
static int take_params(struct session *s)
{
	for (int i = 0; i < s->u->model.n; i++) {
		struct model *m = s->u->model.at[i];
		const char *file = params_file(s->u, m->name);
		if (file == NULL || m->weight.n == 0)
			continue;
		struct trained given = {m, read_params(s->u, m, file)};
		if (given.store == NULL)
			return run_failed();
		vec_push(s->u->cx.perm, &s->trained, given);
	}
	return EXIT_DONE;
}

static int run_blocks(struct options *o, bool train, bool evaluate, bool sample)
{
	struct unit u;
	int status = unit_read(&u, o);
	if (status != EXIT_DONE)
		return status;
	if (train && !params_go(&u))
		return EXIT_USAGE;
	struct session s = {.u = &u, .out_dir = o->out ? o->out : default_folder(u.cx.perm, o->file)};
	s.wants[BLOCK_TRAIN] = train;
	s.wants[BLOCK_EVALUATE] = evaluate;
	s.wants[BLOCK_SAMPLE] = sample;
	u.session = &s;
	dgm_threads((int)o->threads);
	status = check_blocks(&s);
	if (status != EXIT_DONE)
		return status;
	if (!codegen_init()) {
		fprintf(stderr, "dgm: LLVM has no target for this machine\n");
		return EXIT_RUN;
	}
	if (dgm_make_dir(s.out_dir) != DGM_OK || dgm_folder_lock(s.out_dir) < 0)
		return run_failed();
	if (train && !o->resume)
		forget(&s);
	status = results_open(&s, train);
	if (status != EXIT_DONE)
		return status;
	status = outputs_ready(&s);
	if (status == EXIT_DONE && train)
		status = take_params(&s);
	for (int i = 0; i < u.checked->block.n && status == EXIT_DONE; i++)
		if (s.wants[u.checked->block.at[i]->kind])
			status = run_block(&s, u.checked->block.at[i]);
	if (status != EXIT_DONE)
		s.failed = arena_printf(u.cx.perm, "%s", dgm_error());
	int written = results_close(&s);
	if (status == EXIT_DONE)
		status = written;
	if (status == EXIT_DONE)
		return end_well(&s);
	if (s.failed == NULL)
		s.failed = arena_printf(u.cx.perm, "%s", dgm_error());
	if (train)
		run_report(&s);
	return status;
}

int call_run(struct options *o)
{
	return run_blocks(o, true, true, true);
}

static int with_params(struct options *o, bool evaluate)
{
	if (o->params.n == 0) {
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
