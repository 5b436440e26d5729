/* What the files of model share. */
#ifndef DGM_MODEL_FAMILY_H
#define DGM_MODEL_FAMILY_H
#include "model/model.h"

/* The row of a domain, with the constraint behind it (NULL: none). */
const struct family *family_find(const char *domain, const char *rule);
struct worst { /* the least value that was found of an expression */
	double value;
	const char *where; /* " where 'h' is 1"; "" */
};
/* Is x, free of the group `but`, positive at every state where constants and domains tell?  Where parameters or
 * given units enter nothing tells. */
bool positive_everywhere(const struct model *m, const struct node *x, const struct group *but, struct worst *out);
/* Can it be normalised, as far as constants and domains tell?  false: *what has the value, and should be positive. */
bool conditional_proper(const struct model *m, const struct conditional *c, const char **what, struct worst *w);
/* A term with all other groups but the given ones at 0. */
struct node *part_own(const struct model *m, struct node *t, const struct group *g);

#endif
