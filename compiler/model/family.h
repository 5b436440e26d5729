/* Families of conditionals, private to the layer: one row a domain in family.c. */
#ifndef DGM_MODEL_FAMILY_H
#define DGM_MODEL_FAMILY_H
#include "model/model.h"

const struct family *family_find(const char *domain);

#endif
