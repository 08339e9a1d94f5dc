import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { explore, type Race, type RaceFinding } from '../../../driver/explore/index.js';
import { backingPfn } from '../../../driver/mm/frames/folio.js';
import { Machine } from '../../../driver/sys/machine/machine.js';
import type { Thread } from '../../../driver/sys/processes/thread.js';
import { asLinux } from '../../../tools/explore/as-linux.js';
import { commandNumber, DEFAULT_DIALECT, dialectByName } from '../../../uapi/dialect.js';
import { encodeHmmDmirrorCmd } from '../../../uapi/hmm-dmirror.js';
import { MADV_FREE, MAP_ANONYMOUS, MAP_FIXED, MAP_SHARED } from '../../../uapi/mman.js';
import type { CallArg } from '../../../uapi/system-call.js';
import { runs } from '../../counts.js';
import { MachineRace, machineProgram } from '../explore/machine-race.js';
import { anon } from '../sys/helpers.js';

type SystemCall = [string, ...CallArg[]];
const word = (value: number): Uint8Array => Uint8Array.of(value, 0, 0, 0);

/** Two threads over a page that holds 1; `spoil` runs when all calls are done, before anybody looks. */
function race(
  calls: (addr: number) => SystemCall[][],
  spoil: (thread: Thread, addr: number) => void,
  setUp: (thread: Thread, addr: number) => void = () => {},
): Race {
  const machine = new Machine({ ramBytes: 16 << 20 });
  const { main } = machine.createProcess();
  const addr = anon(main, 2);
  const other = machine.threadByTid(machine.call(main, 'thread').ret)!;
  for (const page of [0, 4096]) machine.call(main, 'store', addr + page, word(1));
  setUp(main, addr);
  const run = machine.run.bind(machine);
  machine.run = () => {
    const end = run();
    spoil(main, addr);
    return end;
  };
  return {
    machine,
    start() {
      const [first = [], second = []] = calls(addr);
      for (const [name, ...args] of first) machine.start(main, name, args);
      for (const [name, ...args] of second) machine.start(other, name, args);
    },
    outcome: () => '',
  };
}

/** Past every call. */
function poke(page: number, value: number): (thread: Thread, addr: number) => void {
  return ({ process: { mm, machine } }, addr) => {
    const vpn = (addr + 4096 * page) / 4096;
    const pfn = backingPfn(machine.memory, mm.pageTable.pteTable(vpn)!.hi(vpn % 512));
    machine.memory.contentChanges(pfn);
    machine.memory.bytes[pfn * 4096] = value;
  };
}

const stores = (addr: number): SystemCall[][] => [[['store', addr, word(2)]], [['store', addr, word(3)]]];
const inARow = (addr: number): SystemCall[][] => [
  [
    ['store', addr, word(2)],
    ['store', addr, word(3)],
  ],
];

describe('what a page may hold after a race', () => {
  it.each<[string, (addr: number) => SystemCall[][], page: number, value: number, isFound: boolean]>([
    ['what one of two has stored', stores, 0, 2, false],
    ['what the other has stored', stores, 0, 3, false],
    ['what was there before, though both have stored', stores, 0, 1, true],
    ['what nobody has stored', stores, 0, 4, true],
    ['something else where nobody has stored', stores, 1, 2, true],
    ['what was overwritten', inARow, 0, 2, true],
    ['what was stored last', inARow, 0, 3, false],
  ])('%s', (_what, calls, page, value, isFound) => {
    const { findings } = explore(race(calls, poke(page, value)), { strategy: 'random', budget: 1 });
    const expected = isFound
      ? [expect.stringMatching(new RegExp(`holds ${value} at byte 0, the shadow copy has`))]
      : [];
    expect(findings.map(({ message }) => message)).toEqual(expected);
  });

  it.each([
    [0, []],
    [4, [expect.stringMatching(/holds 4 at byte 0, the shadow copy has 1/)]],
  ])('is zero where MADV_FREE came before the race: %i', (value, expected) => {
    const spoiled = race(
      () => [],
      poke(0, value),
      (main, addr) => void main.process.machine.call(main, 'madvise', addr, 4096, MADV_FREE),
    );
    const { findings } = explore(spoiled, { strategy: 'random', budget: 1 });
    expect(findings.map(({ message }) => message)).toEqual(expected);
  });

  it('is still there behind MADV_DONTNEED where memory is shared', () => {
    const dropped = (addr: number): SystemCall[][] => [
      [
        ['madvise', addr, 4096, 4],
        ['load', addr, 4],
      ],
    ];
    const shared = race(
      dropped,
      () => {},
      (main, addr) => {
        main.process.machine.call(main, 'mmap', addr, 4096, 3, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        main.process.machine.call(main, 'store', addr, word(1));
      },
    );
    expect(explore(shared, { strategy: 'random', budget: 1 }).findings).toEqual([]);
  });

  it('is looked at where it lies on a device', () => {
    const spoiled = race(
      () => [],
      poke(1, 2),
      (main, addr) => {
        const fd = main.process.machine.call(main, 'open', '/dev/hmm_dmirror0', 2).ret;
        const record = encodeHmmDmirrorCmd({ addr: addr + 4096, ptr: addr, npages: 1 });
        const number = commandNumber(dialectByName(DEFAULT_DIALECT)!, 'MIGRATE_TO_DEV')!;
        expect(main.process.machine.call(main, 'ioctlBytes', fd, number, record).ret).toBe(0);
      },
    );
    const { findings } = explore(spoiled, { strategy: 'random', budget: 1 });
    expect(findings.map(({ message }) => message)).toEqual([
      expect.stringMatching(/holds 2 at byte 0, the shadow copy has 1/),
    ]);
  });

  it('is what it holds, whatever calls race', () => {
    fc.assert(
      fc.property(machineProgram(2, { ops: 2, pages: 2 }), fc.nat(), (program, seed) => {
        const { findings } = explore(new MachineRace(program), { strategy: 'random', budget: 8, seed });
        // A mirror that outlives its page is the real driver's, too.
        const isOurs = ({ kind, message }: RaceFinding): boolean => kind === 'invariant' && asLinux(message) === null;
        expect(findings.filter(isOurs)).toEqual([]);
      }),
      runs(8, 25),
    );
  });
});
