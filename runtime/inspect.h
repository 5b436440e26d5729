/* inspect: samples looked at beside data.  Every judgement has held-out examples as its null: they are what
 * samples of a perfect model would be like, so that no threshold is set by hand but the level of a test. */
#ifndef DGM_INSPECT_H
#define DGM_INSPECT_H

#include <stdbool.h>
#include <stdint.h>

struct dgm_points { /* rows of numbers */
	float *x; /* n x items */
	int64_t n, items;
};

/* ---- neighbours.c ---- */
enum { DGM_NEIGHBOURS = 5 };
/* For each row of x the k rows of `among` that are nearest, nearest first, and their distances: index and
 * distance are x->n x k; k at most DGM_NEIGHBOURS and among->n.  The same bits at any number of threads. */
int dgm_neighbours(const struct dgm_points *x, const struct dgm_points *among, int k, int64_t *index, double *distance);
struct dgm_pair {
	int64_t a, b; /* a < b */
	double distance;
};
/* The closest pairs of rows, closest first, at most so many. */
int dgm_closest_pairs(const struct dgm_points *x, int most, struct dgm_pair *out, int *n);
/* How many pairs are at most so far apart. */
int dgm_pairs_within(const struct dgm_points *x, double within, int64_t *count);
/* ---- kmeans.c ---- */
/* k centres of x (Lloyd 1982, begun by k-means++, Arthur & Vassilvitskii 2007), k x items; k at most x->n. */
int dgm_kmeans(const struct dgm_points *x, int k, uint64_t seed, float *centre);

/* ---- inspect.c ---- */
/* P(N <= k) of a binomial, P(N <= k) of the white among n balls drawn from `white` and `black`. */
double dgm_binomial_tail(int64_t k, int64_t n, double p);
double dgm_hypergeometric_tail(int64_t k, int64_t n, int64_t white, int64_t black);

struct dgm_copies {
	double threshold;   /* the ratio that a share `level` of held-out examples is below */
	int64_t below;      /* samples below it */
	int64_t equal;      /* held-out examples that equal a training example */
	double best;        /* the probability p, were all samples copies; 1: copies are not told from held-out examples */
	double share, p;    /* their share; probability of as many or more, were samples like held-out examples */
	int64_t *neighbour; /* samples x k: training examples, nearest first; free() */
	double *ratio;      /* one a sample; free() */
	int k;
};
/* Copies: samples that are nearer to one training example than to any other.  The ratio of a row is its
 * distance to the nearest training example over that to the next one that is not the same as it; the neighbours are
 * examples that differ from each other, of equal ones the first. */
int dgm_copies(const struct dgm_points *samples, const struct dgm_points *train, const struct dgm_points *held,
               double level, struct dgm_copies *out);
void dgm_copies_free(struct dgm_copies *c);

struct dgm_birthday {
	int64_t n, pairs, held_pairs; /* of each set so many rows; pairs as close as the held_pairs closest held-out ones */
	int64_t equal;                /* held-out examples that equal another example or a sample */
	double modes, held_modes;     /* n(n-1)/2 over these: what is drawn from this many alike has such pairs so often */
	double best; /* the probability p, were samples as crowded as can be, all equal to each other */
	double p; /* probability that as many samples or more are among the hundredth of all rows, at least 20, that are
	             closest to another, were samples like held-out examples */
};
/* The birthday paradox (Arora & Zhang 2017).  Equal rows come in an order by chance, of the seed. */
int dgm_birthday(const struct dgm_points *samples, const struct dgm_points *held, uint64_t seed, struct dgm_birthday *out);

struct dgm_class { /* of a classification of samples and held-out examples */
	int64_t samples, held;
	double p;     /* probability of so few samples or fewer, were the class half as frequent as in held-out examples */
	bool rare;    /* lost at this level */
	bool unknown; /* so few examples in all that no sample at all would tell nothing */
};
/* Of the class of each sample and held-out example; level of the test of all classes together. */
void dgm_coverage(const int *sample, int64_t n, const int *held, int64_t m, int classes, double level,
                  struct dgm_class *out);
#endif
