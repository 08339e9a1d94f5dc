/* The same work in whatever numbering it is built for: -DSNAPSHOT is the number that headers differ in. */
#include "guest.h"
#include "dmirror.h"
#include <sys/mman.h>

#ifndef SNAPSHOT
#define SNAPSHOT 4
#endif
#define NPAGES 4

int main(void)
{
	struct dmirror_record r;
	unsigned char snapshot[NPAGES];
	static char mirror[NPAGES * 4096];
	char *data = mmap(NULL, sizeof(mirror), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = dm_open(0);

	CHECK(fd >= 0 && data != MAP_FAILED);
	for (int round = 0; round < 20; round++) {
		memset(data, round + 1, 2 * 4096);
		CHECK(dm_call(fd, DM(SNAPSHOT), data, snapshot, NPAGES, &r) == 0);
		CHECK(snapshot[0] == 2 && snapshot[1] == 2);
		CHECK(dm_call(fd, DM_READ, data, mirror, NPAGES, &r) == 0 && mirror[5000] == round + 1);
		CHECK(r.cpages == NPAGES);
		usleep(1000);
	}
	puts("numbering done");
	return 0;
}
