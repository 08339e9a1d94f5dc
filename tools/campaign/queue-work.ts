import { availableParallelism } from 'node:os';
import { EXIT, UsageError } from '../exit-code.js';
import type { Output } from '../output.js';
import { packageVersion } from '../package-root.js';
import { threads } from '../worker-pool.js';
import { type JobOutcome, MOST_CRASHES } from './campaign-job.js';
import { attempts } from './campaign-run.js';
import { connectQueue, isForGood, QUEUE, type Sent } from './queue.js';
import { Lanes } from './queue-lanes.js';

export interface QueueWorkOptions {
  readonly queue: string;
  readonly jobs?: number | undefined;
  /** Seconds after which a job of a worker that is not heard of is given to another. */
  readonly lease: number;
}

const LOOK_MS = 250;
const CLAIM_MS = 20_000;
/** Jobs as short as this are fetched before somebody is free to do them, as else everybody waits for Redis most of the time. */
const SHORT_MS = 1000;
/** So long nobody fetches a job that was given back. */
const LATER_MS = 250;

/** `dmirror worker`: does jobs of a queue until a signal. */
export async function workForQueue(
  { queue, jobs = availableParallelism(), lease }: QueueWorkOptions,
  output: Output,
): Promise<number> {
  const { stop, memory, err, now } = output;
  stop.watch();
  const broker = await connectQueue(queue, err);
  /** Why it can't go on. */
  let refused: Error | null = null;
  let said = '';
  const free = threads<Sent, JobOutcome>(jobs, {
    module: new URL('./campaign-worker.js', import.meta.url),
    data: null,
  });
  const lanes = new Lanes<Sent, JobOutcome>(
    free.map(({ run, end }) => ({ run: (job) => attempts(async () => await run(job), end!), end: end! })),
  );
  let done = 0;
  const lowers = () => memory.lowers();
  const worker = new broker.bullmq.Worker<Sent, JobOutcome>(
    QUEUE,
    async (job, token) => {
      const { version } = job.data;
      const isRefused = version !== packageVersion();
      if (isRefused)
        refused = new UsageError(`a job is of dmirror ${version}, this is ${packageVersion()}`, 'use that version');
      // With one during which a worker has ended all that is here would end too, and count as the cause.
      const outcome = isRefused ? null : await lanes.run(job.data, { isAlone: job.stalledCounter > 0, lowers });
      if (outcome === null) {
        await job.moveToDelayed(Date.now() + LATER_MS, token);
        throw new broker.bullmq.DelayedError();
      }
      done++;
      worker.concurrency = outcome.ms < SHORT_MS ? 2 * lanes.count : lanes.count;
      return outcome;
    },
    {
      connection: broker.redis,
      concurrency: jobs,
      lockDuration: lease * 1000,
      stalledInterval: lease * 1000,
      maxStalledCount: MOST_CRASHES - 1,
      autorun: false,
    },
  );
  worker.on('error', (error) => {
    const told = broker.told(error);
    if (isForGood(error)) refused = told;
    // Others are of a connection, which the broker tells of, or of a lease that another has by now.
    else if (told !== error && told.message !== said) err(told.message);
    said = told.message;
  });
  memory.spare = jobs - 1;
  try {
    await broker.claim();
    void worker.run();
    err(`works for ${broker.address}, ${jobs} jobs at a time`);
    let claimed = now();
    while (refused === null && !(await stop.look())) {
      await Promise.race([new Promise((resolve) => setTimeout(resolve, LOOK_MS)), stop.whenRequested]);
      if (now() - claimed > CLAIM_MS) {
        await broker.claim();
        claimed = now();
      }
    }
  } catch (error) {
    refused = broker.told(error as Error);
  } finally {
    // What is under way is done by another once its lease is over; with a signal nobody waits for it.
    await worker.close(true);
    await lanes.end();
    broker.redis.disconnect();
  }
  err(`${done} jobs done`);
  if (refused !== null) throw refused;
  return EXIT.pass;
}
