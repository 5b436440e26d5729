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

/* ---- pairs ---- */
static bool same_number(double a, double b)
{
	return a == b || (isnan(a) && isnan(b));
}

static bool same_figure(const struct dgm_record *x, const struct dgm_record *y)
{
	return same_text(x->figure, y->figure) && same_text(x->kind, y->kind);
}

static bool same_model(const struct dgm_record *x, const struct dgm_record *y)
{
	return same_figure(x, y) && same_text(x->model, y->model);
}

static bool same_names(const struct dgm_record *x, const struct dgm_record *y)
{
	return same_model(x, y) && same_text(x->data, y->data);
}

static bool same_settings(const struct dgm_record *x, const struct dgm_record *y)
{
	return same_names(x, y) && same_number(x->chains, y->chains) &&
	       same_number(x->betas, y->betas) && same_number(x->samples, y->samples);
}

static bool same_quantity(const struct dgm_record *x, const struct dgm_record *y)
{
	return same_text(quantity(x), quantity(y));
}

static void pair_by(struct arena *a, struct run *x, struct run *y, bool comparable,
                    bool (*alike)(const struct dgm_record *x, const struct dgm_record *y))
{
	for (int i = 0; i < x->n; i++)
		for (int k = 0; k < y->n && !x->other[i]; k++) {
			const struct dgm_record *p = &x->record[i], *q = &y->record[k];
			if (!is_figure(p) || !is_figure(q) || y->other[k] || !same_quantity(p, q) ||
			    !alike(p, q) || (comparable && reason(a, p, q)))
				continue;
			x->other[i] = q;
			y->other[k] = p;
		}
}

/* Those that have most in common first; last what is of one quantity though it cannot be compared.
 */
static void pair(struct arena *a, struct run *x, struct run *y)
{
	bool (*const alike[])(const struct dgm_record *x, const struct dgm_record *y) = {
	    same_settings, same_names, same_model, same_figure, same_quantity};
	enum { N = sizeof alike / sizeof *alike };
	for (int i = 0; i < 2 * N; i++)
		pair_by(a, x, y, i < N, alike[i % N]);
}

/* ---- the table ---- */
enum { COLUMNS = 4 };
struct row {
	const struct dgm_record *of[2];
	const char *cell[COLUMNS];
};
struct table {
	VEC(struct row) row;
	int width[COLUMNS];
};

static void add_row(struct arena *a, struct table *t, struct row row)
{
	for (int k = 0; k < COLUMNS; k++) {
		int n = (int)strlen(row.cell[k]);
		t->width[k] = n > t->width[k] ? n : t->width[k];
	}
	vec_push(a, &t->row, row);
}

static const char *value_text(struct arena *a, const struct dgm_record *r)
{
	return r ? figure_text(a, r->value, r->error, 4) : "-";
}

static void add_pair(struct arena *a, struct table *t, const struct dgm_record *x,
                     const struct dgm_record *y)
{
	const struct dgm_record *r = x ? x : y;
	struct row row = {.of = {x, y}};
	row.cell[0] =
	    arena_printf(a, "%s of %s%s%s", quantity(r), r->data, *r->per ? " per " : "", r->per);
	row.cell[1] = value_text(a, x);
	row.cell[2] = value_text(a, y);
	row.cell[3] = "";
	if (x && y)
		row.cell[3] =
		    arena_printf(a, "%s%s", y->value < x->value ? "" : "+",
		                 figure_text(a, y->value - x->value, hypot(x->error, y->error), 4));
	add_row(a, t, row);
}

static const char *both(struct arena *a, const struct row *row, const char *x, const char *y)
{
	return row->of[0] && row->of[1] && !same_text(x, y) ? arena_printf(a, "A is %s; B is %s", x, y)
	                                                    : x;
}

static void put_notes(struct arena *a, const struct row *row)
{
	const struct dgm_record *x = row->of[0], *y = row->of[1], *r = x ? x : y;
	const struct dgm_record *p = x ? x : r, *q = y ? y : r;
	printf("    model: %s\n    %s%s\n", both(a, row, p->model, q->model),
	       same_text(p->kind, q->kind) ? "" : "not of one kind: ", both(a, row, p->kind, q->kind));
	printf("    %lld examples, data key %s\n", (long long)r->examples, r->key);
	for (int k = 0; k < 2; k++)
		if (row->of[k] && row->of[k]->ess >= 0)
			printf("    %c: %.0f chains, effective sample size %.1f\n", "AB"[k],
			       row -> of[k] -> chains, row -> of[k] -> ess);
}

static void put_table(struct arena *a, const struct table *t)
{
	for (int i = 0; i < t->row.n; i++) {
		const struct row *row = &t->row.at[i];
		printf("%-*s", t->width[0], row->cell[0]);
		for (int k = 1; k < COLUMNS; k++)
			printf("  %*s", t->width[k], row->cell[k]);
		putchar('\n');
		if (row->of[0] || row->of[1])
			put_notes(a, row);
	}
}

/* The models with their seeds and parameters, and the warnings, a line each. */
static void put_head(const char *name, const struct run *x)
{
	const struct dgm_record *before = NULL;
	printf("%s: %s\n", name, x->path);
	for (int i = 0; i < x->n; i++) {
		const struct dgm_record *r = &x->record[i];
		if (*r->warning) {
			printf("   warning: %s\n", r->warning);
			continue;
		}
		if (!before || before->seed != r->seed || !same_text(before->parameters, r->parameters))
			printf("   model %s, seed %lld, parameters %s\n", r->model, (long long)r->seed,
			       r->parameters);
		before = r;
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
	struct table t = {0};
	int refused = 0;
	pair(a, x, y);
	put_head("A", x);
	put_head("B", y);
	putchar('\n');
	add_row(a, &t, (struct row){.cell = {"", "A", "B", "B - A"}});
	for (int i = 0; i < x->n; i++)
		if (is_figure(&x->record[i]) && !(x->other[i] && reason(a, &x->record[i], x->other[i])))
			add_pair(a, &t, &x->record[i], x->other[i]);
	for (int i = 0; i < y->n; i++)
		if (is_figure(&y->record[i]) && !y->other[i])
			add_pair(a, &t, NULL, &y->record[i]);
	put_table(a, &t);
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
