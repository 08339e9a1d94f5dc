import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mirrorPfn, mirrorTag } from '../../../../driver/dmirror/mirror/mirror.js';
import { backingPfn } from '../../../../driver/mm/frames/folio.js';
import { PAGE_SIZE } from '../../../../driver/mm/frames/frames.js';
import { pfnAt } from '../../../../driver/mm/tables/page-table-text.js';
import { Machine } from '../../../../driver/sys/machine/machine.js';
import type { PathName } from '../../../../uapi/path-name.js';
import { regionAddr } from '../../../conform/ops/places.js';
import { World } from '../../../conform/ops/world.js';
import { runs } from '../../../counts.js';

const REGIONS = [0, 1, 2];
/** Two page tables' worth at the end of the first, so that chunks and huge pages are cut by it. */
const FIRST_PAGE = 500;
const PAGES = 24;
const HUGE_REGION = 2;
const HUGE_PAGES = 1024;
const DEVICES = [0, 1, 2];

/** A machine of one path, and the op language of the recordings to drive it. */
class Side {
  private readonly world: World;

  constructor(path: PathName) {
    this.world = new World(new Machine({ path, ramBytes: 128 << 20, swapBytes: 4 << 20, checkInvariants: 'off' }));
  }

  begin(): void {
    this.world.machine.reset();
    this.world.begin();
  }

  /** The op's answer; nothing for an op of a process that does not exist (any more). */
  run(line: string): string {
    const words = line.split(' ');
    const [name, p, q] = words;
    if (!this.hasActor(Number(p)) || (name === 'fork' && this.hasActor(Number(q)))) return '';
    return this.world.run(words);
  }

  /** Entries, contents and mirrors of everything, and the resident counters. */
  state(): string {
    const { machine } = this.world;
    const lines = [this.world.stateText()];
    for (const p of [0, 1]) {
      if (!this.hasActor(p)) continue;
      const { mm } = this.world.actor(p).thread.process;
      lines.push(`rss ${JSON.stringify(mm.rss)}`);
      for (const [vpn, text] of eachPage()) {
        const pfn = pfnAt(mm, vpn);
        if (pfn !== 0) lines.push(`${p} ${text} ${this.wordOf(pfn)} ${machine.memory.frames.zone[pfn]}`);
      }
    }
    for (const { id, mirror } of machine.devices.files) {
      for (const [vpn, text] of eachPage()) {
        const entry = mirror.get(vpn);
        if (entry !== 0) lines.push(`mirror ${id} ${text} tag ${mirrorTag(entry)} ${this.wordOf(mirrorPfn(entry))}`);
      }
    }
    return lines.join('\n');
  }

  check(): void {
    this.world.machine.checkInvariants();
  }

  private hasActor(p: number): boolean {
    return (this.world as unknown as { actors: Map<number, unknown> }).actors.has(p);
  }

  private wordOf(pfn: number): number {
    const { memory } = this.world.machine;
    return memory.words[(backingPfn(memory, pfn) * PAGE_SIZE) / 4]!;
  }
}

function* eachPage(): Generator<[number, string]> {
  for (const region of REGIONS) {
    const first = region === HUGE_REGION ? 0 : FIRST_PAGE;
    const count = region === HUGE_REGION ? HUGE_PAGES : PAGES;
    for (let i = 0; i < count; i++) yield [regionAddr(region, first + i) / PAGE_SIZE, `${region}:${i}`];
  }
}

const range = fc.oneof(
  { weight: 5, arbitrary: smallRange(PAGES) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom(0, 1, 500, 511, 512, 600), fc.constantFrom(1, 4, 64, 130, 512))
      .map(([off, n]) => `${HUGE_REGION} ${off} ${Math.min(n, HUGE_PAGES - off)}`),
  },
);

function smallRange(pages: number): fc.Arbitrary<string> {
  return fc
    .tuple(fc.constantFrom(0, 1), fc.nat(pages - 1), fc.integer({ min: 1, max: pages }))
    .map(([region, off, n]) => `${region} ${FIRST_PAGE + off} ${Math.min(n, pages - off)}`);
}

const process = fc.constantFrom(0, 0, 0, 1);
const device = fc.constantFrom(...DEVICES);
const command = fc.constantFrom(
  'READ',
  'WRITE',
  'MIGRATE_TO_DEV',
  'MIGRATE_TO_DEV',
  'MIGRATE_ON_FAULT_TO_DEV',
  'MIGRATE_ON_FAULT_TO_DEV',
  'MIGRATE_TO_SYS',
  'SNAPSHOT',
  'EXCLUSIVE',
  'CHECK_EXCLUSIVE',
);
const advice = fc.constantFrom(
  'DONTNEED',
  'FREE',
  'PAGEOUT',
  'HUGEPAGE',
  'COLLAPSE',
  'POPULATE_READ',
  'POPULATE_WRITE',
);
const protection = fc.constantFrom('-', 'r', 'rw', 'w');
const value = fc.nat(0xffff);

const op = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(process, device, command, range, value).map(([p, d, c, r, v]) => `dm ${p} ${d} ${c} ${r} ${v}`),
  },
  { weight: 3, arbitrary: fc.tuple(process, range, value).map(([p, r, v]) => `store ${p} ${r} ${v}`) },
  { weight: 2, arbitrary: fc.tuple(process, range).map(([p, r]) => `load ${p} ${r}`) },
  { weight: 2, arbitrary: fc.tuple(process, range, protection).map(([p, r, prot]) => `protect ${p} ${r} ${prot}`) },
  { weight: 2, arbitrary: fc.tuple(process, range, advice).map(([p, r, a]) => `advise ${p} ${r} ${a}`) },
  { weight: 1, arbitrary: fc.tuple(process, range).map(([p, r]) => `unmap ${p} ${r}`) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(
        process,
        smallRange(PAGES),
        fc.constantFrom('anon rw', 'anon r', 'shared rw', 'filep rw', 'files rw', 'dev rw 0'),
      )
      .map(([p, r, kind]) => `map ${p} ${r} ${kind}`),
  },
  { weight: 1, arbitrary: fc.constantFrom('fork 0 1', 'exit 1') },
  {
    weight: 1,
    arbitrary: fc.tuple(process, device, fc.constantFrom('open', 'close')).map(([p, d, name]) => `${name} ${p} ${d}`),
  },
);

const PROLOGUE = [
  ...DEVICES.map((d) => `open 0 ${d}`),
  `map 0 0 ${FIRST_PAGE} ${PAGES} anon rw`,
  `map 0 1 ${FIRST_PAGE} ${PAGES / 2} filep rw`,
  `map 0 ${HUGE_REGION} 0 ${HUGE_PAGES} anon rw`,
  `advise 0 ${HUGE_REGION} 0 ${HUGE_PAGES} HUGEPAGE`,
];

describe('the classic and the unified path', () => {
  it('give the same results, entries, contents, mirrors and counters for any sequence of calls', () => {
    const classic = new Side('classic');
    const unified = new Side('unified');
    fc.assert(
      fc.property(fc.array(op, { minLength: 5, maxLength: 30 }), (lines) => {
        classic.begin();
        unified.begin();
        for (const [i, line] of [...PROLOGUE, ...lines].entries()) {
          const expected = classic.run(line);
          expect(unified.run(line), `op ${i}: ${line}`).toBe(expected);
        }
        expect(unified.state()).toBe(classic.state());
        unified.check();
      }),
      runs(6, 40),
    );
  }, 600_000);
});
