import { availableParallelism } from 'node:os';
import { EXIT, UsageError } from '../exit-code.js';
import type { Output } from '../output.js';
import { packageVersion } from '../package-root.js';
import { threads } from '../worker-pool.js';
import type { QueuedJob, QueueWorker } from './bullmq-types.js';
import { type JobOutcome, MOST_CRASHES } from './campaign-job.js';
import { attempts } from './campaign-run.js';
import { type Broker, connectQueue, isForGood, QUEUE, type Sent } from './queue.js';
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
  output.stop.watch();
  const broker = await connectQueue(queue, output.err);
  const worker = new FleetWorker(broker, { jobs, lease }, output);
  output.memory.spare = jobs - 1;
  let refused: Error | null = null;
  try {
    await broker.claim();
    worker.start();
    output.err(`works for ${broker.address}, ${jobs} jobs at a time`);
    await untilEnd(worker, broker, output);
  } catch (error) {
    refused = broker.told(error as Error);
  }
  await worker.end();
  broker.redis.disconnect();
  output.err(`${worker.done} jobs done`);
  if (refused !== null) throw refused;
  return EXIT.pass;
}

/** Resolves with a signal. Throws what the worker can't go on with. */
async function untilEnd(worker: FleetWorker, { claim }: Broker, { stop, now }: Output): Promise<void> {
  let claimed = now();
  while (!(await stop.look())) {
    if (worker.refused !== null) throw worker.refused;
    await Promise.race([new Promise((resolve) => setTimeout(resolve, LOOK_MS)), stop.whenRequested]);
    if (now() - claimed < CLAIM_MS) continue;
    await claim();
    claimed = now();
  }
}

/** Fetches jobs and has them done, by threads that each do one at a time. */
class FleetWorker {
  done = 0;
  /** Why it can't go on. */
  refused: Error | null = null;
  private said = '';
  private readonly lanes: Lanes<Sent, JobOutcome>;
  private readonly worker: QueueWorker;

  constructor(
    private readonly broker: Broker,
    { jobs, lease }: { jobs: number; lease: number },
    private readonly output: Output,
  ) {
    const module = new URL('./campaign-worker.js', import.meta.url);
    const free = threads<Sent, JobOutcome>(jobs, { module, data: null });
    this.lanes = new Lanes(
      free.map(({ run, end }) => ({ run: (job) => attempts(async () => await run(job), end!), end: end! })),
    );
    this.worker = new broker.bullmq.Worker<Sent, JobOutcome>(QUEUE, (job, token) => this.work(job, token), {
      connection: broker.redis,
      concurrency: jobs,
      lockDuration: lease * 1000,
      stalledInterval: lease * 1000,
      maxStalledCount: MOST_CRASHES - 1,
      autorun: false,
    });
    this.worker.on('error', (error) => this.hear(error));
  }

  start(): void {
    void this.worker.run();
  }

  private async work(job: QueuedJob<Sent, JobOutcome>, token?: string): Promise<JobOutcome> {
    const { lanes, worker, broker } = this;
    const outcome = await this.outcomeOf(job);
    if (outcome === null) {
      await job.moveToDelayed(Date.now() + LATER_MS, token);
      throw new broker.bullmq.DelayedError();
    }
    this.done++;
    worker.concurrency = outcome.ms < SHORT_MS ? 2 * lanes.count : lanes.count;
    return outcome;
  }

  /** Null: another worker, or this one later, is to do it. */
  private async outcomeOf({ data, stalledCounter }: QueuedJob<Sent, JobOutcome>): Promise<JobOutcome | null> {
    if (data.version === packageVersion()) {
      // With one during which a worker has ended all that is here would end too, and count as the cause.
      const isAlone = stalledCounter > 0;
      return await this.lanes.run(data, { isAlone, lowers: () => this.output.memory.lowers() });
    }
    this.refused = new UsageError(
      `a job is of dmirror ${data.version}, this is ${packageVersion()}`,
      'use that version',
    );
    return null;
  }

  private hear(error: Error): void {
    const told = this.broker.told(error);
    if (isForGood(error)) this.refused = told;
    // Others are of a connection, which the broker tells of, or of a lease that another has by now.
    else if (told !== error && told.message !== this.said) this.output.err(told.message);
    this.said = told.message;
  }

  /** What is under way is done by another once its lease is over; with a signal nobody waits for it. */
  async end(): Promise<void> {
    await this.worker.close(true);
    await this.lanes.end();
  }
}
