#ifndef DGM_SHRINK_H
#define DGM_SHRINK_H

#include "driver/driver.h"

/* The file with one model, its blocks, and small sizes: a unit of its own, in which all groups or the hidden ones
 * can be summed over, or any.  false: *why says which sizes stand in the way.  *sizes: what was chosen. */
enum shrink_to { SHRINK_JOINT, SHRINK_HIDDEN, SHRINK_ANY };
bool verify_shrink(const struct unit *u, const struct model_def *def, enum shrink_to to, struct unit *out,
                   const char **sizes, const char **why);

#endif
