import { closeSync, constants, existsSync, fstatSync, ftruncateSync, openSync, rmSync, writeSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { EXIT, OutputError } from './exit-code.js';
import { MemoryWatch, sizeText } from './memory-watch.js';
import { Progress, type ProgressState } from './report/progress.js';
import { type Share, WHOLE } from './shard/share.js';

/** Where a command's results and talk go, and whether it is to end early. Handed in, so that a test can hold it. */
export interface Output {
  /** A line of results, on stdout. */
  readonly out: (line: string) => void;
  /** A line of talk, on stderr. */
  readonly err: (line: string) => void;
  readonly progress: Progress;
  readonly now: () => number;
  readonly stop: StopRequest;
  readonly memory: MemoryWatch;
  /** What of the command's work is done here. */
  readonly share: Share;
  /** A file for results, known to be writable now; `option` is what named it. Throws OutputError. */
  file(option: string, path: string): ResultFile;
}

/** Asked by long work before each of its parts: shows how far it is, and answers whether to go on. */
export type GoesOn = (state: ProgressState) => Promise<boolean>;

/** What lets a signal end long work between two of its parts. */
export function goesOnWith({ progress, stop }: Pick<Output, 'progress' | 'stop'>): GoesOn {
  stop.watch();
  return async (state) => {
    progress.update(state);
    const isStopped = await stop.look();
    progress.clear();
    return !isStopped;
  };
}

/** A file for results. It keeps what it held until it is written, so that a run that never comes to its end costs nothing. */
export interface ResultFile {
  /** Replaces what the file holds. Throws OutputError. */
  write(text: string): void;
}

/**
 * Whether the command is to end early: a signal came, it takes too much memory, or nobody reads its output. A command that looks calls `watch`, ends what it
 * began, prints what it has and returns; any other is ended on the spot.
 */
export class StopRequest {
  private signal: NodeJS.Signals | null = null;
  private isOutOfMemory = false;
  private isWatched = false;
  private readonly waiters: (() => void)[] = [];
  /** Not 0 once it is requested; threads see it in the middle of their work. */
  readonly flag = new Int32Array(new SharedArrayBuffer(4));
  private readonly onSignal = (signal: NodeJS.Signals): void => {
    if (this.signal !== null) process.exit(statusOf(signal));
    this.signal = signal;
    this.wake();
  };

  /** `signals` is the process, but for tests. */
  constructor(
    private readonly signals: Pick<NodeJS.Process, 'on'> = process,
    private readonly memory: MemoryWatch | null = null,
  ) {}

  private wake(): void {
    Atomics.store(this.flag, 0, 1);
    for (const resolve of this.waiters.splice(0)) resolve();
  }

  /** From now on signals are for the command to take. */
  watch(): this {
    if (this.isWatched) return this;
    this.isWatched = true;
    for (const signal of SIGNALS) this.signals.on(signal, this.onSignal);
    return this;
  }

  get isRequested(): boolean {
    return this.signal !== null || this.isOutOfMemory;
  }

  /** Resolves when it is requested. */
  get whenRequested(): Promise<void> {
    return this.isRequested ? Promise.resolve() : new Promise((resolve) => this.waiters.push(resolve));
  }

  /** Lets signals come in, for loops that never wait. Answers whether to stop. */
  async look(): Promise<boolean> {
    await new Promise((resolve) => setImmediate(resolve));
    if (!this.isOutOfMemory && this.memory?.isOver() === true) {
      this.isOutOfMemory = true;
      this.wake();
    }
    return this.isRequested;
  }

  /** The exit status of a command that says `code`. */
  status(code: number): number {
    if (this.isOutOfMemory) return EXIT.output;
    return this.signal === null ? code : statusOf(this.signal);
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

function statusOf(signal: NodeJS.Signals): number {
  return EXIT.signal + osConstants.signals[signal];
}

/** This process's streams: stdout carries data, stderr talk. */
export class ProcessOutput implements Output {
  readonly memory = new MemoryWatch((line) => this.err(line));
  readonly progress = new Progress(process.stderr, process.env, () => this.now());
  readonly now = (): number => performance.now();
  readonly stop = new StopRequest(process, this.memory);
  share: Share = WHOLE;
  // Handed on without their object, so they are closures.
  readonly out = (line: string): void => {
    if (this.brokenBy === null) process.stdout.write(`${line}\n`);
  };
  readonly err = (line: string): void => {
    this.progress.clear();
    process.stderr.write(`${line}\n`);
  };
  private openFiles = 0;
  private brokenBy: NodeJS.ErrnoException | null = null;

  constructor() {
    this.progress.memory = () => sizeText(this.memory.used());
    process.stdout.on('error', (error) => this.broken(error));
    // Nobody is left to be told.
    process.stderr.on('error', () => {});
  }

  file(option: string, path: string): ResultFile {
    const place = `${option} '${path}'`;
    const isNew = !existsSync(path);
    const fd = attempt(place, () => openSync(path, constants.O_WRONLY | constants.O_CREAT, 0o666));
    // Nothing is left of a file that was made to see whether that can be done.
    const drop = (): void => rmSync(path, { force: true });
    if (isNew) process.once('exit', drop);
    this.openFiles++;
    return {
      write: (text) => {
        this.openFiles--;
        process.off('exit', drop);
        attempt(place, () => {
          try {
            if (fstatSync(fd).isFile()) ftruncateSync(fd, 0);
            for (let rest = Buffer.from(text); rest.length > 0; ) rest = rest.subarray(writeSync(fd, rest));
          } finally {
            closeSync(fd);
          }
        });
      },
    };
  }

  /** The exit status of a command that says `code`, with whatever ended it early. */
  status(code: number): number {
    return this.brokenBy === null ? this.stop.status(code) : statusOfBroken(this.brokenBy);
  }

  /** Ends the process at once with what was written: what was given up may keep timers and connections. */
  async exit(code: number): Promise<never> {
    for (const stream of [process.stdout, process.stderr]) {
      if (!stream.destroyed) await new Promise<void>((written) => stream.write('', () => written()));
    }
    process.exit(code);
  }

  /** Results that have another place still go there; with stdout alone there is nothing left to do. */
  private broken(error: NodeJS.ErrnoException): void {
    if (this.brokenBy !== null) return;
    this.brokenBy = error;
    const why = error.code === 'EPIPE' ? 'its reader went away' : new OutputError('stdout', error).message;
    this.err(error.code === 'EPIPE' ? `dmirror: stdout was closed: ${why}` : `error: ${why}`);
    if (this.openFiles === 0) process.exit(statusOfBroken(error));
  }
}

function statusOfBroken({ code }: NodeJS.ErrnoException): number {
  return code === 'EPIPE' ? EXIT.pipe : EXIT.output;
}

function attempt<T>(place: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw new OutputError(place, error);
  }
}
