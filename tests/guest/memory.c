/* The address space: mapping, moving, protecting, advising, locking, and what is refused. */
#include "guest.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define PAGE 4096UL
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static sigjmp_buf env;

static void on_fault(int signo)
{
	(void)signo;
	siglongjmp(env, 1);
}

static int faults(volatile char *at, int write)
{
	if (sigsetjmp(env, 1))
		return 1;
	if (write)
		*at = 1;
	else
		(void)*at;
	return 0;
}

static int refuses(long ret, int error)
{
	return ret == -1 && errno == error;
}

static char *map(size_t pages, int prot, int flags)
{
	char *area = mmap(NULL, pages * PAGE, prot, flags, -1, 0);

	CHECK(area != MAP_FAILED);
	return area;
}

static void maps(void)
{
	char *area = map(8, RW, ANON), *hole = area + 2 * PAGE;

	CHECK(munmap(hole, PAGE) == 0 && faults(hole, 0) && !faults(hole + PAGE, 1));
	CHECK(mmap(area, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED && errno == EEXIST);
	CHECK(mmap(hole, PAGE, PROT_READ, ANON | MAP_FIXED_NOREPLACE, -1, 0) == hole);
	CHECK(!faults(hole, 0) && faults(hole, 1));
	CHECK(mmap(NULL, 0, RW, ANON, -1, 0) == MAP_FAILED && errno == EINVAL);
	CHECK(mmap(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL);
	CHECK(mmap(NULL, PAGE, RW, MAP_PRIVATE, -1, 0) == MAP_FAILED && errno == EBADF);
	CHECK(refuses(munmap(area + 1, PAGE), EINVAL) && refuses(munmap(area, 0), EINVAL));
	CHECK(munmap(area, 8 * PAGE) == 0 && munmap(area, 8 * PAGE) == 0);
	puts("maps");
}

static void protects(void)
{
	char *area = map(4, RW, ANON);

	area[PAGE] = 7;
	CHECK(mprotect(area + PAGE, PAGE, PROT_READ) == 0 && faults(area + PAGE, 1) && area[PAGE] == 7);
	CHECK(mprotect(area + PAGE, PAGE, PROT_NONE) == 0 && faults(area + PAGE, 0));
	CHECK(mprotect(area + PAGE, PAGE, RW) == 0 && area[PAGE] == 7 && !faults(area + PAGE, 1));
	CHECK(refuses(mprotect(area + 1, PAGE, RW), EINVAL));
	munmap(area + 2 * PAGE, PAGE);
	CHECK(refuses(mprotect(area, 4 * PAGE, PROT_READ), ENOMEM) && faults(area, 1));
	int file = open("/dev/zero", O_RDONLY);
	CHECK(file >= 0 && mmap(NULL, PAGE, RW, MAP_SHARED, file, 0) == MAP_FAILED && errno == EACCES);
	close(file);
	munmap(area, 4 * PAGE);
	puts("protects");
}

static void remaps(void)
{
	char *area = map(16, RW, ANON), *moved;

	munmap(area + 4 * PAGE, 12 * PAGE);
	for (int i = 0; i < 4; i++)
		area[i * PAGE] = i + 1;
	CHECK(mremap(area, 4 * PAGE, 8 * PAGE, 0) == area && area[4 * PAGE] == 0 && area[3 * PAGE] == 4);
	CHECK(mremap(area, 8 * PAGE, 2 * PAGE, 0) == area && faults(area + 2 * PAGE, 0) && area[PAGE] == 2);
	char *wall = mmap(area + 2 * PAGE, PAGE, PROT_NONE, ANON | MAP_FIXED, -1, 0);
	CHECK(wall == area + 2 * PAGE);
	CHECK(mremap(area, 2 * PAGE, 3 * PAGE, 0) == MAP_FAILED && errno == ENOMEM);
	moved = mremap(area, 2 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
	CHECK(moved != MAP_FAILED && moved != area && moved[PAGE] == 2 && moved[63 * PAGE] == 0 && faults(area, 0));
	CHECK(mremap(moved, 2 * PAGE, 2 * PAGE, MREMAP_FIXED, area) == MAP_FAILED && errno == EINVAL);
	CHECK(mremap(moved, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area) == area && area[0] == 1);
	char *kept = mremap(area, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
	CHECK(kept != MAP_FAILED && kept[0] == 1 && area[0] == 0);
	CHECK(mremap(wall + PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED && errno == EFAULT);
	munmap(moved, 64 * PAGE);
	munmap(area, 3 * PAGE);
	munmap(kept, PAGE);
	puts("remaps");
}

static void advises(void)
{
	char *area = map(4, RW, ANON);

	memset(area, 5, 4 * PAGE);
	CHECK(madvise(area + PAGE, PAGE, MADV_DONTNEED) == 0 && area[PAGE] == 0 && area[0] == 5 && area[2 * PAGE] == 5);
	CHECK(madvise(area, 4 * PAGE, MADV_WILLNEED) == 0 && madvise(area, 4 * PAGE, MADV_RANDOM) == 0);
	CHECK(refuses(madvise(area, PAGE, 12345), EINVAL) && refuses(madvise(area + 1, PAGE, MADV_DONTNEED), EINVAL));
	CHECK(madvise(area, PAGE, MADV_FREE) == 0 && (area[0] == 5 || area[0] == 0));
	CHECK(madvise(area, 2 * PAGE, MADV_COLD) == 0 && madvise(area, 4 * PAGE, MADV_POPULATE_WRITE) == 0);
	munmap(area + PAGE, PAGE);
	CHECK(refuses(madvise(area, 4 * PAGE, MADV_DONTNEED), ENOMEM) && area[2 * PAGE] == 0);
	CHECK(refuses(madvise(area, 4 * PAGE, MADV_POPULATE_READ), ENOMEM));
	munmap(area, 4 * PAGE);
	puts("advises");
}

static void locks(void)
{
	char *area = map(4, RW, ANON), *sealed = map(1, PROT_NONE, ANON);
	unsigned char present[4];

	CHECK(mincore(area, 4 * PAGE, present) == 0 && !(present[1] & 1));
	CHECK(mlock(area + PAGE + 100, PAGE) == 0);
	CHECK(mincore(area, 4 * PAGE, present) == 0 && (present[1] & 1) && (present[2] & 1) && !(present[3] & 1));
	CHECK(refuses(madvise(area + PAGE, PAGE, MADV_DONTNEED), EINVAL));
	CHECK(refuses(madvise(area + PAGE, PAGE, MADV_COLD), EINVAL));
	CHECK(munlock(area, 4 * PAGE) == 0 && madvise(area + PAGE, PAGE, MADV_DONTNEED) == 0);
	CHECK(mlock2(area, 4 * PAGE, MLOCK_ONFAULT) == 0 && mincore(area, 4 * PAGE, present) == 0 && !(present[3] & 1));
	CHECK(refuses(mlock2(area, PAGE, 2), EINVAL) && refuses(mlockall(0), EINVAL) && refuses(mlockall(4), EINVAL));
	CHECK(refuses(mlock(sealed, PAGE), ENOMEM));
	CHECK(msync(area, 4 * PAGE, MS_SYNC) == 0 && refuses(msync(area, PAGE, MS_SYNC | MS_ASYNC), EINVAL));
	CHECK(refuses(msync(area, 4 * PAGE, MS_INVALIDATE), EBUSY) && munlock(area, 4 * PAGE) == 0);
	munmap(area + PAGE, PAGE);
	CHECK(refuses(mlock(area, 4 * PAGE), ENOMEM) && refuses(munlock(area, 4 * PAGE), ENOMEM));
	CHECK(refuses(mincore(area, 4 * PAGE, present), ENOMEM) && refuses(msync(area, 4 * PAGE, MS_ASYNC), ENOMEM));
	CHECK(refuses(mincore(area + 1, PAGE, present), EINVAL) && refuses(mincore(area, PAGE, (void *)16), EFAULT));
	CHECK(mlockall(MCL_FUTURE) == 0);
	char *later = map(2, RW, ANON);
	CHECK(mincore(later, 2 * PAGE, present) == 0 && (present[0] & 1) && (present[1] & 1) && munlockall() == 0);
	munmap(area, 4 * PAGE);
	munmap(sealed, PAGE);
	munmap(later, 2 * PAGE);
	puts("locks");
}

static void files(void)
{
	int fd = memfd_create("shared", MFD_CLOEXEC);
	char byte;

	CHECK(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC && ftruncate(fd, 3 * PAGE) == 0);
	char *a = mmap(NULL, 3 * PAGE, RW, MAP_SHARED, fd, 0), *b = mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, PAGE);
	CHECK(a != MAP_FAILED && b != MAP_FAILED);
	a[PAGE + 1] = 'x';
	CHECK(b[1] == 'x' && pread(fd, &byte, 1, PAGE + 1) == 1 && byte == 'x');
	b[1] = 'y';
	CHECK(a[PAGE + 1] == 'x');
	CHECK(ftruncate(fd, 2 * PAGE) == 0);
	signal(SIGBUS, on_fault);
	CHECK(faults(a + 2 * PAGE, 0) && !faults(a + PAGE, 1));
	CHECK(fallocate(fd, 0, 0, 4 * PAGE) == 0 && lseek(fd, 0, SEEK_END) == (off_t)(4 * PAGE) && a[2 * PAGE] == 0);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, PAGE) == 0 && a[PAGE] == 0 && b[1] == 'y');
	CHECK(refuses(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, PAGE), EOPNOTSUPP) && refuses(fallocate(fd, 0, 0, 0), EINVAL));
	CHECK(refuses(fallocate(fd, 0, INT64_MAX, 5), EFBIG) && lseek(fd, 0, SEEK_END) == (off_t)(4 * PAGE));
	a[0] = 'z';
	CHECK(madvise(a, PAGE, MADV_REMOVE) == 0 && a[0] == 0 && refuses(madvise(b, PAGE, MADV_REMOVE), EACCES));
	CHECK(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 100) == MAP_FAILED && errno == EINVAL);
	munmap(a, 3 * PAGE);
	munmap(b, PAGE);
	close(fd);
	puts("files");
}

static void populates(void)
{
	struct rusage before, after;

	CHECK(getrusage(RUSAGE_THREAD, &before) == 0);
	CHECK(mmap(NULL, 8 * PAGE, RW, ANON | MAP_POPULATE, -1, 0) != MAP_FAILED);
	CHECK(getrusage(RUSAGE_THREAD, &after) == 0);
	CHECK(after.ru_minflt >= before.ru_minflt + 8 && after.ru_majflt == before.ru_majflt);
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	signal(SIGSEGV, on_fault);
	maps();
	protects();
	remaps();
	advises();
	populates();
	locks();
	files();
	return 0;
}
