import type { AddressRange, MachineAt, PageView } from '../../driver/recording/index.js';
import { PAGE_SIZE } from '../../uapi/mman.js';
import { UsageError } from '../exit-code.js';
import { didYouMean } from '../nearest.js';
import { type Debugged, pfnOf, vpnOf } from './conditions.js';
import { entryText, pageLines, pageName } from './pages.js';

/** Entries of one address space that are shown. */
const SHOWN_PAGES = 2048;

/** By name: what can be printed of a machine. */
const PRINTS: Readonly<Record<string, (of: Debugged, at: MachineAt, word: string) => readonly string[]>> = {
  'page table': (of, at) => pageTableLines(of, at),
  vmas: (_, at) => vmaLines(at),
  entry: ({ pages }, at, word) => [entryLine(at.page(pages.mm, vpnOf(pages, word)), word)],
  folio: (of, at, word) => folioLines(of, at, word),
  mirror: (of, at) => mirrorLines(of, at),
  locks: (of, at) => lockLines(of, at),
  tasks: (of, at) => taskLines(of, at),
  notifier: (_, at) => notifierLines(at),
};

export const PRINTED: readonly string[] = Object.keys(PRINTS);

/** What there is of it after `step` steps. Throws UsageError. */
export function printed(of: Debugged, step: number, what: string): readonly string[] {
  const name = PRINTED.find((one) => what === one || what.startsWith(`${one} `));
  const at = of.recording.at(step);
  if (name !== undefined) return PRINTS[name]!(of, at, what.slice(name.length).trim());
  const near =
    didYouMean(what, PRINTED) ||
    didYouMean(
      what.split(' ')[0]!,
      PRINTED.flatMap((one) => one.split(' ')),
    );
  throw new UsageError(`'${what}' can't be printed${near}`, `what can: ${PRINTED.join(', ')}`);
}

function pageTableLines(of: Debugged, at: MachineAt): string[] {
  return at.spaces().flatMap(({ mm, processes }) => {
    // Pages of another space have no numbers.
    const pages = mm === of.pages.mm ? of.pages : { mm, first: 0, end: 0 };
    const entriesOf = ({ start, end }: AddressRange): string[] =>
      pageLines(pages, taken(at.pages(mm, start / PAGE_SIZE, end / PAGE_SIZE)));
    return [
      `mm ${mm} of ${processes.length === 0 ? 'nobody' : `process ${processes.join(', ')}`}`,
      ...at.vmas(mm).flatMap((vma) => {
        const lines = entriesOf(vma);
        return rangeLines(vma, `${vma.rights}${lines.length === 0 ? ' empty' : ''}`, lines);
      }),
      ...at.leftOver(mm).flatMap((range) => {
        const lines = entriesOf(range);
        return lines.length === 0 ? [] : rangeLines(range, 'being unmapped', lines);
      }),
    ];
  });
}

function rangeLines(range: AddressRange, what: string, lines: readonly string[]): string[] {
  return [`  ${rangeName(range)} ${what}`, ...lines.map((line) => `    ${line}`)];
}

function rangeName({ start, end }: AddressRange): string {
  return `0x${start.toString(16)}-0x${end.toString(16)}`;
}

function taken(entries: Iterable<PageView>): PageView[] {
  const list: PageView[] = [];
  for (const entry of entries) if (list.push(entry) === SHOWN_PAGES) break;
  return list;
}

function vmaLines(at: MachineAt): string[] {
  return at.spaces().flatMap(({ mm }) => [
    `mm ${mm}`,
    ...at.vmas(mm).map((vma) => {
      const pages = (vma.end - vma.start) / PAGE_SIZE;
      return `  ${rangeName(vma)} ${vma.rights} ${pages} pages${vma.isFile ? ' of a file' : ''}`;
    }),
  ]);
}

function entryLine(page: PageView, word: string): string {
  return `entry ${word}: ${entryText(page)}`;
}

function folioLines({ pages, letters }: Debugged, at: MachineAt, word: string): string[] {
  const { pfn, order, refcount, mapcount, flags, lockedBy, device, mappers } = at.folio(pfnOf(at, word));
  const by = mappers.map(({ mm, vpn }) => `${pageName(pages, vpn)}${mm === pages.mm ? '' : ` of mm ${mm}`}`);
  return [
    `folio ${pfn}${order > 0 ? ` of ${2 ** order} pages` : ''}${device === null ? '' : `, memory of device ${device}`}`,
    `  refcount ${refcount}, mapcount ${mapcount}, flags: ${flags.join(' ') || 'none'}`,
    `  lock: ${lockedBy === null ? 'free' : letters.of(lockedBy)}`,
    `  entries that name it: ${by.join(', ') || 'none'}`,
  ];
}

function mirrorLines(of: Debugged, at: MachineAt): string[] {
  const lines = at.files().flatMap(({ file, device, mm }) => {
    const entries = at.ranges(mm).flatMap(({ start, end }) => [...at.mirror(file, start / PAGE_SIZE, end / PAGE_SIZE)]);
    const shown = entries.map(({ vpn, pfn, access }) => `  ${pageName(of.pages, vpn)} ${access} ${pfn}`);
    return [`file ${file} of device ${device}, mm ${mm}${shown.length === 0 ? ': empty' : ''}`, ...shown];
  });
  return lines.length === 0 ? ['no device file is open'] : lines;
}

function lockLines({ letters }: Debugged, at: MachineAt): string[] {
  const held = at.tasks().filter(({ holds }) => holds.length > 0);
  const lines = held.map(({ id, holds }) => `${letters.of(id)} holds ${holds.join(', ')}`);
  const folios = at.lockedFolios().map(({ pfn, by }) => `folio ${pfn} is locked by ${letters.of(by)}`);
  return lines.length + folios.length === 0 ? ['nobody holds a lock'] : [...lines, ...folios];
}

function taskLines({ letters }: Debugged, at: MachineAt): string[] {
  return at.tasks().flatMap(({ id, name, state, doing, holds, waitsFor, ownedBy, stack }) => {
    const owner = ownedBy === null ? '' : ` of ${ownedBy}`;
    const waits = waitsFor === null ? '' : `, waits for ${waitsFor}${owner}`;
    return [
      `${letters.of(id)} (${name}) ${state}${doing === '' ? '' : ` in ${doing}`}${waits}${holds.length === 0 ? '' : `, holds ${holds.join(', ')}`}`,
      ...(stack.length === 0 ? [] : [`  ${stack.join(' < ')}`]),
    ];
  });
}

function notifierLines(at: MachineAt): string[] {
  return at.spaces().map(({ mm }) => {
    const notifier = at.notifier(mm);
    if (notifier === null) return `mm ${mm}: no subscriptions`;
    const { seq, active } = notifier;
    return `mm ${mm}: sequence ${seq}${seq % 2 === 1 ? ' (odd: an invalidation runs)' : ''}, ${active} running`;
  });
}
