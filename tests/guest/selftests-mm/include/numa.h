/* The little of libnuma that Linux's selftests call, on a machine of one node. */
#ifndef DMIRROR_NUMA_H
#define DMIRROR_NUMA_H

#include <stdlib.h>
#include <unistd.h>
#include <sys/mman.h>

struct bitmask {
	unsigned long size;
	unsigned long *maskp;
};

static unsigned long dmirror_nodes[1] = {1};
static struct bitmask dmirror_all_nodes = {1, dmirror_nodes};
#define numa_all_nodes_ptr (&dmirror_all_nodes)

static inline int numa_available(void)
{
	return 0;
}

static inline int numa_max_node(void)
{
	return 0;
}

static inline int numa_max_possible_node(void)
{
	return 0;
}

static inline int numa_num_configured_nodes(void)
{
	return 1;
}

static inline int numa_num_task_cpus(void)
{
	return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

static inline int numa_bitmask_isbitset(const struct bitmask *mask, unsigned int bit)
{
	return bit < mask->size && (mask->maskp[bit / 64] >> (bit % 64) & 1);
}

static inline long long numa_node_size(int node, long long *free_bytes)
{
	long long size = (long long)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);

	if (free_bytes)
		*free_bytes = (long long)sysconf(_SC_AVPHYS_PAGES) * sysconf(_SC_PAGESIZE);
	return node == 0 ? size : -1;
}

static inline void *numa_alloc_onnode(size_t size, int node)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)node;
	return mem == MAP_FAILED ? NULL : mem;
}

static inline void numa_free(void *mem, size_t size)
{
	munmap(mem, size);
}

#endif
