/* Pins two pages as programs of several kernels do: by their records, numbers and flags. Prints the bytes done or the errno. */
#include "../guest.h"
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

struct head {
	uint64_t get_delta_usec, put_delta_usec, addr, size;
	uint32_t nr_pages_per_call, flags;
};

struct benchmark {
	struct head head;
	uint64_t expansion[10];
};

struct first {
	struct head head;
	uint32_t which_pages[8];
};

struct second {
	struct head head;
	uint32_t test_flags, which_pages[8];
};

static void pin(const char *what, const char *node, unsigned long number, uint32_t flags)
{
	char record[128] = { 0 };
	struct head *head = (struct head *)record;
	int fd = open(node, O_RDWR);

	if (fd < 0) {
		printf("%s: no file (errno %d)\n", what, errno);
		return;
	}
	head->addr = (uintptr_t)mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	head->size = 8192;
	head->nr_pages_per_call = 2;
	head->flags = flags;
	if (ioctl(fd, number, record) != 0)
		printf("%s: errno %d\n", what, errno);
	else
		printf("%s: %lu bytes\n", what, (unsigned long)head->size);
	close(fd);
}

int main(void)
{
	const char *benchmark = "/sys/kernel/debug/gup_benchmark", *test = "/sys/kernel/debug/gup_test";

	pin("5.10", benchmark, _IOWR('g', 4, struct benchmark), 1);
	pin("5.12", test, _IOWR('g', 5, struct first), 1);
	pin("6.1 longterm", test, _IOWR('g', 5, struct second), 0x10001);
	pin("6.12 longterm", test, _IOWR('g', 5, struct second), 0x101);
	return 0;
}
