/* parser: what the lexer, the grammar and the tree builders share.  Only syntax/ and grammar/
 * include it. */
#ifndef DGM_PARSER_H
#define DGM_PARSER_H

#include "base/base.h"
#include "syntax/ast.h"

struct filter; /* parse.c: the tokens on their way from the lexer to the grammar */

struct parser {
	struct cx *cx;
	struct arena *a; /* where the tree goes */
	const struct source *src;
	struct filter *filter;
	bool one_value; /* that of --set, not a file */
	bool too_deep; /* said already */
	struct ast_setting *value;
	VEC(struct ast_item) item;
	VEC(struct ast_comment) comment;
	/* the lexer's */
	uint32_t at;      /* offset of the next byte */
	int parens;       /* ( and [ that are open */
	bool after_dot;   /* the last token was '.' */
	bool line_start;  /* no token yet on this line */
	uint32_t bad_end; /* where the last bad character ended: its neighbours are not told again */
};

/* ---- lists ---------------------------------------------------------------------------------- */
struct args { /* arguments or subscripts; key NULL where none is written */
	VEC(struct ast *) at;
	VEC(const char *) key;
};
struct args *args_push(struct parser *p, struct args *to, const char *key, struct ast *e);
struct names {
	VEC(const char *) at;
	VEC(struct span) span;
};
struct names *names_push(struct parser *p, struct names *to, const char *name, struct span span);
struct sizes {
	VEC(struct ast_size) at;
};
struct sizes *sizes_push(struct parser *p, struct sizes *to, struct ast_size size);
struct formals {
	VEC(struct ast_formal) at;
};
struct formals *formals_push(struct parser *p, struct formals *to, struct ast_formal f);
/* logits, mean[k]: a distribution's arguments. */
struct formals *formals_of(struct parser *p, struct args *list);
struct decls {
	VEC(struct ast_decl) at;
};
struct net_body {
	struct decls *decls;
	struct ast *value;
};
struct net_body *net_body(struct parser *p, struct decls *decls, struct ast *value);
struct decls *decls_push(struct parser *p, struct decls *to, struct ast_decl *d);
struct settings {
	VEC(struct ast_setting) at;
};
struct settings *settings_push(struct parser *p, struct settings *to, struct ast_setting *s);

/* ---- nodes ---------------------------------------------------------------------------------- */
struct ast *node_num(struct parser *p, double num, struct span at);
struct ast *node_bad(struct parser *p, struct span at);
struct ast *node_name(struct parser *p, enum ast_kind kind, const char *name, struct span at);
struct ast *node_pair(struct parser *p, enum ast_kind kind, char op, struct ast *a, struct ast *b,
                      struct span at);
struct ast *node_neg(struct parser *p, struct ast *a, struct span at);
struct ast *node_field(struct parser *p, struct ast *a, const char *name, struct span name_at,
                       struct span at);
struct ast *node_index(struct parser *p, struct ast *a, struct args *subscripts, struct span at);
struct ast *node_call(struct parser *p, const char *name, struct span name_at, struct args *args,
                      struct span at);
struct ast *node_reduce(struct parser *p, const char *name, struct span name_at,
                        struct args *binders, struct ast *body, struct span at);
struct ast *node_tuple(struct parser *p, struct args *args, struct span at);
struct ast *node_given(struct parser *p, struct args *what, struct args *given, struct span at);

struct ast_type *node_type(struct parser *p, const char *name, struct args *dims, struct span at);
struct ast_decl *node_decl(struct parser *p, enum decl_kind kind, const char *name,
                           struct span name_at, char rel, struct ast *value);
struct ast_decl *node_value(struct ast_decl *d, char rel, struct ast *value);
struct ast_decl *node_rule(struct ast_decl *d, struct ast *rule, const char *alias, struct span alias_at);
/* NAME[i, j < 10] rel value, and the same on the left of a '~'. */
struct ast_decl *node_indexed(struct parser *p, enum decl_kind kind, const char *name,
                              struct span name_at, struct args *index, char rel, struct ast *value);
struct ast_decl *node_factor(struct parser *p, enum decl_kind kind, struct ast *left, struct ast *dist,
                             struct ast *where);
struct ast_decl *node_state(struct parser *p, struct ast *left, struct ast_type *type, struct ast *value,
                            struct ast *first, struct ast *start);
struct ast_setting *node_stage(struct parser *p, const char *name, struct span name_at,
                               struct settings *settings, struct span at);
struct ast_setting *node_setting(struct parser *p, const char *name, struct span name_at,
                                 struct args *args, struct span at);
void item_model(struct parser *p, const char *name, struct span name_at, struct sizes *sizes,
                struct decls *decls, struct span at);
void item_net(struct parser *p, enum item_kind kind, const char *name, struct span name_at,
              struct formals *formals, struct net_body *body, struct span at);
void item_dist(struct parser *p, struct ast *self, struct ast_type *of, const char *name,
               struct span name_at, struct formals *args, struct decls *decls, struct span at);
void item_fn(struct parser *p, const char *name, struct span name_at, struct names *args, struct ast *value,
             struct span at);
void item_import(struct parser *p, struct ast *path, struct span at);
void item_data(struct parser *p, enum item_kind kind, const char *name, struct span name_at,
               struct ast *value, struct span at);
void item_block(struct parser *p, enum block_kind kind, const char *model, struct span model_at,
                struct settings *settings, struct span at);

/* ---- messages ------------------------------------------------------------------------------- */
const char *token_text(struct parser *p, struct span at); /* as in the source, cut where long */
/* The token the grammar could not take, and the names (in the user's words) of those it could. */
void syntax_unexpected(struct parser *p, const char *const *expected, int n);
void syntax_too_deep(struct parser *p, struct span at);
/* expected.c: such a list as text ("';', ',' or an operator"), whether it has a name, and the word
 * in it that a misspelt name was meant to be (NULL: none). */
const char *expected_text(struct arena *a, const char *const *expected, int n);
bool expected_has(const char *const *expected, int n, const char *name);
const char *expected_near(struct arena *a, const char *name, const char *const *expected, int n);

#endif
