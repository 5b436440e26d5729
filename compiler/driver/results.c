/* results.jsonl: a line a figure or a warning.  A run begins it anew; eval and sample keep what an
 * earlier one left of models and kinds of blocks that they do not obey again.  It is written at the
 * end, whole; where a figure could not be had, with those before it. */
#include "driver/driver.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- lines ---- */
static void member(FILE *f, const char *name, const char *text)
{
	fprintf(f, ", \"%s\": ", name);
	dgm_json_string(f, text);
}

/* JSON has no word for what is not finite: null. */
static void number(FILE *f, const char *name, double value)
{
	if (isfinite(value))
		fprintf(f, ", \"%s\": %.9g", name, value);
	else
		fprintf(f, ", \"%s\": null", name);
}

static void put_result(FILE *f, const struct session *s, const struct result *r)
{
	fputs("{\"model\": ", f);
	dgm_json_string(f, r->model);
	member(f, "figure", r->figure);
	number(f, "value", r->value);
	number(f, "stderr", r->error);
	fprintf(f, ", \"examples\": %lld", (long long)r->n);
	member(f, "quantity", r->quantity ? r->quantity : r->figure);
	member(f, "kind", r->kind ? r->kind : "mean over data");
	if (r->per)
		member(f, "per", r->per);
	member(f, "data", r->data);
	member(f, "data_key", r->key);
	fprintf(f, ", \"data_digest\": \"%016llx\"", (unsigned long long)r->data_digest);
	member(f, "method", r->method);
	member(f, "block", block_word(s->block));
	fprintf(f, ", \"seed\": %lld, \"parameters\": \"%016llx\"", (long long)s->u->opt->seed,
	        (unsigned long long)r->digest);
	for (const struct member *d = r->detail; d < r->detail + MEMBERS && d->name; d++)
		if (d->text)
			member(f, d->name, d->text);
		else
			number(f, d->name, d->number);
	fputs("}\n", f);
}

const char *figure_text(struct arena *a, double value, double error, int digits)
{
	return isfinite(error) ? arena_printf(a, "%.*f +- %.*f", digits, value, digits, error)
	                       : arena_printf(a, "%.*f", digits, value);
}

int job_record(struct session *s, const struct result *r)
{
	const struct options *o = s->u->opt;
	if (!isfinite(r->value))
		return dgm_fail(DGM_ENONFINITE, "%s of model %s on %s is not finite", r->figure, r->model,
		                r->data);
	if (o->json)
		put_result(stdout, s, r);
	else
		printf("%s: %s of %s: %s  (%lld examples, data key %s; %s)\n", r->model, r->figure, r->data,
		       figure_text(s->u->cx.tmp, r->value, r->error, 4), (long long)r->n, r->key,
		       r->method);
	fflush(stdout);
	put_result(s->results.f, s, r);
	return DGM_OK;
}

void job_warn(struct session *s, const char *model, const char *text)
{
	fprintf(stderr, "dgm: warning: %s\n", text);
	fputs("{\"model\": ", s->results.f);
	dgm_json_string(s->results.f, model);
	member(s->results.f, "warning", text);
	member(s->results.f, "block", block_word(s->block));
	fputs("}\n", s->results.f);
}

/* ---- the file ---- */
static const char *file_name(const struct session *s)
{
	return arena_printf(s->u->cx.prog, "%s/results.jsonl", s->out_dir);
}

int results_open(struct session *s, bool anew)
{
	struct results *r = &s->results;
	FILE *old = anew ? NULL : fopen(file_name(s), "r");
	if (old)
		fclose(old);
	if (old && dgm_records_read(file_name(s), &r->old, &r->nold) != DGM_OK)
		return run_failed();
	r->f = open_memstream(&r->text, &r->size);
	if (r->f)
		return EXIT_DONE;
	dgm_fail(DGM_ENOMEM, "no memory for results");
	return run_failed();
}

/* Is the record of a model and a kind of block that are obeyed again?  A run that failed did not
 * get to those behind the one it failed in. */
static bool obeyed(const struct session *s, const struct dgm_record *r)
{
	for (int i = 0; i < s->u->checked->block.n; i++) {
		const struct block_def *b = s->u->checked->block.at[i];
		if (s->wants[b->kind] && strcmp(b->model->name, r->model) == 0 &&
		    strcmp(block_word(b), r->block) == 0)
			return true;
		if (s->failed && b == s->block)
			break;
	}
	return false;
}

int results_close(struct session *s)
{
	struct results *r = &s->results;
	struct dgm_out out;
	int status = fclose(r->f) == 0 ? DGM_OK : dgm_fail(DGM_ENOMEM, "no memory for results");
	if (status == DGM_OK && (r->size || !s->failed))
		status = dgm_out_open(&out, file_name(s));
	if (status == DGM_OK && (r->size || !s->failed)) {
		for (int i = 0; i < r->nold; i++)
			if (!obeyed(s, &r->old[i]))
				fputs(r->old[i].line, out.f);
		fwrite(r->text, 1, r->size, out.f);
		status = dgm_out_commit(&out);
	}
	dgm_records_free(r->old, r->nold);
	free(r->text);
	return status == DGM_OK ? EXIT_DONE : run_failed();
}
