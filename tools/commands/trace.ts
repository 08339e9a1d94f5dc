import { defaultSocketPath } from '../../driver/daemon/socket-path.js';
import type { TraceEvent } from '../../driver/trace/trace-event.js';
import { TRACE_KINDS } from '../../driver/trace/trace-text.js';
import type { WireMap } from '../../uapi/wire/message.js';
import { connectOrRefuse } from '../connect-or-refuse.js';
import { EXIT, UsageError } from '../exit-code.js';
import type { Output } from '../output.js';
import { traceFormat, traceWriter } from '../trace/trace-file.js';

export interface WatchOptions {
  readonly socket: string | undefined;
  readonly pid: number | undefined;
  readonly device: number | undefined;
  readonly kind: readonly string[];
  readonly json: boolean;
  readonly format: string | undefined;
}

/** `dmirror trace`: one line for each event of a served machine, until the daemon or the user ends it. */
export async function trace(options: WatchOptions, output: Output): Promise<number> {
  const socket = options.socket ?? defaultSocketPath();
  const session = await connectOrRefuse(socket, { client: 'trace' });
  const { stop } = output;
  const print = printerOf(options, output);
  session.onTrace((events, dropped) => {
    for (const event of events) print.event(event);
    if (dropped > 0) output.err(`${dropped} events were lost: this reader is too slow`);
  });
  const { pid, device, kind } = options;
  // Slices and counters are made of all kinds.
  const kinds = kind.length === 0 && options.format !== undefined ? [...TRACE_KINDS] : kind;
  const filter = { ...(pid === undefined ? {} : { pid }), ...(device === undefined ? {} : { device }) };
  try {
    await session.control('trace', kinds.length === 0 ? filter : { ...filter, kinds });
  } catch (error) {
    await session.close();
    throw new UsageError(error instanceof Error ? error.message : String(error), 'see `dmirror trace --help`');
  }
  output.err(`tracing ${socket}`);
  await Promise.race([stop.watch().whenRequested, session.whenClosed]);
  output.err(stop.isRequested ? '# interrupted' : `the daemon on ${socket} has ended`);
  await session.close();
  print.end();
  return EXIT.pass;
}

interface Printer {
  event(event: WireMap): void;
  end(): void;
}

function printerOf({ json, format }: WatchOptions, { out }: Output): Printer {
  if (format === undefined)
    return { event: (event) => out(json ? JSON.stringify(event) : eventLine(event)), end: () => {} };
  if (json) throw new UsageError('--json and --format exclude each other', '--format json is the same');
  const chosen = traceFormat(format);
  if (chosen === 'perfetto' && process.stdout.isTTY)
    throw new UsageError(
      'perfetto is binary, and stdout is a terminal',
      'redirect it: dmirror trace --format perfetto > FILE.pftrace',
    );
  const writer = traceWriter(chosen, (chunk) => void process.stdout.write(chunk));
  writer.begin('');
  return { event: (event) => writer.event(event as unknown as TraceEvent), end: () => writer.end() };
}

/** `tick pid/tid kind text`, columns aligned as far as common numbers go. */
function eventLine({ tick, pid, tid, kind, text }: WireMap): string {
  return `${String(tick).padStart(8)} ${`${pid}/${tid}`.padEnd(7)} ${String(kind).padEnd(8)} ${text}`;
}
