/* System calls that libnuma has functions for. */
#ifndef DMIRROR_NUMAIF_H
#define DMIRROR_NUMAIF_H

#include <unistd.h>
#include <sys/syscall.h>
#include <linux/mempolicy.h>

static inline long move_pages(int pid, unsigned long count, void **pages, const int *nodes, int *status, int flags)
{
	return syscall(SYS_move_pages, pid, count, pages, nodes, status, flags);
}

#endif
