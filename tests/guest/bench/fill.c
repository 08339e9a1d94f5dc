/* Fills some MiB a word at a time, then moves them to the device if it is asked to: what share of a run is the ioctl's? */
#include "start.h"

#ifndef MIB
#define MIB 4UL
#endif
#define SIZE (MIB << 20)

struct record {
	unsigned long addr, ptr, npages, cpages, faults;
};

#define TO_DEV 0xc0284802UL

unsigned long work(void)
{
	static const char path[] = "/dev/hmm_dmirror0";
	unsigned int *words = (unsigned int *)syscall6(222, 0, SIZE, 3, 0x22, -1, 0);
	long fd = syscall6(56, -100, (long)path, 2, 0, 0, 0);
	struct record record = { (unsigned long)words, 0, SIZE >> 12, 0, 0 };
	unsigned long i;

	for (i = 0; i < SIZE / 4; i++)
		words[i] = i;
	if (MIGRATE)
		syscall6(29, fd, TO_DEV, (long)&record, 0, 0, 0);
	return record.cpages;
}
