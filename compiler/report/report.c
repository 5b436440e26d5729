/* The page of a run: its warnings, its figures with what they are of, the curves of training,
 * samples and chains, filters, and the derived mathematics, made of the files in the folder of
 * results and of the checked file. */
#include "report/report.h"
#include "files.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct page {
	FILE *f;
	struct session *s;
	struct arena *a;
};

static void heading(const struct page *p, const char *id, const char *text)
{
	fprintf(p->f, "<h2 id=\"%s\">%s</h2>\n", id, text);
}

static void element(const struct page *p, const char *tag, const char *class, const char *text)
{
	fprintf(p->f, "<%s%s%s%s>", tag, *class ? " class=\"" : "", class, *class ? "\"" : "");
	dgm_put_text(p->f, text);
	fprintf(p->f, "</%s>\n", tag);
}

/* ---- head ---- */
static void put_head(const struct page *p)
{
	const struct options *o = p->s->u->opt;
	const char *slash = strrchr(o->file, '/'), *name = slash ? slash + 1 : o->file;
	fputs(
	    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"
	    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
	    "style-src 'unsafe-inline'\"/><meta name=\"viewport\" content=\"width=device-width, "
	    "initial-scale=1\"/><title>",
	    p->f);
	dgm_put_text(p->f, name);
	fprintf(p->f, "</title><style>%s</style></head><body>\n", report_style);
	element(p, "h1", "", name);
	fprintf(p->f, "<p class=\"soft\">dgm %s %s, version %s, seed %lld", o->call, name, DGM_VERSION,
	        (long long)o->seed);
	for (int i = 0; i < o->set.n; i++) {
		fputs(", <code>--set ", p->f);
		dgm_put_text(p->f, o->set.at[i]);
		fputs("</code>", p->f);
	}
	fputs("</p>\n<nav><a href=\"#figures\">Figures</a><a href=\"#training\">Training</a>"
	      "<a href=\"#samples\">Samples</a><a href=\"#mathematics\">Mathematics</a>"
	      "<a href=\"#file\">File</a></nav>\n",
	      p->f);
}

/* ---- warnings and figures ---- */
static void put_warnings(const struct page *p, const struct dgm_record *r, int n)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	if (f) {
		diags_print_all(p->s->u->cx.diags, f);
		fclose(f);
	}
	if (p->s->failed)
		element(p, "p", "warning",
		        arena_printf(p->a, "The run failed, this is what it left. %s", p->s->failed));
	for (int i = 0; i < n; i++)
		if (*r[i].warning)
			element(p, "p", "warning", r[i].warning);
	if (size)
		element(p, "pre", "warning", text);
	free(text);
}

/* A figure: a line of what it is and its value, then one of how it came about. */
static void put_figure(const struct page *p, const struct dgm_record *r)
{
	fputs("<tr><td>", p->f);
	dgm_put_text(p->f, r->model);
	fputs("</td><td>", p->f);
	dgm_put_text(p->f, r->figure);
	fputs("</td>", p->f);
	fprintf(p->f, "<td class=\"value\">%.6g", r->value);
	if (isfinite(r->error))
		fprintf(p->f, " \u00b1 %.2g", r->error);
	fputs(*r->per ? " per " : "", p->f);
	dgm_put_text(p->f, r->per);
	fputs("</td><td>", p->f);
	dgm_put_text(p->f, r->kind);
	fputs("</td><td>", p->f);
	dgm_put_text(p->f, r->data);
	fputs("</td><td><code>", p->f);
	dgm_put_text(p->f, r->key);
	fprintf(p->f, "</code></td></tr>\n<tr class=\"how\"><td></td><td colspan=\"5\">");
	if (*r->verdict) {
		fputs("<b>", p->f);
		dgm_put_text(p->f, r->verdict);
		fputs("</b>: ", p->f);
	}
	dgm_put_text(p->f, r->method);
	fprintf(p->f, ". %lld examples", (long long)r->examples);
	if (r->chains > 0)
		fprintf(p->f, ", %.0f chains", r->chains);
	if (r->ess > 0)
		fprintf(p->f, ", effective sample size %.1f", r->ess);
	fprintf(p->f, ", seed %lld, parameters <code>%s</code></td></tr>\n", (long long)r->seed,
	        r->parameters);
}

static void put_figures(const struct page *p, const struct dgm_record *r, int n)
{
	int figures = 0;
	heading(p, "figures", "Figures");
	for (int i = 0; i < n; i++)
		figures += *r[i].figure != 0;
	if (figures == 0) {
		element(p, "p", "soft",
		        p->s->failed ? "The run did not get to them." : "The file asks for none.");
		return;
	}
	fputs("<div class=\"wide\"><table><tr><th>model</th><th>figure</th><th>value</th><th>kind</th>"
	      "<th>data</th><th>data key</th></tr>\n",
	      p->f);
	for (int i = 0; i < n; i++)
		if (*r[i].figure)
			put_figure(p, &r[i]);
	fputs("</table></div>\n", p->f);
}

/* ---- training ---- */
static void put_curves(const struct page *p, const struct block_def *b)
{
	const char *path = arena_printf(p->a, "%s/metrics.jsonl", train_folder(p->s, b));
	struct dgm_series *s;
	int n;
	if (access(path, F_OK) != 0) {
		element(p, "p", "soft", "The folder holds no metrics of this training.");
		return;
	}
	if (dgm_metrics_read(path, &s, &n) != DGM_OK) {
		element(p, "p", "warning", dgm_error());
		return;
	}
	fputs("<div class=\"columns\">", p->f);
	for (int i = 0; i < n; i++) {
		char *svg = NULL;
		size_t size = 0;
		FILE *f = open_memstream(&svg, &size);
		if (!f)
			continue;
		dgm_svg_write(f, s[i].name, "epoch", &s[i], 1, false);
		fclose(f);
		html_svg_text(p->f, svg,
		              s[i].n
		                  ? arena_printf(p->a, "%s: %.6g at the end", s[i].name, s[i].y[s[i].n - 1])
		                  : s[i].name);
		free(svg);
	}
	fputs("</div>\n", p->f);
	if (n == 0)
		element(p, "p", "soft", "No monitors: the file asks for no figures while it trains.");
	dgm_series_free(s, n);
}

/* The pictures that clauses of this name write. */
static void put_pictures(const struct page *p, const struct block_def *b, const char *clause,
                         const char *what)
{
	for (int i = 0; i < b->nclause; i++)
		for (int k = 0; k < b->clause[i].narg && strcmp(b->clause[i].name, clause) == 0; k++) {
			const struct value *v = &b->clause[i].arg[k];
			if (v->kind == VAL_STR)
				html_png(p->f, job_path(p->s, v->name),
				         arena_printf(p->a, "%s: %s", what, v->name));
		}
}

static void put_training(const struct page *p)
{
	const struct checked *all = p->s->u->checked;
	int n = 0;
	heading(p, "training", "Training");
	for (int i = 0; i < all->block.n; i++) {
		const struct block_def *b = all->block.at[i];
		if (b->kind != BLOCK_TRAIN)
			continue;
		n++;
		element(p, "h3", "",
		        b->stage ? arena_printf(p->a, "%s, stage %s", b->model->name, b->stage)
		                 : b->model->name);
		put_curves(p, b);
		put_pictures(p, b, "filters", "filters");
	}
	if (n == 0)
		element(p, "p", "soft", "The file trains nothing.");
}

/* ---- samples ---- */
/* The first samples of a variable that is no picture, from the file of samples. */
static void put_table(const struct page *p, const struct block_def *b, const struct group *g)
{
	enum { ROWS = 12 };
	struct dgm_tensor *t;
	char **meta;
	void *block;
	int n;
	if (dgm_safetensors_read(sample_path(p->s, b, "samples", "safetensors"), &t, &n, &meta,
	                         &block) != DGM_OK)
		return;
	for (int i = 0; i < n; i++) {
		int64_t rows = t[i].dim[0] < ROWS ? t[i].dim[0] : ROWS, items = 1;
		for (int r = 1; r < t[i].rank; r++)
			items *= t[i].dim[r];
		if (strcmp(t[i].name, g->name) != 0)
			continue;
		float *x = NEW_ARRAY(p->a, float, rows *items);
		for (int64_t k = 0; k < rows * items; k++)
			x[k] = strcmp(t[i].dtype, "U8") == 0 ? ((const uint8_t *)t[i].data)[k]
			                                     : ((const float *)t[i].data)[k];
		html_numbers(p->f, x, rows, items,
		             arena_printf(p->a, "the first samples of %s, a row each", g->name));
	}
	free(block);
}

/* The picture of neighbours: that which an inspection names, else the standing one. */
static const char *neighbours_path(const struct page *p, const struct block_def *b)
{
	for (int i = 0; i < b->nclause; i++)
		for (int k = 0; k < b->clause[i].narg && strcmp(b->clause[i].name, "inspect") == 0; k++) {
			const struct call *c = b->clause[i].arg[k].call;
			for (int j = 0; c && j < c->narg; j++)
				if (c->arg[j].kind == VAL_STR)
					return job_path(p->s, c->arg[j].name);
		}
	return sample_path(p->s, b, "neighbours", "png");
}

static void put_sample(const struct page *p, const struct block_def *b)
{
	const struct clause *image = block_clause(b, "image");
	const struct group *g = first_visible(unit_model(p->s->u, b->model));
	element(p, "h3", "", b->model->name);
	const char *path =
	    image ? job_path(p->s, image->arg[0].name) : sample_path(p->s, b, "samples", "png");
	if (!html_png(p->f, path, arena_printf(p->a, "samples of %s: conditional means", g->name)))
		put_table(p, b, g);
	html_png(p->f, neighbours_path(p, b),
	         "samples that are nearest to a single training example, each before its nearest "
	         "training examples");
	html_png(
	    p->f, sample_path(p->s, b, "chains", "png"),
	    arena_printf(p->a,
	                 "chains over time: a line each, conditional means of %s after sweeps 1, 2, "
	                 "5, 10, 20, 50, ... and the last",
	                 g->name));
	fputs("<div class=\"columns\">", p->f);
	html_svg(p->f, sample_path(p->s, b, "chains", "svg"),
	         arena_printf(p->a, "the mean of the states of %s in a few chains", g->name));
	html_svg(p->f, sample_path(p->s, b, "free_energy", "svg"),
	         "free energies of training examples, held-out examples and samples");
	fputs("</div>\n", p->f);
	put_pictures(p, b, "filters", "filters");
}

static void put_samples(const struct page *p)
{
	const struct checked *all = p->s->u->checked;
	int n = 0;
	heading(p, "samples", "Samples");
	for (int i = 0; i < all->block.n; i++)
		if (all->block.at[i]->kind == BLOCK_SAMPLE) {
			put_sample(p, all->block.at[i]);
			n++;
		}
	if (n == 0)
		element(p, "p", "soft", "The file draws none.");
}

/* ---- mathematics ---- */
/* A line of explain: a formula, the places that it comes from, or what is said. */
static void put_line(const struct page *p, char *line)
{
	static const char model[] = "% model ", from[] = "% from";
	size_t n = strlen(line);
	const char *text = line + strspn(line, "% ");
	if (strncmp(line, "\\[ ", 3) == 0 && n > 6) {
		line[n - 3] = 0; /* " \]" */
		tex_mathml(p->f, line + 3);
	} else if (strncmp(line, model, sizeof model - 1) == 0) {
		element(p, "h3", "", line + sizeof model - 1);
	} else if (*text) {
		bool place = strncmp(line, from, sizeof from - 1) == 0 || *line != '%' ||
		             strncmp(line, "%      ", 7) == 0;
		element(p, "p", place ? "from" : "said", text);
	}
}

static void put_mathematics(const struct page *p)
{
	struct unit *u = p->s->u;
	struct diags *told = u->cx.diags;
	char *text = NULL, *rest = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	heading(p, "mathematics", "Derived mathematics");
	if (!f)
		return;
	u->cx.diags = diags_new(u->cx.prog); /* what explain repeats has been said */
	explain_unit(u, true, f);
	u->cx.diags = told;
	fclose(f);
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		put_line(p, line);
	free(text);
}

static void put_file(const struct page *p)
{
	heading(p, "file", "The file");
	element(p, "pre", "", p->s->u->src->text);
	fputs("</body></html>\n", p->f);
}

int run_report(struct session *s)
{
	struct dgm_out o;
	struct dgm_record *r = NULL;
	struct arena *a = s->u->cx.prog;
	const char *results = arena_printf(a, "%s/results.jsonl", s->out_dir);
	int n = 0;
	if (access(results, F_OK) == 0 && dgm_records_read(results, &r, &n) != DGM_OK)
		return run_failed();
	if (dgm_out_open(&o, arena_printf(a, "%s/report.html", s->out_dir)) != DGM_OK) {
		dgm_records_free(r, n);
		return run_failed();
	}
	const struct page p = {o.f, s, a};
	put_head(&p);
	put_warnings(&p, r, n);
	put_figures(&p, r, n);
	put_training(&p);
	put_samples(&p);
	put_mathematics(&p);
	put_file(&p);
	dgm_records_free(r, n);
	return dgm_out_commit(&o) == DGM_OK ? EXIT_DONE : run_failed();
}
