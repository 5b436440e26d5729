/* The report: for each quantity of a model the comparison that used the largest share of its
 * tolerance. */
#include "verify/verify.h"

#include <math.h>
#include <string.h>

struct line {
	const char *what, *skipped;
	double error, tolerance;
	int n;
};
struct report {
	struct arena *a;
	bool json;
	const char *model;
	VEC(struct line) line;
};

struct report *report_new(struct arena *a, bool json)
{
	struct report *r = NEW(a, struct report);
	r->a = a;
	r->json = json;
	return r;
}

void report_model(struct report *r, const char *name, const char *sizes, const char *more)
{
	r->model = name;
	r->line.n = 0;
	if (!r->json)
		printf("model %s%s%s%s%s\n", name, *sizes ? " at " : "", sizes,
		       *more ? "; hidden units summed out also at " : "", more);
}

static struct line *line_of(struct report *r, const char *what)
{
	for (int i = 0; i < r->line.n; i++)
		if (strcmp(r->line.at[i].what, what) == 0)
			return &r->line.at[i];
	vec_push(r->a, &r->line, (struct line){.what = arena_printf(r->a, "%s", what)});
	return &r->line.at[r->line.n - 1];
}

/* An error that is no number exceeds every other. */
void report_compare(struct report *r, const char *what, double error, double tolerance)
{
	if (isnan(error))
		error = INFINITY;
	struct line *l = line_of(r, what);
	if (l->n++ == 0 || !(error / tolerance <= l->error / l->tolerance)) {
		l->error = error;
		l->tolerance = tolerance;
	}
}

void report_skip(struct report *r, const char *what, const char *why)
{
	struct line *l = line_of(r, what);
	if (l->skipped == NULL)
		l->skipped = arena_printf(r->a, "%s", why);
}

static bool right(const struct line *l)
{
	return l->n == 0 || l->error <= l->tolerance;
}

static void print_line(const struct report *r, const struct line *l)
{
	if (r->json && l->n)
		printf("{\"model\": \"%s\", \"quantity\": \"%s\", \"error\": %.3g, \"tolerance\": %.3g, "
		       "\"comparisons\": %d, "
		       "\"ok\": %s}\n",
		       r->model, l->what, l->error, l->tolerance, l->n, right(l) ? "true" : "false");
	else if (r->json)
		printf("{\"model\": \"%s\", \"quantity\": \"%s\", \"not_checked\": \"%s\"}\n", r->model,
		       l->what, l->skipped);
	else if (l->n)
		printf("  %-58s %8.1e of %6.0e  %s\n", l->what, l->error, l->tolerance,
		       right(l) ? "ok" : "WRONG");
	if (!r->json && l->skipped)
		printf("  %-58s %s: %s\n", l->what, l->n ? "not everywhere" : "not checked", l->skipped);
}

bool report_print(struct report *r)
{
	int wrong = 0, checked = 0, skipped = 0;
	for (int i = 0; i < r->line.n; i++) {
		const struct line *l = &r->line.at[i];
		print_line(r, l);
		wrong += !right(l);
		checked += l->n > 0;
		skipped += l->n == 0;
	}
	if (!r->json)
		printf("  %d quantities checked, %d wrong, %d not checked%s\n", checked, wrong, skipped,
		       checked ? "" : ": nothing is known to be right");
	return wrong == 0 && checked > 0;
}
