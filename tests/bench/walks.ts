import { Machine } from '../../driver/sys/machine/machine.js';
import { PATH_NAMES, type PathName } from '../../uapi/path-name.js';
import { World } from '../conform/ops/world.js';
import type { Measurement } from './measurement.js';

/** What bringing a range to a device costs, in things that are counted and not timed. */
interface WalkCounts {
  readonly walks: number;
  readonly resumptions: number;
  readonly entries: number;
  readonly 'rmap walks': number;
  readonly faults: number;
  readonly locks: number;
  readonly events: number;
}

export interface WalkRow {
  readonly range: string;
  readonly strategy: string;
  readonly pages: number;
  readonly counts: WalkCounts;
}

const PAGES = 64;
/** What is in the range before; `p r off n` are 0 0 0 and the pages. */
const RANGES: readonly { name: string; pages: number; setup: readonly string[] }[] = [
  { name: 'anonymous', pages: PAGES, setup: [] },
  { name: 'swapped', pages: PAGES, setup: ['advise 0 0 0 64 PAGEOUT'] },
  { name: 'shared', pages: PAGES, setup: ['fork 0 1'] },
  { name: 'file-backed', pages: 12, setup: [] },
  { name: 'foreign device', pages: PAGES, setup: ['dm 0 1 MIGRATE_TO_DEV 0 0 64'] },
  { name: 'exclusive', pages: PAGES, setup: ['dm 0 1 EXCLUSIVE 0 0 64'] },
  { name: '2 MiB', pages: 512, setup: [] },
];

const CLASSIC: PathName = 'classic';
/** A way to have the range on device 0, as commands. */
interface Strategy {
  readonly name: string;
  readonly path: PathName;
  readonly commands: readonly string[];
}
const STRATEGIES: readonly Strategy[] = [
  { name: 'fault, migrate', path: CLASSIC, commands: ['READ', 'MIGRATE_TO_DEV'] },
  { name: 'migrate, fault, migrate', path: CLASSIC, commands: ['MIGRATE_TO_DEV', 'READ', 'MIGRATE_TO_DEV'] },
];

/** Every range with every strategy, MIGRATE_ON_FAULT_TO_DEV on each of `paths`. */
export function walkTable(paths: readonly PathName[] = PATH_NAMES): WalkRow[] {
  const onFault = paths.map((path) => ({ name: `on fault, ${path}`, path, commands: ['MIGRATE_ON_FAULT_TO_DEV'] }));
  return RANGES.flatMap((range) =>
    [...STRATEGIES, ...onFault].map((strategy) => ({
      range: range.name,
      strategy: strategy.name,
      pages: range.pages,
      counts: count(range, strategy),
    })),
  );
}

function count({ name, pages, setup }: (typeof RANGES)[number], { path, commands }: Strategy): WalkCounts {
  const world = new World(new Machine({ path, ramBytes: 64 << 20, swapBytes: 8 << 20, dialect: '6.12' }));
  const run = (line: string): string => world.run(line.split(' '));
  const isFile = name === 'file-backed';
  run('open 0 0');
  run('open 0 1');
  run(`map 0 0 0 ${pages} ${isFile ? 'filep' : 'anon'} rw`);
  if (pages === 512) run('advise 0 0 0 512 HUGEPAGE');
  if (!isFile) run(`store 0 0 0 ${pages} 1`);
  for (const line of setup) run(line);
  const { machine } = world;
  machine.stats.reset();
  let locks = 0;
  let events = 0;
  machine.listen(({ kind }) => void (kind === 'lock' ? locks++ : events++), new Set(['lock', 'notifier']));
  for (const command of commands) run(`dm 0 0 ${command} 0 0 ${pages}`);
  machine.listen(null);
  const { walks, resumptions, pteEntries, pmdEntries, tryToMigrate, removeMigrationPtes, remoteFaults } = machine.stats;
  return {
    walks,
    resumptions,
    entries: pteEntries + pmdEntries,
    'rmap walks': tryToMigrate + removeMigrationPtes,
    faults: remoteFaults,
    locks,
    events,
  };
}

/** As a table in Markdown: walks and resumptions of the range, the rest a page. */
export function walkMarkdown(rows: readonly WalkRow[]): string {
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;
  const head = ['range', 'way', 'walks', 'resumed', 'entries a page', 'rmap walks', 'faults', 'locks', 'events'];
  return [
    line(head),
    line(head.map(() => '---')),
    ...rows.map(({ range, strategy, pages, counts: c }) => {
      const aPage = [c.entries, c['rmap walks'], c.faults, c.locks, c.events].map((n) =>
        Number((n / pages).toFixed(2)),
      );
      return line([range, strategy, c.walks, c.resumptions, ...aPage]);
    }),
  ].join('\n');
}

const BAR_HEIGHT = 14;
const LEFT = 280;
const WIDTH = 240;

/** Page table walks of each range and way as bars. */
export function walkSvg(rows: readonly WalkRow[]): string {
  const bars = rows.map(({ range, strategy, counts: { walks } }, i) => {
    // Ranges differ in size, so that bars compare the ways within one.
    const most = Math.max(...rows.filter((row) => row.range === range).map((row) => row.counts.walks));
    const width = Math.round((walks / most) * WIDTH);
    const y = 24 + i * (BAR_HEIGHT + 2) + Math.floor((i * RANGES.length) / rows.length) * 8;
    return [
      `<text x="${LEFT - 8}" y="${y + 11}" text-anchor="end">${range}: ${strategy}</text>`,
      `<rect x="${LEFT}" y="${y}" width="${width}" height="${BAR_HEIGHT}" fill="#47a"/>`,
      `<text x="${LEFT + width + 6}" y="${y + 11}">${walks}</text>`,
    ].join('');
  });
  const height = 40 + rows.length * (BAR_HEIGHT + 2) + RANGES.length * 8;
  const title = 'Page table walks until a range is on the device';
  return `<svg xmlns="http://www.w3.org/2000/svg" width="560" height="${height}" font-family="sans-serif" font-size="11"><title>${title}</title><rect width="100%" height="100%" fill="#fff"/><text x="8" y="14">${title}</text>\n${bars.join('\n')}\n</svg>\n`;
}

/** Nothing is timed: two runs say the same. */
export const walks: Measurement = {
  name: 'walks',
  about:
    'what brings a range to a device, counted: page table walks, entries, rmap walks, faults, locks and notifier events a page',
  svg: () => walkSvg(walkTable()),
  run() {
    return walkTable().flatMap(({ range, strategy, pages, counts }) =>
      Object.entries(counts).map(([name, n]) => {
        const isOfRange = name === 'walks' || name === 'resumptions';
        return {
          name: `${range}, ${strategy}: ${name}`,
          value: isOfRange ? n : n / pages,
          unit: isOfRange ? '' : 'a page',
        };
      }),
    );
  },
};
