/** Limits of a process by their numbers. Linux: include/uapi/asm-generic/resource.h */
export const RLIMIT = {
  stack: 3,
  core: 4,
  rss: 5,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  as: 9,
  locks: 10,
  msgqueue: 12,
  nice: 13,
  rtprio: 14,
} as const;
export const RLIMIT_COUNT = 16;
