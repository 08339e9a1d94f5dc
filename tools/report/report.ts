import type { PathName } from '../../uapi/path-name.js';
import { KtapWriter } from './ktap.js';
import type { CaseResult } from './runner.js';

/** One run, planned before it starts, so that every writer can say how much is to come. */
export interface RunPlan {
  readonly seed: number;
  /** In running order: a path, then its suites, then the cases of each. */
  readonly paths: readonly PathPlan[];
}

export interface PathPlan {
  readonly path: PathName;
  readonly suites: readonly { readonly suite: string; readonly count: number }[];
}

export interface Totals {
  readonly pass: number;
  readonly fail: number;
  readonly skip: number;
}

/** Where results go as they come; calls are nested as in the plan. */
export interface Reporter {
  start(plan: RunPlan): void;
  openPath(plan: PathPlan): void;
  openSuite(suite: string, count: number): void;
  result(result: CaseResult): void;
  closeSuite(suite: string): void;
  closePath(path: PathName): void;
  /** All that was planned has run, or the run was interrupted. */
  end(totals: Totals, how: RunEnd): void;
}

export interface RunEnd {
  readonly ms: number;
  readonly isInterrupted: boolean;
}

/** KTAP with three levels: path, suite, case. Only it knows how a result reads as text. */
export class KtapReporter implements Reporter {
  private readonly ktap: KtapWriter;

  constructor(write: (line: string) => void) {
    this.ktap = new KtapWriter(write);
  }

  start(plan: RunPlan): void {
    this.ktap.open(plan.paths.length);
    this.ktap.diagnostic(`seed: ${plan.seed}`);
  }

  openPath(plan: PathPlan): void {
    this.ktap.open(plan.suites.length, plan.path);
  }

  openSuite(suite: string, count: number): void {
    this.ktap.open(count, suite);
  }

  result(result: CaseResult): void {
    this.ktap.result(result);
  }

  closeSuite(suite: string): void {
    this.ktap.close(suite);
  }

  closePath(path: PathName): void {
    this.ktap.close(path);
  }

  end(totals: Totals, { isInterrupted }: RunEnd): void {
    if (isInterrupted) this.ktap.abandon('interrupted');
    this.ktap.diagnostic(`Totals: pass:${totals.pass} fail:${totals.fail} skip:${totals.skip}`);
    if (!isInterrupted) this.ktap.close();
  }
}

/** One JSON object a line, each with the schema's version and a `type`: `start`, `case`, `end`. */
export class JsonReporter implements Reporter {
  private seed = 0;

  constructor(private readonly write: (line: string) => void) {}

  start(plan: RunPlan): void {
    this.seed = plan.seed;
    this.line({ type: 'start', seed: plan.seed, paths: plan.paths });
  }

  result(result: CaseResult): void {
    const { diagnostics, ...rest } = result;
    this.line({ type: 'case', seed: this.seed, ...rest, ...(diagnostics ? { report: diagnostics.join('\n') } : {}) });
  }

  end(totals: Totals, { ms, isInterrupted }: RunEnd): void {
    this.line({ type: 'end', ...totals, ms: Math.round(ms), ...(isInterrupted ? { interrupted: true } : {}) });
  }

  openPath(): void {}
  openSuite(): void {}
  closeSuite(): void {}
  closePath(): void {}

  private line(record: object): void {
    this.write(JSON.stringify({ schemaVersion: 1, ...record }));
  }
}
