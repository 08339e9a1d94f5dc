import { Arena, RaceShadow, Snapshot } from '../check/index.js';
import type { Kernel } from '../core/kernel.js';
import type { RunResult } from '../core/scheduler.js';
import type { Machine } from '../sys/machine/machine.js';
import type { Director } from './director.js';
import type { Race } from './race.js';

/** What is explored: something with tasks that can go back to where it began. */
export interface Subject {
  readonly kernel: Kernel;
  goBack(): void;
  start(): void;
  /** Throws what an assertion or an oops throws. */
  run(): RunResult;
  /** After a run that ended with no task left. Throws what is wrong. */
  prove(): void;
  /** The same, after `prove`. */
  outcome(): string;
  /** Ends the exploration: as it was before, but for what the last run did. */
  release(): void;
}

/** Where the pages of machines are kept: an arena costs more than what is kept in it. */
const arenas = new WeakMap<Machine, Arena>();

function arenaOf(machine: Machine): Arena {
  const arena = arenas.get(machine) ?? new Arena();
  arenas.set(machine, arena);
  arena.reset();
  return arena;
}

/** A race on a machine, with all checks after each schedule unless `isChecked` is false. */
export class MachineSubject implements Subject {
  readonly kernel: Kernel;
  private readonly snapshot: Snapshot;
  /** Null without checks. */
  private readonly shadow: RaceShadow | null;
  private readonly before: Pick<Kernel['scheduler'], 'policy' | 'stepLimit'>;

  constructor(
    private readonly race: Race,
    director: Director,
    { isChecked = true, stepLimit }: { isChecked?: boolean; stepLimit: number },
  ) {
    const { kernel } = race.machine;
    this.kernel = kernel;
    const { policy, stepLimit: limit } = kernel.scheduler;
    this.before = { policy, stepLimit: limit };
    Object.assign(kernel.scheduler, { policy: director, stepLimit });
    kernel.observe(director);
    this.shadow = isChecked ? new RaceShadow(race.machine) : null;
    const apart = this.shadow === null ? [] : [this.shadow];
    this.snapshot = new Snapshot(race.machine, { tracks: true, arena: arenaOf(race.machine), apart });
    this.shadow?.keep();
  }

  goBack(): void {
    this.snapshot.restore();
    this.shadow?.begins();
  }

  start(): void {
    this.race.start();
  }

  run(): RunResult {
    return this.race.machine.run();
  }

  prove(): void {
    if (this.shadow === null) return;
    this.snapshot.checkTouched();
    this.shadow.prove(this.snapshot.changedFrames);
  }

  outcome(): string {
    const outcome = this.race.outcome();
    this.race.check?.(outcome);
    return outcome;
  }

  release(): void {
    this.snapshot.restore();
    this.shadow?.release();
    this.kernel.observe(null);
    Object.assign(this.kernel.scheduler, this.before);
  }
}
