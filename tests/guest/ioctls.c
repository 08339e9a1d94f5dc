/* Every command of the device, on a private and a coherent one. */
#include "guest.h"
#include "dmirror.h"
#include <sys/mman.h>

#define NPAGES 16
#define SIZE (NPAGES * 4096)

static void drive(int minor)
{
	struct dmirror_record r;
	unsigned char snapshot[NPAGES];
	int fd = dm_open(minor);
	int *data = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int *mirror = malloc(SIZE);

	CHECK(fd >= 0 && data != MAP_FAILED && mirror);
	for (int i = 0; i < SIZE / 4; i++)
		data[i] = i;

	CHECK(dm_call(fd, DM_READ, data, mirror, NPAGES, &r) == 0 && r.cpages == NPAGES);
	CHECK(memcmp(data, mirror, SIZE) == 0);
	for (int i = 0; i < SIZE / 4; i++)
		mirror[i] = -i;
	CHECK(dm_call(fd, DM_WRITE, data, mirror, NPAGES, &r) == 0 && r.cpages == NPAGES);
	CHECK(memcmp(data, mirror, SIZE) == 0);

	CHECK(dm_call(fd, DM_TO_DEV, data, mirror, NPAGES, &r) == 0 && r.cpages == NPAGES);
	CHECK(dm_call(fd, DM_SNAPSHOT, data, snapshot, NPAGES, &r) == 0);
	printf("device %d:", minor);
	for (int i = 0; i < NPAGES; i += 5)
		printf(" %02x", snapshot[i]);
	CHECK(data[5] == -5);
	CHECK(dm_call(fd, DM_SNAPSHOT, data, snapshot, 1, &r) == 0);
	printf(" then %02x\n", snapshot[0]);
	CHECK(dm_call(fd, DM_TO_SYS, data, mirror, NPAGES, &r) == 0);
	CHECK(memcmp(data, mirror, SIZE) == 0);
	CHECK(dm_call(fd, DM_ON_FAULT_TO_DEV, data, mirror, NPAGES, &r) == 0 && r.cpages == NPAGES);
	for (int i = 0; i < SIZE / 4; i++)
		CHECK(data[i] == -i);

	int exclusive = dm_call(fd, DM_EXCLUSIVE, data, mirror, NPAGES, &r);
	printf("exclusive %d, %d pages\n", exclusive, (int)r.cpages);
	CHECK(dm_call(fd, DM_CHECK_EXCLUSIVE, data, mirror, NPAGES, &r) == 0 || errno == EPERM);
	/* RELEASE waits for pages of its device that are still exclusive: the CPU takes them back first. */
	for (int i = 0; i < SIZE / 4; i += 1024)
		data[i]++;
	CHECK(dm_call(fd, DM_CHECK_EXCLUSIVE, data, mirror, NPAGES, &r) == 0 || errno == EPERM);
	CHECK(dm_call(fd, DM_RELEASE, data, mirror, NPAGES, &r) == 0);
	printf("read unlocked %d, flags %d\n", dm_call(fd, DM_READ_UNLOCKED, data, mirror, NPAGES, &r),
	       dm_call(fd, DM_FLAGS, data, mirror, 2, &r));

	CHECK(dm_call(fd, DM_READ, (char *)data + 1, mirror, 1, &r) == -EINVAL);
	CHECK(dm_call(fd, DM_READ, data, mirror, 0, &r) == -EINVAL);
	CHECK(dm_call(fd, DM_READ, data, NULL, 1, &r) == -EFAULT);
	CHECK(dm_call(fd, DM(0x3f), data, mirror, 1, &r) == -EINVAL);
	CHECK(munmap(data, SIZE) == 0);
	CHECK(dm_call(fd, DM_WRITE, data, mirror, 1, &r) == -EFAULT);
	free(mirror);
	CHECK(close(fd) == 0);
}

int main(void)
{
	drive(0);
	drive(2);
	CHECK(dm_open(7) == -1 && errno == ENOENT);
	return 0;
}
