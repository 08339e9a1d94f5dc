/* userfaultfd: a thread fills in the pages that others miss. */
#include "guest.h"
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define NPAGES 16

static int uffd;
static char *area;
static int served;

static void *serve(void *arg)
{
	static char page[4096];
	struct pollfd ready = { uffd, POLLIN, 0 };

	while (served < NPAGES - 1) {
		struct uffd_msg message;

		CHECK(poll(&ready, 1, -1) == 1);
		CHECK(read(uffd, &message, sizeof(message)) == sizeof(message));
		CHECK(message.event == UFFD_EVENT_PAGEFAULT);
		unsigned long address = message.arg.pagefault.address;
		int index = (address - (unsigned long)area) / 4096;
		memset(page, 'a' + index, sizeof(page));
		struct uffdio_copy copy = { .dst = address, .src = (unsigned long)page, .len = sizeof(page) };
		if (ioctl(uffd, UFFDIO_COPY, &copy) == 0) {
			CHECK(copy.copy == 4096);
			served++;
		} else {
			CHECK(errno == EEXIST);
		}
	}
	return arg;
}

static void *touch(void *arg)
{
	long which = (long)arg;

	for (int i = 0; i < NPAGES - 1; i++) {
		int index = which ? NPAGES - 2 - i : i;
		CHECK(*(volatile char *)(area + index * 4096 + 17 * which) == 'a' + index);
	}
	return NULL;
}

static char *shared;

/* Fills shared memory in while the first thread reads it in order. */
static void *copy_all(void *source)
{
	for (int i = 0; i < NPAGES; i++) {
		struct uffdio_copy copy = { .dst = (unsigned long)shared + i * 4096, .src = (unsigned long)source,
					    .len = 4096 };
		CHECK(ioctl(uffd, UFFDIO_COPY, &copy) == 0 && copy.copy == 4096);
	}
	return NULL;
}

static int seen_empty(void)
{
	static char page[4096];
	pthread_t filler;
	int empty = 0;

	memset(page, 7, sizeof(page));
	shared = mmap(NULL, NPAGES * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register reg = { .range = { (unsigned long)shared, NPAGES * 4096 },
				       .mode = UFFDIO_REGISTER_MODE_MISSING };
	CHECK(ioctl(uffd, UFFDIO_REGISTER, &reg) == 0);
	CHECK(pthread_create(&filler, NULL, copy_all, page) == 0);
	for (int i = 0; i < NPAGES; i++)
		empty += ((volatile char *)shared)[i * 4096] != 7;
	pthread_join(filler, NULL);
	return empty;
}

static volatile sig_atomic_t handled;

static void on_signal(int signo)
{
	handled = signo;
}

static void *touch_one(void *page)
{
	struct rusage before, after;

	CHECK(getrusage(RUSAGE_THREAD, &before) == 0);
	CHECK(*(volatile char *)page == 'z');
	CHECK(getrusage(RUSAGE_THREAD, &after) == 0);
	/* What had to wait is no minor fault. */
	CHECK(after.ru_majflt == before.ru_majflt + 1);
	return NULL;
}

/* A signal that comes while a page is waited for is handled at once; then the page is waited for again. */
static void interrupted(void)
{
	static char source[4096];
	struct sigaction action = { .sa_handler = on_signal };
	struct pollfd ready = { uffd, POLLIN, 0 };
	pthread_t waiter;

	memset(source, 'z', sizeof(source));
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register reg = { .range = { (unsigned long)page, 4096 }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	CHECK(ioctl(uffd, UFFDIO_REGISTER, &reg) == 0);
	CHECK(pthread_create(&waiter, NULL, touch_one, page) == 0);
	for (int asked = 0; asked < 2; asked++) {
		struct uffd_msg message;

		CHECK(poll(&ready, 1, -1) == 1);
		CHECK(read(uffd, &message, sizeof(message)) == sizeof(message));
		CHECK(message.arg.pagefault.address == (unsigned long)page);
		CHECK(handled == (asked ? SIGUSR1 : 0));
		if (!asked)
			CHECK(pthread_kill(waiter, SIGUSR1) == 0);
	}
	struct uffdio_copy copy = { .dst = (unsigned long)page, .src = (unsigned long)source, .len = 4096 };
	CHECK(ioctl(uffd, UFFDIO_COPY, &copy) == 0);
	pthread_join(waiter, NULL);
}

int main(void)
{
	pthread_t server, first, second;

	uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	CHECK(uffd >= 0);
	struct uffdio_api api = { .api = UFFD_API };
	CHECK(ioctl(uffd, UFFDIO_API, &api) == 0 && api.api == UFFD_API && (api.ioctls >> _UFFDIO_REGISTER & 1));
	area = mmap(NULL, NPAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(area != MAP_FAILED);
	struct uffdio_register reg = { .range = { (unsigned long)area, NPAGES * 4096 },
				       .mode = UFFDIO_REGISTER_MODE_MISSING };
	CHECK(ioctl(uffd, UFFDIO_REGISTER, &reg) == 0 && (reg.ioctls >> _UFFDIO_COPY & 1));

	CHECK(pthread_create(&server, NULL, serve, NULL) == 0);
	CHECK(pthread_create(&first, NULL, touch, (void *)0) == 0);
	CHECK(pthread_create(&second, NULL, touch, (void *)1) == 0);
	pthread_join(first, NULL);
	pthread_join(second, NULL);
	pthread_join(server, NULL);
	printf("%d pages served\n", served);

	struct uffdio_zeropage zero = { .range = { (unsigned long)area + (NPAGES - 1) * 4096, 4096 } };
	CHECK(ioctl(uffd, UFFDIO_ZEROPAGE, &zero) == 0 && zero.zeropage == 4096);
	CHECK(area[(NPAGES - 1) * 4096] == 0);
	CHECK(ioctl(uffd, UFFDIO_ZEROPAGE, &zero) == -1 && errno == EEXIST);
	CHECK(madvise(area, 4096, MADV_DONTNEED) == 0);
	struct uffdio_range range = { (unsigned long)area, NPAGES * 4096 };
	CHECK(ioctl(uffd, UFFDIO_UNREGISTER, &range) == 0);
	CHECK(area[0] == 0);
	printf("%d shared pages seen before their bytes\n", seen_empty());
	interrupted();
	close(uffd);
	puts("userfault done");
	return 0;
}
