/* Two threads add to a number that nothing protects: some schedules lose an addition. */
#include <pthread.h>
#include <stdio.h>

#define TIMES 40

static volatile int sum;

static void *add(void *arg)
{
	for (int i = 0; i < TIMES; i++) {
		int seen = sum;

		sum = seen + 1;
	}
	return arg;
}

int main(void)
{
	pthread_t other;

	if (pthread_create(&other, 0, add, 0))
		return 2;
	add(0);
	pthread_join(other, 0);
	printf("%d\n", sum);
	return sum == 2 * TIMES ? 0 : 1;
}
