import type { ProgramRequest } from '../../driver/guest/index.js';
import type { WireTransport } from '../../uapi/client/wire-transport.js';
import { SIGHUP, SIGINT, SIGTERM, WEXITSTATUS, WIFEXITED, WTERMSIG } from '../../uapi/signal.js';
import type { WireMap } from '../../uapi/wire/message.js';
import { connectOrRefuse } from '../connect-or-refuse.js';
import { UsageError } from '../exit-code.js';
import { errLine, readInput, writeAll } from './exec-host.js';

const EXIT_TIMEOUT = 124;
const EXIT_SIGNAL = 128;

interface ClientOptions {
  readonly dialect: string;
  readonly strace: boolean;
  readonly timeout: number | undefined;
}

/** Runs a program on the machine of a daemon, next to whatever else runs there; its exit status. */
export async function execOnSocket(
  socket: string,
  { path, bytes, argv, envp }: ProgramRequest,
  { dialect, strace, timeout }: ClientOptions,
): Promise<number> {
  const session = await connectOrRefuse(socket, { client: 'exec', dialect });
  const exited = exitOf(session);
  let timer: NodeJS.Timeout | undefined;
  try {
    await session.control('exec', {
      path,
      bytes,
      argv: [...argv],
      envp: [...envp],
      input: allInput(),
      strace,
      dialect,
    });
    const late = new Promise<number>((resolve) => {
      if (timeout !== undefined) timer = setTimeout(() => resolve(gaveUp(session, timeout)), timeout * 1000);
      for (const [name, signo] of [
        ['SIGINT', SIGINT],
        ['SIGTERM', SIGTERM],
        ['SIGHUP', SIGHUP],
      ] as const) {
        process.once(name, () => resolve(EXIT_SIGNAL + signo));
      }
    });
    const lost = session.whenClosed.then(() => {
      throw new UsageError('the daemon closed the connection', 'its log says why');
    });
    return await Promise.race([exited, late, lost]);
  } finally {
    clearTimeout(timer);
    await session.close();
  }
}

async function gaveUp(session: WireTransport, timeout: number): Promise<number> {
  const { text } = await session.control('exec-report');
  errLine(`dmirror exec: no end after ${timeout} s\n${text}`);
  return EXIT_TIMEOUT;
}

/** Shows what comes of the program until it ends. */
function exitOf(session: WireTransport): Promise<number> {
  return new Promise((resolve) => {
    session.onTrace((events) => {
      for (const event of events) {
        if (event.kind === 'exit') resolve(statusOf(event.status as number));
        else show(event);
      }
    });
  });
}

function show({ kind, fd, bytes, text }: WireMap): void {
  if (kind === 'output') writeAll(fd as 1 | 2, bytes as Uint8Array);
  else if (kind === 'strace' || kind === 'crash') errLine(text as string);
  else if (kind === 'unsupported') errLine(`dmirror exec: asked for in vain: ${text}`);
}

function statusOf(status: number): number {
  return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SIGNAL + WTERMSIG(status);
}

/** Standard input to its end; none from a terminal, at which nobody would expect to have to end it first. */
function allInput(): Uint8Array {
  if (process.stdin.isTTY) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  for (let chunk = readInput(65536); chunk.length > 0; chunk = readInput(65536)) chunks.push(chunk);
  return Buffer.concat(chunks);
}
