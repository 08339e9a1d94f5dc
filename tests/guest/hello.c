/* Start-up: arguments, environment, auxiliary vector, thread-local data, constructors, the heap. */
#include "guest.h"
#include <sys/auxv.h>

static __thread int tls = 41;
static int constructed;

__attribute__((constructor)) static void construct(void)
{
	constructed = 1;
}

static void at_end(void)
{
	puts("atexit");
}

int main(int argc, char **argv)
{
	CHECK(constructed == 1);
	CHECK(++tls == 42);
	CHECK(getauxval(AT_PAGESZ) == 4096);
	CHECK(getauxval(AT_PHNUM) > 0);
	CHECK(getauxval(AT_RANDOM) != 0);
	CHECK(getauxval(AT_SYSINFO_EHDR) == 0 || getenv("GUEST") == NULL);
	for (int i = 1; i < argc; i++)
		printf("argv[%d] = %s\n", i, argv[i]);
	printf("GUEST = %s\n", getenv("GUEST") ? getenv("GUEST") : "(unset)");

	char *blocks[64];
	for (int i = 0; i < 64; i++) {
		blocks[i] = malloc(1000 * (i + 1));
		CHECK(blocks[i] != NULL);
		memset(blocks[i], i, 1000 * (i + 1));
	}
	for (int i = 0; i < 64; i++) {
		CHECK(blocks[i][1000 * (i + 1) - 1] == i);
		free(blocks[i]);
	}
	char *big = malloc(3 << 20);
	CHECK(big != NULL);
	big = realloc(big, 9 << 20);
	CHECK(big != NULL);
	big[(9 << 20) - 1] = 1;
	free(big);
	void *end = sbrk(0);
	CHECK(sbrk(8192) == end && sbrk(-8192) == (char *)end + 8192);

	CHECK(atexit(at_end) == 0);
	puts("hello");
	return 7;
}
