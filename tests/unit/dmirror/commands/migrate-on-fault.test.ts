import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DmirrorFile } from '../../../../driver/dmirror/index.js';
import { getUserPages, pinUserPages } from '../../../../driver/mm/faults/gup.js';
import { folioPut } from '../../../../driver/mm/frames/folio.js';
import { unpinUserPage } from '../../../../driver/mm/frames/pin.js';
import { doMadvise } from '../../../../driver/mm/vmas/madvise.js';
import type { Mm } from '../../../../driver/mm/vmas/mm.js';
import { doMprotectPkey } from '../../../../driver/mm/vmas/mprotect.js';
import { MADV_DONTNEED, MADV_PAGEOUT, MAP_FIXED, MAP_SHARED, PROT_NONE, PROT_READ } from '../../../../uapi/mman.js';
import type { PathName } from '../../../../uapi/path-name.js';
import { runs } from '../../../counts.js';
import { TestFile } from '../../mm/test-file.js';
import { BASE, RW } from '../../test-machine.js';
import { DeviceMachine } from '../device-machine.js';

/** Pages 0-7 and 14-15 writable, 8-9 read only, 10-12 shared, 13 a gap; 512-1023 can be huge. */
const PAGES = 16;
const HUGE_AT = 512;
const COMMANDS = [
  'READ',
  'WRITE',
  'MIGRATE_TO_DEV',
  'MIGRATE_ON_FAULT_TO_DEV',
  'MIGRATE_TO_SYS',
  'SNAPSHOT',
  'EXCLUSIVE',
  'CHECK_EXCLUSIVE',
] as const;
const PROTS = [PROT_NONE, PROT_READ, RW];

type Op =
  | { kind: 'load' | 'store'; who: number; at: number; npages: number }
  | { kind: 'command'; who: number; device: number; command: number; at: number; npages: number }
  | { kind: 'protect'; who: number; at: number; npages: number; prot: number }
  | { kind: 'dontneed' | 'pageout'; who: number; at: number; npages: number }
  | { kind: 'pin' | 'get'; who: number; at: number }
  | { kind: 'release'; who: number; device: number }
  | { kind: 'fork' | 'unpin' };

/** One of the two machines that must not differ. */
class Player {
  readonly w: DeviceMachine;
  private readonly mms: Mm[];
  private readonly files: (DmirrorFile | null)[][];
  private readonly held: { pfn: number; pinned: boolean }[] = [];
  private value = 1;

  constructor(path: PathName) {
    this.w = new DeviceMachine({ path, thpEnabled: 'always' });
    const { w } = this;
    w.anon(0, 8);
    w.anon(8, 2, { prot: PROT_READ });
    w.anon(10, 3, { flags: MAP_SHARED | MAP_FIXED, file: new TestFile(w.memory, 3) });
    w.anon(14, 2);
    w.anon(HUGE_AT, 512);
    this.mms = [w.mm];
    this.files = [[0, 1, 2].map((minor) => w.open(minor))];
  }

  /** Everything that can be seen of the machine. */
  state(): string {
    const { w } = this;
    const lines = this.mms.map((mm, i) => `mm ${i}\n${w.text(0, PAGES, mm)}\n${w.text(HUGE_AT, 512, mm)}`);
    for (const [who, files] of this.files.entries()) {
      for (const [device, file] of files.entries()) {
        const entries: string[] = [];
        file?.mirror.visit((vpn, pfn, tag) =>
          entries.push(`${vpn - BASE / 4096}:${w.memory.words[pfn * 1024]}:${tag}`),
        );
        lines.push(`mirror ${who} ${device}: ${entries.sort().join(' ')}`);
      }
    }
    return lines.join('\n');
  }

  play(op: Op): unknown {
    const { mms } = this;
    switch (op.kind) {
      case 'fork':
        return this.fork();
      case 'unpin':
        return this.unpin();
      default:
        return this.playIn(mms[op.who % mms.length]!, this.files[op.who % mms.length]!, op);
    }
  }

  private playIn(mm: Mm, files: readonly (DmirrorFile | null)[], op: Exclude<Op, { kind: 'fork' | 'unpin' }>): unknown {
    const { w } = this;
    switch (op.kind) {
      case 'load':
        return w.words(op.at, op.npages, mm);
      case 'store':
        return this.store(mm, op);
      case 'command': {
        const file = files[op.device];
        return file ? w.command(file, COMMANDS[op.command]!, op.at, op.npages, { value: this.value++ }) : null;
      }
      case 'protect':
        return w.run(doMprotectPkey(mm, BASE + op.at * 4096, op.npages * 4096, PROTS[op.prot]!));
      case 'dontneed':
        return w.run(doMadvise(mm, BASE + op.at * 4096, op.npages * 4096, MADV_DONTNEED));
      case 'pageout':
        return w.run(doMadvise(mm, BASE + op.at * 4096, op.npages * 4096, MADV_PAGEOUT));
      case 'pin':
      case 'get':
        return this.take(mm, op);
      case 'release': {
        const file = files[op.device];
        return file ? w.command(file, 'RELEASE', 0, 1) : null;
      }
    }
  }

  /** Plain references are nowhere in the books, so nothing is proved while some are held. */
  check(): void {
    if (this.held.every(({ pinned }) => pinned)) this.w.check();
  }

  finish(): void {
    while (this.held.length > 0) this.unpin();
    this.w.check();
  }

  private store(mm: Mm, { at, npages }: { at: number; npages: number }): string {
    this.value += 100;
    try {
      this.w.fill(at, npages, this.value, mm);
      return 'ok';
    } catch (error) {
      return String(error);
    }
  }

  private fork(): void {
    if (this.mms.length === 3) return;
    const child = this.w.fork();
    this.mms.push(child);
    this.files.push([this.w.open(0, child), null, this.w.open(2, child)]);
  }

  private take(mm: Mm, { kind, at }: { kind: 'pin' | 'get'; at: number }): number {
    const pfns: number[] = [];
    const get = kind === 'pin' ? pinUserPages : getUserPages;
    const got = this.w.run(
      (function* () {
        yield* mm.mmapLock.readLock();
        const ret = yield* get(mm, BASE + at * 4096, 1, 0, pfns);
        mm.mmapLock.readUnlock();
        return ret;
      })(),
    );
    if (got === 1) this.held.push({ pfn: pfns[0]!, pinned: kind === 'pin' });
    return got;
  }

  private unpin(): void {
    const last = this.held.pop();
    if (last?.pinned) unpinUserPage(this.w.memory, last.pfn);
    else if (last) folioPut(this.w.memory, last.pfn);
  }
}

const who = fc.nat(2);
const device = fc.nat(2);
const small = fc.tuple(fc.nat(PAGES - 1), fc.integer({ min: 1, max: PAGES }));
const huge = fc.tuple(fc.integer({ min: HUGE_AT, max: HUGE_AT + 511 }), fc.integer({ min: 1, max: 130 }));
const range = fc.oneof({ weight: 3, arbitrary: small }, { weight: 1, arbitrary: huge });

const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 2, arbitrary: fc.tuple(who, range).map(([w, [at, n]]): Op => ({ kind: 'load', who: w, at, npages: n })) },
  { weight: 3, arbitrary: fc.tuple(who, range).map(([w, [at, n]]): Op => ({ kind: 'store', who: w, at, npages: n })) },
  {
    weight: 10,
    arbitrary: fc
      .tuple(who, device, fc.nat(COMMANDS.length - 1), range)
      .map(([w, d, command, [at, n]]): Op => ({ kind: 'command', who: w, device: d, command, at, npages: n })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(who, range, fc.nat(2))
      .map(([w, [at, n], prot]): Op => ({ kind: 'protect', who: w, at, npages: n, prot })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom('dontneed' as const, 'pageout' as const), who, range)
      .map(([kind, w, [at, n]]): Op => ({ kind, who: w, at, npages: n })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom('pin' as const, 'get' as const), who, range)
      .map(([kind, w, [at]]): Op => ({ kind, who: w, at })),
  },
  { weight: 1, arbitrary: fc.constantFrom<Op>({ kind: 'fork' }, { kind: 'unpin' }) },
  { weight: 1, arbitrary: fc.tuple(who, device).map(([w, d]): Op => ({ kind: 'release', who: w, device: d })) },
);

const HANGS = 'hangs';

/** RELEASE waits for pages that an exclusive entry or a pin keeps in use (Q13), as in Linux: nothing comes after that. */
function answerOf(player: Player, op: Op): unknown {
  try {
    return player.play(op);
  } catch (error) {
    if (op.kind === 'release' && /"waitsFor":"the pages of a device chunk/.test(String(error))) return HANGS;
    throw error;
  }
}

describe('the two migration paths', () => {
  it('answer the same and leave the same behind, whatever the calls', () => {
    fc.assert(
      fc.property(fc.array(op, { minLength: 1, maxLength: 25 }), (ops) => {
        const classic = new Player('classic');
        const unified = new Player('unified');
        for (const [i, each] of ops.entries()) {
          const step = `step ${i}`;
          const answer = answerOf(unified, each);
          expect([step, answer]).toEqual([step, answerOf(classic, each)]);
          if (answer === HANGS) return;
          expect(unified.state()).toBe(classic.state());
          classic.check();
          unified.check();
        }
        classic.finish();
        unified.finish();
      }),
      runs(5, 30),
    );
  }, 600_000);
});
