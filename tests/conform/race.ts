// Runs a race on the emulated machine: all tasks at once under a seeded schedule, or the ops one by one in a given order.

import { checkInvariants } from '../../driver/mm/invariants.js';
import { Machine } from '../../driver/sys/machine/machine.js';
import type { Call, Thread } from '../../driver/sys/processes/thread.js';
import { type CommandName, commandNumber, DEFAULT_DIALECT, dialectByName } from '../../uapi/dialect.js';
import { decodeHmmDmirrorCmd, encodeHmmDmirrorCmd } from '../../uapi/hmm-dmirror.js';
import * as mman from '../../uapi/mman.js';
import type { PathName } from '../../uapi/path-name.js';
import type { Race } from './concurrent-generate.js';
import { protection } from './ops/ops.js';
import { BUFFER_ADDR, hexWord, RECORD_ADDR, regionAddr } from './ops/places.js';
import { World } from './ops/world.js';

const { PAGE_SIZE } = mman;
const RECORD_BYTES = 64;
const COMMAND_NUMBERS = dialectByName(DEFAULT_DIALECT)!;

/** One op of a race that is under way, and where its record and buffer are. */
interface RunningOp {
  readonly words: readonly string[];
  readonly slot: number;
  call: Call | null;
}

/** The answers of a race: of each task's ops in order, and of the reads of every page by every process afterwards. */
export interface RaceAnswers {
  readonly ops: readonly string[];
  readonly after: readonly string[];
}

export class RaceRunner {
  private world: World | null = null;

  constructor(private readonly path: PathName) {}

  /** All tasks at once; `seed` decides the schedule. Throws when the machine fails or its invariants do not hold. */
  concurrent(race: Race, seed: number): RaceAnswers {
    const { world, threads, running } = this.begin(race, seed);
    let slot = 0;
    race.tasks.forEach((task, t) => {
      for (const _ of task.lines) this.start(world, threads[t]!, running[slot++]!);
    });
    world.machine.run();
    checkAfterRace(world.machine);
    return this.answers(world, race, running);
  }

  /** One op after the other; `order` names the task of each. */
  serial(race: Race, order: readonly number[]): RaceAnswers {
    const { world, threads, running } = this.begin(race, 1);
    const done = race.tasks.map(() => 0);
    const first = race.tasks.map((_, t) => race.tasks.slice(0, t).reduce((sum, { lines }) => sum + lines.length, 0));
    for (const t of order) {
      this.start(world, threads[t]!, running[first[t]! + done[t]!++]!);
      world.machine.run();
    }
    return this.answers(world, race, running);
  }

  private begin(race: Race, seed: number): { world: World; threads: Thread[]; running: RunningOp[] } {
    const world = this.newLife(seed);
    for (const line of race.setup) world.run(line.split(' '));
    const threads = race.tasks.map(({ p }) => {
      const actor = world.actor(p);
      return world.machine.threadByTid(world.call(actor, 'thread').ret)!;
    });
    const lines = race.tasks.flatMap((task) => task.lines);
    const running = lines.map((line, slot): RunningOp => ({ words: line.split(' '), slot, call: null }));
    for (const op of running) if (op.words[0] === 'dm') this.prepareRecord(world, op);
    // From here on the race, so that its schedule does not depend on how many steps the setup took.
    world.machine.kernel.scheduler.policy.reset(seed);
    return { world, threads, running };
  }

  private newLife(seed: number): World {
    if (this.world === null) {
      this.world = new World(new Machine({ path: this.path, scheduler: 'random', seed }));
      return this.world;
    }
    this.world.machine.reset(seed);
    this.world.begin();
    return this.world;
  }

  private prepareRecord(world: World, { words, slot }: RunningOp): void {
    const [, , , command, r, off, n, v] = words;
    const actor = world.actor(0);
    const ptr = bufferOf(slot);
    const word = new Uint8Array(Uint32Array.of(command === 'WRITE' ? Number(v) : 0xabababab).buffer);
    world.call(actor, 'store', ptr, word);
    const record = encodeHmmDmirrorCmd({ addr: regionAddr(Number(r), Number(off)), ptr, npages: Number(n) });
    world.call(actor, 'store', recordOf(slot), record);
  }

  private start(world: World, thread: Thread, op: RunningOp): void {
    const { words, slot } = op;
    const { machine } = world;
    const [name, p, r, off] = words;
    const last = words.at(-1);
    const addr = regionAddr(Number(r), Number(off));
    if (name === 'dm') {
      const fd = world.actor(Number(p)).deviceFds[Number(words[2])]!;
      const cmd = commandNumber(COMMAND_NUMBERS, words[3] as CommandName)!;
      op.call = machine.start(thread, 'ioctl', [fd, cmd, recordOf(slot)]);
    } else if (name === 'load') op.call = machine.start(thread, 'load', [addr, 4]);
    else if (name === 'store') {
      const word = new Uint8Array(Uint32Array.of(Number(last)).buffer);
      op.call = machine.start(thread, 'store', [addr, word]);
    } else if (name === 'protect') op.call = machine.start(thread, 'mprotect', [addr, PAGE_SIZE, protection(last!)]);
    else if (name === 'unmap') op.call = machine.start(thread, 'munmap', [addr, PAGE_SIZE]);
    else op.call = machine.start(thread, 'madvise', [addr, PAGE_SIZE, ADVICE[last!]!]);
  }

  private answers(world: World, race: Race, running: readonly RunningOp[]): RaceAnswers {
    const after: string[] = [];
    for (let p = 0; p < race.processes; p++) {
      for (let page = 0; page < race.pages; page++) after.push(world.run(['load', `${p}`, '0', `${page}`, '1']));
    }
    return { ops: running.map((op) => this.answer(world, op)), after };
  }

  /** `faults` is left out: it counts how often a command had to look again, which no serial order has. */
  private answer(world: World, { words, slot, call }: RunningOp): string {
    const result = call?.result;
    if (result === undefined) return 'not finished';
    if (result.signal) return `${-1000 - result.signal.signo}`;
    if (words[0] === 'load') return `0 ${hexWord(result.bytes!, 0)}`;
    if (words[0] === 'store') return '0';
    if (words[0] !== 'dm' || result.ret < 0) return `${result.ret}`;
    const actor = world.actor(0);
    const record = decodeHmmDmirrorCmd(world.call(actor, 'load', recordOf(slot), RECORD_BYTES).bytes!);
    const bytes = world.call(actor, 'load', bufferOf(slot), 4).bytes!;
    const data = words[3] === 'SNAPSHOT' ? `${bytes[0]}` : hexWord(bytes, 0);
    return `${result.ret} ${record.cpages} ${data}`;
  }
}

/**
 * Everything must hold, but for what the real driver does not promise: a page that another task drops stays in the mirror
 * when its invalidation came before the migration made its entries and its zap came after (the machine reports that).
 */
function checkAfterRace(machine: Machine): void {
  if (machine.trace.recent().some((event) => event.kind === 'page' && event.what === STALE_MIRROR))
    checkInvariants(machine.memory);
  else machine.checkInvariants();
}

const STALE_MIRROR = 'mirror entry to a freed page';

const ADVICE: Readonly<Record<string, number>> = {
  DONTNEED: mman.MADV_DONTNEED,
  FREE: mman.MADV_FREE,
  COLD: mman.MADV_COLD,
};

function recordOf(slot: number): number {
  return RECORD_ADDR + (1 + slot) * PAGE_SIZE;
}

function bufferOf(slot: number): number {
  return BUFFER_ADDR + (1 + slot) * PAGE_SIZE;
}
