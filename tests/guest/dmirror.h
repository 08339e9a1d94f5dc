/* The device's ABI in the numbering of the dialect `dmirror`. */
#ifndef DMIRROR_H
#define DMIRROR_H

#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>

struct dmirror_record {
	uint64_t addr, ptr, npages, cpages, faults;
};

#define DM(nr) _IOWR('H', nr, struct dmirror_record)
enum dmirror_command {
	DM_READ = DM(0),
	DM_WRITE = DM(1),
	DM_TO_DEV = DM(2),
	DM_TO_SYS = DM(3),
	DM_SNAPSHOT = DM(4),
	DM_EXCLUSIVE = DM(5),
	DM_CHECK_EXCLUSIVE = DM(6),
	DM_RELEASE = DM(7),
	DM_FLAGS = DM(8),
	DM_READ_UNLOCKED = DM(9),
	DM_ON_FAULT_TO_DEV = DM(0x40),
};

static inline int dm_open(int minor)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/hmm_dmirror%d", minor);
	return open(path, O_RDWR);
}

/* 0 or -errno; the record's results are left in *r. */
static inline int dm_call(int fd, unsigned long command, void *addr, void *mirror, unsigned long npages,
			  struct dmirror_record *r)
{
	*r = (struct dmirror_record){ .addr = (uintptr_t)addr, .ptr = (uintptr_t)mirror, .npages = npages };
	return ioctl(fd, command, r) < 0 ? -errno : 0;
}

#endif
