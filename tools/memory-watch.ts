import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';

const MIB = 2 ** 20;
/** Of what the machine, or the container, has. */
const DEFAULT_PART = 0.8;
const PAGE_BYTES = 4096;

/** What a long command takes, with its threads and the processes that it starts, and what it may take. */
export class MemoryWatch {
  limit = defaultLimit();
  /** The most that was seen. */
  peak = 0;
  /** Runners that it can do without. */
  spare = 0;
  /** Processes of ours. */
  readonly children = new Set<ChildProcess>();

  /** `say` is told when somebody is retired. */
  constructor(
    private readonly say: (line: string) => void,
    private readonly ownBytes: () => number = () => process.memoryUsage.rss(),
  ) {}

  private isGiven = false;

  bound(limit: number): void {
    this.limit = limit;
    this.isGiven = true;
  }

  /** Progress shows it all the time; at the end it is told who has set a bound, or came near to one. */
  get isWorthSaying(): boolean {
    return this.peak > 0 && (this.isGiven || this.peak > this.limit / 2);
  }

  /** Bytes that are in use now. */
  used(): number {
    let bytes = this.ownBytes();
    for (const { pid } of this.children) bytes += bytesOf(pid);
    this.peak = Math.max(this.peak, bytes);
    return bytes;
  }

  /** Whether a runner is to go, which has just done its task. */
  lowers(): boolean {
    const used = this.used();
    if (used <= this.limit || this.spare === 0) return false;
    const left = this.spare--;
    this.say(`${sizeText(used)} are more than ${sizeText(this.limit)} (--max-memory): goes on with ${left} at a time`);
    return true;
  }

  /** Too much, with nobody left to do without. */
  isOver(): boolean {
    return this.used() > this.limit && this.spare === 0;
  }

  /** `312 MiB of 6144 MiB`. */
  text(): string {
    return `${sizeText(this.peak)} of ${sizeText(this.limit)}`;
  }
}

export function sizeText(bytes: number): string {
  return bytes < MIB ? `${Math.ceil(bytes / 1024)} KiB` : `${Math.round(bytes / MIB)} MiB`;
}

function defaultLimit(): number {
  const own = process.constrainedMemory();
  const all = totalmem();
  return Math.floor((own > 0 && own < all ? own : all) * DEFAULT_PART);
}

/** Resident; 0 of a process that has ended, and where there is no /proc. */
function bytesOf(pid: number | undefined): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE_BYTES;
  } catch {
    return 0;
  }
}
