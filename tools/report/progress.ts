/** The parts of a stream and an environment that decide whether a progress line is drawn. */
export interface ProgressTarget {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

export interface ProgressEnvironment {
  readonly NO_COLOR?: string | undefined;
  readonly TERM?: string | undefined;
}

/** One line that overwrites itself on a terminal; silent anywhere else, so a log never sees it. */
export class Progress {
  /** The line is drawn: there is a terminal. */
  readonly isActive: boolean;
  private readonly colour: boolean;
  private shown = false;

  constructor(
    private readonly target: ProgressTarget,
    env: ProgressEnvironment,
  ) {
    this.isActive = target.isTTY === true && env.TERM !== 'dumb';
    // no-color.org: set and not empty means no colour.
    this.colour = this.isActive && !env.NO_COLOR;
  }

  /** Shows how many of `total` are done, how many failed, and what runs now. */
  update(state: { done: number; total: number; failed: number; name: string }): void {
    if (!this.isActive) return;
    const failed = state.failed > 0 ? ` ${this.red(`${state.failed} failed`)}` : '';
    const head = `[${state.done}/${state.total}]`;
    const room = Math.max(0, (this.target.columns ?? 80) - head.length - 14);
    this.target.write(`\r\x1b[K${head}${failed} ${state.name.slice(0, room)}`);
    this.shown = true;
  }

  /** Takes the line away; call it before anything else is written to the terminal. */
  clear(): void {
    if (!this.shown) return;
    this.target.write('\r\x1b[K');
    this.shown = false;
  }

  private red(text: string): string {
    return this.colour ? `\x1b[31m${text}\x1b[39m` : text;
  }
}
