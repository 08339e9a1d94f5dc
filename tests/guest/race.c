/* Threads that change the address space while others migrate it to the device and back, and touch it. */
#include "guest.h"
#include "dmirror.h"
#include <pthread.h>
#include <sys/mman.h>

#define NPAGES 32
#define SIZE (NPAGES * 4096UL)
#define ROUNDS 30

static int *data;
static int fd;

static void *migrate(void *arg)
{
	char *mirror = malloc(SIZE);
	struct dmirror_record r;

	for (int i = 0; i < ROUNDS; i++) {
		dm_call(fd, i % 3 == 2 ? DM_ON_FAULT_TO_DEV : DM_TO_DEV, data, mirror, NPAGES, &r);
		if (i % 2)
			dm_call(fd, DM_TO_SYS, data, mirror, NPAGES, &r);
	}
	free(mirror);
	return arg;
}

static void *touch(void *arg)
{
	long id = (long)arg;

	for (int i = 0; i < ROUNDS; i++)
		for (int page = 0; page < NPAGES; page++)
			__atomic_fetch_add(&data[page * 1024 + id], 1, __ATOMIC_RELAXED);
	return arg;
}

static void *remap(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		char *page = (char *)data + SIZE;
		CHECK(mmap(page, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page);
		memset(page, i, SIZE);
		CHECK(mprotect(page, SIZE / 2, PROT_READ) == 0);
		CHECK(page[0] == (char)i);
		CHECK(madvise(page + SIZE / 2, SIZE / 2, MADV_DONTNEED) == 0);
		CHECK(page[SIZE - 1] == 0);
		CHECK(munmap(page, SIZE) == 0);
	}
	return arg;
}

int main(void)
{
	void *(*work[])(void *) = { touch, touch, touch, migrate, remap };
	pthread_t threads[5];

	fd = dm_open(0);
	data = mmap(NULL, 2 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(fd >= 0 && data != MAP_FAILED);
	memset(data, 0, SIZE);
	for (long i = 0; i < 5; i++)
		CHECK(pthread_create(&threads[i], NULL, work[i], (void *)i) == 0);
	for (int i = 0; i < 5; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	for (int page = 0; page < NPAGES; page++)
		for (int id = 0; id < 3; id++)
			CHECK(data[page * 1024 + id] == ROUNDS);
	close(fd);
	puts("race done");
	return 0;
}
