// The register of what Linux 6.12 itself does wrong in a race: an outcome there, and no failure of ours.

interface KnownFault {
  /** What the outcome or the finding is called. */
  readonly name: string;
  /** What the machine says of it. */
  readonly message: RegExp;
  /** Why Linux does so: the functions. */
  readonly why: string;
}

/** docs/exploring.md prints this table. */
export const AS_LINUX: readonly KnownFault[] = [
  {
    name: 'stale mirror',
    message: /mirror entry of page \S+ \(mm \d+\)/,
    why: 'a mirror keeps a page that has gone or moved: `dmirror_migrate_finalize_and_map()` and `dmirror_do_fault()` store without a look whether the entry is still what it was, and `dmirror_interval_invalidate()` passes over migrations of its own device',
  },
  {
    name: 'oops dmirror_do_read',
    message: /KernelOops: the device touches the memory of a device-private page/,
    why: "READ or WRITE where the mirror has lost a part: dmirror_do_fault() mirrors the device's own private page itself, whose memory does not exist",
  },
  {
    name: 'hang',
    message: /RELEASE waits for .*chunk|waits for devmem_lock/,
    why: 'RELEASE waits in dmirror_device_remove_chunks() for pages that a migration holds, which waits in dmirror_allocate_chunk() for devmem_lock',
  },
];

/** The name of what a finding's message tells of; null for what is not in the register. */
export function asLinux(message: string): string | null {
  return AS_LINUX.find((known) => known.message.test(message))?.name ?? null;
}
