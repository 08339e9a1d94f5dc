/* Calls that Linux refuses, or that change what later calls may do. */
#include "guest.h"
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define FAILS(error, call) CHECK((long)(call) == -1 && errno == (error))

static void seals(void)
{
	int plain = memfd_create("plain", 0), file = memfd_create("file", MFD_ALLOW_SEALING);
	int mapped = memfd_create("mapped", MFD_ALLOW_SEALING);

	FAILS(EFAULT, syscall(SYS_memfd_create, 16, 0));
	FAILS(EPERM, fcntl(plain, F_ADD_SEALS, F_SEAL_WRITE));
	CHECK(fcntl(plain, F_GET_SEALS) == F_SEAL_SEAL && fcntl(file, F_GET_SEALS) == 0);
	CHECK(ftruncate(file, 8192) == 0 && ftruncate(mapped, 4096) == 0);
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, mapped, 0) != MAP_FAILED);
	FAILS(EBUSY, fcntl(mapped, F_ADD_SEALS, F_SEAL_WRITE));

	CHECK(pwrite(file, "x", 1, 0) == 1 && fcntl(file, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	FAILS(EPERM, pwrite(file, "x", 1, 0));
	FAILS(EPERM, fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) == MAP_FAILED && errno == EPERM);
	void *reader = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
	CHECK(reader != MAP_FAILED);
	FAILS(EACCES, mprotect(reader, 4096, PROT_READ | PROT_WRITE));
	CHECK(fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
	FAILS(EPERM, ftruncate(file, 4096));
	FAILS(EPERM, ftruncate(file, 16384));
	CHECK(ftruncate(file, 8192) == 0 && fcntl(file, F_ADD_SEALS, F_SEAL_SEAL) == 0);
	FAILS(EPERM, fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK));
	FAILS(EINVAL, fcntl(1, F_GET_SEALS));
}

/* Who has pages of the file could still write to them. */
static void pinned(void)
{
	int file = memfd_create("pinned", MFD_ALLOW_SEALING), ends[2];

	CHECK(ftruncate(file, 8192) == 0 && pipe(ends) == 0);
	char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	struct iovec part = { map + 4096, 10 };
	CHECK(map != MAP_FAILED && vmsplice(ends[1], &part, 1, 0) == 10 && munmap(map, 8192) == 0);
	FAILS(EBUSY, fcntl(file, F_ADD_SEALS, F_SEAL_WRITE));
	CHECK(fcntl(file, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0 && read(ends[0], (char[10]){ 0 }, 10) == 10);
	CHECK(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	FAILS(EPERM, fcntl(ends[0], F_ADD_SEALS, F_SEAL_GROW));
	FAILS(EINVAL, fcntl(ends[1], F_ADD_SEALS, F_SEAL_GROW));
}

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif

static void executable(void)
{
	int file = memfd_create("file", MFD_ALLOW_SEALING), sealed = memfd_create("sealed", MFD_NOEXEC_SEAL);
	char name[251];
	struct stat st;

	memset(name, 'n', sizeof(name));
	name[250] = 0;
	FAILS(EINVAL, memfd_create(name, 0));
	CHECK(close(memfd_create(name + 1, 0)) == 0);
	CHECK(fstat(sealed, &st) == 0 && st.st_mode == (S_IFREG | 0666) && fcntl(sealed, F_GET_SEALS) == F_SEAL_EXEC);
	FAILS(EPERM, fchmod(sealed, 0700));
	CHECK(fchmod(sealed, 0600) == 0 && fstat(sealed, &st) == 0 && st.st_mode == (S_IFREG | 0600));
	CHECK(fstat(file, &st) == 0 && st.st_mode == (S_IFREG | 0777) && fcntl(file, F_ADD_SEALS, F_SEAL_EXEC) == 0);
	CHECK(fcntl(file, F_GET_SEALS) == (F_SEAL_EXEC | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE));
	FAILS(EPERM, fchmod(file, 0600));
	FAILS(EBADF, fchmod(-1, 0600));
}

static void mappings(void)
{
	int zero = open("/dev/zero", O_RDONLY), file = memfd_create("file", 0);
	char *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, zero, 0);
	struct stat st;

	CHECK(map != MAP_FAILED && map[0] == 0);
	FAILS(EACCES, mprotect(map, 4096, PROT_READ | PROT_WRITE));
	FAILS(EINVAL, mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0));
	FAILS(EINVAL, mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_GROWSDOWN, file, 0));
	CHECK(ftruncate(file, 1L << 62) == 0 && fstat(file, &st) == 0 && st.st_size == 1L << 62 && st.st_blocks == 0);
	CHECK(pwrite(file, "x", 1, 1L << 45) == 1 && fstat(file, &st) == 0 && st.st_blocks == 8);
}

static void mounts(void)
{
	struct statfs st;

	FAILS(EFAULT, mount("x", "/tmp/none", (void *)16, 0, NULL));
	FAILS(ENOENT, mount("x", "/tmp/none", NULL, 0, NULL));
	CHECK(mkdir("/tmp/m", 0700) == 0);
	FAILS(EINVAL, mount("x", "/tmp/m", NULL, 0, NULL));
	FAILS(ENODEV, mount("x", "/tmp/m", "none", 0, NULL));
	FAILS(EINVAL, mount("x", "/tmp/m", "tmpfs", 0, "size=x"));
	CHECK(mount("x", "/tmp/m", "tmpfs", 0, "size=8k,nr_inodes=5") == 0);
	CHECK(statfs("/tmp/m", &st) == 0 && st.f_type == 0x01021994 && st.f_bsize == 4096 && st.f_blocks == 2);
	CHECK(st.f_bfree == 2 && st.f_bavail == 2 && st.f_files == 5 && st.f_ffree == 4 && st.f_namelen == 255);
	int fd = open("/tmp/m/f", O_CREAT | O_RDWR, 0600);
	CHECK(write(fd, "x", 1) == 1 && fstatfs(fd, &st) == 0 && st.f_blocks == 2 && st.f_bfree == 1 && st.f_ffree == 3);
	FAILS(ENOENT, statfs("/tmp/m/none", &st));
	CHECK(close(fd) == 0 && umount("/tmp/m") == 0 && rmdir("/tmp/m") == 0);
}

static void barriers(void)
{
	FAILS(EPERM, syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
	CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0);
	CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0);
	FAILS(EPERM, syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0));
}

static void policies(void)
{
	char *area = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long first = 1, third = 4;

	CHECK(syscall(SYS_mbind, area, 8192, 2, &first, 64, 0) == 0);
	FAILS(EINVAL, syscall(SYS_mbind, area, 8192, 99, &first, 64, 0));
	FAILS(EINVAL, syscall(SYS_mbind, area, 8192, 2, &third, 64, 0));
	FAILS(EINVAL, syscall(SYS_mbind, area, 8192, 2, NULL, 0, 0));
	FAILS(EINVAL, syscall(SYS_mbind, area + 1, 4096, 2, &first, 64, 0));
	FAILS(EINVAL, syscall(SYS_mbind, area, 8192, 2, &first, 64, 0x100));
	CHECK(munmap(area + 4096, 4096) == 0);
	FAILS(EFAULT, syscall(SYS_mbind, area, 8192, 2, &first, 64, 0));
	FAILS(EINVAL, syscall(SYS_mbind, area, -4096ul, 2, &first, 64, 0));
	FAILS(EINVAL, syscall(SYS_mbind, area, 8192, 3 | 1 << 13, &first, 64, 0));
	int mode = 0;
	unsigned long nodes = 0;
	CHECK(syscall(SYS_set_mempolicy, 2 | 1 << 13, &first, 64) == 0);
	CHECK(syscall(SYS_get_mempolicy, &mode, &nodes, 64, NULL, 0) == 0 && mode == (2 | 1 << 13) && nodes == 1);
	CHECK(syscall(SYS_set_mempolicy, 1, NULL, 0) == 0);
	CHECK(syscall(SYS_get_mempolicy, &mode, &nodes, 64, NULL, 0) == 0 && mode == 4 && nodes == 0);
	unsigned long both = 3;
	CHECK(syscall(SYS_set_mempolicy, 2, &both, 64) == 0);
	FAILS(EINVAL, syscall(SYS_set_mempolicy, 1, &first, 0));
	FAILS(EINVAL, syscall(SYS_set_mempolicy, 77, NULL, 0));
	CHECK(syscall(SYS_set_mempolicy, 0, NULL, 0) == 0);
}

static void address_space(void)
{
	struct rlimit limit = { 64 << 20, RLIM_INFINITY }, old;
	char *area = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int status;

	CHECK(mlock(area, 1 << 20) == 0);
	CHECK(prlimit(0, RLIMIT_AS, &limit, &old) == 0 && old.rlim_cur == RLIM_INFINITY);
	FAILS(ENOMEM, mmap(NULL, 60 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	FAILS(ENOMEM, mremap(area, 1 << 20, 100 << 20, MREMAP_MAYMOVE));
	FAILS(ENOMEM, sbrk(60 << 20));
	CHECK(mmap(area, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == area);
	if (fork() == 0)
		_exit(mmap(NULL, 60 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
	CHECK(wait(&status) > 0 && status == 1 << 8);
	CHECK(setrlimit(RLIMIT_AS, &old) == 0);
	/* A limit is the process's, not its memory's. */
	pid_t child = vfork();
	if (child == 0)
		_exit(setrlimit(RLIMIT_AS, &limit));
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK(mmap(NULL, 60 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

static void capabilities(void)
{
	struct __user_cap_header_struct header = { 1, 0 };
	struct __user_cap_data_struct data[2] = { 0 };

	FAILS(EINVAL, syscall(SYS_capget, &header, data));
	CHECK(header.version == _LINUX_CAPABILITY_VERSION_3);
	CHECK(syscall(SYS_capget, &header, data) == 0);
	CHECK(data[0].effective == ~0u && data[1].permitted == (1 << (CAP_LAST_CAP - 31)) - 1 && !data[0].inheritable);
	CHECK(syscall(SYS_capset, &header, data) == 0);
	data[0].effective = 0;
	FAILS(EPERM, syscall(SYS_capset, &header, data));
	FAILS(EFAULT, syscall(SYS_capget, &header, 16));
	header.pid = 99999;
	FAILS(ESRCH, syscall(SYS_capget, &header, data));
}

static void limits(void)
{
	struct rlimit limit = { 100, 50 };

	FAILS(EINVAL, setrlimit(RLIMIT_NOFILE, &limit));
	FAILS(EINVAL, setrlimit(99, &limit));
	CHECK(getrlimit(RLIMIT_AS, &limit) == 0 && setrlimit(RLIMIT_AS, &limit) == 0);
	limit.rlim_cur = limit.rlim_max = 0;
	CHECK(setrlimit(RLIMIT_CORE, &limit) == 0);
	FAILS(EPERM, setrlimit(RLIMIT_FSIZE, &limit));
	/* root locks without limit */
	CHECK(setrlimit(RLIMIT_MEMLOCK, &limit) == 0 && getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == 0);
	address_space();
}

int main(void)
{
	seals();
	pinned();
	executable();
	mappings();
	mounts();
	barriers();
	policies();
	limits();
	capabilities();
	puts("refusals done");
	return 0;
}
