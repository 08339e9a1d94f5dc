import { rangesText } from '../../core/ranges-text.js';
import type { BlockedTask } from '../../core/scheduler.js';
import { PG } from '../../mm/frames/frames.js';
import type { Machine } from './machine.js';

/**
 * Of the tasks that a run left waiting, those that wait in a circle, or for what nobody does: following who has what each waits for
 * leads to no end. `mayEnd` says of a task that waits for no one's lock whether a later call can help it.
 */
export function deadlocked(
  blocked: readonly BlockedTask[],
  mayEnd: (task: BlockedTask) => boolean,
): readonly BlockedTask[] {
  const byName = new Map(blocked.map((task) => [task.task, task]));
  return blocked.filter((first) => {
    const seen = new Set<BlockedTask>();
    let task: BlockedTask | undefined = first;
    while (task !== undefined && task.ownedBy !== null && !seen.has(task)) {
      seen.add(task);
      task = byName.get(task.ownedBy);
    }
    return task !== undefined && (task.ownedBy !== null || !mayEnd(task));
  });
}

/** A line a task: what call it is in, what it waits for, who has that, and what it holds itself. */
export function waitReport(machine: Machine, blocked: readonly BlockedTask[]): string {
  return blocked
    .map((task) => `${task.task}${task.doing === '' ? '' : ` in ${task.doing}`} ${waitText(machine, task)}`)
    .join('\n');
}

/** `waits for W of T, holds L`, folios by their pfn. */
export function waitText(machine: Machine, { id, waitsFor, ownedBy, holds }: BlockedTask): string {
  const owner = ownedBy === null ? '' : ` of ${ownedBy}`;
  const folios = holds.some((name) => name.startsWith('folio_lock')) ? foliosLockedBy(machine, id) : [];
  const held = [...holds, ...(folios.length === 0 ? [] : [`folios ${rangesText(folios)}`])].join(', ');
  return `waits for ${waitsFor}${owner}${held === '' ? '' : `, holds ${held}`}`;
}

/** What a frame says that nobody has, or that is not locked, is of before. */
function foliosLockedBy({ memory }: Machine, task: number): number[] {
  const { refcount, flags, lockOwner } = memory.frames.raw;
  const found: number[] = [];
  for (let pfn = 0; pfn < lockOwner.length; pfn++)
    if (lockOwner[pfn] === task && refcount[pfn]! > 0 && (flags[pfn]! & PG.locked) !== 0) found.push(pfn);
  return found;
}
