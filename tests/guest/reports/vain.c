/* Asks for what Linux has and the machine has not, then for more memory than there is. */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

int main(void)
{
	size_t len = 1ul << 30;

	open("/proc/self/nothing-of-that-name", O_RDONLY);
	ioctl(open("/dev/null", O_RDONLY), FIONREAD, 0);
	syscall(462, 0, 0, 0);
	syscall(462, 0, 0, 0);
	syscall(100000);
	prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, &len, 8, "name");
	setrlimit(RLIMIT_STACK, &(struct rlimit){ 4096, 4096 });
	int fd = open("/proc/sys/vm/overcommit_memory", O_WRONLY);
	if (write(fd, "0", 1) == 1)
		pwrite(fd, "1", 1, 0);
	char *more = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	memset(more, 1, len);
	return 0;
}
