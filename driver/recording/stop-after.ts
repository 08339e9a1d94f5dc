import type { Effect } from '../core/effect.js';
import { type Observer, PassingObserver } from '../core/observer.js';
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

class Stop extends PassingObserver {
  constructor(
    private left: number,
    next: Observer | null,
  ) {
    super(next);
  }

  override stepEnds(task: Task, effect: Effect | null): void {
    super.stepEnds(task, effect);
    if (--this.left === 0) throw new StoppedError();
  }
}
