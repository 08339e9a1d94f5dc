// Replays recorded sequences on an emulated machine and finds the first answer that is not the real kernel's.

import { Machine } from '../../driver/sys/machine.js';
import type { MigrationPath } from '../../driver/sys/machine-options.js';
import { ops } from './ops.js';
import { familyOf, type Sequence, type Step } from './recording.js';
import { World } from './world.js';

/** Families recorded with a swap device and hugetlb pages. */
const WITH_SWAP: readonly string[] = ['swap', 'huge', 'pin', 'raw'];
const SWAP_BYTES = 256 * 2 ** 20;
const HUGE_PAGES = 16;

export interface ReplayOptions {
  readonly path: MigrationPath;
  /** Prove the whole machine consistent after every op. */
  readonly checkInvariants?: boolean;
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
  /** State of the processes' entries near the op, as text. */
  readonly state: string;
}

/** Keeps one machine a configuration and resets it between sequences. */
export class Replayer {
  private readonly worlds = new Map<boolean, World>();

  constructor(private readonly options: ReplayOptions) {}

  /** The first divergence, or null when every answer is the same. */
  replay(sequence: Sequence): Divergence | null {
    const { world, fresh } = this.worldFor(WITH_SWAP.includes(familyOf(sequence)));
    if (!fresh) {
      world.machine.reset();
      world.begin();
    }
    for (let at = 0; at < sequence.steps.length; at++) {
      const actual = this.step(world, sequence.steps[at]!);
      if (actual !== null) return describe(world, sequence, { at, actual });
    }
    return null;
  }

  /** Null when the answer is as recorded, else the answer. */
  private step(world: World, [op, expected]: Step): string | null {
    const words = op.split(' ');
    const run = ops[words[0]!];
    if (run === undefined) throw new Error(`unknown op: ${op}`);
    try {
      const actual = run(world, words);
      if (this.options.checkInvariants === true) world.machine.checkInvariants();
      return actual === expected || expected === '-' ? null : actual;
    } catch (error) {
      // The machine is in an unknown state now; the next sequence gets a new one.
      this.worlds.clear();
      return error instanceof Error ? (error.stack ?? error.message) : String(error);
    }
  }

  private worldFor(withSwap: boolean): { world: World; fresh: boolean } {
    const found = this.worlds.get(withSwap);
    if (found !== undefined) return { world: found, fresh: false };
    const machine = new Machine({
      path: this.options.path,
      ...(withSwap ? { swapBytes: SWAP_BYTES, hugePages: HUGE_PAGES } : {}),
    });
    const world = new World(machine);
    this.worlds.set(withSwap, world);
    return { world, fresh: true };
  }
}

function describe(world: World, sequence: Sequence, { at, actual }: { at: number; actual: string }): Divergence {
  const [op, expected] = sequence.steps[at]!;
  const before = sequence.steps.slice(0, at);
  return { seq: sequence.seq, at, op, expected, actual, before, state: world.stateText() };
}
