// What stands where an op works: the page tables of all processes and the mirrors of all open device files, as text.

import type { DmirrorFile } from '../../driver/dmirror/file.js';
import { MirrorTag, type MirrorTagId } from '../../driver/dmirror/mirror/mirror.js';
import type { Mm } from '../../driver/mm/vmas/mm.js';
import { pageStateText } from '../../driver/sys/machine/inspect-text.js';
import { PAGE_SIZE } from '../../uapi/mman.js';
import { regionAddr } from './ops/places.js';
import type { World } from './ops/world.js';

/** Pages shown on either side of the op's range, and at most in all. */
const MARGIN_PAGES = 4;
const MAX_PAGES = 48;
/** Where R, off and n stand among an op's words; ops that are not listed name no range. */
const RANGE_WORDS: Readonly<Record<string, number>> = {
  map: 2,
  unmap: 2,
  protect: 2,
  advise: 2,
  remap: 2,
  store: 2,
  load: 2,
  pagemap: 2,
  gup: 2,
  pin: 2,
  dm: 4,
};

/** The entries around the range of `op`; without a range the entries of all mapped regions. */
export function aroundText(world: World, op: string): string {
  const words = op.split(' ');
  const at = RANGE_WORDS[words[0]!];
  if (at === undefined) return world.stateText();
  const [region, off, n] = words.slice(at, at + 3).map(Number) as [number, number, number];
  const first = Math.max(0, off - MARGIN_PAGES);
  const end = Math.min(off + n + MARGIN_PAGES, first + MAX_PAGES);
  const range = { region, first, end };
  const lines = [...world.allActors].flatMap(([p, { thread }]) => pageTableLines(p, thread.process.mm, range));
  return [...lines, ...world.machine.devices.files.flatMap((file) => mirrorLines(world, file, range))].join('\n');
}

interface PageRange {
  readonly region: number;
  readonly first: number;
  readonly end: number;
}

function pageTableLines(p: number, mm: Mm, { region, first, end }: PageRange): string[] {
  const text = pageStateText(mm, regionAddr(region, first), regionAddr(region, end));
  const lines = text.split('\n').map((line) => line.replace(/^\d+/, (page) => `${Number(page) + first}`));
  return [`page table of process ${p}, region ${region}:`, ...merged(lines).map((line) => `  ${line}`)];
}

/** Equal neighbours as one line: `3-7 PUD NONE`. */
function merged(lines: readonly string[]): string[] {
  const runs: { first: string; last: string; rest: string }[] = [];
  for (const line of lines) {
    const blank = line.indexOf(' ');
    const [page, rest] = [line.slice(0, blank), line.slice(blank)];
    const run = runs.at(-1);
    if (run?.rest === rest) run.last = page;
    else runs.push({ first: page, last: page, rest });
  }
  return runs.map(({ first, last, rest }) => `${first === last ? first : `${first}-${last}`}${rest}`);
}

const TAG_NAMES: Readonly<Record<MirrorTagId, string>> = {
  [MirrorTag.read]: 'read',
  [MirrorTag.atomic]: 'atomic',
  [MirrorTag.write]: 'write',
};

function mirrorLines(world: World, file: DmirrorFile, { region, first, end }: PageRange): string[] {
  if (file.notifier === null) return [];
  const owner = [...world.allActors].find(([, { thread }]) => thread.process.mm === file.mm)?.[0] ?? 'that is gone';
  const base = regionAddr(region, 0) / PAGE_SIZE;
  const entries: string[] = [];
  file.mirror.visit((vpn, pfn, tag) => {
    const page = vpn - base;
    if (page >= first && page < end) entries.push(`  ${page} ${TAG_NAMES[tag]} pfn ${pfn}`);
  });
  const head = `mirror of device ${file.device.minor}, file ${file.id}, opened by process ${owner}:`;
  return [head, ...(entries.length === 0 ? ['  empty here'] : entries)];
}
