/* syntax: a .dgm file as a tree, exactly as written (names unresolved, indices unbound).
 * The last layer that looks at it is model. */
#ifndef DGM_AST_H
#define DGM_AST_H

#include "base/base.h"

/* ---- expressions --------------------------------------------------------------------------------
 * kind       text                        fields
 * AST_NUM    12, 0.5, 1e-3               num
 * AST_STR    "samples.png"               name (unescaped)
 * AST_NAME   W                           name
 * AST_INDEX  W[i, j+1]                   kid[0] the indexed expression, kid[1..] the subscripts
 * AST_CALL   sigmoid(x), idx("f", a = 1) name, kid[] arguments, key[k] the k-th argument's name or NULL
 * AST_FIELD  dbn.W1                      kid[0], name
 * AST_NEG    -x                          kid[0]
 * AST_BIN    a + b                       op (one of + - * / @ ^ < > l g = !), kid[0], kid[1]
 *                                        (l is <=, g is >=, = is ==, ! is !=)
 * AST_REDUCE sum(i, j < i) body          name (sum, mean, max, min, prod, logsumexp), kid[0] the body,
 *                                        kid[1..] the binders: AST_NAME or a comparison (AST_BIN).
 *                                        sum(x) with no body is an AST_CALL.
 * AST_RAMP   0.05 -> 0.001               kid[0], kid[1]
 * AST_PIPE   x |> f(a)                   kid[0], kid[1] (an AST_CALL or AST_NAME)
 * AST_RANGE  0..100                      kid[0], kid[1]
 * AST_TUPLE  (a, b)                      kid[]
 * AST_GIVEN  y given v, x                kid[0], kid[1]: tuples of what stands before and behind; the
 *                                        only argument of its call
 * AST_BAD    what could not be parsed    (an error has been given) */
enum ast_kind {
	AST_BAD, AST_NUM, AST_STR, AST_NAME, AST_INDEX, AST_CALL, AST_FIELD, AST_NEG, AST_BIN,
	AST_REDUCE, AST_RAMP, AST_PIPE, AST_RANGE, AST_TUPLE, AST_GIVEN
};
struct ast {
	enum ast_kind kind;
	char op;
	struct span span;      /* the whole expression */
	struct span name_span; /* the name alone, where there is one */
	const char *name;
	double num;
	struct ast **kid;
	const char **key; /* AST_CALL, AST_TUPLE: one per kid */
	int nkid;
	int depth; /* levels below this one; the parser keeps it under AST_DEPTH_MAX */
};
/* A walk may recurse into kids, but not down the left side of a + b - c ... or a * b / c ...: there
 * each operator groups with what is before it, however long the line, and such a chain is one level. */
enum { AST_DEPTH_MAX = 1000 };
enum ast_chain { CHAIN_NONE, CHAIN_SUM, CHAIN_PRODUCT };
enum ast_chain ast_chain_of(const struct ast *e);
/* The left side of e as long as its operators are among `ops`: the first operand, then the nodes whose
 * kid[1] are the further ones, innermost first, e the last.  No such operator: e alone, n = 0. */
struct ast_spine {
	const struct ast *first, **node;
	int n;
};
struct ast_spine ast_spine(struct arena *a, const struct ast *e, const char *ops);

/* ---- declarations -------------------------------------------------------------------------------- */
struct ast_type { /* binary[D, K]; real; */
	const char *name;
	struct ast **dim;
	int ndim;
	struct span span;
};

enum decl_kind {
	DECL_VISIBLE, DECL_HIDDEN, DECL_GIVEN, DECL_PARAM, DECL_CONST, DECL_LET, DECL_ENERGY,
	DECL_STATE,    /* state u[t] : real[U] = value, u[-1] = start; */
	DECL_FACTOR,   /* x ~ dist(...);  x[d] ~ dist(...); */
	DECL_POSTERIOR /* posterior z ~ dist(...); */
};
struct ast_decl {
	enum decl_kind kind;
	const char *name;         /* NULL for energy */
	struct span span, name_span;
	bool has_type;
	struct ast_type type;     /* visible, hidden, given, param; optional for const */
	const char **index;       /* let g[d, j < 10] = ...: the names on the left */
	struct span *index_span;
	struct ast **index_bound; /* the comparison that bounds it, NULL: none */
	int nindex;
	struct ast *rule;         /* h : binary[24] in atmostone(2) as p: the AST_CALL; NULL: none */
	const char *alias;        /* p; NULL: none */
	struct span alias_span;
	struct ast *start;        /* of a state */
	struct ast *where;        /* of a factor: which elements count; NULL: all */
	char rel;                 /* 0 nothing follows, '=' a value, '~' a distribution */
	struct ast *value;
};

/* model name(D = 784, H = 500) { ... } */
struct ast_model {
	const char *name;
	struct span span, name_span;
	struct ast_size {
		const char *name;
		struct ast *value;
		struct span span;
	} *size;
	int nsize;
	struct ast_decl *decl;
	int ndecl;
};

/* net name(x : real[D], H = 400) { ... value }: one set of parameters a model; layer: one a use.
 * dist x[a] : unit ~ name(logits[a]) { let log_density = ...; ... } */
struct ast_formal {
	const char *name;
	struct span span;
	struct ast_type *type; /* of a net's input, of a distribution's variable; NULL: none is written */
	struct ast *value;     /* a size's default, else NULL */
	const char **index;    /* a distribution's argument: the names of its own axes */
	int nindex;
};
struct ast_net {
	const char *name;
	struct span span, name_span;
	struct ast_formal self; /* a distribution: its variable */
	struct ast_formal *formal;
	int nformal;
	struct ast_decl *decl;
	int ndecl;
	struct ast *value; /* NULL: none is written */
};
struct ast_fn { /* fn name(x, y) = value; */
	const char *name;
	struct span span, name_span;
	const char **arg;
	int narg;
	struct ast *value;
};

/* One clause of a train, evaluate or sample block:
 *     v = digits;                      binds = true, name v, arg[0]
 *     batch 100;                       name batch, arg[0]
 *     objective sml(k = 1);            name objective, arg[0] an AST_CALL
 *     monitor every 5 : a(x), b(y);    name monitor, every = 5, arg[]
 *     filters W, "filters.png";        name filters, arg[]
 *     stage joint { epochs 5; }        stage = true, name joint, setting[] */
struct ast_setting {
	const char *name;
	struct span span, name_span;
	bool binds;
	struct ast *every; /* NULL where not written */
	struct ast **arg;
	const char **key; /* one per argument: image "a.png", scale = 2 */
	int narg;
	bool stage;       /* stage NAME { ... }: its own settings */
	struct ast_setting *setting;
	int nsetting;
};

enum block_kind { BLOCK_TRAIN, BLOCK_EVALUATE, BLOCK_SAMPLE };
struct ast_block {
	enum block_kind kind;
	const char *model; /* the model's name */
	struct span span, model_span;
	struct ast_setting *setting;
	int nsetting;
};

struct ast_data { /* data name = value; also: const name = value; at top level */
	const char *name;
	struct span span, name_span;
	struct ast *value;
};

enum item_kind { ITEM_MODEL, ITEM_NET, ITEM_LAYER, ITEM_DIST, ITEM_FN, ITEM_IMPORT, ITEM_DATA, ITEM_CONST, ITEM_BLOCK };
struct ast_item { /* in the order of the file */
	enum item_kind kind;
	union {
		struct ast_model *model;
		struct ast_net *net;   /* ITEM_NET, ITEM_LAYER, ITEM_DIST */
		struct ast_fn *fn;
		struct ast_data *data; /* ITEM_DATA, ITEM_CONST, ITEM_IMPORT (the path its value) */
		struct ast_block *block;
	};
};
struct ast_comment { /* kept for the formatter only */
	struct span span;
	bool own_line; /* nothing but blanks before it on its line */
};
struct ast_file {
	int src;
	struct ast_item *item;
	int nitem;
	struct ast_comment *comment;
	int ncomment;
};

/* Parses a source.  Always returns a tree; errors are in cx->diags, what was bad is AST_BAD or left
 * out.  Recovery at ';' and '}'. */
struct ast_file *parse(struct cx *cx, const struct source *src);
/* Parses the value of --set k=v, what stands behind a clause's name: a setting without a name; NULL on error. */
struct ast_setting *parse_value(struct cx *cx, const struct source *src);

/* The tree as indented text (dgm emit --stage=ast), stable between runs. */
void ast_print(const struct ast_file *f, FILE *out);
void ast_expr_print(const struct ast *e, struct buf *out); /* one expression, as source text */
/* The file in canonical layout, comments kept (dgm fmt); formatting twice changes nothing. */
void ast_format(const struct ast_file *f, const struct source *src, FILE *out);

#endif
