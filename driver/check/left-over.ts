import type { SwapArea } from '../mm/swap/swap-area.js';
import type { Machine } from '../sys/machine/machine.js';
import type { Watch } from './watch.js';

/** Minors that a machine may have. */
const DEVICES = [0, 1, 2, 3];

/** Lets every process exit, proves the machine's books, and that nothing is left. Throws what they find. */
export function emptyMachine(machine: Machine, watch: Watch, after: string): void {
  for (const process of machine.allProcesses()) {
    if (process.state === 'running' && process.exitStatus === null) machine.call(process.main, 'exit', 0);
  }
  // Other threads of a process end with it, each on its own way out of the kernel.
  machine.run();
  machine.checkInvariants();
  const left = leftOver(machine);
  if (left.length > 0) watch.violated('empty', `what is left when all have ended: ${left.join(', ')}`, { after });
}

/** What a machine still has once all of its processes have ended, one line each; nothing when all is well. */
function leftOver(machine: Machine): string[] {
  const { memory, devices } = machine;
  const left: string[] = [];
  const count = (n: number, what: string): void => void (n > 0 && left.push(`${n} ${what}`));
  count(machine.kernel.scheduler.busyCount, 'calls in the kernel');
  count(memory.mms.size, 'address spaces');
  count(memory.tables.inUse, 'page tables');
  // Files of /tmp outlive their programs, in memory and in swap.
  if (memory.mappings.size === 0) count(namedSlots(memory.swap), 'swap slots that entries name');
  for (const minor of DEVICES) {
    const inUse = devices.device(minor)?.chunks.reduce((sum, chunk) => sum + chunk.inUse, 0) ?? 0;
    count(inUse, `pages of device ${minor}`);
  }
  return left;
}

/** A slot that only the swap cache holds is no loss: where its page was locked when the last entry went, reclaim takes it later. */
function namedSlots(swap: SwapArea): number {
  let named = 0;
  for (let slot = 1; slot <= swap.capacity; slot++) if (swap.swapCount(slot) > 0) named++;
  return named;
}
