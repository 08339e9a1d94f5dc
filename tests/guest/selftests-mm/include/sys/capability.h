/* The little of libcap that Linux's selftests call, on a machine where everybody has every capability. */
#ifndef DMIRROR_CAPABILITY_H
#define DMIRROR_CAPABILITY_H

#include <stdlib.h>
#include <linux/capability.h>

typedef struct dmirror_cap {
	int unused;
} *cap_t;
typedef int cap_value_t;
typedef enum { CAP_EFFECTIVE, CAP_PERMITTED, CAP_INHERITABLE } cap_flag_t;
typedef enum { CAP_CLEAR, CAP_SET } cap_flag_value_t;

static inline cap_t cap_init(void)
{
	return calloc(1, sizeof(struct dmirror_cap));
}

static inline int cap_set_flag(cap_t cap, cap_flag_t flag, int count, const cap_value_t *values, cap_flag_value_t value)
{
	(void)cap, (void)flag, (void)count, (void)values, (void)value;
	return 0;
}

static inline int cap_set_proc(cap_t cap)
{
	(void)cap;
	return 0;
}

static inline int cap_free(void *cap)
{
	free(cap);
	return 0;
}

#endif
