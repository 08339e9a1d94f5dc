/* Two threads that wait for each other. */
#include <pthread.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void *take(void *arg)
{
	pthread_mutex_lock(&mutex);
	return arg;
}

int main(void)
{
	pthread_t thread;

	pthread_mutex_lock(&mutex);
	pthread_create(&thread, NULL, take, NULL);
	pthread_join(thread, NULL);
	return 0;
}
