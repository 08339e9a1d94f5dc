/* Another process's memory, and what the kernel says of its pages. */
#include "guest.h"
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define PAGE 4096ul
#define PFN(entry) ((entry) & 0x7fffffffffffffull)

static uint64_t entry_of(const char *path, uint64_t index)
{
	uint64_t entry = 0;
	int fd = open(path, O_RDONLY);

	CHECK(pread(fd, &entry, 8, index * 8) == 8);
	close(fd);
	return entry;
}

int main(void)
{
	char own[2 * PAGE];
	char *mem = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int go[2];

	CHECK(mem != MAP_FAILED && pipe(go) == 0);
	memset(mem, 'a', 2 * PAGE);
	pid_t child = fork();
	if (child == 0) {
		char c;

		mem[PAGE] = 'b';
		CHECK(munmap(mem + 2 * PAGE, PAGE) == 0);
		_exit(read(go[0], &c, 1) == 1 ? mem[1] : 1);
	}
	struct iovec local[2] = {{own, 1}, {own + 1, 2 * PAGE - 1}}, remote = {mem + PAGE - 1, 2};
	do
		CHECK(process_vm_readv(child, local, 2, &remote, 1, 0) == 2 && own[0] == 'a');
	while (own[1] != 'b');
	remote.iov_len = 3 * PAGE;
	CHECK(process_vm_readv(child, local, 2, &remote, 1, 0) == PAGE + 1);
	local[0].iov_base = "xy", local[0].iov_len = 2, remote.iov_base = mem;
	CHECK(process_vm_writev(child, local, 1, &remote, 1, 0) == 2 && mem[0] == 'a');
	remote.iov_base = mem + 2 * PAGE;
	CHECK(process_vm_writev(child, local, 1, &remote, 1, 0) == -1 && errno == EFAULT);
	CHECK(process_vm_readv(child, local, 1, &remote, 1, 1) == -1 && errno == EINVAL);
	CHECK(process_vm_readv(99999, local, 1, &remote, 1, 0) == -1 && errno == ESRCH);

	/* What arrived before a page that can't be written counts. */
	char *half = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(half != MAP_FAILED && mprotect(half + PAGE, PAGE, PROT_READ) == 0);
	local[0].iov_base = half + 100, local[0].iov_len = 2 * PAGE - 100, remote.iov_base = mem;
	CHECK(process_vm_readv(child, local, 1, &remote, 1, 0) == PAGE - 100 && half[PAGE - 1] == 'a');
	local[0].iov_base = half + PAGE;
	CHECK(process_vm_readv(child, local, 1, &remote, 1, 0) == -1 && errno == EFAULT);

	/* All that the remote side names is made to be there. */
	char *fresh = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char there[2];
	CHECK(fresh != MAP_FAILED);
	local[0].iov_base = own, local[0].iov_len = 1;
	struct iovec ours = {fresh, 2 * PAGE};
	CHECK(process_vm_writev(getpid(), local, 1, &ours, 1, 0) == 1);
	CHECK(mincore(fresh, 2 * PAGE, there) == 0 && there[0] == 1 && there[1] == 1);
	local[0].iov_base = half + PAGE, remote.iov_base = mem;

	uint64_t pfn = PFN(entry_of("/proc/self/pagemap", (uintptr_t)mem / PAGE));
	uint64_t flags = entry_of("/proc/kpageflags", pfn);
	CHECK(entry_of("/proc/kpagecount", pfn) == 1);
	/* MMAP, ANON, SWAPBACKED; neither a huge page nor free. */
	CHECK((flags & 0x5800) == 0x5800 && (flags & 0x420400) == 0);

	int status;
	CHECK(write(go[1], "", 1) == 1 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 'y');
	CHECK(process_vm_readv(child, local, 1, &remote, 1, 0) == -1 && errno == ESRCH);
	puts("process_vm: right");
	return 0;
}
