// What is used of BullMQ and ioredis, which need not be there: neither to run without a queue, nor to compile against the package.

export interface RedisClient {
  readonly status: string;
  on(event: string, listener: (error: Error) => void): void;
  connect(): Promise<void>;
  disconnect(): void;
  ping(): Promise<string>;
  get(key: string): Promise<string | null>;
  set(key: string, value: string, ...options: readonly (string | number)[]): Promise<unknown>;
  expire(key: string, seconds: number): Promise<unknown>;
}

export interface RedisLibrary {
  readonly Redis: new (
    url: string,
    options: {
      readonly maxRetriesPerRequest: null;
      readonly lazyConnect: boolean;
      retryStrategy(tries: number): number;
    },
  ) => RedisClient;
}

export interface QueuedJob<Data, Result> {
  readonly id?: string;
  readonly data: Data;
  readonly returnvalue: Result;
  readonly finishedOn?: number;
  readonly failedReason?: string;
  /** How often its worker was not heard of any more. */
  readonly stalledCounter: number;
  remove(): Promise<void>;
  moveToDelayed(at: number, token?: string): Promise<void>;
}

export interface JobQueue<Data, Result> {
  on(event: 'error', listener: () => void): void;
  addBulk(
    jobs: readonly { readonly name: string; readonly data: Data; readonly opts: { jobId: string; attempts: number } }[],
  ): Promise<unknown>;
  getJob(id: string): Promise<QueuedJob<Data, Result> | undefined>;
  getJobState(id: string): Promise<string>;
  getWorkersCount(): Promise<number>;
  getJobs(states: readonly string[], first: number, last: number): Promise<(QueuedJob<Data, Result> | undefined)[]>;
  close(): Promise<void>;
}

export interface QueueWorker {
  concurrency: number;
  on(event: 'error', listener: (error: Error) => void): void;
  run(): Promise<void>;
  close(isForced: boolean): Promise<void>;
}

export interface QueueLibrary {
  readonly Queue: new <Data, Result>(name: string, options: { connection: RedisClient }) => JobQueue<Data, Result>;
  readonly Worker: new <Data, Result>(
    name: string,
    work: (job: QueuedJob<Data, Result>, token?: string) => Promise<Result>,
    options: {
      readonly connection: RedisClient;
      readonly concurrency: number;
      readonly lockDuration: number;
      readonly stalledInterval: number;
      readonly maxStalledCount: number;
      readonly autorun: boolean;
    },
  ) => QueueWorker;
  readonly DelayedError: new () => Error;
}
