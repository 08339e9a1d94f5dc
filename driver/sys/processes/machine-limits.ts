/** Most bytes that one load, store or pread moves. Linux: MAX_RW_COUNT */
export const MAX_TRANSFER_BYTES = 0x7ffff000;

/** Processes and threads that one machine holds. */
export const MAX_THREADS = 4096;

/** Names in /tmp. Linux: half the pages of RAM, unless mounted with another nr_inodes */
export const MAX_INODES = 65536;

/** Pages for ioctlBytes records stand here, one a thread, above where mmap searches. */
export const SCRATCH_BASE = 0x7ffff8000000;

/** Largest tmpfs file. Linux: MAX_LFS_FILESIZE, a byte less */
export const MAX_FILE_BYTES = 2 ** 63;
