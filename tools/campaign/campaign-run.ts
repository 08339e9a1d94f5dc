import { availableParallelism } from 'node:os';
import { EXIT } from '../exit-code.js';
import type { Output } from '../output.js';
import { handOut, threads, untilStopped } from '../worker-pool.js';
import { type Job, type JobOutcome, MOST_CRASHES, QUARANTINED } from './campaign-job.js';
import type { CampaignState } from './campaign-state.js';

export interface CampaignRunOptions {
  readonly jobs?: number | undefined;
  readonly queue?: string | undefined;
}

/** Why no further job is begun; null: it goes on. */
export type EndOfWork = () => string | null;

/** Works a campaign off, here or by the workers of a queue, until it is done or something ends it. What ended it. */
export async function runCampaign(
  state: CampaignState,
  { jobs = availableParallelism(), queue }: CampaignRunOptions,
  output: Output,
): Promise<string | null> {
  state.folder.own(state.results.size);
  const { progress, stop } = output;
  stop.watch();
  const total = state.plan.jobs.length;
  const show = (name: string): void => progress.update({ done: state.results.size, total, failed: state.failed, name });
  const ended = endOfWork(state, output);
  try {
    show('');
    if (queue !== undefined) {
      const { submit } = await import('./queue-submit.js');
      await submit(state, { url: queue, ended, show }, output);
    } else {
      // One of those that were under way when an earlier process ended may be why: alone it harms no other.
      await workHere(state, { waiting: state.takeSuspects(), jobs: 1, ended, show }, output);
      await workHere(state, { waiting: state.left, jobs, ended, show }, output);
    }
    return state.isDone ? null : ended();
  } finally {
    progress.clear();
    state.folder.release();
  }
}

async function workHere(
  state: CampaignState,
  how: { waiting: Job[]; jobs: number; ended: EndOfWork; show: (name: string) => void },
  { stop, memory }: Output,
): Promise<void> {
  const { waiting, ended, show } = how;
  const next = untilStopped(waiting, stop);
  const count = Math.min(how.jobs, waiting.length);
  const runners = threads<Job, JobOutcome>(count, {
    module: new URL('./campaign-worker.js', import.meta.url),
    data: null,
  });
  await handOut(
    runners.map(({ run, end }) => ({
      run: (job: Job) => attempts(() => run(job) as Promise<JobOutcome>, end!),
      end: end!,
    })),
    {
      memory,
      async take() {
        const job = ended() === null ? await next() : null;
        if (job !== null) state.begin(job);
        return job;
      },
      onResult(job, result) {
        state.add(job.token, result);
        show(job.name);
      },
    },
  );
}

/** A job that ends its worker gets another one. What the job itself throws, it throws again. */
export async function attempts(run: () => Promise<JobOutcome>, end: () => Promise<void>): Promise<JobOutcome> {
  for (let crashes = 0; crashes < MOST_CRASHES; crashes++) {
    try {
      return await run();
    } catch (error) {
      if (!isCrash(error)) {
        const message = `error: ${(error as Error).message}`;
        const finding = { check: 'error', message, page: message, functions: [], token: null };
        return { status: 'fail', runs: 0, ms: 0, message, findings: [finding] };
      }
      await end();
    }
  }
  return QUARANTINED;
}

/** The thread is gone. */
function isCrash(error: unknown): boolean {
  const { code = '', message = '' } = error as NodeJS.ErrnoException;
  return code === 'ERR_WORKER_OUT_OF_MEMORY' || /worker (exited|process)|terminat/i.test(message);
}

function endOfWork(state: CampaignState, { stop, now }: Output): EndOfWork {
  const { time } = state.plan.campaign.budget;
  const deadline = time === undefined ? Number.POSITIVE_INFINITY : now() + msOf(time);
  return () => {
    if (stop.isRequested) return 'interrupted';
    if (state.folder.isCancelled) return 'cancelled';
    return now() > deadline ? 'the time of the budget is over' : endForGood(state);
  };
}

/** What ends it, and would end it again at once. */
export function endForGood(state: CampaignState): string | null {
  const { budget, stop } = state.plan.campaign;
  const isOver = (number: number, most = Number.POSITIVE_INFINITY): boolean => number >= most;
  if (isOver(state.runs, budget.runs)) return 'the runs of the budget are done';
  if (isOver(state.different, stop.findings)) return 'so many findings end it';
  return isOver(state.failed, stop.failures) ? 'so many failures end it' : null;
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };

function msOf(time: string): number {
  return Number.parseInt(time, 10) * UNIT_MS[time.at(-1)!]!;
}

/** The exit status of a campaign that came so far. */
export function statusOf(state: CampaignState, why: string | null): number {
  if (state.failed > 0) return EXIT.fail;
  return why === null ? EXIT.pass : EXIT.incomplete;
}
