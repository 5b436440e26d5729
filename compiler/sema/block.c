/* block: train, evaluate and sample blocks: the data bound to variables, and the clauses of
 * clause.def with their arguments checked. */
#include "sema/internal.h"

#include <string.h>

const struct clause_row sema_clauses[] = {
#define CLAUSE(name, blocks, arguments) {name, blocks, arguments},
#include "sema/clause.def"
#undef CLAUSE
};
const int sema_nclauses = (int)(sizeof sema_clauses / sizeof *sema_clauses);

struct making { /* a block in the making */
	struct sema *s;
	const struct ast_block *ast;
	const char *stage; /* NULL: the whole block */
	struct block_def *def;
	struct scope scope; /* the model's sizes */
	bool model_bad;
	VEC(struct binding_def) bind;
	VEC(struct clause) clause;
	VEC(const char *) replaced; /* by --set, already done */
};

const struct clause_row *sema_clause_row(const char *name)
{
	for (int k = 0; k < sema_nclauses; k++)
		if (!strcmp(sema_clauses[k].name, name))
			return &sema_clauses[k];
	return NULL;
}

const char *sema_block_word(enum block_kind k)
{
	static const char *const word[] = {
	    [BLOCK_TRAIN] = "train", [BLOCK_EVALUATE] = "evaluate", [BLOCK_SAMPLE] = "sample"};
	return word[k];
}

const struct clause *block_clause(const struct block_def *b, const char *name)
{
	for (int k = b->nclause; k-- > 0;)
		if (!strcmp(b->clause[k].name, name))
			return &b->clause[k];
	return NULL;
}

static struct variable *find_variable(const struct model_def *m, const char *name)
{
	for (int k = 0; k < m->var.n; k++)
		if (!strcmp(m->var.at[k]->name, name))
			return m->var.at[k];
	return NULL;
}

/* ---- v = digits; ---- */
static void unknown_binding(struct making *b, const struct ast_setting *g, const struct variable *v)
{
	struct sema *s = b->s;
	const struct model_def *m = b->def->model;
	if (b->model_bad)
		return;
	diag(s->cx->diags, DIAG_SEMA_BIND_VARIABLE, g->name_span, g->name, m->name);
	if (v) {
		sema_note(s, v->name_span, "'%s' is hidden: only visible and given variables have data",
		          v->name);
		return;
	}
	if (sema_clause_row(g->name)) {
		sema_note(s, g->span, "'%s' is a clause and is written without '='", g->name);
		return;
	}
	const char **words = NEW_ARRAY(s->cx->tmp, const char *, m->var.n);
	int n = 0;
	for (int k = 0; k < m->var.n; k++)
		if (m->var.at[k]->role != ROLE_HIDDEN)
			words[n++] = m->var.at[k]->name;
	sema_suggest_word(s, g->name, words, n, g->name_span);
}

static void bind_data(struct making *b, const struct ast_setting *g)
{
	struct sema *s = b->s;
	struct variable *v = find_variable(b->def->model, g->name);
	if (!v || v->role == ROLE_HIDDEN)
		unknown_binding(b, g, v);
	const struct ast *e = g->arg[0];
	const struct entry *n = e->kind == AST_NAME ? sema_lookup(&s->top, e->name) : NULL;
	if (e->kind == AST_BAD)
		return;
	if (!n || n->kind != ENTRY_DATA) {
		if (e->kind == AST_NAME) {
			diag(s->cx->diags, DIAG_SEMA_UNKNOWN_DATA, e->span, e->name);
			sema_suggest(s, &s->top, 1u << ENTRY_DATA, e->name, e->span);
		} else {
			diag(s->cx->diags, DIAG_SEMA_BIND_DATA, e->span, g->name);
			sema_note(s, e->span, "give it a name: data NAME = ...;");
		}
	}
	for (int k = 0; v && k < b->bind.n; k++) {
		if (b->bind.at[k].var != v)
			continue;
		diag(s->cx->diags, DIAG_SEMA_BIND_TWICE, g->span, g->name);
		sema_note(s, b->bind.at[k].span, "the first is here");
		return;
	}
	if (!v || v->role == ROLE_HIDDEN)
		return;
	struct binding_def d = {v, n && n->kind == ENTRY_DATA ? n->data : NULL, g->span};
	vec_push(s->a, &b->bind, d);
}

/* ---- batch 100; ---- */
static bool belongs(const struct clause_row *row, enum block_kind k)
{
	return strchr(row->blocks, sema_block_word(k)[0]) != NULL;
}

static const struct clause_row *clause_row(struct making *b, const struct ast_setting *g)
{
	struct sema *s = b->s;
	const struct clause_row *row = sema_clause_row(g->name);
	const char *here = sema_block_word(b->ast->kind);
	if (row && belongs(row, b->ast->kind))
		return row;
	if (row) {
		diag(s->cx->diags, DIAG_SEMA_CLAUSE_BLOCK, g->name_span, g->name, here);
		for (int k = BLOCK_TRAIN; k <= BLOCK_SAMPLE; k++)
			if (belongs(row, (enum block_kind)k))
				sema_note(s, g->name_span, "it belongs into %s",
				          sema_block_word((enum block_kind)k));
		return NULL;
	}
	const char **words = NEW_ARRAY(s->cx->tmp, const char *, sema_nclauses);
	struct buf list;
	int n = 0;
	buf_init(&list, s->cx->tmp);
	for (int k = 0; k < sema_nclauses; k++) {
		if (!belongs(&sema_clauses[k], b->ast->kind))
			continue;
		buf_printf(&list, "%s%s", n ? ", " : "", sema_clauses[k].name);
		words[n++] = sema_clauses[k].name;
	}
	diag(s->cx->diags, DIAG_SEMA_CLAUSE, g->name_span, here, g->name);
	if (nearest_word(g->name, words, n))
		sema_suggest_word(s, g->name, words, n, g->name_span);
	else
		sema_note(s, g->name_span, "the clauses of %s are %s", here, list.s);
	return NULL;
}

/* Is it that of a parameter, or of a net whose parameters begin with it? */
static bool names_params(const struct model_def *m, const char *name)
{
	size_t n = strlen(name);
	for (int k = 0; k < m->param.n; k++) {
		const char *p = m->param.at[k]->name;
		if (!strncmp(p, name, n) && (!p[n] || p[n] == '.'))
			return true;
	}
	return false;
}

/* A name in a clause is that of a data set, or of something in the model. */
static bool names_exist(struct making *b, const struct value *v)
{
	struct sema *s = b->s;
	const struct model_def *m = b->def->model;
	const struct entry *n = sema_lookup(&s->top, v->name);
	if (b->model_bad || find_variable(m, v->name) || names_params(m, v->name) ||
	    (n && n->kind == ENTRY_DATA))
		return true;
	VEC(const char *) words = {0};
	for (int k = 0; k < m->param.n; k++)
		vec_push(s->cx->tmp, &words, m->param.at[k]->name);
	for (int k = 0; k < m->var.n; k++)
		vec_push(s->cx->tmp, &words, m->var.at[k]->name);
	for (int k = 0; k < s->top.entry.n; k++)
		if (s->top.entry.at[k]->kind == ENTRY_DATA)
			vec_push(s->cx->tmp, &words, s->top.entry.at[k]->name);
	diag(s->cx->diags, DIAG_SEMA_UNKNOWN_NAME, v->span, v->name);
	sema_suggest_word(s, v->name, words.at, words.n, v->span);
	return false;
}

static bool read_every(struct making *b, const struct ast_setting *g, const struct clause_row *row,
                       int64_t *every)
{
	*every = 1;
	if (!g->every)
		return true;
	if (sema_signature_has(row->arguments, "every"))
		return sema_size(b->s, &b->scope, g->every, "the interval", every);
	diag(b->s->cx->diags, DIAG_SEMA_EVERY, g->every->span, g->name);
	return false;
}

static void read_units(struct making *b, const struct ast_setting *g, struct clause *c)
{
	struct sema *s = b->s;
	if (!g->narg || b->model_bad) {
		if (!g->narg)
			diag(s->cx->diags, DIAG_SEMA_ARG_NONE, g->span, g->name);
		return;
	}
	for (int k = 0; k < g->narg; k++) {
		if (!g->key || !g->key[k])
			continue;
		diag(s->cx->diags, DIAG_SEMA_KEY, g->arg[k]->span, g->name, g->key[k]);
		return;
	}
	c->arg[0] = (struct value){.kind = VAL_UNITS, .span = g->span};
	c->arg[0].units = sema_units(s, &b->scope, b->def->model, g->arg, g->narg);
	c->narg = 1;
	if (c->arg[0].units)
		vec_push(s->a, &b->clause, *c);
}

static void read_clause(struct making *b, const struct ast_setting *g)
{
	struct sema *s = b->s;
	const struct clause_row *row = clause_row(b, g);
	if (!row)
		return;
	struct clause c = {
	    .name = g->name, .span = g->span, .name_span = g->name_span, .narg = g->narg};
	bool ok = read_every(b, g, row, &c.every);
	bool units = sema_signature_has(row->arguments, "units");
	c.arg = NEW_ARRAY(s->a, struct value, g->narg);
	c.key = NEW_ARRAY(s->a, const char *, g->narg);
	for (int k = 0; k < g->narg && !units; k++) {
		ok &= sema_value(s, &b->scope, g->arg[k], &c.arg[k]);
		c.key[k] = g->key ? g->key[k] : NULL;
	}
	for (int k = 0; k < b->clause.n && !sema_signature_has(row->arguments, "+"); k++) {
		if (strcmp(b->clause.at[k].name, g->name))
			continue;
		diag(s->cx->diags, DIAG_SEMA_CLAUSE_TWICE, g->span, g->name);
		sema_note(s, b->clause.at[k].span, "the first is here");
		return;
	}
	if (units) {
		read_units(b, g, &c);
		return;
	}
	if (!ok ||
	    !sema_bind(s->cx, g->name, g->span, c.arg, c.key, c.narg, row->arguments, NULL, NULL))
		return;
	if (!g->narg && strstr(row->arguments, "...")) {
		diag(s->cx->diags, DIAG_SEMA_ARG_NONE, g->span, g->name);
		return;
	}
	for (int k = 0; k < c.narg; k++)
		if (c.arg[k].kind == VAL_NAME && !names_exist(b, &c.arg[k]))
			return;
	vec_push(s->a, &b->clause, c);
}

static void read_setting(struct making *b, const struct ast_setting *g)
{
	if (g->binds)
		bind_data(b, g);
	else
		read_clause(b, g);
}

/* ---- --set ---- */
/* Arguments without names may stand in brackets. */
static void replace(struct making *b, const char *name, const struct ast_setting *value, bool binds)
{
	struct ast_setting g = *value;
	const struct ast *alone = g.narg == 1 && !g.key[0] ? g.arg[0] : NULL;
	g.name = name;
	g.name_span = value->span;
	g.binds = binds;
	if (alone && alone->kind == AST_TUPLE) {
		g.arg = alone->kid;
		g.narg = alone->nkid;
		g.key = NULL;
	}
	vec_push(b->s->a, &b->replaced, name);
	read_setting(b, &g);
}

/* Is the setting of this name the override's?  Then it is done, once. */
static bool overridden(struct making *b, const char *name, bool binds)
{
	const struct ast_setting *value = sema_override_clause(b->s, b->ast, b->stage, name);
	if (!value)
		return false;
	for (int k = 0; k < b->replaced.n; k++)
		if (!strcmp(b->replaced.at[k], name))
			return true;
	replace(b, name, value, binds);
	return true;
}

static bool check_bound(struct making *b)
{
	const struct model_def *m = b->def->model;
	bool all = true;
	for (int k = 0; k < m->var.n; k++) {
		const struct variable *v = m->var.at[k];
		bool bound =
		    v->role == ROLE_HIDDEN || (v->role == ROLE_VISIBLE && b->ast->kind == BLOCK_SAMPLE);
		for (int l = 0; l < b->bind.n; l++)
			bound |= b->bind.at[l].var == v;
		if (bound)
			continue;
		diag(b->s->cx->diags, DIAG_SEMA_UNBOUND_VARIABLE, b->ast->model_span,
		     sema_block_word(b->ast->kind), m->name, v->name);
		sema_note(b->s, v->name_span, "'%s' is declared here; bind it: %s = DATA;", v->name,
		          v->name);
		all = false;
	}
	return all;
}

/* The settings but the stages, and what --set adds to them. */
static void read_settings(struct making *b, const struct ast_setting *g, int n)
{
	const struct model_def *m = b->def->model;
	for (int k = 0; k < n; k++)
		if (!g[k].stage && !overridden(b, g[k].name, g[k].binds))
			read_setting(b, &g[k]);
	for (int k = 0; k < sema_nclauses; k++)
		overridden(b, sema_clauses[k].name, false);
	for (int k = 0; k < m->var.n; k++)
		overridden(b, m->var.at[k]->name, true);
}

static bool finish(struct making *b, struct span at)
{
	bool bound = check_bound(b);
	b->def->span = at;
	b->def->stage = b->stage;
	b->def->bind = b->bind.at;
	b->def->nbind = b->bind.n;
	b->def->clause = b->clause.at;
	b->def->nclause = b->clause.n;
	vec_push(b->s->a, &b->s->out->block, b->def);
	return bound;
}

/* ---- stages ---- */
static bool among(const char *name, const struct ast_setting *g, int n, bool stage)
{
	for (int k = 0; k < n; k++)
		if (g[k].stage == stage && !strcmp(g[k].name, name))
			return true;
	return false;
}

/* Does what stands outside the stages hold in this one?  Not where it says otherwise, unless --set
 * has said it of all. */
static bool holds(const struct making *b, const struct ast_setting *g, const char *name)
{
	for (int k = 0; k < b->replaced.n; k++)
		if (!strcmp(b->replaced.at[k], name))
			return sema_override_clause(b->s, b->ast, g->name, name) == NULL;
	return !among(name, g->setting, g->nsetting, false) &&
	       !sema_override_clause(b->s, b->ast, g->name, name);
}

static bool read_stage(const struct making *outside, const struct ast_setting *g)
{
	struct making b = *outside;
	struct sema *s = b.s;
	VEC(struct ast_setting) own = {0};
	b.stage = g->name;
	b.def = arena_copy(s->a, outside->def, sizeof *b.def);
	memset(&b.bind, 0, sizeof b.bind);
	memset(&b.clause, 0, sizeof b.clause);
	memset(&b.replaced, 0, sizeof b.replaced);
	for (int k = 0; k < outside->bind.n; k++)
		if (holds(outside, g, outside->bind.at[k].var->name))
			vec_push(s->a, &b.bind, outside->bind.at[k]);
	for (int k = 0; k < outside->clause.n; k++) {
		struct clause c = outside->clause.at[k];
		c.outside = true;
		if (holds(outside, g, c.name))
			vec_push(s->a, &b.clause, c);
	}
	for (int k = 0; k < g->nsetting; k++) {
		bool said = false; /* by --set, of all stages */
		for (int l = 0; l < outside->replaced.n; l++)
			said = said || !strcmp(outside->replaced.at[l], g->setting[k].name);
		if (g->setting[k].stage)
			diag(s->cx->diags, DIAG_SEMA_STAGE, g->setting[k].name_span);
		else if (!said || sema_override_clause(s, b.ast, g->name, g->setting[k].name))
			vec_push(s->a, &own, g->setting[k]);
	}
	read_settings(&b, own.at, own.n);
	return finish(&b, g->span);
}

static void read_stages(const struct making *b)
{
	const struct ast_block *ast = b->ast;
	bool fine = true;
	for (int k = 0; k < ast->nsetting && fine; k++) {
		const struct ast_setting *g = &ast->setting[k];
		if (!g->stage)
			continue;
		if (among(g->name, ast->setting, k, true)) {
			diag(b->s->cx->diags, DIAG_SEMA_DUPLICATE, g->name_span, g->name);
			return;
		}
		fine = read_stage(b, g);
	}
}

void sema_block(struct sema *s, const struct ast_block *ast)
{
	struct making b = {.s = s, .ast = ast};
	bool stages = false;
	const struct entry *m = sema_lookup(&s->top, ast->model);
	if (!m || m->kind != ENTRY_MODEL) {
		diag(s->cx->diags, DIAG_SEMA_UNKNOWN_MODEL, ast->model_span, ast->model);
		sema_suggest(s, &s->top, 1u << ENTRY_MODEL, ast->model, ast->model_span);
		return;
	}
	b.def = NEW(s->a, struct block_def);
	b.def->kind = ast->kind;
	b.def->model = m->model;
	b.def->of = ast;
	b.model_bad = m->bad;
	b.scope.up = &s->top;
	for (int k = 0; k < m->model->nsize; k++) {
		struct entry *e = sema_declare(s, &b.scope, ENTRY_SIZE, m->model->size[k].name, ast->span);
		e->num = (double)m->model->size[k].value;
	}
	for (int k = 0; k < ast->nsetting; k++) {
		stages = stages || ast->setting[k].stage;
		if (ast->setting[k].stage && ast->kind != BLOCK_TRAIN) {
			diag(s->cx->diags, DIAG_SEMA_STAGE, ast->setting[k].name_span);
			return;
		}
	}
	read_settings(&b, ast->setting, ast->nsetting);
	if (stages)
		read_stages(&b);
	else
		finish(&b, ast->span);
}
