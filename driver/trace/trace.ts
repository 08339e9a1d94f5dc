import type { TraceEvent } from './trace-event.js';

const RING_SIZE = 1024;

/**
 * The last events of a machine. The ring is always on for the rare kinds; the frequent ones are
 * reported only while somebody listens, because making them would cost more than the work they describe.
 */
export class Trace {
  /** Set while somebody wants every event: callers of the frequent kinds test it first. */
  verbose = false;
  private readonly ring: TraceEvent[] = [];
  private next = 0;
  private listener: ((event: TraceEvent) => void) | null = null;

  /** Calls `listener` for every event from now on, the frequent ones included; null ends that. */
  listen(listener: ((event: TraceEvent) => void) | null): void {
    this.listener = listener;
    this.verbose = listener !== null;
  }

  emit(event: TraceEvent): void {
    if (this.ring.length < RING_SIZE) this.ring.push(event);
    else this.ring[this.next] = event;
    this.next = (this.next + 1) % RING_SIZE;
    this.listener?.(event);
  }

  /** The events still in the ring, oldest first. */
  recent(): TraceEvent[] {
    return this.ring.length < RING_SIZE
      ? [...this.ring]
      : [...this.ring.slice(this.next), ...this.ring.slice(0, this.next)];
  }

  reset(): void {
    this.ring.length = 0;
    this.next = 0;
  }
}
