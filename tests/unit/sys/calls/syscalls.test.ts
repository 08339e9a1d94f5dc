import { expect, it } from 'vitest';
import { Prng } from '../../../../driver/core/prng.js';
import { Machine } from '../../../../driver/sys/machine/machine.js';
import type { Thread } from '../../../../driver/sys/processes/thread.js';
import { commandNumber, dialectByName } from '../../../../uapi/dialect.js';
import { O_RDWR } from '../../../../uapi/fcntl.js';
import { encodeHmmDmirrorCmd } from '../../../../uapi/hmm-dmirror.js';
import {
  MADV_COLLAPSE,
  MADV_DONTNEED,
  MADV_FREE,
  MADV_HUGEPAGE,
  MADV_PAGEOUT,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PAGE_SIZE,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from '../../../../uapi/mman.js';
import type { CallArg } from '../../../../uapi/system-call.js';
import { count } from '../../../counts.js';

const LIVES = count(10, 60);
const FIRST = Number(process.env.DMIRROR_SEED ?? 1);
const ROUNDS = 12;
const DEVICES = 4;
const RW = PROT_READ | PROT_WRITE;
/** Private anonymous memory, shared memory right behind it, and an area for huge pages; `BUFFER` is what `ptr` names. */
const AREA = 0x1000_0000;
const AREA_PAGES = 48;
const HUGE = 0x2000_0000;
const HUGE_PAGES = 1024;
const BUFFER = 0x3000_0000;
const ELSEWHERE = 0x5000_0000;
const ADVICE = [
  MADV_DONTNEED,
  MADV_FREE,
  MADV_PAGEOUT,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MADV_HUGEPAGE,
  MADV_COLLAPSE,
];
const COMMANDS = [
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
  'RELEASE',
  'FLAGS',
  'READ_UNLOCKED',
] as const;

type Op = [name: string, ...args: CallArg[]];

/** Threads and forked processes that do whatever they please to the same memory and devices at the same time. */
class Storm {
  private readonly prng: Prng;

  constructor(
    private readonly machine: Machine,
    seed: number,
  ) {
    this.prng = new Prng(seed);
    machine.reset(seed);
    const { main } = machine.createProcess();
    const map = (addr: number, npages: number, flags: number): unknown =>
      machine.call(main, 'mmap', addr, npages * PAGE_SIZE, RW, MAP_FIXED | MAP_ANONYMOUS | flags, -1, 0);
    map(AREA, AREA_PAGES / 2, MAP_PRIVATE);
    map(AREA + (AREA_PAGES / 2) * PAGE_SIZE, AREA_PAGES / 2, MAP_SHARED);
    map(HUGE, HUGE_PAGES, MAP_PRIVATE);
    map(BUFFER, 128, MAP_SHARED);
    for (let minor = 0; minor < DEVICES; minor++) machine.call(main, 'open', `/dev/hmm_dmirror${minor}`, O_RDWR, 0);
    for (let i = 0; i < 3; i++) machine.call(main, 'thread');
  }

  /** Starts one to four calls at once and runs them to the end. False when one of them waits for ever. */
  round(): boolean {
    const { machine, prng } = this;
    const threads = [...machine.allThreads()];
    for (let calls = 1 + prng.below(4); calls > 0; calls--) {
      const thread: Thread = threads[prng.below(threads.length)]!;
      const [name, ...args] = this.op(threads.length);
      machine.start(thread, name, args);
    }
    return machine.run().reason === 'idle';
  }

  private op(threads: number): Op {
    const { prng } = this;
    const isHuge = prng.below(5) === 0;
    const isWhole = isHuge && prng.below(2) === 0;
    const npages = isWhole ? 512 : 1 + prng.below(isHuge ? 64 : AREA_PAGES / 2);
    const first = isWhole ? 512 * prng.below(2) : prng.below(isHuge ? HUGE_PAGES : AREA_PAGES);
    const addr = (isHuge ? HUGE : AREA) + first * PAGE_SIZE;
    const len = npages * PAGE_SIZE;
    switch (prng.below(12)) {
      case 0:
      case 1:
        return ['store', addr, new Uint8Array(len).fill(1 + prng.below(2))];
      case 2:
      case 3:
        return ['load', addr, len];
      case 4:
        return ['munmap', addr, len];
      case 5:
        return ['mmap', addr, len, RW, MAP_FIXED | MAP_ANONYMOUS | MAP_PRIVATE, -1, 0];
      case 6:
        return ['mprotect', addr, len, [PROT_NONE, PROT_READ, RW][prng.below(3)]!];
      case 7:
        return ['madvise', addr, len, ADVICE[prng.below(ADVICE.length)]!];
      case 8:
        return threads < 10 ? ['fork'] : ['load', addr, len];
      case 9:
        return [
          'mremap',
          addr,
          len,
          len,
          MREMAP_MAYMOVE | MREMAP_FIXED,
          ELSEWHERE + (isWhole ? 0 : prng.below(64) * PAGE_SIZE),
        ];
      default:
        return this.command(addr, npages);
    }
  }

  private command(addr: number, npages: number): Op {
    const name = COMMANDS[this.prng.below(COMMANDS.length)]!;
    const record = encodeHmmDmirrorCmd({ addr, ptr: BUFFER, npages });
    return ['ioctlBytes', this.prng.below(DEVICES), commandNumber(dialectByName('dmirror')!, name)!, record];
  }
}

it.each([
  ['classic', '6.12'],
  ['unified', '6.12'],
  ['classic', '7.3'],
  ['unified', '7.3'],
] as const)('holds together whatever races with what, on the %s path of %s', (path, profile) => {
  const machine = new Machine({
    path,
    profile,
    scheduler: 'random',
    ramBytes: 64 * 2 ** 20,
    swapBytes: 16 * 2 ** 20,
    thpEnabled: 'always',
  });
  let rounds = 0;
  for (let seed = FIRST; seed < FIRST + LIVES; seed++) {
    const storm = new Storm(machine, seed);
    for (let round = 0; round < ROUNDS; round++, rounds++) {
      // RELEASE waits for pages that nobody frees (Q13): that life is over.
      if (!storm.round()) break;
      try {
        machine.checkInvariants();
      } catch (error) {
        throw new Error(`life with seed ${seed}, round ${round}`, { cause: error });
      }
    }
  }
  expect(rounds).toBeGreaterThan(LIVES * ROUNDS * 0.9);
});
