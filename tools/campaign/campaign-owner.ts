import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

/** A process that runs a campaign. */
export interface Owner {
  readonly pid: number;
  readonly host: string;
  /** When the process itself began, as its kernel says: another that has its number later began at another time. Null where there is no /proc. */
  readonly started: string | null;
  /** Results that there were when it began. */
  readonly before: number;
  readonly at: number;
}

/** This process, as it begins. */
export function thisOwner(before: number): Owner {
  const { pid } = process;
  return { pid, host: hostname(), started: startOf(pid), before, at: Date.now() };
}

/** What `text` says, if that process lives as far as can be seen from here. Of another host nobody knows. */
export function livingOwner(text: string): Owner | null {
  const owner = parsed(text);
  if (owner === null) return null;
  if (owner.host !== hostname()) return owner;
  const isThere = owner.started === null ? lives(owner.pid) : owner.started === startOf(owner.pid);
  return isThere ? owner : null;
}

/** Of one that lives. */
export function isThisProcess({ pid, host }: Owner): boolean {
  return pid === process.pid && host === hostname();
}

export function ownerText({ pid, host }: Owner): string {
  return `process ${pid}${host === hostname() ? '' : ` of host ${host}`}`;
}

function parsed(text: string): Owner | null {
  try {
    const owner = JSON.parse(text) as Partial<Owner> | null;
    const { pid = 0, host, started, before, at } = owner ?? {};
    const isWhole = [pid, before, at].every(Number.isInteger) && pid > 0 && typeof host === 'string';
    return isWhole && (started === null || typeof started === 'string') ? (owner as Owner) : null;
  } catch {
    return null;
  }
}

/** Ticks from the boot to the begin of a process, of proc(5); null where there is none, or it has ended and nobody has asked for its status. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name before may have spaces and brackets.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? null : fields[19]!;
  } catch {
    return null;
  }
}

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
