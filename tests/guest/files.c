/* The tree of files: tmpfs, descriptors, directories, special files, memfd, stdio. */
#include "guest.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

static void descriptors(void)
{
	char buffer[32] = "";
	struct stat st;
	int fd = open("/tmp/dmirror-guest-a", O_CREAT | O_RDWR | O_TRUNC, 0600);

	CHECK(fd >= 0 && write(fd, "hello world", 11) == 11);
	CHECK(lseek(fd, -5, SEEK_END) == 6 && read(fd, buffer, 5) == 5 && !strcmp(buffer, "world"));
	CHECK(pread(fd, buffer, 5, 0) == 5 && !strcmp(buffer, "hello"));
	CHECK(fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 11);
	struct iovec parts[2] = { { "ab", 2 }, { "cd", 2 } };
	CHECK(lseek(fd, 0, SEEK_SET) == 0 && writev(fd, parts, 2) == 4);
	int copy = dup(fd);
	CHECK(copy >= 0 && lseek(copy, 0, SEEK_CUR) == 4);
	CHECK(fcntl(copy, F_GETFD) == 0 && fcntl(copy, F_SETFD, FD_CLOEXEC) == 0 && fcntl(copy, F_GETFD) == 1);
	CHECK(dup2(fd, 20) == 20 && close(20) == 0 && close(20) == -1 && errno == EBADF);
	CHECK(fcntl(fd, F_DUPFD, 30) == 30);
	CHECK((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR);
	CHECK(ftruncate(fd, 2) == 0 && stat("/tmp/dmirror-guest-a", &st) == 0 && st.st_size == 2);
	CHECK(rename("/tmp/dmirror-guest-a", "/tmp/dmirror-guest-b") == 0 && access("/tmp/dmirror-guest-a", F_OK) == -1 && errno == ENOENT);
	CHECK(unlink("/tmp/dmirror-guest-b") == 0 && pread(fd, buffer, 2, 0) == 2);
	CHECK(open("/tmp/dmirror-guest-none", O_RDONLY) == -1 && errno == ENOENT);
	close(fd), close(copy), close(30);
}

static void nameless(void)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_EXCL, 0600);
	CHECK(fd >= 0 && ftruncate(fd, 8192) == 0);
	char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	strcpy(map + 4096, "mapped");
	char buffer[7];
	CHECK(pread(fd, buffer, 7, 4096) == 7 && !strcmp(buffer, "mapped"));
	munmap(map, 8192), close(fd);
	fd = memfd_create("named", MFD_CLOEXEC);
	CHECK(fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0);
}

static void special(void)
{
	char buffer[64];
	int fd = open("/dev/zero", O_RDONLY);

	buffer[3] = 1;
	CHECK(fd >= 0 && read(fd, buffer, 8) == 8 && buffer[3] == 0);
	char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(map != MAP_FAILED && map[5000] == 0 && (map[5000] = 1) && munmap(map, 8192) == 0 && close(fd) == 0);
	fd = open("/dev/null", O_RDWR);
	CHECK(fd >= 0 && read(fd, buffer, 8) == 0 && write(fd, buffer, 8) == 8 && close(fd) == 0);
	fd = open("/dev/urandom", O_RDONLY);
	CHECK(fd >= 0 && read(fd, buffer, 32) == 32 && close(fd) == 0);
	CHECK(open("/tmp", O_RDWR) == -1 && errno == EISDIR);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void directory(void)
{
	char *names[16];
	int count = 0;

	for (int i = 0; i < 3; i++) {
		char path[32];
		snprintf(path, sizeof(path), "/tmp/guest-%d", i);
		FILE *file = fopen(path, "w");
		CHECK(file && fprintf(file, "line %d\nnext\n", i) > 0 && fclose(file) == 0);
	}
	DIR *dir = opendir("/tmp");
	CHECK(dir);
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
		if (!strncmp(entry->d_name, "guest-", 6) && count < 16)
			names[count++] = strdup(entry->d_name);
	closedir(dir);
	qsort(names, count, sizeof(*names), by_name);
	for (int i = 0; i < count; i++) {
		char path[300], line[32];
		snprintf(path, sizeof(path), "/tmp/%s", names[i]);
		FILE *file = fopen(path, "r");
		CHECK(file && fgets(line, sizeof(line), file));
		printf("%s: %s", names[i], line);
		fclose(file);
		CHECK(unlink(path) == 0);
	}
}

static int link_open(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags, 0600);
}

static void links(void)
{
	char buffer[64], path[32];
	int fd = memfd_create("linked", 0), ends[2];
	struct stat st;

	CHECK(write(fd, "hello", 5) == 5);
	int reader = link_open(fd, O_RDONLY), writer = link_open(reader, O_WRONLY | O_APPEND);
	CHECK(lseek(reader, 0, SEEK_CUR) == 0 && read(reader, buffer, 9) == 5 && write(reader, "x", 1) == -1 && errno == EBADF);
	CHECK(write(writer, "!", 1) == 1 && fstat(fd, &st) == 0 && st.st_size == 6);
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, reader, 0) == MAP_FAILED && errno == EACCES);
	CHECK(link_open(fd, O_RDWR | O_CREAT | O_EXCL) == -1 && errno == EEXIST);
	CHECK(link_open(fd, O_RDWR | O_NOFOLLOW) == -1 && errno == ELOOP);
	CHECK(link_open(fd, O_RDONLY | O_DIRECTORY) == -1 && errno == ENOTDIR);
	CHECK(link_open(99, O_RDONLY) == -1 && errno == ENOENT);
	CHECK(link_open(fd, O_RDONLY | O_TRUNC) >= 0 && fstat(fd, &st) == 0 && st.st_size == 0);

	CHECK(pipe(ends) == 0);
	int both = link_open(ends[0], O_RDWR);
	CHECK(both >= 0 && close(ends[0]) == 0 && close(ends[1]) == 0);
	CHECK(write(both, "pipe", 4) == 4 && read(both, buffer, 9) == 4 && !memcmp(buffer, "pipe", 4));

	int named = open("/tmp/dmirror-guest-link", O_CREAT | O_RDWR | O_EXCL, 0600), null = open("/dev/null", O_RDWR);
	CHECK(unlink("/tmp/dmirror-guest-link") == 0 && write(named, "name", 4) == 4);
	CHECK(pread(link_open(named, O_RDONLY), buffer, 9, 0) == 4 && write(link_open(null, O_WRONLY), "x", 1) == 1);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", named);
	CHECK(stat(path, &st) == 0 && st.st_size == 4 && lstat(path, &st) == 0 && st.st_mode == (S_IFLNK | 0700));
	buffer[readlink(path, buffer, sizeof(buffer))] = 0;
	puts(buffer);

	DIR *dir = opendir("/proc/self/fd");
	int found = 0;
	for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;)
		found += entry->d_type == DT_LNK && (atoi(entry->d_name) == fd || atoi(entry->d_name) == dirfd(dir));
	CHECK(found == 2);
}

int main(void)
{
	links();
	descriptors();
	nameless();
	special();
	directory();
	puts("files done");
	return 0;
}
