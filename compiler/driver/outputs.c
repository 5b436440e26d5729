/* outputs: the files that a run writes, those of its own and those that clauses name: none is
 * written twice, and each can be written. */
#include "driver/driver.h"

#include <string.h>
#include <sys/stat.h>

struct output {
	const char *path; /* in the folder of results, else absolute */
	const struct block_def *block;
	const struct clause *clause; /* that names it; NULL: the block leaves it by itself */
	bool folder;
};
typedef VEC(struct output) output_list;

/* Without empty parts and those that lead nowhere: a//./b/../c is a/c. */
static const char *plain(struct arena *a, const char *path)
{
	VEC(const char *) part = {0};
	struct buf b;
	for (const char *p = path; *p;) {
		const size_t n = strcspn(p, "/");
		const char *name = intern_n(p, n);
		bool up = strcmp(name, "..") == 0;
		if (up && part.n && strcmp(part.at[part.n - 1], "..") != 0)
			part.n--;
		else if (n && strcmp(name, ".") != 0)
			vec_push(a, &part, name);
		p += n + (p[n] == '/');
	}
	buf_init(&b, a);
	buf_puts(&b, *path == '/' ? "/" : "");
	for (int i = 0; i < part.n; i++)
		buf_printf(&b, "%s%s", i ? "/" : "", part.at[i]);
	return b.s;
}

static void add(struct unit *u, output_list *l, const struct block_def *b, const char *path)
{
	vec_push(u->cx.prog, l, ((struct output){path, b, NULL, false}));
}

/* What a sample block leaves where its clauses name no other place. */
static void add_sample(struct unit *u, output_list *l, const struct block_def *b)
{
	bool copies = false, energies = false, named = false;
	for (int i = 0; i < b->nclause; i++)
		for (int k = 0; k < b->clause[i].narg && strcmp(b->clause[i].name, "inspect") == 0; k++) {
			const struct call *c = b->clause[i].arg[k].call;
			copies = copies || strcmp(c->name, "copies") == 0;
			energies = energies || strcmp(c->name, "free_energy") == 0;
			for (int j = 0; j < c->narg; j++)
				named = named || c->arg[j].kind == VAL_STR;
		}
	add(u, l, b, sample_name(u, b, "samples", "safetensors"));
	add(u, l, b, sample_name(u, b, "chains", "png"));
	if (!block_clause(b, "image"))
		add(u, l, b, sample_name(u, b, "samples", "png"));
	if (copies)
		add(u, l, b, sample_name(u, b, "neighbours", "csv"));
	if (copies && !named)
		add(u, l, b, sample_name(u, b, "neighbours", "png"));
	if (energies)
		add(u, l, b, sample_name(u, b, "free_energy", "svg"));
}

static void add_train(struct unit *u, output_list *l, const struct block_def *b)
{
	const char *folder = train_name(u, b),
	           *file = arena_printf(u->cx.prog, "%s.safetensors", b->model->name);
	bool first = true;
	for (int i = 0; i < l->n; i++)
		first = first && strcmp(l->at[i].path, file) != 0;
	if (first)
		add(u, l, b, file);
	if (*folder)
		vec_push(u->cx.prog, l, ((struct output){folder, b, NULL, true}));
	else
		add(u, l, b, "checkpoint.safetensors");
}

static void add_paths(struct unit *u, output_list *l, const struct block_def *b,
                      const struct clause *cl, const struct value *v, int n)
{
	for (int k = 0; k < n; k++)
		if (v[k].kind == VAL_STR)
			vec_push(u->cx.prog, l, ((struct output){plain(u->cx.prog, v[k].name), b, cl, false}));
		else if (v[k].kind == VAL_CALL)
			add_paths(u, l, b, cl, v[k].call->arg, v[k].call->narg);
}

static output_list outputs_of(struct unit *u)
{
	const struct checked *all = u->checked;
	output_list l = {0};
	for (int i = 0; i < all->block.n; i++)
		if (all->block.at[i]->kind == BLOCK_TRAIN)
			add_train(u, &l, all->block.at[i]);
		else if (all->block.at[i]->kind == BLOCK_SAMPLE)
			add_sample(u, &l, all->block.at[i]);
	for (int i = 0; i < all->block.n; i++)
		for (int k = 0; k < all->block.at[i]->nclause; k++) {
			const struct clause *cl = &all->block.at[i]->clause[k];
			add_paths(u, &l, all->block.at[i], cl, cl->arg, cl->narg);
		}
	return l;
}

static struct span place(const struct output *o)
{
	return o->clause ? o->clause->span : o->block->span;
}

/* Is no other one before it of this path?  What stands outside stages is one clause. */
static bool first_of_path(struct unit *u, const output_list *l, const struct output *o)
{
	for (const struct output *p = l->at; p < o; p++) {
		bool same = p->clause && o->clause && p->clause->span.beg == o->clause->span.beg;
		if (same || strcmp(p->path, o->path) != 0)
			continue;
		diag(u->cx.diags, DIAG_SAME_PATH, place(o), o->path);
		diag(u->cx.diags, DIAG_NOTE, place(p),
		     p->clause ? "it is written here too"
		               : "this block leaves a file or a folder of this name by itself");
		return false;
	}
	return true;
}

bool outputs_check(struct unit *u)
{
	const output_list l = outputs_of(u);
	bool ok = true;
	for (int i = 0; i < l.n; i++) {
		const struct output *o = &l.at[i];
		const char *clause = o->clause ? o->clause->name : "", *end = strrchr(o->path, '.');
		bool picture = strcmp(clause, "filters") == 0 || strcmp(clause, "image") == 0 ||
		               strcmp(clause, "inspect") == 0;
		if (picture && (end == NULL || strcmp(end, ".png") != 0)) {
			diag(u->cx.diags, DIAG_PICTURE_PATH, place(o), clause);
			ok = false;
		}
		ok = first_of_path(u, &l, o) && ok;
	}
	return ok;
}

/* Makes the folders that it needs. */
static int writable(struct session *s, const struct output *o)
{
	const char *path = job_path(s, o->path), *end = strrchr(path, '/');
	struct stat st;
	if (o->folder)
		return dgm_make_dir(path);
	if (end > path &&
	    dgm_make_dir(arena_printf(s->u->cx.tmp, "%.*s", (int)(end - path), path)) != DGM_OK)
		return DGM_EIO;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode)
	           ? dgm_fail(DGM_EIO,
	                      "%s: is a folder, where a file is to be written: remove it, or choose "
	                      "another path",
	                      path)
	           : DGM_OK;
}

int outputs_ready(struct session *s)
{
	const output_list l = outputs_of(s->u);
	for (int i = 0; i < l.n; i++)
		if (s->wants[l.at[i].block->kind] && writable(s, &l.at[i]) != DGM_OK)
			return run_failed();
	return EXIT_DONE;
}
