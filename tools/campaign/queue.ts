// What submitters and workers of a queue agree on. BullMQ and ioredis are loaded here alone, as a campaign without a queue needs neither.

import { UsageError } from '../exit-code.js';
import { packageVersion } from '../package-root.js';
import type { QueueLibrary, RedisClient, RedisLibrary } from './bullmq-types.js';
import type { JobKind } from './campaign-job.js';

export const QUEUE = 'dmirror';
/** Which version the queue is for, while anybody of it is there. */
const VERSION_KEY = `${QUEUE}:version`;
const VERSION_SECONDS = 60;
const CONNECT_MS = 5000;

/** What a job is sent as. */
export interface Sent {
  readonly version: string;
  readonly token: string;
  readonly kind: JobKind;
  readonly task: string;
}

export interface Broker {
  readonly bullmq: QueueLibrary;
  readonly redis: RedisClient;
  /** For a log: without user and password. */
  readonly address: string;
  /** Says that this version is here. Throws UsageError where another is. */
  claim(): Promise<void>;
  /** What to tell of an error: that Redis answered with it, or the error itself. */
  told(error: Error): Error;
}

/** Token as BullMQ takes it for the id of a job. */
export function idOf(token: string): string {
  return token.replaceAll(':', '~');
}

/** Connects. Throws UsageError. */
export async function connectQueue(url: string, say: (line: string) => void): Promise<Broker> {
  const parsed = urlOf(url);
  const address = `${parsed.protocol}//${parsed.host}${parsed.pathname === '/' ? '' : parsed.pathname}`;
  const [, password = ''] = [parsed.username, parsed.password].map(decoded);
  const secrets = [parsed.password, password].filter((word) => word !== '');
  const [library, { Redis }] = await load();
  const redis = new Redis(url, {
    maxRetriesPerRequest: null,
    lazyConnect: true,
    retryStrategy: (n) => Math.min(n * 100, 2000),
  });
  let last = '';
  let isReached = false;
  /** It says so and goes on with another database. */
  let database = '';
  redis.on('error', (error) => {
    const message = secrets.reduce(
      (text, word) => text.replaceAll(word, '***'),
      error.message || String((error as NodeJS.ErrnoException).code),
    );
    if ((error as Answer).command?.name === 'select') database = message;
    if (isReached && message !== last) say(`queue ${address}: ${message}`);
    last = message;
  });
  redis.on('ready', () => {
    if (isReached && last !== '') say(`queue ${address}: there again`);
    last = '';
  });
  await reached(redis, { address, reason: () => last });
  if (database !== '') {
    redis.disconnect();
    throw unusable(address, database);
  }
  isReached = true;
  const told = (error: Error): Error => (isAnswer(error) ? unusable(address, error.message) : error);
  return { bullmq: library, redis, address, claim: () => claim(redis, address), told };
}

/** Of Redis, to something that it was asked. */
interface Answer extends Error {
  readonly command?: { readonly name: string };
}

/** Of Redis, which did not do what it was asked. */
function isAnswer({ name }: Error): boolean {
  return name === 'ReplyError';
}

/** Whether no later try can come to anything else. */
export function isForGood(error: Error): boolean {
  return isAnswer(error) && /WRONGTYPE|NOPERM|NOAUTH/.test(error.message);
}

function urlOf(url: string): URL {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  const isRedis = parsed !== null && ['redis:', 'rediss:'].includes(parsed.protocol) && parsed.hostname !== '';
  if (!isRedis || !databasesOf(parsed).every((word) => /^\d*$/.test(word)))
    throw new UsageError(
      '--queue takes the address of a Redis',
      'redis://HOST:PORT, or rediss://USER:PASSWORD@HOST:PORT/DB with TLS',
    );
  return parsed;
}

/** The words that ioredis takes for the number of a database. */
function databasesOf({ pathname, searchParams }: URL): string[] {
  return [pathname.slice(1), ...searchParams.getAll('db')];
}

/** Of a user or a password. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new UsageError("--queue has a '%' that stands for nothing", "in an address a '%' itself is %25");
  }
}

async function load(): Promise<[QueueLibrary, RedisLibrary]> {
  try {
    // Names that neither compiler nor bundler looks into.
    const [queues, redis] = await Promise.all(['bullmq', 'ioredis'].map((name) => import(name)));
    return [queues as QueueLibrary, redis as RedisLibrary];
  } catch (error) {
    throw new UsageError(
      `--queue needs bullmq and ioredis: ${(error as Error).message.split('\n')[0]}`,
      'npm install bullmq ioredis',
    );
  }
}

async function reached(
  redis: RedisClient,
  { address, reason }: { address: string; reason: () => string },
): Promise<void> {
  try {
    await within<unknown>(
      CONNECT_MS,
      redis.connect().then(() => redis.ping()),
      () => {
        throw new Error(`nobody answers in ${CONNECT_MS / 1000} s`);
      },
    );
  } catch (error) {
    redis.disconnect();
    throw unusable(address, reason() || (error as Error).message);
  }
}

/** What `promise` comes to, or `late` after so long. It leaves no timer, for which the process would wait. */
export async function within<T>(ms: number, promise: Promise<T>, late: () => T): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const isLate = new Promise((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  try {
    return await Promise.race([promise, isLate.then(late)]);
  } finally {
    clearTimeout(timer);
  }
}

function unusable(address: string, why: string): UsageError {
  return new UsageError(`the queue at ${address} can't be used: ${why.replace(/ script: .*/, '')}`, wayOut(why));
}

function wayOut(why: string): string {
  if (/WRONGTYPE/.test(why))
    return 'something else has keys dmirror:* or bull:dmirror:* there; --queue redis://HOST:PORT/N takes another database of the same Redis';
  if (/NOPERM/.test(why))
    return 'the user may do too little there: BullMQ and its scripts need all of dmirror:* and bull:dmirror:*';
  if (/DB index|not an integer/.test(why)) return '`CONFIG GET databases` says how many there are, from 0 on';
  if (/certificate/.test(why)) return 'NODE_EXTRA_CA_CERTS=FILE names a file with the authority that is to be trusted';
  if (/WRONGPASS|NOAUTH|AUTH/.test(why))
    return '--queue redis://USER:PASSWORD@HOST:PORT, the user empty for the default one';
  return 'start a Redis there, or give another --queue: rediss:// where it speaks TLS, redis:// where not';
}

async function claim(redis: RedisClient, address: string): Promise<void> {
  const own = packageVersion();
  await redis.set(VERSION_KEY, own, 'EX', VERSION_SECONDS, 'NX');
  const theirs = await redis.get(VERSION_KEY);
  if (theirs !== null && theirs !== own)
    throw new UsageError(
      `the queue at ${address} is of dmirror ${theirs}, this is ${own}`,
      `use that version, or wait ${VERSION_SECONDS} s after its last submitter and worker`,
    );
  await redis.expire(VERSION_KEY, VERSION_SECONDS);
}
