import { rmdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Control } from '../../driver/daemon/controls.js';
import { Daemon } from '../../driver/daemon/daemon.js';
import { DEFAULT_LIMITS, LIMIT_NAMES, type LimitName, type Limits } from '../../driver/daemon/limits.js';
import { type LogFormat, lineLogger } from '../../driver/daemon/logger.js';
import { defaultSocketPath, SocketPathError } from '../../driver/daemon/socket-path.js';
import { DEFAULT_DIALECT, type Dialect } from '../../uapi/dialect.js';
import type { PathName } from '../../uapi/path-name.js';
import type { WireMap } from '../../uapi/wire/message.js';
import type { execControls } from '../exec/exec-control.js';
import { EXIT, UsageError } from '../exit-code.js';
import { checkHugePages } from '../huge-pages.js';
import { dialectOption, profileOption } from '../kernel-profile.js';
import type { Output } from '../output.js';
import { packageVersion } from '../package-root.js';

export interface ServeOptions {
  readonly socket: string | undefined;
  readonly ram: number;
  readonly hugepages: number;
  readonly path: PathName;
  readonly profile: string;
  /** Undefined: our own, or the one of `dialectFile`. */
  readonly dialect: string | undefined;
  /** A header to speak beside the known dialects. */
  readonly dialectFile: string | undefined;
  /** What that header's dialect is called; its file's name unless given. */
  readonly name: string | undefined;
  /** Undefined: tasks take turns. */
  readonly seed: number | undefined;
  readonly strict: boolean;
  readonly bootable: boolean;
  /** Microseconds. */
  readonly poll: number;
  /** `name=value`. */
  readonly limit: readonly string[];
  readonly logFormat: LogFormat;
  /** Started by a command: ends with its standard input, and takes the folder of its socket with it. */
  readonly child: boolean;
}

/** `dmirror serve`: prints the socket's path when it listens, and serves until a signal. */
export async function serve(options: ServeOptions, output: Output): Promise<number> {
  checkHugePages(options);
  const dialect = await servedDialect(options, output);
  const daemon = new Daemon({
    machine: {
      ramBytes: options.ram,
      hugePages: options.hugepages,
      path: options.path,
      profile: profileOption(options.profile),
      ...(options.seed === undefined ? {} : { seed: options.seed }),
      dialect: dialect.id,
    },
    limits: parseLimits(options.limit),
    log: lineLogger(output.err, options.logFormat),
    dialect: dialect.id,
    strict: options.strict,
    bootable: options.bootable,
    pollUs: options.poll,
    controls: lazyExecControls(),
    version: packageVersion(),
  });
  const path = options.socket ?? defaultSocketPath();
  try {
    await daemon.listen(path);
  } catch (error) {
    throw cannotListen(path, error);
  }
  output.out(path);
  await signalled(options.child);
  await daemon.shutdown();
  if (options.child) {
    removeFolder(path);
    process.stdin.destroy();
  }
  return EXIT.pass;
}

async function servedDialect(options: ServeOptions, output: Output): Promise<Dialect> {
  const fromFile = await speakFile(options, output);
  return dialectOption(options.dialect ?? fromFile ?? DEFAULT_DIALECT);
}

/** Makes the header of --dialect-file known, and lists what of it answers -EINVAL. The name it is known by. */
async function speakFile({ dialectFile, name }: ServeOptions, output: Output): Promise<string | undefined> {
  if (dialectFile === undefined) return undefined;
  const { loadDialectFile } = await import('../abi/dialect-file.js');
  const { dialect, unmatched } = await loadDialectFile(dialectFile, { name });
  for (const line of unmatched) output.err(`${dialectFile}: ${line}; it answers -EINVAL`);
  return dialect.id;
}

/** Requests that wait while the code for them is loaded. */
const MAX_WAITING = 8;

/** The controls about programs, without the CPU's code until one is asked for. */
function lazyExecControls(): ReturnType<typeof execControls> {
  let loading: Promise<ReturnType<typeof execControls>> | undefined;
  const load = () => {
    loading ??= import('../exec/exec-control.js').then((module) => module.execControls());
    return loading;
  };
  return {
    exec: lazily(async () => (await load()).exec),
    'exec-report': lazily(async () => (await load())['exec-report']),
  };
}

/** A control whose code is loaded at its first request; those that came first go on first. */
function lazily(load: () => Promise<Control>): Control {
  let loading: Promise<Control> | undefined;
  let waiting = 0;
  return (daemon, session, request) => {
    if (waiting >= MAX_WAITING) return 'too many of these wait already';
    waiting++;
    loading ??= load();
    const options = ownOptions(request.options);
    void loading.then((control) => {
      waiting--;
      request.later(() => control(daemon, session, { ...request, options }));
    });
    return undefined;
  };
}

/** What came in a frame is only borrowed. */
function ownOptions(options: WireMap): WireMap {
  const entries = Object.entries(options);
  return Object.fromEntries(
    entries.map(([name, value]) => [name, value instanceof Uint8Array ? new Uint8Array(value) : value]),
  );
}

function cannotListen(path: string, error: unknown): Error {
  if (error instanceof SocketPathError) return new UsageError(error.message, 'see `dmirror serve --help`');
  const why = error instanceof Error ? error.message : String(error);
  return new UsageError(`can't listen on ${path}: ${why}`, 'name a path in a folder that exists with --socket');
}

/** Daemons of one command share a folder: the last one finds it empty. */
function removeFolder(socket: string): void {
  try {
    rmdirSync(dirname(socket));
  } catch {
    // Others are still there, or the command has removed it.
  }
}

/** The first signal; a second one ends the process at once. With `isChild` the end of standard input is one. */
function signalled(isChild: boolean): Promise<void> {
  return new Promise((resolve) => {
    let count = 0;
    const take = () => {
      if (++count > 1) process.exit(EXIT.fail);
      resolve();
    };
    process.on('SIGTERM', take).on('SIGINT', take).on('SIGHUP', take);
    if (isChild) process.stdin.on('end', resolve).on('error', resolve).resume();
  });
}

/** More than a timer takes fires it at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

function parseLimits(settings: readonly string[]): Partial<Limits> {
  const limits: { [name in LimitName]?: number } = {};
  for (const setting of settings) {
    const [name = '', value = ''] = setting.split('=');
    const most = name.endsWith('Ms') ? MAX_TIMEOUT_MS : Number.MAX_SAFE_INTEGER;
    const isKnown = (LIMIT_NAMES as readonly string[]).includes(name);
    if (!isKnown || !/^\d+$/.test(value) || Number(value) < 1 || Number(value) > most) {
      const known = LIMIT_NAMES.map((limit) => `${limit}=${DEFAULT_LIMITS[limit]}`).join(', ');
      throw new UsageError(`--limit '${setting}' is not name=number, from 1 to ${most}`, `the limits are: ${known}`);
    }
    limits[name as LimitName] = Number(value);
  }
  return limits;
}
