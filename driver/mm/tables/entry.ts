/**
 * Page table entries. An entry is two Uint32 halves: the low one holds the kind and its flags, the high one the pfn
 * (or the swap slot). Whole entries are compared and moved as the two halves.
 *
 * | kind | high half | flags used |
 * |---|---|---|
 * | none | 0 | - |
 * | present | pfn | write, dirty, young, protnone, special (zero page), huge (a PMD leaf), softDirty, uffdWp |
 * | table | - (the child table is in `Table.child`) | - |
 * | swap | slot | exclusive, softDirty, uffdWp |
 * | migration | pfn of a locked page | write = MIG-W, exclusive without write = MIG-RX, none = MIG-R; young, dirty, softDirty, uffdWp; huge = PMD-MIG |
 * | devicePrivate | pfn | write, softDirty, uffdWp; huge = PMD-DPRIV |
 * | deviceExclusive | pfn | write, softDirty, uffdWp; exclusive alone where the entry remembers no rights |
 * | marker | - | uffdWp: writes are told of once something is there; poisoned: who touches it is killed; huge |
 * | hwpoison | - | - |
 */
export const Kind = {
  none: 0,
  present: 1,
  table: 2,
  swap: 3,
  migration: 4,
  devicePrivate: 5,
  deviceExclusive: 6,
  marker: 7,
  hwpoison: 8,
} as const;
export type KindId = (typeof Kind)[keyof typeof Kind];

export const KIND_MASK = 0xf;

export const Pte = {
  write: 1 << 4,
  dirty: 1 << 5,
  young: 1 << 6,
  /** Present to the kernel, no CPU access: mprotect(PROT_NONE). */
  protnone: 1 << 7,
  /** No `struct page` is counted: the zero page or the huge zero page. */
  special: 1 << 8,
  /** A 2 MiB leaf in a PMD table, or a PMD migration entry. */
  huge: 1 << 9,
  /** Of swap, migration and device-exclusive entries: the page was anon-exclusive. */
  exclusive: 1 << 10,
  /** Written since /proc/PID/clear_refs was last told to forget. Linux: _PAGE_SOFT_DIRTY, _PAGE_SWP_SOFT_DIRTY */
  softDirty: 1 << 11,
  /** A userfaultfd is told before it is written. Linux: _PAGE_UFFD_WP, _PAGE_SWP_UFFD_WP, PTE_MARKER_UFFD_WP */
  uffdWp: 1 << 12,
  /** Of markers. Linux: PTE_MARKER_POISONED */
  poisoned: 1 << 13,
  /** What the kernel sets for a write: the CPU itself sets `dirty` alone. Linux: arch/x86/include/asm/pgtable.h:pte_mkdirty() */
  dirtied: (1 << 5) | (1 << 11),
} as const;

export function kindOf(lo: number): KindId {
  return (lo & KIND_MASK) as KindId;
}

/** The migration entry that remembers what `lo`, an entry that maps a page, allowed. */
export function migrationEntryFor(lo: number, exclusive: boolean): number {
  const kept = lo & (Pte.young | Pte.dirty | Pte.huge | Pte.softDirty | Pte.uffdWp);
  const rights = lo & Pte.write ? Pte.write : exclusive ? Pte.exclusive : 0;
  return Kind.migration | kept | rights;
}

const SHORT: Record<KindId, string> = {
  [Kind.none]: 'NONE',
  [Kind.present]: 'PRESENT',
  [Kind.table]: 'TABLE',
  [Kind.swap]: 'SWAP',
  [Kind.migration]: 'MIG',
  [Kind.devicePrivate]: 'DPRIV',
  [Kind.deviceExclusive]: 'DEXCL',
  [Kind.marker]: 'MARKER',
  [Kind.hwpoison]: 'HWPOISON',
};

/** The kind of an entry in the words of the specification: `PRESENT W`, `MIG-RX`, `DPRIV-R`, `HUGE_ZERO`, ... */
export function entryText(lo: number): string {
  const write = (lo & Pte.write) !== 0;
  switch (kindOf(lo)) {
    case Kind.present:
      return presentText(lo, write);
    case Kind.migration: {
      const suffix = write ? 'W' : lo & Pte.exclusive ? 'RX' : 'R';
      return `${lo & Pte.huge ? 'PMD-MIG' : 'MIG'}-${suffix}`;
    }
    case Kind.deviceExclusive:
      if (lo & Pte.exclusive) return SHORT[Kind.deviceExclusive];
      return `${SHORT[Kind.deviceExclusive]}-${write ? 'W' : 'R'}`;
    case Kind.devicePrivate:
      return `${lo & Pte.huge ? 'PMD-' : ''}${SHORT[Kind.devicePrivate]}-${write ? 'W' : 'R'}`;
    default:
      return SHORT[kindOf(lo)];
  }
}

function presentText(lo: number, write: boolean): string {
  if (lo & Pte.special) return lo & Pte.huge ? 'HUGE_ZERO' : 'ZERO';
  if (lo & Pte.protnone) return lo & Pte.huge ? 'HUGE PROTNONE' : 'PROTNONE';
  return `${lo & Pte.huge ? 'HUGE' : 'PRESENT'} ${write ? 'W' : 'R'}`;
}
