/* Threads: creation, join, mutexes, condition variables, barriers, thread-local data, timed waits. */
#include "guest.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#define THREADS 8
#define ROUNDS 200

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_key_t key;
static __thread int own;
static long counter;
static atomic_long atomic_counter;
static int turn;

static void *count(void *arg)
{
	long id = (long)arg;

	pthread_setspecific(key, arg);
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_mutex_unlock(&mutex);
		atomic_fetch_add(&atomic_counter, 2);
		own++;
	}
	pthread_barrier_wait(&barrier);
	CHECK(counter == THREADS * ROUNDS);
	pthread_mutex_lock(&mutex);
	while (turn != id)
		pthread_cond_wait(&condition, &mutex);
	printf("thread %ld\n", id);
	turn++;
	pthread_cond_broadcast(&condition);
	pthread_mutex_unlock(&mutex);
	CHECK(pthread_getspecific(key) == arg);
	return (void *)(id * own);
}

static sem_t ping, pong;

static void *answer(void *arg)
{
	for (int i = 0; i < 50; i++) {
		sem_wait(&ping);
		++*(int *)arg;
		sem_post(&pong);
	}
	return NULL;
}

static void *wait_for_ever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

int main(void)
{
	pthread_t threads[THREADS];
	void *result;
	int answered = 0;

	CHECK(pthread_key_create(&key, NULL) == 0);
	CHECK(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
	for (long i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, count, (void *)i) == 0);
	for (long i = 0; i < THREADS; i++) {
		CHECK(pthread_join(threads[i], &result) == 0);
		CHECK((long)result == i * ROUNDS);
	}
	printf("%ld %ld\n", counter, atomic_load(&atomic_counter));

	sem_init(&ping, 0, 0);
	sem_init(&pong, 0, 0);
	CHECK(pthread_create(&threads[0], NULL, answer, &answered) == 0);
	for (int i = 0; i < 50; i++) {
		sem_post(&ping);
		sem_wait(&pong);
		CHECK(answered == i + 1);
	}
	pthread_join(threads[0], NULL);

	struct timespec before, after, limit;
	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += 2;
	clock_gettime(CLOCK_MONOTONIC, &before);
	pthread_mutex_lock(&mutex);
	CHECK(pthread_cond_timedwait(&condition, &mutex, &limit) == ETIMEDOUT);
	pthread_mutex_unlock(&mutex);
	clock_gettime(CLOCK_MONOTONIC, &after);
	double waited = (after.tv_sec - before.tv_sec) + (after.tv_nsec - before.tv_nsec) / 1e9;
	CHECK(waited > 1.99 && waited < 2.5);

	CHECK(pthread_create(&threads[0], NULL, wait_for_ever, NULL) == 0);
	CHECK(pthread_cancel(threads[0]) == 0);
	CHECK(pthread_join(threads[0], &result) == 0 && result == PTHREAD_CANCELED);
	puts("threads done");
	return 0;
}
