/* The pool runs every chunk once, in order of regions, at any number of threads, from any thread,
 * and the store lays slots out as dgm_rt.h says. */
#define _GNU_SOURCE /* RUSAGE_THREAD, sched_setaffinity */
#include "dgm_rt.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { CHUNKS = 1000 };

static int seen[CHUNKS], wrong; /* CUnit's assertions are not for threads */

static void count_chunk(void *arg, int64_t chunk, int64_t nchunk)
{
	if (nchunk != *(int64_t *)arg)
		__atomic_store_n(&wrong, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&seen[chunk], 1, __ATOMIC_RELAXED);
}

static void test_chunks(void)
{
	for (int threads = 0; threads <= 5; threads++) {
		dgm_threads(threads);
		CU_ASSERT(dgm_thread_count() == threads || (threads == 0 && dgm_thread_count() >= 1));
		for (int64_t n = 0; n <= CHUNKS; n = n * 3 + 1) {
			memset(seen, 0, sizeof seen);
			dgm_parallel(count_chunk, &n, n);
			for (int i = 0; i < CHUNKS; i++)
				CU_ASSERT_EQUAL(seen[i], i < n);
		}
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

static void add_one(void *arg, int64_t chunk, int64_t nchunk)
{
	(void)chunk, (void)nchunk;
	__atomic_fetch_add((int *)arg, 1, __ATOMIC_RELAXED);
}

static void nested(void *arg, int64_t chunk, int64_t nchunk)
{
	(void)chunk;
	dgm_parallel(add_one, arg, nchunk);
}

static void *from_thread(void *arg)
{
	for (int i = 0; i < 2000; i++)
		dgm_parallel(nested, arg, 4);
	return NULL;
}

static void test_callers(void)
{
	pthread_t thread[3];
	int sum = 0;

	dgm_threads(2);
	for (int i = 0; i < 3; i++)
		pthread_create(&thread[i], NULL, from_thread, &sum);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	CU_ASSERT_EQUAL(sum, 3 * 2000 * 16);
}

/* Threads that sleep wake up. */
static void test_sleepers(void)
{
	int sum = 0;

	dgm_threads(3);
	for (int i = 0; i < 20; i++) {
		usleep(1000);
		dgm_parallel(add_one, &sum, 7);
	}
	CU_ASSERT_EQUAL(sum, 140);
}

/* On one CPU a worker runs only while the caller does not: a job that waited for it would put the
 * caller to sleep every time. */
static void *on_one_cpu(void *arg)
{
	cpu_set_t all, one;
	struct rusage before, after;

	CPU_ZERO(&one);
	sched_getaffinity(0, sizeof all, &all);
	for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &one);
	sched_setaffinity(0, sizeof one, &one);
	dgm_threads(1);
	dgm_threads(2); /* a worker of its own, on the same CPU */
	getrusage(RUSAGE_THREAD, &before);
	for (int i = 0; i < 4000; i++)
		dgm_parallel(add_one, arg, 7);
	getrusage(RUSAGE_THREAD, &after);
	wrong = after.ru_nvcsw - before.ru_nvcsw > 1000;
	return NULL;
}

static void test_set_aside(void)
{
	pthread_t thread;
	int sum = 0;

	wrong = 0;
	pthread_create(&thread, NULL, on_one_cpu, &sum);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(sum, 28000);
	CU_ASSERT_EQUAL(wrong, 0);
	dgm_threads(1);
}

static void test_region_one(const struct dgm_call *call, int64_t chunk, int64_t nchunk)
{
	float *x = call->slot[0];

	for (int64_t i = 8 * chunk / nchunk; i < 8 * (chunk + 1) / nchunk; i++)
		x[i] = (float)i;
}

static void test_region_two(const struct dgm_call *call, int64_t chunk, int64_t nchunk)
{
	float *x = call->slot[0], *sum = call->slot[1];

	for (int64_t row = 3 * chunk / nchunk; row < 3 * (chunk + 1) / nchunk; row++)
		for (int i = 0; i < 8; i++)
			sum[row] += x[i];
}

static const struct dgm_slot slots[] = {
    {"W", DGM_PARAM, DGM_F32, -1, 2, {3, 7}, -1, 0},
    {"b", DGM_PARAM, DGM_F32, -1, 1, {17}, -1, 0},
    {"db", DGM_GRAD, DGM_F32, -1, 1, {17}, 1, 0},
    {"dW", DGM_GRAD, DGM_F32, -1, 2, {3, 7}, 0, 0},
    {"v", DGM_STATE, DGM_BITS, 0, 2, {28, 28}, -1, 0},
    {"h", DGM_TEMP, DGM_F32, 0, 1, {5}, -1, 0},
    {"z", DGM_TEMP, DGM_F32, 0, 0, {0}, -1, 0},
    {"Wp", DGM_PACK, DGM_F32, -1, 0, {0}, -1, 1000},
};
static const struct dgm_region regions[] = {{test_region_one}, {test_region_two}};
static const struct dgm_function functions[] = {{"f", 2, regions}};
static const char *const pops[] = {"batch"};
static const struct dgm_module module = {"m", 8, slots, 1, functions, 1, pops, 0, NULL, NULL};

static void test_store(void)
{
	int64_t capacity[DGM_MAX_POP] = {10};
	struct dgm_store *s = dgm_store_new(&module, capacity);
	struct dgm_call call = dgm_call_on(s, 9);

	CU_ASSERT_EQUAL(s->nparam, 32 + 32);
	CU_ASSERT_PTR_EQUAL(s->slot[1], s->params + 32);
	CU_ASSERT_PTR_EQUAL(s->slot[2], s->grads + 32);
	CU_ASSERT_PTR_EQUAL(s->slot[3], s->grads);
	CU_ASSERT_EQUAL(dgm_item_stride(&slots[4]), 16);
	CU_ASSERT_EQUAL(dgm_item_stride(&slots[5]), 16);
	CU_ASSERT_EQUAL(dgm_item_stride(&slots[6]), 1);
	CU_ASSERT_EQUAL(dgm_slot_find(&module, "h"), 5);
	CU_ASSERT_EQUAL(dgm_slot_find(&module, "x"), -1);
	for (int i = 0; i < 8; i++)
		CU_ASSERT_EQUAL((uintptr_t)s->slot[i] % 64, 0);
	memset(s->slot[7], 1,
	       1000 * 4 + 64); /* the last one: under ASan, the readable bytes are there */
	CU_ASSERT_EQUAL(call.pop[0], 10);
	CU_ASSERT_EQUAL(call.seed, 9);
	dgm_store_free(s);

	capacity[0] = INT64_MAX / 64;
	CU_ASSERT_PTR_NULL(dgm_store_new(&module, capacity));
	CU_ASSERT(strstr(dgm_error(), "memory") != NULL);
}

static void test_run(void)
{
	int64_t capacity[DGM_MAX_POP] = {1};

	for (int threads = 1; threads <= 3; threads++) {
		struct dgm_store *s = dgm_store_new(&module, capacity);
		struct dgm_call call = dgm_call_on(s, 0);
		const float *sum = s->slot[1];

		dgm_threads(threads);
		dgm_run(dgm_function_find(&module, "f"), &call);
		CU_ASSERT(sum[0] == 28 && sum[1] == 28 && sum[2] == 28 && sum[3] == 0);
		dgm_store_free(s);
	}
}

int main(void)
{
	CU_pSuite suite;
	unsigned failed;

	CU_initialize_registry();
	suite = CU_add_suite("pool", NULL, NULL);
	CU_add_test(suite, "every chunk once", test_chunks);
	CU_add_test(suite, "jobs from several threads and from chunks", test_callers);
	CU_add_test(suite, "sleeping threads wake up", test_sleepers);
	CU_add_test(suite, "a worker that does not run holds no job up", test_set_aside);
	CU_add_test(suite, "places of slots", test_store);
	CU_add_test(suite, "regions in order", test_run);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
