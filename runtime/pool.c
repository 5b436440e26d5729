/* The one thread pool of a process.  A job is `nchunk` calls of a function; the caller and the
 * workers draw chunk numbers, and the job is over when every chunk is.  Which thread runs a chunk
 * is left to chance, so a chunk's results may depend on its number alone.
 *
 * A job is announced by one store of its ticket: the generation and the number of chunks not yet
 * drawn.  A chunk is drawn by counting the ticket down, which fails when the generation is over: a
 * worker that the system has set aside holds nobody up unless it has a chunk in its hands, and the
 * caller does alone what no worker comes for.  Who holds a chunk of a job may read what it is, for
 * the job cannot end before.
 *
 * Waiting threads spin for some microseconds, the time between two regions of an update, then sleep
 * on a futex; the announcer makes the system call only when somebody sleeps.  Jobs started from
 * inside a chunk run on the spot; jobs of two threads of the program take turns. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "dgm_rt.h"

#include <cblas.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MAX_THREADS = 256, SPIN_NS = 20000 };

typedef void work_fn(void *arg, int64_t chunk, int64_t nchunk);

static struct {
	pthread_mutex_t turn; /* held by the thread whose job runs, and while the pool changes size */
	int nthread;          /* callers included; 0: not started */
	pthread_t worker[MAX_THREADS];
	bool quit;
	work_fn *work;
	void *arg;
	int64_t nchunk;
	/* written by many: a cache line each */
	_Alignas(64) uint64_t ticket;     /* generation << 32 | chunks not yet drawn */
	_Alignas(64) uint32_t generation; /* of the ticket, for those who sleep */
	_Alignas(64) uint32_t undone;     /* chunks */
	_Alignas(64) uint32_t sleepers, caller_sleeps;
} pool = {.turn = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local bool in_chunk;

static void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void futex_wait(uint32_t *word, uint32_t value)
{
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

/* Waits until *word differs from value; `sleeping` counts those who may need a wake-up call. */
static uint32_t await_change(uint32_t *word, uint32_t value, uint32_t *sleeping)
{
	uint32_t seen;
	int64_t end = 0;

	for (int spin = 1;; spin++) {
		seen = __atomic_load_n(word, __ATOMIC_ACQUIRE);
		if (seen != value)
			return seen;
		relax();
		if (spin % 64 == 0) {
			int64_t now = now_ns();

			if (!end)
				end = now + SPIN_NS;
			else if (now > end)
				break;
		}
	}
	__atomic_fetch_add(sleeping, 1, __ATOMIC_SEQ_CST);
	while ((seen = __atomic_load_n(word, __ATOMIC_SEQ_CST)) == value)
		futex_wait(word, value);
	__atomic_fetch_sub(sleeping, 1, __ATOMIC_SEQ_CST);
	return seen;
}

/* Runs chunks of the job of a generation, first to last, until all are drawn. */
static void draw_chunks(uint32_t generation)
{
	uint64_t ticket = __atomic_load_n(&pool.ticket, __ATOMIC_ACQUIRE);
	uint32_t done = 0;

	in_chunk = true;
	while ((uint32_t)(ticket >> 32) == generation && (uint32_t)ticket != 0)
		if (__atomic_compare_exchange_n(&pool.ticket, &ticket, ticket - 1, true, __ATOMIC_ACQ_REL,
		                                __ATOMIC_ACQUIRE)) {
			pool.work(pool.arg, pool.nchunk - (uint32_t)ticket, pool.nchunk);
			done++;
			ticket = __atomic_load_n(&pool.ticket, __ATOMIC_ACQUIRE);
		}
	in_chunk = false;
	if (done && __atomic_sub_fetch(&pool.undone, done, __ATOMIC_SEQ_CST) == 0 &&
	    __atomic_load_n(&pool.caller_sleeps, __ATOMIC_SEQ_CST))
		futex_wake(&pool.undone);
}

/* The next generation, with n chunks. */
static uint32_t announce(uint32_t n)
{
	uint32_t generation = pool.generation + 1;

	pool.undone = n;
	__atomic_store_n(&pool.ticket, (uint64_t)generation << 32 | n, __ATOMIC_RELEASE);
	__atomic_store_n(&pool.generation, generation, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&pool.sleepers, __ATOMIC_SEQ_CST))
		futex_wake(&pool.generation);
	return generation;
}

static void *worker_main(void *arg)
{
	uint32_t generation = (uint32_t)(uintptr_t)arg;

	for (;;) {
		generation = await_change(&pool.generation, generation, &pool.sleepers);
		if (__atomic_load_n(&pool.quit, __ATOMIC_RELAXED))
			return NULL;
		draw_chunks(generation);
	}
}

static int cpus_allowed(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof set, &set))
		return 1;
	return CPU_COUNT(&set);
}

/* Makes the pool n threads; the caller holds the turn. */
static void resize(int n)
{
	int started;

	if (n <= 0)
		n = cpus_allowed();
	if (n > MAX_THREADS)
		n = MAX_THREADS;
	if (n == pool.nthread)
		return;
	openblas_set_num_threads(1);
	__atomic_store_n(&pool.quit, true, __ATOMIC_RELAXED);
	if (pool.nthread > 1)
		announce(0);
	for (int i = 1; i < pool.nthread; i++)
		pthread_join(pool.worker[i], NULL);
	pool.quit = false;
	for (started = 1; started < n; started++) {
		void *generation = (void *)(uintptr_t)pool.generation;

		if (pthread_create(&pool.worker[started], NULL, worker_main, generation))
			break; /* fewer threads, the same results */
	}
	__atomic_store_n(&pool.nthread, started, __ATOMIC_RELEASE);
}

void dgm_threads(int n)
{
	pthread_mutex_lock(&pool.turn);
	resize(n);
	pthread_mutex_unlock(&pool.turn);
}

int dgm_thread_count(void)
{
	int n = __atomic_load_n(&pool.nthread, __ATOMIC_ACQUIRE);

	if (n)
		return n;
	pthread_mutex_lock(&pool.turn);
	if (!pool.nthread)
		resize(0);
	n = pool.nthread;
	pthread_mutex_unlock(&pool.turn);
	return n;
}

void dgm_parallel(work_fn *work, void *arg, int64_t nchunk)
{
	uint32_t left;

	if (in_chunk || nchunk <= 1 || nchunk > UINT32_MAX || dgm_thread_count() == 1) {
		for (int64_t i = 0; i < nchunk; i++)
			work(arg, i, nchunk);
		return;
	}
	pthread_mutex_lock(&pool.turn);
	pool.work = work;
	pool.arg = arg;
	pool.nchunk = nchunk;
	draw_chunks(announce((uint32_t)nchunk));
	while ((left = __atomic_load_n(&pool.undone, __ATOMIC_ACQUIRE)) != 0)
		await_change(&pool.undone, left, &pool.caller_sleeps);
	pthread_mutex_unlock(&pool.turn);
}

struct region_job {
	const struct dgm_region *region;
	const struct dgm_call *call;
};

static void run_chunk(void *arg, int64_t chunk, int64_t nchunk)
{
	const struct region_job *job = arg;

	job->region->run(job->call, chunk, nchunk);
}

void dgm_run(const struct dgm_function *f, const struct dgm_call *call)
{
	int nthread = dgm_thread_count();

	for (int i = 0; i < f->nregion; i++) {
		struct region_job job = {&f->region[i], call};

		dgm_parallel(run_chunk, &job, nthread);
	}
}
