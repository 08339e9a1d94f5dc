import { closeSync, openSync, writeSync } from 'node:fs';
import { extname } from 'node:path';
import type { Machine } from '../../driver/sys/machine/machine.js';
import type { TraceEvent } from '../../driver/trace/trace-event.js';
import { TRACE_KINDS, USUAL_KINDS } from '../../driver/trace/trace-text.js';
import { OutputError, UsageError } from '../exit-code.js';
import { nearestNames } from '../nearest.js';
import { FtraceWriter } from './ftrace-writer.js';
import { JsonWriter } from './json-writer.js';
import { PerfettoWriter } from './perfetto-writer.js';
import type { Sink, TraceWriter } from './trace-writer.js';

/** Formats by name, and the endings that mean them. */
const FORMATS = {
  json: { endings: ['.json', '.jsonl'], make: (sink: Sink): TraceWriter => new JsonWriter(sink) },
  perfetto: { endings: ['.pftrace', '.perfetto-trace'], make: (sink: Sink): TraceWriter => new PerfettoWriter(sink) },
  ftrace: { endings: ['.txt'], make: (sink: Sink): TraceWriter => new FtraceWriter(sink) },
} as const;
export type TraceFormat = keyof typeof FORMATS;
export const TRACE_FORMATS = Object.keys(FORMATS) as readonly TraceFormat[];

/** The format of that name. Throws UsageError. */
export function traceFormat(name: string): TraceFormat {
  if (Object.hasOwn(FORMATS, name)) return name as TraceFormat;
  const [near] = nearestNames(name, TRACE_FORMATS);
  throw new UsageError(
    `there is no trace format '${name}'${near === undefined ? '' : `; near: ${near}`}`,
    `they are: ${TRACE_FORMATS.join(', ')}`,
  );
}

/** A writer of `format` into `sink`. */
export function traceWriter(format: TraceFormat, sink: Sink): TraceWriter {
  return FORMATS[format].make(sink);
}

/** What the ending of `file` means, or `fallback`. Throws UsageError when it means nothing and there is none. */
function formatOf(file: string, fallback: TraceFormat | undefined): TraceFormat {
  const ending = extname(file);
  const found = TRACE_FORMATS.find((name) => (FORMATS[name].endings as readonly string[]).includes(ending));
  if (found !== undefined) return found;
  if (fallback !== undefined) return fallback;
  const endings = TRACE_FORMATS.map((name) => `${FORMATS[name].endings[0]} (${name})`).join(', ');
  throw new UsageError(
    `--trace '${file}': its ending names no format`,
    `end it with ${endings}, or add --trace-format NAME`,
  );
}

const BUFFER_BYTES = 2 ** 16;

/** A file that takes the events of machines as they come; memory does not grow with their number. */
export class TraceFile {
  private readonly fd: number;
  private readonly format: TraceFormat;
  private readonly writer: TraceWriter;
  private readonly buffer = Buffer.alloc(BUFFER_BYTES);
  private fill = 0;

  /** Empties the file, or makes it. `fallback` is the format where the ending says none. Throws OutputError, UsageError. */
  constructor(
    private readonly file: string,
    { format, fallback }: { readonly format?: string | undefined; readonly fallback?: TraceFormat } = {},
  ) {
    this.format = format === undefined ? formatOf(file, fallback) : traceFormat(format);
    this.fd = this.attempt(() => openSync(file, 'w'));
    this.writer = traceWriter(this.format, (chunk) =>
      this.take(typeof chunk === 'string' ? Buffer.from(chunk) : chunk),
    );
  }

  /** Writes down all that `machine` does from now on; `name` says in which case, sequence or run. `also` gets `alsoKinds` beside. */
  listen(
    machine: Machine,
    {
      name = '',
      also,
      alsoKinds = USUAL_KINDS,
    }: { name?: string; also?: (event: TraceEvent) => void; alsoKinds?: ReadonlySet<string> } = {},
  ): void {
    this.writer.begin(name);
    // Lines of JSON are for people with scripts, who have had these kinds since there is a trace.
    const kinds = this.format === 'json' ? USUAL_KINDS : ALL_KINDS;
    const listener = (event: TraceEvent): void => {
      if (kinds.has(event.kind)) this.writer.event(event);
      if (alsoKinds.has(event.kind)) also?.(event);
    };
    machine.listen(listener, also === undefined ? kinds : new Set([...kinds, ...alsoKinds]));
  }

  /** Writes what is left. Throws OutputError. */
  end(): void {
    this.writer.end();
    this.flush();
    closeSync(this.fd);
  }

  private take(chunk: Uint8Array): void {
    if (this.fill + chunk.length > BUFFER_BYTES) this.flush();
    if (chunk.length > BUFFER_BYTES) {
      this.write(chunk);
      return;
    }
    this.buffer.set(chunk, this.fill);
    this.fill += chunk.length;
  }

  private flush(): void {
    this.write(this.buffer.subarray(0, this.fill));
    this.fill = 0;
  }

  private write(bytes: Uint8Array): void {
    this.attempt(() => {
      for (let rest = bytes; rest.length > 0; ) rest = rest.subarray(writeSync(this.fd, rest));
    });
  }

  private attempt<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw new OutputError(`--trace '${this.file}'`, error);
    }
  }
}

const ALL_KINDS: ReadonlySet<string> = new Set(TRACE_KINDS);
