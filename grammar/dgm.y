/* The grammar of .dgm files.
 *
 * Precedence, lowest first:  |>   ->   < > <= >= == !=   ..   + -   reduction body   * / @
 * unary minus   ^   postfix [] and .
 * A reduction's body reaches over products: sum(i) a[i]*b[i] + c is (sum(i) a[i]*b[i]) + c.
 * sum(x) that no operand follows is a call; '-' behind it is a subtraction.
 *
 * After an error the grammar goes on behind the next ';' or '}'.  Where a line ends without its ';'
 * the token filter (syntax/parse.c) supplies one. */
%require "3.8"
%define api.pure full
%define api.prefix {dgm_yy}
%define api.value.type union
%define api.location.type {struct span}
%define lr.type ielr
%define lr.default-reduction consistent
%define parse.error custom
%define parse.lac full
%param {struct parser *p}
%expect 0

%code requires {
#include "syntax/parser.h"
}
%code provides {
int dgm_yylex(DGM_YYSTYPE *value, struct span *at, struct parser *p);
}
%code {
#define YYLLOC_DEFAULT(Current, Rhs, N)                                                            \
	((Current) = (N) ? span_join(YYRHSLOC(Rhs, 1), YYRHSLOC(Rhs, N))                               \
					 : (struct span){YYRHSLOC(Rhs, 0).src, YYRHSLOC(Rhs, 0).end,                   \
									 YYRHSLOC(Rhs, 0).end})
#define YYMAXDEPTH 6000
static void yyerror(struct span *at, struct parser *p, const char *what);
}

%token END 0 "end of file"
%token START_FILE START_SET
%token <const char *> NAME "a name" REDUCE_WORD "'sum(...)'"
%token <struct ast *> NUMBER "a number" STRING "a string"
%token <const char *> MODEL "'model'" NET "'net'" LAYER "'layer'" DIST "'dist'" FN "'fn'" IMPORT "'import'"
%token <const char *> DATA "'data'" CONST "'const'"
%token <const char *> TRAIN "'train'" EVALUATE "'evaluate'" SAMPLE "'sample'"
%token <const char *> VISIBLE "'visible'" HIDDEN "'hidden'" GIVEN "'given'" PARAM "'param'"
%token WHERE "'where'"
%token <const char *> LET "'let'" STATE "'state'" POSTERIOR "'posterior'" ENERGY "'energy'" STAGE "'stage'" EVERY "'every'" IN "'in'" AS "'as'"
%token PIPE "'|>'" ARROW "'->'" DOTDOT "'..'" LE "'<='" GE "'>='" EQ "'=='" NE "'!='"

%precedence PIPE
%nonassoc ARROW
%nonassoc '<' '>' LE GE EQ NE
%nonassoc DOTDOT
%left '+' '-'
%precedence BODY
%left '*' '/' '@'
%precedence UNARY_MINUS
%right '^'
%precedence '[' '.'

%type <struct ast *> expr target rule where
%type <struct args *> args args1 exprs
%type <struct names *> names
%type <struct sizes *> sizes sizes1
%type <struct formals *> formals formals1 arguments
%type <struct decls *> body decls
%type <struct net_body *> net_body
%type <struct settings *> clauses settings
%type <struct ast_decl *> decl variable constrained symbol
%type <struct ast_type *> type of
%type <struct ast_setting *> setting value
%type <const char *> word
%type <enum decl_kind> role
%type <enum block_kind> doing
%type <enum item_kind> module

%%
start: START_FILE items
	| START_SET value                  { p->value = $2; }
	;

/* What --set gives a name, as behind the name in a block. */
value: %empty                          { $$ = node_setting(p, NULL, @$, NULL, @$); }
	| args1                            { $$ = node_setting(p, NULL, @$, $1, @$); }
	| EVERY expr ':' args1 {
		$$ = node_setting(p, NULL, @$, $4, @$);
		$$->every = $2;
	}
	;

/* ---- the file ---------------------------------------------------------------------------------- */
items: %empty
	| items item
	;

item: MODEL NAME sizes body            { item_model(p, $2, @2, $3, $4, @$); }
	| MODEL error body
	| MODEL error ';'                  { yyerrok; }
	| DATA NAME '=' expr ';'           { item_data(p, ITEM_DATA, $2, @2, $4, @$); }
	| CONST NAME '=' expr ';'          { item_data(p, ITEM_CONST, $2, @2, $4, @$); }
	| module NAME formals net_body     { item_net(p, $1, $2, @2, $3, $4, @$); }
	| module error net_body
	| module error ';'                 { yyerrok; }
	| DIST expr of '~' NAME arguments body { item_dist(p, $2, $3, $5, @5, $6, $7, @$); }
	| DIST error body
	| DIST error ';'                   { yyerrok; }
	| FN NAME '(' names ')' '=' expr ';' { item_fn(p, $2, @2, $4, $7, @$); }
	| FN error ';'                     { yyerrok; }
	| IMPORT STRING ';'                { item_import(p, $2, @$); }
	| IMPORT error ';'                 { yyerrok; }
	| doing NAME clauses               { item_block(p, $1, $2, @2, $3, @$); }
	| doing error clauses
	| doing error ';'                  { yyerrok; }
	| error ';'                        { yyerrok; }
	| error '}'                        { yyerrok; }
	| error '{' error '}'              { yyerrok; }
	;

module: NET                            { $$ = ITEM_NET; }
	| LAYER                            { $$ = ITEM_LAYER; }
	;

doing: TRAIN                           { $$ = BLOCK_TRAIN; }
	| EVALUATE                         { $$ = BLOCK_EVALUATE; }
	| SAMPLE                           { $$ = BLOCK_SAMPLE; }
	;

/* ---- models ------------------------------------------------------------------------------------ */
sizes: %empty                          { $$ = NULL; }
	| '(' ')'                          { $$ = NULL; }
	| '(' sizes1 ')'                   { $$ = $2; }
	;

sizes1: NAME '=' expr                  { $$ = sizes_push(p, NULL, (struct ast_size){$1, $3, @1}); }
	| sizes1 ',' NAME '=' expr         { $$ = sizes_push(p, $1, (struct ast_size){$3, $5, @3}); }
	;

/* A net's, a layer's or a distribution's: x : real[D], H = 400, M, logits[k]. */
formals: '(' formals1 ')'              { $$ = $2; }
	;

formals1: NAME ':' type                { $$ = formals_push(p, NULL, (struct ast_formal){.name = $1, .span = @1, .type = $3}); }
	| NAME '=' expr                    { $$ = formals_push(p, NULL, (struct ast_formal){.name = $1, .span = @1, .value = $3}); }
	| NAME                             { $$ = formals_push(p, NULL, (struct ast_formal){.name = $1, .span = @1}); }
	| formals1 ',' NAME ':' type       { $$ = formals_push(p, $1, (struct ast_formal){.name = $3, .span = @3, .type = $5}); }
	| formals1 ',' NAME '=' expr       { $$ = formals_push(p, $1, (struct ast_formal){.name = $3, .span = @3, .value = $5}); }
	| formals1 ',' NAME                { $$ = formals_push(p, $1, (struct ast_formal){.name = $3, .span = @3}); }
	;

arguments: '(' ')'                     { $$ = NULL; }
	| '(' exprs ')'                    { $$ = formals_of(p, $2); }
	;

net_body: '{' decls '}'                { $$ = net_body(p, $2, NULL); }
	| '{' decls expr '}'               { $$ = net_body(p, $2, $3); }
	| '{' decls error '}'              { $$ = net_body(p, $2, NULL); yyerrok; }
	;

body: '{' decls '}'                    { $$ = $2; }
	| '{' decls error '}'              { $$ = $2; yyerrok; }
	;

decls: %empty                          { $$ = NULL; }
	| decls decl                       { $2->span = @2; $$ = decls_push(p, $1, $2); }
	| decls error ';'                  { $$ = $1; yyerrok; }
	;

decl: role variable ';'                { $$ = $2; $$->kind = $1; }
	| CONST NAME '=' expr ';'          { $$ = node_decl(p, DECL_CONST, $2, @2, '=', $4); }
	| CONST NAME ':' type '=' expr ';' {
		$$ = node_decl(p, DECL_CONST, $2, @2, '=', $6);
		$$->has_type = true;
		$$->type = *$4;
	}
	| LET NAME '=' expr ';'            { $$ = node_decl(p, DECL_LET, $2, @2, '=', $4); }
	| LET NAME '[' exprs ']' '=' expr ';' { $$ = node_indexed(p, DECL_LET, $2, @2, $4, '=', $7); }
	| STATE expr ':' type '=' expr ',' expr '=' expr ';' { $$ = node_state(p, $2, $4, $6, $8, $10); }
	| expr '~' expr where ';'          { $$ = node_factor(p, DECL_FACTOR, $1, $3, $4); }
	| POSTERIOR expr '~' expr where ';' { $$ = node_factor(p, DECL_POSTERIOR, $2, $4, $5); }
	| ENERGY '=' expr ';'              { $$ = node_decl(p, DECL_ENERGY, NULL, @1, '=', $3); }
	;

where: %empty                          { $$ = NULL; }
	| WHERE expr                       { $$ = $2; }
	;

role: VISIBLE                          { $$ = DECL_VISIBLE; }
	| HIDDEN                           { $$ = DECL_HIDDEN; }
	| GIVEN                            { $$ = DECL_GIVEN; }
	| PARAM                            { $$ = DECL_PARAM; }
	;

variable: constrained
	| constrained '~' expr             { $$ = node_value($1, '~', $3); }
	| constrained '=' expr             { $$ = node_value($1, '=', $3); }
	;

constrained: symbol
	| symbol rule                      { $$ = node_rule($1, $2, NULL, @2); }
	| symbol rule AS NAME              { $$ = node_rule($1, $2, $4, @4); }
	;

symbol: NAME ':' type {
		$$ = node_decl(p, DECL_VISIBLE, $1, @1, 0, NULL);
		$$->has_type = true;
		$$->type = *$3;
	}
	;

rule: IN NAME '(' args ')'             { $$ = node_call(p, $2, @2, $4, span_join(@2, @5)); }
	;

type: NAME                             { $$ = node_type(p, $1, NULL, @$); }
	| NAME '[' exprs ']'               { $$ = node_type(p, $1, $3, @$); }
	;

of: %empty                             { $$ = NULL; }
	| ':' NAME                         { $$ = node_type(p, $2, NULL, @2); }
	;

names: NAME                            { $$ = names_push(p, NULL, $1, @1); }
	| names ',' NAME                   { $$ = names_push(p, $1, $3, @3); }
	;

/* ---- train, evaluate, sample ------------------------------------------------------------------- */
clauses: '{' settings '}'              { $$ = $2; }
	| '{' settings error '}'           { $$ = $2; yyerrok; }
	;

settings: %empty                       { $$ = NULL; }
	| settings setting                 { $$ = settings_push(p, $1, $2); }
	| settings error ';'               { $$ = $1; yyerrok; }
	;

setting: word '=' expr ';' {
		$$ = node_setting(p, $1, @1, args_push(p, NULL, NULL, $3), @$);
		$$->binds = true;
	}
	| word ';'                         { $$ = node_setting(p, $1, @1, NULL, @$); }
	| word args1 ';'                   { $$ = node_setting(p, $1, @1, $2, @$); }
	| word EVERY expr ':' args1 ';' {
		$$ = node_setting(p, $1, @1, $5, @$);
		$$->every = $3;
	}
	| STAGE NAME clauses               { $$ = node_stage(p, $2, @2, $3, @$); }
	;

word: NAME
	| MODEL
	| DATA
	| TRAIN
	| EVALUATE
	| SAMPLE
	| POSTERIOR
	| STATE
	| ENERGY
	;

/* ---- expressions ------------------------------------------------------------------------------- */
args: %empty                           { $$ = NULL; }
	| args1
	| args1 GIVEN exprs                { $$ = args_push(p, NULL, NULL, node_given(p, $1, $3, @$)); }
	;

args1: expr                            { $$ = args_push(p, NULL, NULL, $1); }
	| NAME '=' expr                    { $$ = args_push(p, NULL, $1, $3); }
	| args1 ',' expr                   { $$ = args_push(p, $1, NULL, $3); }
	| args1 ',' NAME '=' expr          { $$ = args_push(p, $1, $3, $5); }
	;

exprs: expr                            { $$ = args_push(p, NULL, NULL, $1); }
	| exprs ',' expr                   { $$ = args_push(p, $1, NULL, $3); }
	;

expr: NUMBER
	| STRING
	| NAME                             { $$ = node_name(p, AST_NAME, $1, @1); }
	| NAME '(' args ')'                { $$ = node_call(p, $1, @1, $3, @$); }
	| REDUCE_WORD '(' args ')' %prec '*' { $$ = node_call(p, $1, @1, $3, @$); }
	| REDUCE_WORD '(' args ')' expr %prec BODY { $$ = node_reduce(p, $1, @1, $3, $5, @$); }
	| '(' expr ')'                     { $$ = $2; $$->span = @$; }
	| '(' exprs ',' expr ')'           { $$ = node_tuple(p, args_push(p, $2, NULL, $4), @$); }
	| expr '[' exprs ']'               { $$ = node_index(p, $1, $3, @$); }
	| expr '.' NAME                    { $$ = node_field(p, $1, $3, @3, @$); }
	| '-' expr %prec UNARY_MINUS       { $$ = node_neg(p, $2, @$); }
	| expr '^' expr                    { $$ = node_pair(p, AST_BIN, '^', $1, $3, @$); }
	| expr '*' expr                    { $$ = node_pair(p, AST_BIN, '*', $1, $3, @$); }
	| expr '/' expr                    { $$ = node_pair(p, AST_BIN, '/', $1, $3, @$); }
	| expr '@' expr                    { $$ = node_pair(p, AST_BIN, '@', $1, $3, @$); }
	| expr '+' expr                    { $$ = node_pair(p, AST_BIN, '+', $1, $3, @$); }
	| expr '-' expr                    { $$ = node_pair(p, AST_BIN, '-', $1, $3, @$); }
	| expr '<' expr                    { $$ = node_pair(p, AST_BIN, '<', $1, $3, @$); }
	| expr '>' expr                    { $$ = node_pair(p, AST_BIN, '>', $1, $3, @$); }
	| expr LE expr                     { $$ = node_pair(p, AST_BIN, 'l', $1, $3, @$); }
	| expr GE expr                     { $$ = node_pair(p, AST_BIN, 'g', $1, $3, @$); }
	| expr EQ expr                     { $$ = node_pair(p, AST_BIN, '=', $1, $3, @$); }
	| expr NE expr                     { $$ = node_pair(p, AST_BIN, '!', $1, $3, @$); }
	| expr DOTDOT expr                 { $$ = node_pair(p, AST_RANGE, 0, $1, $3, @$); }
	| expr ARROW expr                  { $$ = node_pair(p, AST_RAMP, 0, $1, $3, @$); }
	| expr PIPE target                 { $$ = node_pair(p, AST_PIPE, 0, $1, $3, @$); }
	;

target: NAME                           { $$ = node_name(p, AST_NAME, $1, @1); }
	| NAME '(' args ')'                { $$ = node_call(p, $1, @1, $3, @$); }
	| REDUCE_WORD '(' args ')'         { $$ = node_call(p, $1, @1, $3, @$); }
	;
%%

static int yyreport_syntax_error(const yypcontext_t *at, struct parser *p)
{
	enum { MANY = 100 }; /* from here on errors are counted, not shown */
	yysymbol_kind_t kind[YYNTOKENS];
	const char *expected[YYNTOKENS];
	int n = 0;
	if (diags_errors(p->cx->diags) < MANY)
		n = yypcontext_expected_tokens(at, kind, YYNTOKENS);
	for (int i = 0; i < n; i++)
		expected[i] = yysymbol_name(kind[i]);
	if (n >= 0)
		syntax_unexpected(p, expected, n);
	return n < 0 ? n : 0;
}

/* Only called when the parser's stack is full. */
static void yyerror(struct span *at, struct parser *p, const char *what)
{
	(void)what;
	syntax_too_deep(p, *at);
}
