/* oracle: what the compiler derives and generates, against sums over all states of small models.
 *
 * The truth is the energy alone: the original terms of a model, evaluated in double at each of the
 * 2^N states of its N units (visible, hidden and given).  Unit n of a state is its bit n, 0 for the
 * lower value of its domain and 1 for the higher; a state with two units of an at-most-one block at 1 has
 * infinite energy.  From this table of energies follow by summing:
 * conditionals by Bayes' rule, free energies, log Z, the log-likelihood and, by finite differences
 * of the parameters, its gradient.  Nothing here knows a model. */
#ifndef ORACLE_H
#define ORACLE_H

#include "driver/driver.h"

#include <CUnit/Basic.h>

enum { MAX_UNITS = 16 };

/* ---- values of symbols, in double
 * ------------------------------------------------------------------ */
struct memory {
	double **at; /* by the symbol's id: rows of items; NULL: not there */
	int64_t *rows;
	int n;
	int64_t pop[POP_COUNT]; /* rows of the populations, for sums over a batch */
};
/* The values of s, zero at first; rows 1 for an unbatched symbol. */
double *memory_put(struct memory *m, const struct sym *s, int64_t rows);
double *memory_get(const struct memory *m, const struct sym *s); /* NULL: none */
void memory_free(struct memory *m);
double memory_eval(struct memory *m, const struct node *x, const struct binding *b, int nb);
int64_t items_of(const struct sym *s);
/* at[0..rank) := the subscripts of element `flat`; returns bindings of ix to them (and row to
 * batch). */
int bind_element(const struct sym *s, const struct idx *const *ix, int64_t flat,
                 const struct idx *batch, int64_t row, struct binding *b);
/* Runs a function of a program with the reference evaluator. */
void memory_run(struct memory *m, const struct program *p, const char *function);

/* ---- a model with one draw of its parameters
 * ------------------------------------------------------- */
struct oracle {
	struct unit *u;
	struct model *m;
	int nunit, first[32], count[32]; /* per group: its bits */
	uint32_t visible, hidden, given; /* masks */
	uint32_t nstate;
	struct memory mem; /* every state is a row, row nstate is free */
	double *E;         /* energies, nstate of them */
	uint64_t rng;
	bool last; /* of the draws of parameters */
};
typedef void oracle_test(struct oracle *o, int draw);
/* Runs a test on each model of each file of tests/oracle, with `draws` draws of parameters; models
 * of more than 12 units are slow and have one. */
void oracle_each(oracle_test *test, int draws);
/* ... on the model of one file. */
void oracle_one(const char *file, oracle_test *test, int draws);
bool oracle_open(struct unit *u, struct options *opt, const char *path); /* diagnostics are kept */
void oracle_close(struct unit *u);
void oracle_energies(struct oracle *o); /* E anew, after a change of parameters */
double oracle_normal(struct oracle *o);
uint32_t oracle_random(struct oracle *o);
double unit_value(const struct oracle *o, int unit, uint32_t state); /* of a unit in a state */
uint32_t group_mask(const struct oracle *o, int group);
uint32_t block_mask(const struct oracle *o, int unit); /* the units of a unit's block, often itself alone */
bool hidden_joined(const struct oracle *o); /* some term joins hidden groups: they depend on each
                                               other given the rest */

/* ---- truths
 * ------------------------------------------------------------------------------------------- */
/* Submasks of a mask, ascending: for (s = 0;; s = next_sub(s, mask)) { ...; if (s == mask) break; }
 */
static inline uint32_t next_sub(uint32_t s, uint32_t mask)
{
	return (s - mask) & mask;
}
/* log sum exp(-E) over the units of `mask`, the others as in `state`. */
double exact_logsum(const struct oracle *o, uint32_t mask, uint32_t state);
/* Log-odds of unit's higher value given the units outside of `mask`, those of mask summed out. */
double exact_logodds(const struct oracle *o, int unit, uint32_t mask, uint32_t state);
/* sum over the visible blocks of log p(block | all other visible units), the hidden ones summed out. */
double exact_score(const struct oracle *o, uint32_t state);
/* Mean log-likelihood of the visible part of n states given their given part. */
double exact_loglik(const struct oracle *o, const uint32_t *data, int n);
/* d (-loglik)/d element of weight w by central differences of fourth order. */
double exact_slope(struct oracle *o, int w, int64_t element, const uint32_t *data, int n);
/* d F / d element of weight w by the derivative of the derived F, and its value at a state. */
struct node *slope_of_F(struct oracle *o, const energy *F, int w, int64_t element);
double eval_at(struct oracle *o, const struct node *x, uint32_t state);
/* A random state of finite energy; n states with random visible and given units, the hidden ones 0. */
uint32_t random_state(struct oracle *o);
void random_data(struct oracle *o, uint32_t *data, int n);
/* P := P with the units of `mask` drawn anew from their conditional. */
void exact_transition(const struct oracle *o, uint32_t mask, double *P);

/* ---- errors
 * ---------------------------------------------------------------------------------------------- */
struct error { /* largest difference over largest value */
	double diff, scale;
};
void error_add(struct error *e, double got, double want);
/* Asserts e <= tolerance, and keeps the largest error of all models for the summary. */
void error_check(const struct oracle *o, const char *what, const struct error *e, double tolerance);
void error_summary(void);

/* ---- compiled: the same model as generated code
 * ---------------------------------------------------------------- */
struct code {
	const struct oracle *o;
	struct compiled c;
	struct dgm_store *store;
	struct dgm_call call;
};
typedef bool expand_fn(struct expansion *x);
/* Expands, plans, compiles; parameters and data means as in the oracle. */
bool code_build(struct code *k, const struct oracle *o, expand_fn *const *expand,
                const int64_t *capacity);
void code_params(struct code *k); /* the oracle's parameters and means into the store */
void code_free(struct code *k);
bool expand_cd_means(struct expansion *x);
bool expand_cd_samples(struct expansion *x);
bool expand_sml_means(struct expansion *x);
bool expand_sml_samples(struct expansion *x);
bool expand_exact(struct expansion *x);              /* nll */
void code_run(struct code *k, const char *function); /* and the next step of the random numbers */
int code_slot(const struct code *k, const char *name);
double code_get(const struct code *k, int slot, int64_t row, int64_t element);
void code_set(const struct code *k, int slot, int64_t row, int64_t element, double x);
/* The units of the groups of `mask` in row `row`, slots named "GROUP" + suffix. */
void code_state(const struct code *k, const char *suffix, int64_t row, uint32_t mask,
                uint32_t state);
uint32_t code_state_of(const struct code *k, const char *suffix, int64_t row, uint32_t mask);
void code_scalar(struct code *k, const char *name, double x);
const struct dgm_enumeration *code_enumeration(struct code *k);

#endif
