import type { TraceEvent } from '../../driver/trace/trace-event.js';
import type { Sink, TraceWriter } from './trace-writer.js';

/** JSON lines: each event as it is, and `{"run": NAME}` before those of a run. */
export class JsonWriter implements TraceWriter {
  constructor(private readonly sink: Sink) {}

  begin(name: string): void {
    if (name !== '') this.sink(`${JSON.stringify({ run: name })}\n`);
  }

  event(event: TraceEvent): void {
    this.sink(`${JSON.stringify(event)}\n`);
  }

  end(): void {}
}
