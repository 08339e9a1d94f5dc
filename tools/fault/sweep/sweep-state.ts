import type { Journal } from './journal.js';
import { type CleanResult, type JobResult, mergeResults, type SliceResult, type SweepJob } from './sweep-job.js';
import type { SweepTask, TaskResult } from './sweep-worker.js';

/** Runs of one task: few enough that Ctrl-C is answered at once, and that no worker idles at the end while another works. */
const SLICE_RUNS = 32;
/** How many there are in slice `i` of a case. */
function runsOf({ chosen }: CleanResult, i: number): number {
  return Math.min(SLICE_RUNS, chosen.length - i * SLICE_RUNS);
}

/** Number of a clean run among the slices of its case, in the journal. */
const CLEAN = -1;

interface JobState {
  readonly job: SweepJob;
  readonly number: number;
  isCleanTaken: boolean;
  clean: CleanResult | undefined;
  slices: (SliceResult | 'taken' | undefined)[];
  /** That its tasks took. */
  ms: number;
}

/** What is done of a sweep and what is to do: hands out tasks and puts their results together. */
export class SweepState {
  /** Runs that are done, and of all as far as they are known. */
  doneRuns = 0;
  totalRuns: number;
  isStopped = false;
  /** Cases with a finding so far. */
  readonly failed = new Set<SweepJob>();
  private readonly states: JobState[];
  private readonly taken = new Map<SweepTask, { state: JobState; slice: number; at: number }>();
  private waiting: (() => void)[] = [];

  constructor(
    jobs: readonly SweepJob[],
    private readonly journal: Journal,
    private readonly how: { readonly first: boolean; now(): number },
  ) {
    this.states = jobs.map((job, number) => ({
      job,
      number,
      isCleanTaken: false,
      clean: undefined,
      slices: [],
      ms: 0,
    }));
    this.totalRuns = jobs.length;
    for (const { job, slice, result } of journal.done) {
      const state = this.states[job];
      if (state !== undefined && (slice === CLEAN || slice < state.slices.length)) this.enter(state, slice, result);
    }
  }

  /** Whether `totalRuns` still grows: the clean run of each case says how many others it has. */
  get isTotalOpen(): boolean {
    return this.states.some(({ clean }) => clean === undefined);
  }

  /** Whether nothing is left to take, but for what comes of clean runs that are under way. */
  get isAllTaken(): boolean {
    return this.states.every((state) => state.isCleanTaken && !this.slicesThatCount(state).includes(undefined));
  }

  /** The next task, clean runs first; null when none is left, or when the sweep was stopped. */
  async take(): Promise<SweepTask | null> {
    for (;;) {
      const task = this.isStopped ? null : (this.takeClean() ?? this.takeSlice());
      const mayCome = [...this.taken.values()].some(({ slice }) => slice === CLEAN);
      if (task !== null || this.isStopped || !mayCome) return task;
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  onResult(task: SweepTask, result: TaskResult): void {
    const { state, slice, at } = this.taken.get(task)!;
    state.ms += this.how.now() - at;
    this.taken.delete(task);
    this.journal.add({ job: state.number, slice, result });
    this.enter(state, slice, result);
    for (const wake of this.waiting.splice(0)) wake();
  }

  /** Cases that were begun, in order. */
  results(): { readonly job: SweepJob; readonly result: JobResult; readonly ms: number }[] {
    return this.states.flatMap((state) => {
      const { job, clean, ms } = state;
      const slices = this.slicesThatCount(state);
      if (clean === undefined) return [];
      const done = slices.filter((slice) => typeof slice === 'object');
      const left = slices.reduce((sum, slice, i) => (typeof slice === 'object' ? sum : sum + runsOf(clean, i)), 0);
      return [{ job, ms, result: mergeResults(job, clean, { slices: done, left }) }];
    });
  }

  private enter(state: JobState, slice: number, result: TaskResult): void {
    if (result.findings.length > 0) this.failed.add(state.job);
    if (slice !== CLEAN) {
      state.slices[slice] = result as SliceResult;
      this.doneRuns += (result as SliceResult).runs;
      return;
    }
    state.clean = result as CleanResult;
    state.isCleanTaken = true;
    const { length } = state.clean.chosen;
    state.slices = Array<undefined>(Math.ceil(length / SLICE_RUNS)).fill(undefined);
    this.totalRuns += length;
    this.doneRuns++;
  }

  private takeClean(): SweepTask | null {
    const state = this.states.find(({ isCleanTaken }) => !isCleanTaken);
    if (state === undefined) return null;
    state.isCleanTaken = true;
    const task: SweepTask = { job: state.job, chosen: null };
    this.taken.set(task, { state, slice: CLEAN, at: this.how.now() });
    return task;
  }

  private takeSlice(): SweepTask | null {
    for (const state of this.states) {
      const slice = this.slicesThatCount(state).indexOf(undefined);
      if (slice < 0) continue;
      state.slices[slice] = 'taken';
      const chosen = state.clean!.chosen.slice(slice * SLICE_RUNS, (slice + 1) * SLICE_RUNS);
      const task = { job: state.job, chosen };
      this.taken.set(task, { state, slice, at: this.how.now() });
      return task;
    }
    return null;
  }

  /** With `first`, what stands behind a finding does not count, so that the result is the same whoever was faster. */
  private slicesThatCount({ clean, slices }: JobState): JobState['slices'] {
    if (!this.how.first) return slices;
    if (clean === undefined || clean.findings.length > 0) return [];
    const found = slices.findIndex((slice) => typeof slice === 'object' && slice.findings.length > 0);
    return found < 0 ? slices : slices.slice(0, found + 1);
  }
}
