/* The one thread pool of a process.  A job is `nchunk` calls of a function; the caller and the
 * workers draw chunk numbers from a shared counter, and the job is over when every worker has come
 * back.  Which thread runs a chunk is left to chance, so a chunk's results may depend on its number
 * alone.
 *
 * A job is announced by advancing `generation`.  Waiting threads spin for some tens of
 * microseconds, the time between two regions of an update, then sleep on a futex; the announcer
 * makes the system call only when somebody sleeps.  Jobs started from inside a chunk run on the
 * spot; jobs of two threads of the program take turns. */
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

enum { MAX_THREADS = 256, SPIN_NS = 50000 };

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
	_Alignas(64) int64_t next;
	_Alignas(64) uint32_t generation;
	_Alignas(64) uint32_t busy; /* workers that have not come back */
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

static void draw_chunks(void)
{
	int64_t chunk;

	in_chunk = true;
	while ((chunk = __atomic_fetch_add(&pool.next, 1, __ATOMIC_RELAXED)) < pool.nchunk)
		pool.work(pool.arg, chunk, pool.nchunk);
	in_chunk = false;
}

static void announce(void)
{
	__atomic_fetch_add(&pool.generation, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&pool.sleepers, __ATOMIC_SEQ_CST))
		futex_wake(&pool.generation);
}

static void *worker_main(void *arg)
{
	uint32_t generation = (uint32_t)(uintptr_t)arg;

	for (;;) {
		generation = await_change(&pool.generation, generation, &pool.sleepers);
		if (pool.quit)
			return NULL;
		draw_chunks();
		if (__atomic_sub_fetch(&pool.busy, 1, __ATOMIC_SEQ_CST) == 0 &&
		    __atomic_load_n(&pool.caller_sleeps, __ATOMIC_SEQ_CST))
			futex_wake(&pool.busy);
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
	pool.quit = true;
	if (pool.nthread > 1)
		announce();
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

	if (in_chunk || nchunk <= 1 || dgm_thread_count() == 1) {
		for (int64_t i = 0; i < nchunk; i++)
			work(arg, i, nchunk);
		return;
	}
	pthread_mutex_lock(&pool.turn);
	pool.work = work;
	pool.arg = arg;
	pool.nchunk = nchunk;
	pool.next = 0;
	pool.busy = (uint32_t)pool.nthread - 1;
	if (pool.busy)
		announce();
	draw_chunks();
	while ((left = __atomic_load_n(&pool.busy, __ATOMIC_ACQUIRE)) != 0)
		await_change(&pool.busy, left, &pool.caller_sleeps);
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

		dgm_parallel(run_chunk, &job, job.region->grid ? job.region->grid : nthread);
	}
}
