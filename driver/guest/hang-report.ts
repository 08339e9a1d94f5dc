import { describeBlocked } from '../core/scheduler.js';
import { waitText } from '../sys/machine/wait-report.js';
import type { GuestSystem } from './guest-system.js';

/** Which threads of programs are there, or those of one owner, and what each does or waits for. */
export function hangReport(system: GuestSystem, owner: number | null = null): string {
  const threads = [...system.threads].filter(({ process }) => owner === null || process.owner === owner);
  const lines = threads.map((guest) => {
    const { thread, process, cpu, syscall } = guest;
    const { state } = thread.task;
    const where = system.symbolAt(process, cpu.pc) ?? `0x${cpu.pc.toString(16)}`;
    const does = syscall === null ? 'computes' : `is in ${syscall.text || syscall.name}`;
    const waits = state === 'blocked' ? `, ${waitText(system.machine, describeBlocked(thread.task))}` : '';
    return `${process.image?.comm ?? 'program'}[${process.pid}/${thread.tid}] ${does} at ${where}${waits}`;
  });
  return lines.join('\n');
}
