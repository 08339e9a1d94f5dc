// The register of what Linux 6.12 itself does wrong in a race: an outcome there, and no failure of ours.

interface KnownFault {
  /** What the outcome or the finding is called. */
  readonly name: string;
  /** All that the machine says of it. */
  readonly message: RegExp;
  /** Why Linux does so: the functions. */
  readonly why: string;
  /** A shipped test that shows it. */
  readonly test: string;
}

const RELEASE = String.raw`\S+ in RELEASE waits for the pages of a device chunk \(pfn [\d-]+\), holds devmem_lock`;
const MIGRATION = String.raw`\S+ in MIGRATE_(?:ON_FAULT_)?TO_DEV waits for devmem_lock \d+ of \S+, holds [^;]*`;

/** docs/exploring.md prints this table. */
export const AS_LINUX: readonly KnownFault[] = [
  {
    name: 'stale mirror',
    message: /mirror entry of page \S+ \(mm \d+\)/,
    why: 'a mirror keeps a page that has gone or moved: `dmirror_migrate_finalize_and_map()` and `dmirror_do_fault()` store without a look whether the entry is still what it was, and `dmirror_interval_invalidate()` passes over migrations of its own device',
    test: 'mig-dontneed',
  },
  {
    name: 'oops dmirror_do_read',
    message: /^KernelOops: the device touches the memory of a device-private page/,
    why: "READ or WRITE where the mirror has lost a part: `dmirror_do_fault()` mirrors the device's own private page itself, whose memory does not exist",
    test: 'risk-fault-read0',
  },
  {
    name: 'hang of RELEASE',
    message: new RegExp(`^${RELEASE}$`),
    why: 'a migration has a page of the chunk locked or referenced while `dmirror_device_evict_chunk()` comes by, so that it stays on the device, and `memunmap_pages()` waits for it for ever',
    test: 'fresh-mig-release',
  },
  {
    name: 'deadlock of RELEASE',
    message: new RegExp(`^(?:${MIGRATION}; ${RELEASE}|${RELEASE}; ${MIGRATION})$`),
    why: '`dmirror_device_remove_chunks()` holds devmem_lock and waits for pages of a migration, which waits for that lock in `dmirror_allocate_chunk()`',
    test: 'fresh-onf-release',
  },
];

/** The name of what a finding's message tells of; null for what is not in the register. */
export function asLinux(message: string): string | null {
  return AS_LINUX.find((known) => known.message.test(message))?.name ?? null;
}
