/** A run in a page: its recording is packed apart, in the element `run-N`. */
export interface PageRun {
  readonly title: string;
  readonly outcome: string;
  readonly findings: readonly string[];
  /** What the findings come from, in words, and the step at which that is seen. */
  readonly cause: string | null;
  readonly step: number;
  /** What of it is not in the page, in words; null for nothing. */
  readonly cut: string | null;
}

/** A row of a report. */
export interface PageFinding {
  readonly name: string;
  readonly text: string;
  /** Place of its run, or why there is none. */
  readonly run: number | string;
}

/** What a page holds beside the recordings. */
export interface PageData {
  readonly title: string;
  readonly version: string;
  readonly runs: readonly PageRun[];
  /** Of a report: what it has found. */
  readonly findings: readonly PageFinding[];
}
