/* lexer: what the rules of grammar/dgm.l call, and what the parser calls to run them. */
#ifndef DGM_LEXER_H
#define DGM_LEXER_H

#include "dgm_parser.h"

/* The next token; *value and *at are set.  The kind is one of the grammar's, END at the end. */
int dgm_scan(DGM_YYSTYPE *value, struct span *at, void *scanner);
void *lex_begin(struct parser *p);
void lex_end(void *scanner);
void lex_keep(struct span *at, uint32_t n, void *scanner);

void lex_comment(struct parser *p, struct span at);
int lex_sign(struct parser *p, int token);
int lex_word(struct parser *p, DGM_YYSTYPE *value, struct span at);
int lex_foreign_word(struct parser *p, DGM_YYSTYPE *value, struct span at);
int lex_number(struct parser *p, DGM_YYSTYPE *value, struct span at, const char *text);
int lex_bad_number(struct parser *p, DGM_YYSTYPE *value, struct span at);
int lex_string(struct parser *p, DGM_YYSTYPE *value, struct span at);
int lex_open_string(struct parser *p, DGM_YYSTYPE *value, struct span *at, void *scanner);
/* A character outside the language: the token it plainly stands for, or 0 to skip it. */
int lex_bad_char(struct parser *p, struct span at);

#endif
