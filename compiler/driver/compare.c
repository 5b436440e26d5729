/* compare: the figures of two runs side by side.  Figures are of the same quantity when they tell
 * of the same thing (a log-likelihood and a bound on it do); they are put side by side when they
 * were computed on the same examples under the same key.  Else they are refused, with the reason: a
 * log-likelihood moves by nats between ways of making grey values binary, and by more between
 * splits.  Where one is a bound and the other an estimate, that is said. */
#include "driver/driver.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

struct run { /* what one of the two left */
	const char *path;
	struct dgm_record *record;
	int n;
	const struct dgm_record **other; /* one a record: its like in the other run, NULL: none */
};

static bool is_figure(const struct dgm_record *r)
{
	return *r->figure != 0;
}

static bool same_text(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static const char *quantity(const struct dgm_record *r)
{
	return *r->quantity ? r->quantity : r->figure;
}

/* Why figures of one quantity cannot be compared; NULL: they can. */
static const char *reason(struct arena *a, const struct dgm_record *x, const struct dgm_record *y)
{
	if (!same_text(x->key, y->key))
		return arena_printf(a,
		                    "their data keys differ: '%s' and '%s'. What an example is differs, "
		                    "so the same model has another figure under each",
		                    x->key, y->key);
	if (!same_text(x->data_digest, y->data_digest))
		return arena_printf(a,
		                    "their data differ under the same key '%s': %s, %lld examples, and %s, "
		                    "%lld examples, are other values, another split, or other steps",
		                    x->key, x->data, (long long)x->examples, y->data,
		                    (long long)y->examples);
	if (!same_text(x->per, y->per))
		return arena_printf(a, "one is divided by %s, the other by %s",
		                    *x->per ? x->per : "nothing", *y->per ? y->per : "nothing");
	return NULL;
}

/* Pairs records: those of one figure and kind first, then those of one quantity, then what is left
 * of one quantity though it cannot be compared. */
static void pair(struct arena *a, struct run *x, struct run *y)
{
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < x->n; i++)
			for (int k = 0; k < y->n && !x->other[i]; k++) {
				const struct dgm_record *p = &x->record[i], *q = &y->record[k];
				if (!is_figure(p) || !is_figure(q) || y->other[k] ||
				    !same_text(quantity(p), quantity(q)) || (round < 2 && reason(a, p, q)) ||
				    (round == 0 &&
				     (!same_text(p->figure, q->figure) || !same_text(p->kind, q->kind))))
					continue;
				x->other[i] = q;
				y->other[k] = p;
			}
}

/* ---- the table ---- */
static const char *value_text(struct arena *a, const struct dgm_record *r)
{
	return r ? arena_printf(a, "%.4f +- %.4f", r->value, r->error) : "-";
}

static void put_row(struct arena *a, const struct dgm_record *x, const struct dgm_record *y)
{
	const struct dgm_record *r = x ? x : y;
	const char *what =
	    arena_printf(a, "%s of %s%s%s", quantity(r), r->data, *r->per ? " per " : "", r->per);
	const char *difference = "";
	if (x && y)
		difference =
		    arena_printf(a, "%+.4f +- %.4f", y->value - x->value, hypot(x->error, y->error));
	printf("%-36s %24s %24s %24s\n", what, value_text(a, x), value_text(a, y), difference);
	if (x && y && !same_text(x->kind, y->kind))
		printf("    not of one kind: A is %s; B is %s\n", x->kind, y->kind);
	else
		printf("    %s\n", r->kind);
	printf("    %lld examples, data key %s\n", (long long)r->examples, r->key);
	if (x && x->ess >= 0)
		printf("    A: %.0f chains, effective sample size %.1f\n", x->chains, x->ess);
	if (y && y->ess >= 0)
		printf("    B: %.0f chains, effective sample size %.1f\n", y->chains, y->ess);
}

/* The models with their seeds and parameters, and the warnings, a line each. */
static void put_head(const char *name, const struct run *x)
{
	printf("%s: %s\n", name, x->path);
	for (int i = 0; i < x->n; i++) {
		const struct dgm_record *r = &x->record[i], *before = i ? r - 1 : NULL;
		if (*r->warning)
			printf("   warning: %s\n", r->warning);
		else if (is_figure(r) && !(before && same_text(before->parameters, r->parameters)))
			printf("   model %s, seed %lld, parameters %s\n", r->model, (long long)r->seed,
			       r->parameters);
	}
}

static bool read_run(struct arena *a, const char *path, struct run *out)
{
	struct stat st;
	bool folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
	*out = (struct run){.path = path};
	if (dgm_records_read(folder ? arena_printf(a, "%s/results.jsonl", path) : path, &out->record,
	                     &out->n) != DGM_OK)
		return false;
	out->other = NEW_ARRAY(a, const struct dgm_record *, out->n + 1);
	for (int i = 0; i < out->n; i++)
		if (is_figure(&out->record[i]))
			return true;
	dgm_fail(DGM_EFORMAT,
	         "%s: holds no figure: has the run ended, and has its file an evaluate block?", path);
	return false;
}

static int compare(struct arena *a, struct run *x, struct run *y)
{
	int refused = 0;
	pair(a, x, y);
	put_head("A", x);
	put_head("B", y);
	printf("\n%-36s %24s %24s %24s\n", "", "A", "B", "B - A");
	for (int i = 0; i < x->n; i++)
		if (is_figure(&x->record[i]) && !(x->other[i] && reason(a, &x->record[i], x->other[i])))
			put_row(a, &x->record[i], x->other[i]);
	for (int i = 0; i < y->n; i++)
		if (is_figure(&y->record[i]) && !y->other[i])
			put_row(a, NULL, &y->record[i]);
	fflush(stdout);
	for (int i = 0; i < x->n; i++) {
		const char *why = x->other[i] ? reason(a, &x->record[i], x->other[i]) : NULL;
		if (!why)
			continue;
		refused++;
		fprintf(stderr, "dgm: %s of %s in %s and of %s in %s are not compared: %s\n",
		        quantity(&x->record[i]), x->record[i].data, x->path, x->other[i]->data, y->path,
		        why);
	}
	return refused ? EXIT_FILE : EXIT_DONE;
}

int call_compare(struct options *o)
{
	struct arena *a = arena_new();
	struct run x = {0}, y = {0};
	bool fine = read_run(a, o->file, &x) && read_run(a, o->other, &y);
	int status = fine ? compare(a, &x, &y) : run_failed();
	dgm_records_free(x.record, x.n);
	dgm_records_free(y.record, y.n);
	arena_free(a);
	return status;
}
