/* /proc/self and the other text files. */
#include "guest.h"
#include <fcntl.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

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

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t n;

	/* A file of sysfs that is to be read only is -EACCES, for root too. */
	if (fd < 0)
		return errno;
	n = write(fd, text, strlen(text));
	close(fd);
	return n == (ssize_t)strlen(text) ? 0 : errno;
}

#define THP "/sys/kernel/mm/transparent_hugepage/"
#define POOL "/sys/kernel/mm/hugepages/hugepages-2048kB/"

/* The files of /sys and /proc/sys that memory tests read, and write to put back what they read. */
static void settings(void)
{
	static const char *const numbers[] = {
		"use_zero_page", "hpage_pmd_size", "khugepaged/defrag", "khugepaged/alloc_sleep_millisecs",
		"khugepaged/scan_sleep_millisecs", "khugepaged/max_ptes_none", "khugepaged/max_ptes_swap",
		"khugepaged/max_ptes_shared", "khugepaged/pages_to_scan", "khugepaged/full_scans",
	};
	static const char *const choices[] = { "enabled", "defrag", "shmem_enabled", "hugepages-2048kB/enabled" };
	char path[128], text[16];

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		snprintf(path, sizeof(path), THP "%s", numbers[i]);
		CHECK(strtol(slurp(path), NULL, 10) >= 0);
		CHECK(put(path, "no number") != 0);
	}
	for (size_t i = 0; i < sizeof(choices) / sizeof(*choices); i++) {
		snprintf(path, sizeof(path), THP "%s", choices[i]);
		CHECK(strchr(slurp(path), '['));
		CHECK(put(path, "never") == 0 && strstr(slurp(path), "[never]") && put(path, "sometimes") == EINVAL);
	}
	CHECK(put(THP "enabled", "madvise") == 0 && put(THP "hugepages-2048kB/enabled", "inherit") == 0);
	CHECK(access(THP, F_OK) == 0 && access(THP "none", F_OK) == -1);
	CHECK(atoi(slurp("/proc/sys/vm/mmap_min_addr")) == 65536 && atoi(slurp("/proc/sys/vm/max_map_count")) > 0);

	int pages = atoi(slurp("/proc/sys/vm/nr_hugepages"));
	snprintf(text, sizeof(text), "%d", pages + 2);
	CHECK(put(POOL "nr_hugepages", text) == 0 && atoi(slurp(POOL "free_hugepages")) == pages + 2);
	char *area = mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	CHECK(area != MAP_FAILED && atoi(slurp(POOL "resv_hugepages")) == 1);
	area[0] = 1;
	CHECK(put("/proc/sys/vm/nr_hugepages", "0") == 0);
	CHECK(atoi(slurp(POOL "nr_hugepages")) == 1 && atoi(slurp(POOL "surplus_hugepages")) == 1);
	CHECK(munmap(area, 2 << 20) == 0 && atoi(slurp(POOL "nr_hugepages")) == 0);
	CHECK(put(POOL "nr_hugepages", "many") == EINVAL);
	snprintf(text, sizeof(text), "%d", pages);
	CHECK(put(POOL "nr_hugepages", text) == 0 && atoi(slurp(POOL "surplus_hugepages")) == 0);
}

/* The name of a process, which is 15 bytes and may hold a line end. */
static void comm(void)
{
	char name[16];
	int fd = open("/proc/self/comm", O_RDWR);

	CHECK(fd >= 0 && write(fd, "a\nb", 3) == 3 && lseek(fd, 0, SEEK_CUR) == 0);
	CHECK(read(fd, name, 16) == 4 && memcmp(name, "a\nb\n", 4) == 0);
	CHECK(strstr(slurp("/proc/self/status"), "Name:\ta\\nb\n"));
	CHECK(write(fd, "sixteen and more", 16) == 16 && prctl(PR_GET_NAME, name) == 0);
	CHECK(strcmp(name, "sixteen and mor") == 0);
	int child = fork(), status;
	if (child == 0)
		_exit(write(fd, "x", 1) == -1 && errno == EINVAL ? 0 : 1);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK(strcmp(slurp("/proc/self/comm"), "sixteen and mor\n") == 0);
	close(fd);
}

static int synced(const char *path)
{
	int fd = open(path, O_RDONLY), ret = fsync(fd) == 0 && fdatasync(fd) == 0 ? 0 : errno;

	close(fd);
	return ret;
}

/* What is no regular file of a file system with contents of its own. */
static void odd_files(void)
{
	struct stat status;
	int fd = eventfd(0, 0);

	CHECK(fstat(fd, &status) == 0 && status.st_mode == 0600 && fsync(fd) == -1 && errno == EINVAL);
	close(fd);
	CHECK(synced("/tmp") == 0 && synced(THP "enabled") == 0 && synced("/none") == EBADF);
	CHECK(synced("/proc/self/maps") == EINVAL && synced("/sys") == EINVAL && synced("/proc") == EINVAL);
	CHECK(synced("/dev/zero") == EINVAL);
	CHECK(open("/proc/self/maps/", O_RDONLY) == -1 && errno == ENOTDIR);
	CHECK(open(THP, O_RDONLY) >= 0 && access("/proc/self/maps/.", F_OK) == -1 && errno == ENOTDIR);
	CHECK(mkdir("/proc/self/maps/", 0700) == -1 && errno == EEXIST);
	CHECK(open(THP "none", O_RDWR | O_CREAT, 0600) == -1 && errno == EACCES);
	CHECK(open(THP "none/none", O_RDWR | O_CREAT, 0600) == -1 && errno == ENOENT);
	CHECK(open("/proc/none", O_RDWR | O_CREAT, 0600) == -1 && errno == ENOENT);
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
	settings();
	comm();
	odd_files();
	char path[256];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	CHECK(n > 0);
	path[n] = 0;
	printf("%s\n", strrchr(path, '/') + 1);
	unsigned char present[512];
	CHECK(mincore(aligned, huge, present) == 0 && present[511] == 1);
	return 0;
}
