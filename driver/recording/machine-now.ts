import type { Machine } from '../sys/machine/machine.js';
import { LiveMachine } from './live-machine.js';
import { MachineAt } from './machine-at.js';

/** A machine as it is, in the same words: for who holds what was written down against one that stopped there. */
export function machineNow(machine: Machine, step = 0): MachineAt {
  const live = new LiveMachine(machine);
  return new MachineAt(step, {
    number: (kind, id) => live.number(kind, id),
    spaces: () => live.spaces(),
    files: () => live.files(),
    vmas: (mm) => live.vmas(mm),
    lately: (mm) => live.tables(mm),
    tasks: () => live.tasks().map((task) => live.task(task)),
    stack: () => [],
    chunks: () => live.chunks(),
    everLocked: () => live.lockedFolios(),
  });
}
