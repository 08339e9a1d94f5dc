import type { TraceEvent, TraceKind, TraceOperands } from './trace-event.js';

const RING_SIZE = 1024;

/** What an event is made of. Most are never looked at, so one is put together when somebody does. */
interface Entry {
  readonly tick: number;
  readonly task: number;
  readonly kind: TraceKind;
  readonly operands: TraceOperands[TraceKind];
}

/**
 * The last events of a machine. The ring is always on for the rare kinds; the frequent ones are
 * reported only while somebody listens, because making them would cost more than the work they describe.
 */
export class Trace {
  /** Set while somebody wants every event: callers of the frequent kinds test it first. */
  verbose = false;
  private readonly ring: Entry[] = [];
  private next = 0;
  private listener: ((event: TraceEvent) => void) | null = null;

  /** Calls `listener` for every event from now on, the frequent ones included; null ends that. */
  listen(listener: ((event: TraceEvent) => void) | null): void {
    this.listener = listener;
    this.verbose = listener !== null;
  }

  emit(entry: Entry): void {
    if (this.ring.length < RING_SIZE) this.ring.push(entry);
    else this.ring[this.next] = entry;
    this.next = (this.next + 1) % RING_SIZE;
    this.listener?.(eventOf(entry));
  }

  /** The events still in the ring, oldest first. */
  recent(): TraceEvent[] {
    const { ring, next } = this;
    const entries = ring.length < RING_SIZE ? ring : [...ring.slice(next), ...ring.slice(0, next)];
    return entries.map(eventOf);
  }

  reset(): void {
    this.ring.length = 0;
    this.next = 0;
  }
}

function eventOf({ tick, task, kind, operands }: Entry): TraceEvent {
  return { tick, task, kind, ...operands } as TraceEvent;
}
