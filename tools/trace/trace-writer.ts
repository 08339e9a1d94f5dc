import type { TraceEvent } from '../../driver/trace/trace-event.js';

/** Makes a file of one format from events as they come. It keeps nothing that grows with their number. */
export interface TraceWriter {
  /** What follows is of another machine, or of another life of one: `name` says which. Also before the first event. */
  begin(name: string): void;
  event(event: TraceEvent): void;
  /** No more comes. */
  end(): void;
}

/** Takes the bytes of a file in order. */
export type Sink = (chunk: string | Uint8Array) => void;

const NS_PER_TICK = 1000;

/**
 * Virtual time in nanoseconds from 0: events of one step, which share a microsecond, keep their order. Each run begins behind the one
 * before, so that time never goes back in a file.
 */
export class TraceClock {
  private base = 0;
  private last = -1;

  /** A run begins. */
  restart(): void {
    this.base = this.last < 0 ? 0 : Math.ceil((this.last + 1) / NS_PER_TICK) * NS_PER_TICK;
  }

  at({ tick }: TraceEvent): number {
    this.last = Math.max(this.base + tick * NS_PER_TICK, this.last + 1);
    return this.last;
  }

  /** Of what comes with no event. */
  now(): number {
    return Math.max(this.last, this.base);
  }
}
