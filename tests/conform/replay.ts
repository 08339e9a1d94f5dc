// Replays recorded sequences on an emulated machine and finds the first answer that is not the real kernel's.

import type { Violation } from '../../driver/check/index.js';
import type { MigrationPath } from '../../driver/hmm/index.js';
import type { DefectName } from '../../driver/inject/defects.js';
import { checkTlb } from '../../driver/mm/tables/check-tlb.js';
import { Machine } from '../../driver/sys/machine/machine.js';
import { MachineError } from '../../driver/sys/machine/machine-error.js';
import type { MachineOptions } from '../../driver/sys/machine/machine-options.js';
import type { TraceEvent } from '../../driver/trace/trace-event.js';
import { ESRCH } from '../../uapi/errno.js';
import type { PathName } from '../../uapi/path-name.js';
import { aroundText } from './around.js';
import { fillTlbs } from './greedy-tlb.js';
import { World } from './ops/world.js';
import { familyOf, type Sequence, type Step } from './recording.js';

/** Families recorded with a swap device and hugetlb pages. */
const WITH_SWAP: readonly string[] = ['swap', 'huge', 'pin', 'raw'];
/** What the recorded kernel's numbers mean; `dm` ops name commands, so they may use any dialect. */
const RECORDED_DIALECT = '6.12';
const SWAP_BYTES = 256 * 2 ** 20;
const HUGE_PAGES = 16;

/** How the answer begins when the machine itself failed. */
export const FAILED = 'the machine failed: ';

export interface ReplayOptions {
  readonly path: PathName | MigrationPath;
  /** Prove the whole machine consistent after every op. */
  readonly checkInvariants?: boolean;
  /** What the machine has other than by default. */
  readonly machine?: Partial<MachineOptions>;
  /** Planted bugs, to test the tests. */
  readonly defects?: readonly DefectName[];
  readonly observer?: ReplayObserver;
  /** For `judge`. */
  readonly isJudged?: boolean;
  /** Is handed the machine of each sequence before its first op; it may listen. */
  readonly onMachine?: (machine: Machine, seq: string) => void;
}

/** Is told everything as it happens. */
export interface ReplayObserver {
  op(at: number, line: string): void;
  event(event: TraceEvent): void;
  answer(text: string): void;
}

/** Where the machine first answered something else. */
export interface Divergence {
  readonly seq: string;
  /** Index of the step. */
  readonly at: number;
  readonly op: string;
  readonly expected: string;
  /** Our answer; for an error of the machine its message. */
  readonly actual: string;
  /** The steps before it. */
  readonly before: readonly Step[];
  /** Page tables and mirrors around the op's address, as text. */
  readonly state: string;
}

/** What a sequence shows, whatever it answers. */
export interface Judged {
  readonly at: number;
  readonly violation: Violation;
}

/** Keeps one machine a configuration and resets it between sequences. */
export class Replayer {
  private readonly worlds = new Map<boolean, World>();

  constructor(private readonly options: ReplayOptions) {}

  /** The first divergence, or null when every answer is the same. */
  replay(sequence: Sequence): Divergence | null {
    const world = this.begin(sequence);
    for (let at = 0; at < sequence.steps.length; at++) {
      const [op, expected] = sequence.steps[at]!;
      const actual = this.observed(world, at, op);
      if (actual === expected || expected === '-') continue;
      return {
        seq: sequence.seq,
        at,
        op,
        expected,
        actual,
        before: sequence.steps.slice(0, at),
        state: aroundText(world, op),
      };
    }
    return null;
  }

  /** Our own answers to a sequence of ops, and the page tables afterwards. */
  record(seq: string, lines: readonly string[]): { sequence: Sequence; state: string } {
    const world = this.begin({ seq, steps: [] });
    const steps = lines.map((op, at): Step => [op, this.observed(world, at, op)]);
    return { sequence: { seq, steps }, state: world.stateText() };
  }

  /** The first thing that must not be, whatever the answers, with the op after which it was seen; null when there is none. */
  judge(seq: string, lines: readonly string[]): Judged | null {
    const world = this.begin({ seq, steps: [] });
    for (const [at, op] of lines.entries()) {
      const words = op.split(' ');
      if (!world.hasActor(Number(words[1]))) continue;
      const { watch } = world;
      const { memory } = world.machine;
      fillTlbs(memory);
      try {
        world.run(words);
        for (const mm of memory.mms) checkTlb(mm);
        if (at === lines.length - 1) watch!.checkAll(op);
        else watch!.checkBooks(op);
      } catch (error) {
        this.worlds.clear();
        // RELEASE waits for pages that a pin or an exclusive entry keeps in use, alone for ever, in Linux too (Q13).
        if (error instanceof MachineError && error.summary.includes('waits for the pages of a device chunk'))
          return null;
        watch!.caught(error, op);
      }
      const violation = watch!.violations[0];
      if (violation !== undefined) return { at, violation };
    }
    return null;
  }

  /** A machine at the beginning of its life, with what the sequence's family was recorded with. */
  private begin(sequence: Sequence): World {
    const withSwap = WITH_SWAP.includes(familyOf(sequence));
    const used = this.worlds.get(withSwap);
    used?.machine.reset();
    used?.begin();
    const world = used ?? this.newWorld(withSwap);
    this.options.onMachine?.(world.machine, sequence.seq);
    return world;
  }

  private observed(world: World, at: number, op: string): string {
    const { observer } = this.options;
    if (observer === undefined) return this.answer(world, op);
    world.machine.listen((event) => observer.event(event));
    observer.op(at, op);
    const answer = this.answer(world, op);
    observer.answer(answer);
    world.machine.listen(null);
    return answer;
  }

  /** The answer to an op; an error of the machine's own is one too, with its stack. */
  private answer(world: World, op: string): string {
    const words = op.split(' ');
    if (!world.hasActor(Number(words[1]))) return `${-ESRCH}`;
    try {
      const answer = world.run(words);
      if (this.options.checkInvariants === true) world.machine.checkInvariants();
      return answer;
    } catch (error) {
      // The machine is in an unknown state now; the next sequence gets a new one.
      this.worlds.clear();
      return `${FAILED}${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
    }
  }

  private newWorld(withSwap: boolean): World {
    const machine = new Machine({
      dialect: RECORDED_DIALECT,
      ...this.options.machine,
      path: this.options.path,
      ...(withSwap ? { swapBytes: SWAP_BYTES, hugePages: HUGE_PAGES } : {}),
    });
    for (const name of this.options.defects ?? []) machine.kernel.defects[name] = true;
    const world = new World(machine, { isWatched: this.options.isJudged });
    this.worlds.set(withSwap, world);
    return world;
  }
}
