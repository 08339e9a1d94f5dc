/* Buffers that end in a hole, and lists of buffers that are too long: what is read is never lost, what is answered was done. */
#include "guest.h"
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static char *end; /* The first byte of a hole. */
static char b[16384];

static int fails(long got, int error)
{
	return got == -1 && errno == error;
}

static void pipes(void)
{
	struct iovec torn[2] = { { b, 2 }, { end, 4 } };
	int p[2];

	CHECK(pipe(p) == 0 && fcntl(p[0], F_SETFL, O_NONBLOCK) == 0 && fcntl(p[1], F_SETFL, O_NONBLOCK) == 0);
	CHECK(write(p[1], "abcdef", 6) == 6);
	CHECK(fails(read(p[0], end - 2, 6), EFAULT));
	CHECK(fails(readv(p[0], torn, 2), EFAULT));
	CHECK(read(p[0], b, 10) == 6 && memcmp(b, "abcdef", 6) == 0);
	CHECK(fails(read(p[0], b, 10), EAGAIN));

	/* Each buffer of the pipe is copied whole or not at all. */
	memset(b, 'x', 4096);
	CHECK(write(p[1], b, 4096) == 4096 && write(p[1], "abcdef", 6) == 6);
	struct iovec second[2] = { { b, 4096 }, { end - 2, 6 } };
	CHECK(readv(p[0], second, 2) == 4096);
	CHECK(read(p[0], b, 10) == 6 && memcmp(b, "abcdef", 6) == 0);

	/* Nor is anything written. */
	struct iovec bad[2] = { { "xy", 2 }, { end, 3 } };
	CHECK(fails(writev(p[1], bad, 2), EFAULT) && fails(write(p[1], end - 2, 6), EFAULT));
	CHECK(fails(read(p[0], b, 10), EAGAIN));
	CHECK(write(p[1], "1", 1) == 1 && fails(writev(p[1], bad, 2), EFAULT));
	CHECK(read(p[0], b, 10) == 1 && b[0] == '1');
	/* But for whole pages. */
	CHECK(write(p[1], end - 4096, 4097) == 4096 || !"a page");
	CHECK(read(p[0], b, 5000) == 4096);
	puts("pipes");

	int size;
	CHECK(fcntl(p[0], F_GETPIPE_SZ) == 65536 && fcntl(p[0], F_SETPIPE_SZ, 1) == 4096);
	CHECK(write(p[1], b, 4096) == 4096 && fails(write(p[1], b, 1), EAGAIN));
	CHECK(fcntl(p[1], F_SETPIPE_SZ, 5000) == 8192 && write(p[1], b, 3) == 3);
	CHECK(fails(fcntl(p[1], F_SETPIPE_SZ, 4096), EBUSY) && fcntl(p[0], F_GETPIPE_SZ) == 8192);
	CHECK(ioctl(p[0], FIONREAD, &size) == 0 && size == 4099);
	CHECK(fails(fcntl(p[1], F_SETPIPE_SZ, 0x80000001), EINVAL));
	int fd = memfd_create("no pipe", 0);
	CHECK(fails(fcntl(fd, F_SETPIPE_SZ, 4096), EBADF) && fails(fcntl(fd, F_GETPIPE_SZ), EBADF));
	CHECK(close(fd) == 0 && close(p[0]) == 0 && close(p[1]) == 0);
	puts("sizes of pipes");
}

static void tmpfs(void)
{
	struct iovec torn[2] = { { "xy", 2 }, { end, 3 } };
	int fd = memfd_create("a", MFD_ALLOW_SEALING);

	CHECK(write(fd, "abcdefgh", 8) == 8 && lseek(fd, 0, SEEK_SET) == 0);
	CHECK(read(fd, end - 2, 6) == 2 && end[-2] == 'a' && lseek(fd, 0, SEEK_CUR) == 2);
	CHECK(fails(read(fd, end, 6), EFAULT) && lseek(fd, 0, SEEK_CUR) == 2);
	CHECK(pread(fd, end - 2, 6, 4) == 2 && end[-1] == 'f');
	CHECK(pwrite(fd, end - 2, 6, 0) == 2);
	CHECK(write(fd, end - 2, 6) == 2 && lseek(fd, 0, SEEK_CUR) == 4);
	CHECK(pread(fd, b, 100, 0) == 8 && memcmp(b, "efefefgh", 8) == 0);
	CHECK(writev(fd, torn, 2) == 2 && lseek(fd, 0, SEEK_CUR) == 6);
	CHECK(fails(write(fd, end, 1), EFAULT));

	/* Of a write across the end of what may not grow the pages in front of it are done. */
	CHECK(ftruncate(fd, 8192) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) == 0);
	CHECK(pwrite(fd, b, 4096, 8192 - 100) == 100 && fails(pwrite(fd, b, 1, 8192), EPERM));

	/* Where it is opened to append a place counts for nothing. */
	fd = open("/tmp/partial-append", O_RDWR | O_CREAT | O_APPEND, 0600);
	CHECK(fd >= 0 && write(fd, "hello", 5) == 5 && pwrite(fd, "!", 1, 0) == 1);
	CHECK(pread(fd, b, 9, 0) == 6 && memcmp(b, "hello!", 6) == 0 && lseek(fd, 0, SEEK_CUR) == 5);
	CHECK(unlink("/tmp/partial-append") == 0 && close(fd) == 0);
	puts("tmpfs");
}

static void lengths(void)
{
	struct iovec negative = { b, -1 }, huge[2] = { { b, 1L << 62 }, { b, 1L << 62 } };
	struct iovec second[2] = { { b, 1 }, { b, -1 } }, far = { (void *)(1L << 47), 1 };
	struct iovec capped[2] = { { NULL, 0x70000000 }, { b, 0x70000000 } };
	int fd = memfd_create("b", 0), p[2];

	CHECK(pipe(p) == 0 && write(fd, "abcdefgh", 8) == 8 && lseek(fd, 0, SEEK_SET) == 0);
	CHECK(fails(writev(fd, &negative, 1), EINVAL) && fails(readv(fd, &negative, 1), EINVAL));
	CHECK(fails(preadv(fd, &negative, 1, 0), EINVAL) && fails(pwritev(fd, &negative, 1, 0), EINVAL));
	CHECK(fails(readv(fd, second, 2), EINVAL) && fails(preadv(fd, second, 1, -1), EINVAL));
	CHECK(fails(vmsplice(p[1], &negative, 1, SPLICE_F_NONBLOCK), EINVAL));
	CHECK(fails(vmsplice(fd, &negative, 1, 0), EINVAL) && fails(vmsplice(fd, second, 1, 0), EBADF));
	CHECK(writev(fd, huge, 0) == 0 && fails(readv(fd, huge, 2), EFAULT) && fails(writev(fd, &far, 1), EFAULT));
	CHECK(fails(process_vm_readv(getpid(), &negative, 1, huge, 1, 0), EINVAL));
	CHECK(fails(process_vm_readv(getpid(), huge, 2, huge, 1, 0), EFAULT));
	/* There are bytes for as much as one call moves, and the first of them are nowhere. */
	CHECK(fails(readv(fd, capped, 2), EFAULT) && fails(process_vm_readv(getpid(), capped, 2, second, 1, 0), EFAULT));
	CHECK(syscall(SYS_read, fd, b, 0x7fffffffL) == 8);
	CHECK(fails(syscall(SYS_read, fd, b, -1L), EFAULT) && fails(syscall(SYS_write, fd, b, -1L), EFAULT));
	CHECK(close(p[0]) == 0 && close(p[1]) == 0);
	puts("lengths");
}

static void others(void)
{
	int fd = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR), mem = open("/proc/self/mem", O_RDWR);

	CHECK(syscall(SYS_write, fd, 8L, 5L) == 5 && lseek(fd, 100, SEEK_SET) == 0);
	CHECK(read(zero, end - 2, 6) == 2 && end[-1] == 0 && lseek(zero, 7, SEEK_SET) == 0);
	CHECK(fails(pread(mem, end - 2, 6, (uintptr_t)b), EFAULT));
	CHECK(lseek(mem, (uintptr_t)b, SEEK_SET) == (off_t)(uintptr_t)b && lseek(mem, 2, SEEK_CUR) == (off_t)(uintptr_t)b + 2);
	CHECK(fails(lseek(mem, 0, SEEK_END), EINVAL));
	puts("others");
}

int main(void)
{
	end = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) + 8192;
	CHECK(munmap(end, 4096) == 0);
	pipes();
	tmpfs();
	lengths();
	others();
	return 0;
}
