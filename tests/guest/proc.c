/* /proc/self and the other text files. */
#include "guest.h"
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>

static char *slurp(const char *path)
{
	static char text[65536];
	int fd = open(path, O_RDONLY);
	size_t used = 0;

	CHECK(fd >= 0);
	for (ssize_t n; (n = read(fd, text + used, sizeof(text) - 1 - used)) > 0;)
		used += n;
	text[used] = 0;
	close(fd);
	return text;
}

int main(void)
{
	size_t huge = 2 << 20;
	char *area = mmap(NULL, 2 * huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *aligned = (char *)(((uintptr_t)area + huge - 1) & ~(huge - 1)), line[64];

	CHECK(area != MAP_FAILED && madvise(aligned, huge, MADV_HUGEPAGE) == 0);
	memset(aligned, 1, huge);
	char *text = slurp("/proc/self/maps");
	snprintf(line, sizeof(line), "%lx-%lx rw-p", (unsigned long)aligned, (unsigned long)(aligned + huge));
	CHECK(strstr(text, line) && strstr(text, "[stack]") && strstr(text, "[heap]") && strstr(text, "r-xp"));
	text = slurp("/proc/self/smaps");
	text = strstr(text, line);
	CHECK(text && (text = strstr(text, "AnonHugePages:")) && atoi(text + 14) == 2048);
	text = slurp("/proc/self/status");
	CHECK(strstr(text, "Name:\tproc\n") && strstr(text, "VmRSS:") && strstr(text, "Threads:\t1\n"));

	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry;
	CHECK(fd >= 0 && pread(fd, &entry, 8, (uintptr_t)aligned / 4096 * 8) == 8 && (entry >> 63) == 1);
	CHECK(pread(fd, &entry, 8, 0) == 8 && entry == 0);
	close(fd);
	CHECK(strstr(slurp("/sys/kernel/mm/transparent_hugepage/enabled"), "[madvise]"));
	CHECK(strstr(slurp("/proc/meminfo"), "Hugepagesize:"));
	CHECK(atoi(slurp("/proc/sys/vm/nr_hugepages")) >= 0);
	char path[256];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	CHECK(n > 0);
	path[n] = 0;
	printf("%s\n", strrchr(path, '/') + 1);
	unsigned char present[512];
	CHECK(mincore(aligned, huge, present) == 0 && present[511] == 1);
	return 0;
}
