/* train_work: what the files of the training driver share. */
#ifndef DGM_TRAIN_WORK_H
#define DGM_TRAIN_WORK_H
#include "train.h"

/* Stages of the drivers' own calls: no training stage gets that far, and a stream is stage * 4096 +
 * draw in 32 bits. */
enum { DGM_STAGE_CLUSTERS = 0xFFFF9, DGM_STAGE_RAISE = 0xFFFFA, DGM_STAGE_PILOT = 0xFFFFB, DGM_STAGE_ENUMERATE = 0xFFFFC, DGM_STAGE_AIS = 0xFFFFD, DGM_STAGE_FIGURE = 0xFFFFE };

/* b_i of n (ais.c). */
double dgm_temperature(int64_t i, int64_t n);

/* The figure of examples first .. first + rows, in its slot; index: room for rows numbers (figure.c). */
int dgm_figure_rows(struct dgm_store *s, const struct dgm_figure *f, struct dgm_call *call, int64_t first,
                    int64_t *index, int64_t rows);

/* ---- the training's state ---- */
struct dgm_segment { /* a piece of a parameter, for one call of the optimiser */
	int64_t at, n;   /* floats from the start of params */
	int descent;     /* which moves it */
	float decay;
	double squares; /* of its gradient */
};

enum { DGM_RING = 1000 };

struct dgm_trainer {
	const struct dgm_train *t;
	struct dgm_store *s;
	struct dgm_call call;
	int64_t examples;      /* of an epoch */
	int64_t epoch, update; /* finished ones */
	int64_t *order;        /* of the examples in this epoch */
	float *moments[DGM_MAX_MOMENT];
	float *moment_block;
	int nmoment; /* the most of any optimiser */
	struct dgm_segment *segment;
	int64_t nsegment;
	float hyper[DGM_MAX_DESCENT][DGM_MAX_HYPER]; /* in this epoch */
	float clip_scale[DGM_MAX_DESCENT]; /* of the gradients, to hold their norm */
	double rate[DGM_MAX_DESCENT]; /* the hyper-parameter that is called so; 0: none */
	int64_t k;
	struct dgm_acceptance acceptance, swaps; /* of this epoch */
	double best;        /* value of the monitor that may stop the training */
	int64_t best_epoch; /* -1: it has had none */
	float *best_params;
	bool stopped;
	/* checkpoint */
	char checkpoint[4096];
	int64_t saved_epoch; /* -1: there is none of this run */
	double saved_at;
	/* report */
	struct dgm_metrics *metrics;
	FILE *echo; /* metrics.jsonl, read from where standard output has not seen it */
	struct dgm_progress progress;
	char note[400];
	int64_t first_epoch, first_update; /* of this process */
	double start, seconds;             /* of this process; spent by the ones before it */
	double duration[DGM_RING];         /* of the last updates, in seconds */
};

/* Runs f unless it is NULL, and moves the step of the random numbers on. */
void dgm_train_call(struct dgm_trainer *tr, const struct dgm_function *f);
/* Writes the name of a file in out_dir. */
int dgm_train_path(const struct dgm_trainer *tr, const char *name, char *to, size_t room);

/* ---- train_update.c ---- */
int dgm_update_plan(struct dgm_trainer *tr);   /* segments and moments */
/* The same in memory of the caller's: so many segments; the moments, nparam floats each, zeroed at first. */
int64_t dgm_update_segments(const struct dgm_trainer *tr);
int dgm_update_moments(const struct dgm_train *t);
void dgm_update_on(struct dgm_trainer *tr, struct dgm_segment *segment, float *moments);
/* The step of a descent that the coming update is, 1, 2, ...; 0: it has none. */
int64_t dgm_descent_step(const struct dgm_trainer *tr, int descent);
/* optim_limit.c: before and after the optimiser */
void dgm_limit_gradients(struct dgm_trainer *tr);
void dgm_limit_params(struct dgm_trainer *tr);
/* The first axis of each of these parameters against the rest: rows, or columns where these are fewer, at right
 * angles to one another and of this norm.  DGM_OK or DGM_ENOMEM. */
int dgm_orthonormal(struct dgm_trainer *tr);
/* The same of a matrix, rows x cols. */
int dgm_orthonormal_matrix(float *w, int64_t rows, int64_t cols, double norm);
void dgm_update_epoch(struct dgm_trainer *tr); /* hyper-parameters and k of this epoch */
int dgm_update_rows(struct dgm_trainer *tr, int64_t rows); /* on the batch that the buffers hold */
/* DGM_ENONFINITE with its text when a parameter or a gradient is not finite. */
int dgm_update_check(const struct dgm_trainer *tr);

/* ---- checkpoint.c ---- */
int dgm_checkpoint_save(struct dgm_trainer *tr);
/* Restores the trainer; *found false: there is no checkpoint, nothing was changed. */
int dgm_checkpoint_load(struct dgm_trainer *tr, bool *found);
uint64_t dgm_text_digest(const char *text); /* FNV-1a */

/* ---- train_report.c ---- */
int dgm_report_open(struct dgm_trainer *tr);
int dgm_report_epoch(struct dgm_trainer *tr);  /* monitors, metrics, progress */
int dgm_report_finish(struct dgm_trainer *tr); /* curve, times */
int dgm_report_close(struct dgm_trainer *tr);

#endif
