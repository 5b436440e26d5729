/* What the files of model share. */
#ifndef DGM_MODEL_FAMILY_H
#define DGM_MODEL_FAMILY_H
#include "model/model.h"

/* The row of a domain, with the constraint behind it (NULL: none). */
const struct family *family_find(const char *domain, const char *rule);
/* Can it be normalised, as far as constants tell?  false: *what is *value and should be positive. */
bool conditional_proper(const struct conditional *c, const char **what, double *value);

#endif
