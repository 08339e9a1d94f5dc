import { defaultSocketPath } from '../../driver/daemon/socket-path.js';
import type { WireMap } from '../../uapi/wire/message.js';
import { connectOrRefuse } from '../connect-or-refuse.js';
import { EXIT, UsageError } from '../exit-code.js';
import type { Output } from '../output.js';

export interface TraceOptions {
  readonly socket: string | undefined;
  readonly pid: number | undefined;
  readonly device: number | undefined;
  readonly kind: readonly string[];
  readonly json: boolean;
}

/** `dmirror trace`: one line for each event of a served machine, until the daemon or the user ends it. */
export async function trace(options: TraceOptions, output: Output): Promise<number> {
  const socket = options.socket ?? defaultSocketPath();
  const session = await connectOrRefuse(socket, { client: 'trace' });
  const { stop } = output;
  session.onTrace((events, dropped) => {
    for (const event of events) output.out(options.json ? JSON.stringify(event) : eventLine(event));
    if (dropped > 0) output.err(`${dropped} events were lost: this reader is too slow`);
  });
  const { pid, device, kind } = options;
  const filter = { ...(pid === undefined ? {} : { pid }), ...(device === undefined ? {} : { device }) };
  try {
    await session.control('trace', kind.length === 0 ? filter : { ...filter, kinds: kind });
  } catch (error) {
    await session.close();
    throw new UsageError(error instanceof Error ? error.message : String(error), 'see `dmirror trace --help`');
  }
  output.err(`tracing ${socket}`);
  await Promise.race([stop.watch().whenRequested, session.whenClosed]);
  output.err(stop.isRequested ? '# interrupted' : `the daemon on ${socket} has ended`);
  await session.close();
  return EXIT.pass;
}

/** `tick pid/tid kind text`, columns aligned as far as common numbers go. */
function eventLine({ tick, pid, tid, kind, text }: WireMap): string {
  return `${String(tick).padStart(8)} ${`${pid}/${tid}`.padEnd(7)} ${String(kind).padEnd(8)} ${text}`;
}
