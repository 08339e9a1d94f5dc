// SysV shared memory. Linux: include/uapi/linux/ipc.h, include/uapi/linux/shm.h

export const IPC_PRIVATE = 0;
/** Bits of shmget(2) beside the rights. */
export const IPC_CREAT = 0o1000;
export const IPC_EXCL = 0o2000;
export const SHM_HUGETLB = 0o4000;
export const SHM_NORESERVE = 0o10000;
/** Bits of shmat(2). */
export const SHM_RDONLY = 0o10000;
export const SHM_RND = 0o20000;
export const SHM_REMAP = 0o40000;
export const SHM_EXEC = 0o100000;
/** Commands of shmctl(2). */
export const IPC_RMID = 0;
export const IPC_SET = 1;
export const IPC_STAT = 2;
export const IPC_INFO = 3;
export const SHM_LOCK = 11;
export const SHM_UNLOCK = 12;
export const SHM_STAT = 13;
export const SHM_INFO = 14;
export const SHM_STAT_ANY = 15;
/** Of the mode that IPC_STAT tells: gone with its last attachment. */
export const SHM_DEST = 0o1000;
/** Its pages do not go to swap. */
export const SHM_LOCKED = 0o2000;
/** Size of struct shmid64_ds. */
export const SHMID_DS_BYTES = 112;
