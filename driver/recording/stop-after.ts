import type { Effect } from '../core/effect.js';
import type { EntryChange, Observer, SharedKind } from '../core/observer.js';
import type { Task } from '../core/task.js';
import type { Machine } from '../sys/machine/machine.js';
import { lookCloser } from './recorder.js';

/** The run was ended where somebody wants to look at the machine. */
export class StoppedError extends Error {
  constructor() {
    super('the run is stopped to be looked at');
  }
}

/**
 * Ends the run that comes after so many steps, counted as a recorder does, with a MachineError whose cause is a StoppedError. The machine stays
 * as it is then, and does not go on.
 */
export function stopAfter(machine: Machine, steps: number): void {
  lookCloser(machine.kernel.scheduler);
  machine.kernel.observe(new Stop(steps, machine.kernel.observer));
}

class Stop implements Observer {
  constructor(
    private left: number,
    private readonly next: Observer | null,
  ) {}

  touch(kind: SharedKind, id: number, how: number, count: number): void {
    this.next?.touch(kind, id, how, count);
  }

  entryChanges(mm: number, vpn: number, level: number, change: EntryChange): void {
    this.next?.entryChanges(mm, vpn, level, change);
  }

  stepBegins(task: Task): void {
    this.next?.stepBegins(task);
  }

  stepEnds(task: Task, effect: Effect | null): void {
    this.next?.stepEnds(task, effect);
    if (--this.left === 0) throw new StoppedError();
  }
}
