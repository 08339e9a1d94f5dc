import { heldNames } from '../core/scheduler.js';
import type { GuestSystem } from './guest-system.js';

/** Which threads of programs are there, or those of one owner, and what each does or waits for. */
export function hangReport(system: GuestSystem, owner: number | null = null): string {
  const threads = [...system.threads].filter(({ process }) => owner === null || process.owner === owner);
  const lines = threads.map((guest) => {
    const { thread, process, cpu, syscall } = guest;
    const { state, waitingOn } = thread.task;
    const where = system.symbolAt(process, cpu.pc) ?? `0x${cpu.pc.toString(16)}`;
    const does = syscall === null ? 'computes' : `is in ${syscall.text || syscall.name}`;
    const waits = state === 'blocked' && waitingOn !== null ? `, waits for ${waitingOn.what}` : '';
    const holder = waitingOn?.owner()?.name;
    const held = heldNames(thread.task);
    return (
      `${process.image?.comm ?? 'program'}[${process.pid}/${thread.tid}] ${does} at ${where}${waits}` +
      `${holder === undefined ? '' : ` of ${holder}`}${held.length === 0 ? '' : `, holds ${held.join(', ')}`}`
    );
  });
  return lines.join('\n');
}
