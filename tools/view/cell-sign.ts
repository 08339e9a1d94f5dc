import type { MirrorPageView, PageKind, PageView } from '../../driver/recording/machine-view.js';

const SIGNS: Readonly<Record<PageKind, string>> = {
  none: '·',
  present: 'R',
  coherent: 'C',
  zero: '0',
  protnone: 'N',
  swap: 'S',
  migration: 'M',
  'device-private': 'D',
  exclusive: 'X',
  marker: 'K',
  hwpoison: 'P',
};

/** What stands in the cell of a page: a letter of its kind, the number of the device whose memory it is, `h` when it is huge. */
export function pageSign(page: PageView | undefined): string {
  if (page === undefined) return SIGNS.none;
  const { kind, isWritable, isHuge, device } = page;
  const letter = kind === 'present' && isWritable ? 'W' : SIGNS[kind];
  const minor = kind === 'coherent' || kind === 'device-private' ? (device ?? '') : '';
  return `${letter}${minor}${isHuge ? 'h' : ''}`;
}

/** What stands in the cell of a mirror: what the device may do. */
export function mirrorSign(page: MirrorPageView | undefined): string {
  return page === undefined ? SIGNS.none : page.access[0]!;
}

/** What the letters mean, in the order of a legend. */
export const LEGEND: readonly (readonly [sign: string, kind: PageKind | 'writable', meaning: string])[] = [
  ['·', 'none', 'no entry'],
  ['R', 'present', 'present, read only'],
  ['W', 'writable', 'present, writable'],
  ['0', 'zero', 'the zero page'],
  ['D0', 'device-private', 'private memory of device 0'],
  ['C2', 'coherent', 'coherent memory of device 2'],
  ['X', 'exclusive', 'exclusive to a device'],
  ['M', 'migration', 'migration entry'],
  ['S', 'swap', 'swapped out'],
  ['N', 'protnone', 'PROT_NONE'],
  ['K', 'marker', 'marker'],
  ['P', 'hwpoison', 'poisoned'],
];

/** Does a device see another page than the CPU would, or may it write where the CPU may not? */
export function disagrees(page: PageView | undefined, mirror: MirrorPageView | undefined): boolean {
  if (mirror === undefined) return false;
  if (page === undefined) return true;
  if (['swap', 'migration', 'marker', 'hwpoison', 'none'].includes(page.kind)) return true;
  // Private memory has a struct page of its own, and its bytes in the frame that a mirror names.
  if (page.kind === 'device-private' || page.kind === 'exclusive') return false;
  const pfn = page.isHuge ? page.pfn + (mirror.vpn - page.vpn) : page.pfn;
  return pfn !== mirror.pfn || (mirror.access !== 'read' && !page.isWritable);
}
