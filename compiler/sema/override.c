/* override: --set key=value.  A key is
 *     NAME                  a top-level constant or data set; else a size of any model; else a
 * clause in every block that may have it MODEL.SIZE BLOCK.CLAUSE, BLOCK.VARIABLE, or either behind
 * MODEL.      BLOCK: train, evaluate, sample, or the name of a stage.  An override that changes
 * nothing is an error.  Later ones win. */
#include "sema/internal.h"

#include <string.h>

struct key {
	enum { KEY_NOTHING, KEY_TOP, KEY_SIZE, KEY_CLAUSE } what;
	const char *model; /* NULL: any */
	const char *block; /* or stage; NULL: any */
	const char *name;
};

static const struct ast_model *find_model(const struct sema *s, const char *name)
{
	for (int k = 0; k < s->file->nitem; k++)
		if (s->file->item[k].kind == ITEM_MODEL && !strcmp(s->file->item[k].model->name, name))
			return s->file->item[k].model;
	return NULL;
}

static bool has_size(const struct sema *s, const char *model, const char *name)
{
	for (int k = 0; k < s->file->nitem; k++) {
		const struct ast_item *i = &s->file->item[k];
		if (i->kind != ITEM_MODEL || (model && strcmp(i->model->name, model)))
			continue;
		for (int l = 0; l < i->model->nsize; l++)
			if (!strcmp(i->model->size[l].name, name))
				return true;
	}
	return false;
}

static bool has_top(const struct sema *s, const char *name)
{
	for (int k = 0; k < s->file->nitem; k++) {
		const struct ast_item *i = &s->file->item[k];
		if ((i->kind == ITEM_CONST || i->kind == ITEM_DATA) && !strcmp(i->data->name, name))
			return true;
	}
	return false;
}

static bool has_stage(const struct ast_block *b, const char *name)
{
	for (int k = 0; k < b->nsetting; k++)
		if (b->setting[k].stage && !strcmp(b->setting[k].name, name))
			return true;
	return false;
}

static bool is_block_word(const struct sema *s, const char *word)
{
	for (int k = BLOCK_TRAIN; k <= BLOCK_SAMPLE; k++)
		if (!strcmp(sema_block_word((enum block_kind)k), word))
			return true;
	for (int k = 0; k < s->file->nitem; k++)
		if (s->file->item[k].kind == ITEM_BLOCK && has_stage(s->file->item[k].block, word))
			return true;
	return false;
}

static struct key read_key(const struct sema *s, const char *text)
{
	const char *part[3] = {text, NULL, NULL};
	int n = 1;
	for (const char *dot = strchr(text, '.'); dot; dot = strchr(dot + 1, '.')) {
		if (n == 3)
			return (struct key){.what = KEY_NOTHING, .name = text};
		part[n - 1] = intern_n(part[n - 1], (size_t)(dot - part[n - 1]));
		part[n++] = dot + 1;
	}
	struct key k = {.what = KEY_NOTHING, .name = part[n - 1]};
	if (n == 1) {
		k.what = has_top(s, text)          ? KEY_TOP
		         : has_size(s, NULL, text) ? KEY_SIZE
		         : sema_clause_row(text)   ? KEY_CLAUSE
		                                   : KEY_NOTHING;
	} else if (n == 2 && has_size(s, part[0], part[1])) {
		k.what = KEY_SIZE;
		k.model = part[0];
	} else if (is_block_word(s, part[n - 2]) && (n == 2 || find_model(s, part[0]))) {
		k.what = KEY_CLAUSE;
		k.model = n == 3 ? part[0] : NULL;
		k.block = part[n - 2];
	}
	return k;
}

static bool reaches(const struct sema *s, const struct key *k, const struct ast_block *b,
                    const char *stage)
{
	const char *word = sema_block_word(b->kind);
	const struct clause_row *row = sema_clause_row(k->name);
	const struct ast_model *m = find_model(s, b->model);
	if (k->what != KEY_CLAUSE || (k->model && strcmp(k->model, b->model)))
		return false;
	if (k->block && strcmp(k->block, word) && !(stage && !strcmp(k->block, stage)))
		return false;
	if (row)
		return strchr(row->blocks, word[0]) != NULL;
	for (int l = 0; k->block && m && l < m->ndecl; l++) { /* a variable */
		const struct ast_decl *d = &m->decl[l];
		if ((d->kind == DECL_VISIBLE || d->kind == DECL_GIVEN) && !strcmp(d->name, k->name))
			return true;
	}
	return false;
}

/* Does it reach the block, or a stage of it? */
static bool reaches_some(const struct sema *s, const struct key *k, const struct ast_block *b)
{
	bool stage = k->block && has_stage(b, k->block);
	return reaches(s, k, b, stage ? k->block : NULL);
}

static void suggest_key(struct sema *s, const char *key, struct span at)
{
	struct arena *tmp = s->cx->tmp;
	bool dotted = strchr(key, '.') != NULL;
	VEC(const char *) words = {0};
	for (int k = 0; k < s->file->nitem; k++) {
		const struct ast_item *i = &s->file->item[k];
		if (i->kind == ITEM_CONST || i->kind == ITEM_DATA)
			vec_push(tmp, &words, i->data->name);
		for (int l = 0; i->kind == ITEM_MODEL && l < i->model->nsize; l++) {
			const char *size = i->model->size[l].name;
			vec_push(tmp, &words, dotted ? arena_printf(tmp, "%s.%s", i->model->name, size) : size);
		}
	}
	for (int k = 0; k < sema_nclauses; k++) {
		const struct clause_row *row = &sema_clauses[k];
		for (int b = BLOCK_TRAIN; b <= BLOCK_SAMPLE; b++) {
			const char *word = sema_block_word((enum block_kind)b);
			if (strchr(row->blocks, word[0]))
				vec_push(tmp, &words,
				         dotted ? arena_printf(tmp, "%s.%s", word, row->name) : row->name);
		}
	}
	sema_suggest_word(s, key, words.at, words.n, at);
}

void sema_override_check(struct sema *s)
{
	s->set_bad = NEW_ARRAY(s->a, bool, s->nset);
	for (int k = 0; k < s->nset; k++) {
		const struct override *o = &s->set[k];
		s->set_bad[k] = !o->value;
		if (!o->value)
			continue;
		struct key key = read_key(s, o->key);
		bool hit = key.what == KEY_TOP || key.what == KEY_SIZE;
		bool single =
		    o->value->narg == 1 && !o->value->every && !(o->value->key && o->value->key[0]);
		bool known = hit || (key.what == KEY_CLAUSE && sema_clause_row(key.name));
		for (int l = 0; l < s->file->nitem && !hit; l++)
			hit = s->file->item[l].kind == ITEM_BLOCK &&
			      reaches_some(s, &key, s->file->item[l].block);
		s->set_bad[k] = hit && !single && (key.what != KEY_CLAUSE || !sema_clause_row(key.name));
		if (s->set_bad[k])
			diag(s->cx->diags, DIAG_SEMA_SET_SINGLE, o->value->span, o->key);
		if (hit)
			continue;
		s->set_bad[k] = true;
		diag(s->cx->diags, known ? DIAG_SEMA_SET_NOTHING : DIAG_SEMA_SET_KEY, o->value->span,
		     o->key);
		if (!known)
			suggest_key(s, o->key, o->value->span);
	}
}

const struct ast *sema_override_top(const struct sema *s, const char *name)
{
	for (int k = s->nset; k-- > 0;)
		if (!s->set_bad[k] && !strcmp(s->set[k].key, name))
			return s->set[k].value->arg[0];
	return NULL;
}

const struct ast *sema_override_size(const struct sema *s, const char *model, const char *name)
{
	for (int k = s->nset; k-- > 0;) {
		if (s->set_bad[k])
			continue;
		struct key key = read_key(s, s->set[k].key);
		if (key.what == KEY_SIZE && !strcmp(key.name, name) &&
		    (!key.model || !strcmp(key.model, model)))
			return s->set[k].value->arg[0];
	}
	return NULL;
}

const struct ast_setting *sema_override_clause(const struct sema *s, const struct ast_block *b,
                                               const char *stage, const char *name)
{
	for (int k = s->nset; k-- > 0;) {
		if (s->set_bad[k])
			continue;
		struct key key = read_key(s, s->set[k].key);
		if (key.what == KEY_CLAUSE && !strcmp(key.name, name) && reaches(s, &key, b, stage) &&
		    !(stage && (!key.block || strcmp(key.block, stage))))
			return s->set[k].value;
	}
	return NULL;
}
