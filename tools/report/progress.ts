/** The parts of a stream and an environment that decide how progress is shown. */
export interface ProgressTarget {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

export interface ProgressEnvironment {
  readonly NO_COLOR?: string | undefined;
  readonly TERM?: string | undefined;
}

/** How far a long command is. */
export interface ProgressState {
  readonly done: number;
  readonly total: number;
  /** The total is not counted to its end yet, so that no time left can be told. */
  readonly isTotalOpen?: boolean;
  readonly failed: number;
  readonly name: string;
}

/** Without a terminal, a line so often. */
const NOTE_MS = 10_000;

/** Done of total, rate and time left: one line that overwrites itself on a terminal, a line every ten seconds anywhere else. */
export class Progress {
  private readonly isTerminal: boolean;
  private readonly colour: boolean;
  private shown = false;
  private started: { readonly ms: number; readonly done: number } | null = null;
  private noted = 0;
  /** What of the memory is in use, where that is bounded. */
  memory: (() => string) | null = null;

  constructor(
    private readonly target: ProgressTarget,
    env: ProgressEnvironment,
    private readonly now: () => number,
  ) {
    this.isTerminal = target.isTTY === true && env.TERM !== 'dumb';
    // no-color.org: set and not empty means no colour.
    this.colour = this.isTerminal && !env.NO_COLOR;
  }

  /** Shows how many of `total` are done, how many failed, and what runs now. */
  update(state: ProgressState): void {
    const ms = this.now();
    if (this.started === null || state.done < this.started.done) {
      // What a resumed command finds done was not done at this rate.
      this.started = { ms, done: state.done };
      this.noted = ms;
    }
    if (this.isTerminal) this.draw(state, ms);
    else if (ms - this.noted >= NOTE_MS) this.note(state, ms);
  }

  /** Takes the line away; call it before anything else is written to the terminal. */
  clear(): void {
    if (!this.shown) return;
    this.target.write('\r\x1b[K');
    this.shown = false;
  }

  private draw(state: ProgressState, ms: number): void {
    const failed = state.failed > 0 ? ` ${this.red(`${state.failed} failed`)}` : '';
    const head = `[${state.done}/${state.isTotalOpen ? '>=' : ''}${state.total}]`;
    const pace = this.pace(state, ms);
    const room = Math.max(0, (this.target.columns ?? 80) - head.length - pace.length - 14);
    this.target.write(`\r\x1b[K${head}${pace}${failed} ${state.name.slice(0, room)}`);
    this.shown = true;
  }

  private note(state: ProgressState, ms: number): void {
    this.noted = ms;
    const total = `${state.isTotalOpen ? 'at least ' : ''}${state.total}`;
    this.target.write(
      `${state.done} of ${total} done,${this.pace(state, ms)}, ${state.failed} failed: ${state.name}\n`,
    );
  }

  /** ` 34/s, 2 m 05 s left`, as far as it can be told. */
  private pace({ done, total, isTotalOpen }: ProgressState, ms: number): string {
    const { started } = this;
    const perMs = (done - started!.done) / Math.max(1, ms - started!.ms);
    if (perMs === 0) return ' 0/s';
    const rate = perMs * 1000;
    const left = isTotalOpen ? '' : `, ${durationText((total - done) / perMs)} left`;
    return ` ${rate >= 10 ? Math.round(rate) : rate.toPrecision(2)}/s${left}${this.memory === null ? '' : `, ${this.memory()}`}`;
  }

  private red(text: string): string {
    return this.colour ? `\x1b[31m${text}\x1b[39m` : text;
  }
}

/** `45 s`, `2 m 05 s`, `1 h 02 m`. */
export function durationText(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const two = (n: number): string => String(n).padStart(2, '0');
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${two(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${two(Math.floor((seconds % 3600) / 60))} m`;
}
