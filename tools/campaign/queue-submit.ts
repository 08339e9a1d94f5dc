import type { Output } from '../output.js';
import { packageVersion } from '../package-root.js';
import type { JobQueue } from './bullmq-types.js';
import { type Job, type JobOutcome, MOST_CRASHES, QUARANTINED } from './campaign-job.js';
import type { EndOfWork } from './campaign-run.js';
import type { CampaignState } from './campaign-state.js';
import { type Broker, connectQueue, idOf, QUEUE, type Sent, within } from './queue.js';

const LOOK_MS = 100;
/** After so long without a result what is left is compared with what the queue still has: Redis may have lost some when it ended. */
const COMPARE_MS = 2000;
const AT_ONCE = 500;
const GRACE_MS = 1000;

interface How {
  readonly url: string;
  readonly ended: EndOfWork;
  readonly show: (name: string) => void;
}

/** Sends the jobs that are left to a queue and takes what its workers make of them. A result that arrives again counts once. */
export async function submit(state: CampaignState, { url, ended, show }: How, output: Output): Promise<void> {
  const broker = await connectQueue(url, output.err);
  const queue = new broker.bullmq.Queue<Sent, JobOutcome>(QUEUE, { connection: broker.redis });
  queue.on('error', () => {});
  try {
    await broker.claim();
    const working = work(state, { broker, queue, ended, show, say: output.err });
    // Whoever is told to stop does not wait for a Redis that is gone.
    working.catch(() => {});
    await Promise.race([working, givenUp(output, broker)]);
  } catch (error) {
    throw broker.told(error as Error);
  } finally {
    await within(GRACE_MS, queue.close(), () => {});
    broker.redis.disconnect();
  }
}

/** Resolves when it is to stop and nobody is there to be told. */
async function givenUp({ stop }: Output, { redis }: Broker): Promise<void> {
  await stop.whenRequested;
  while (redis.status === 'ready') await sleep(LOOK_MS);
  await sleep(GRACE_MS);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function work(
  state: CampaignState,
  {
    broker,
    queue,
    ended,
    show,
    say,
  }: Omit<How, 'url'> & { broker: Broker; queue: JobQueue<Sent, JobOutcome>; say: Output['err'] },
): Promise<void> {
  const byId = new Map(state.plan.jobs.map((job) => [idOf(job.token), job]));
  let waitsSince = Number.NEGATIVE_INFINITY;
  let isAlone = false;
  while (!state.isDone) {
    if (ended() !== null) return await withdraw(queue, state.left);
    if (performance.now() - waitsSince > COMPARE_MS) {
      await broker.claim();
      await send(queue, state.left);
      const wasAlone = isAlone;
      isAlone = (await queue.getWorkersCount()) === 0;
      if (isAlone && !wasAlone) say(`no worker is there: dmirror worker --queue ${broker.address}`);
      waitsSince = performance.now();
    }
    const taken = await collect(queue, { state, byId, show });
    if (taken > 0) waitsSince = performance.now();
    else await sleep(LOOK_MS);
  }
}

/** One that is there under its id stays as it is. */
async function send(queue: JobQueue<Sent, JobOutcome>, jobs: readonly Job[]): Promise<void> {
  for (let first = 0; first < jobs.length; first += AT_ONCE) {
    const some = jobs.slice(first, first + AT_ONCE);
    const known = await Promise.all(some.map(({ token }) => queue.getJobState(idOf(token))));
    await queue.addBulk(
      some
        .filter((_, i) => known[i] === 'unknown')
        .map(({ token, kind, task }) => ({
          name: kind,
          data: { version: packageVersion(), token, kind, task },
          opts: { jobId: idOf(token), attempts: MOST_CRASHES },
        })),
    );
  }
}

/** Takes results out of the queue, once they are kept here. Answers how many there were. */
async function collect(
  queue: JobQueue<Sent, JobOutcome>,
  { state, byId, show }: { state: CampaignState; byId: ReadonlyMap<string, Job>; show: How['show'] },
): Promise<number> {
  const ended = await queue.getJobs(['completed', 'failed'], 0, AT_ONCE - 1);
  const own = ended.flatMap((job) => (job !== undefined && byId.has(job.id!) ? [job] : []));
  for (const { id, returnvalue, finishedOn, failedReason } of own) {
    const job = byId.get(id!)!;
    if (finishedOn !== undefined) state.add(job.token, failedReason ? QUARANTINED : returnvalue);
    show(job.name);
  }
  await Promise.all(own.map((job) => job.remove()));
  return own.length;
}

/** What nobody has begun is taken back. */
async function withdraw(queue: JobQueue<Sent, JobOutcome>, jobs: readonly Job[]): Promise<void> {
  for (const { token } of jobs) {
    const job = await queue.getJob(idOf(token));
    await job?.remove().catch(() => {});
  }
}
