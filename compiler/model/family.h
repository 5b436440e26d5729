/* What the files of model share. */
#ifndef DGM_MODEL_FAMILY_H
#define DGM_MODEL_FAMILY_H
#include "model/model.h"

/* The row of a domain, with the constraint behind it (NULL: none). */
const struct family *family_find(const char *domain, const char *rule);
/* The conditional of g in E, whatever it is like. */
void conditional_derive(const struct model *m, const energy *E, const struct group *g, struct conditional *out);
/* Can it be normalised, as far as constants tell?  false: *what is *value and should be positive. */
bool conditional_proper(const struct conditional *c, const char **what, double *value);

#endif
