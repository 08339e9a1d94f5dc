/** What one daemon lets its clients use. Reaching one gives the errno that Linux gives, or a protocol error that names it. */
export interface Limits {
  /** Longest frame, and most bytes that one load or pread may ask for. */
  readonly frameBytes: number;
  /** Calls of one session that are not answered yet. */
  readonly queueCalls: number;
  /** Bytes of one session's unanswered calls, of what they will answer, and of answers that are not sent yet. */
  readonly queueBytes: number;
  /** The same of all sessions together, and of frames that have begun to come: the session that holds most is ended. */
  readonly totalBytes: number;
  /** Unsent bytes from which on a session's requests are not read any more. */
  readonly unsentBytes: number;
  readonly sessions: number;
  /** Processes and threads of one session. */
  readonly threads: number;
  /** Descriptors of one process: EMFILE. */
  readonly files: number;
  /** Mappings of one process: ENOMEM. */
  readonly mappings: number;
  /** Scheduler steps of one call. */
  readonly callSteps: number;
  /** Milliseconds until a peer must have said hello. */
  readonly helloMs: number;
  /** Milliseconds that the calls of a peer which has ended its side of the stream may still take. */
  readonly lingerMs: number;
}

export type LimitName = keyof Limits;

const MIB = 2 ** 20;

export const DEFAULT_LIMITS: Limits = {
  frameBytes: 16 * MIB,
  queueCalls: 1024,
  queueBytes: 64 * MIB,
  totalBytes: 1024 * MIB,
  unsentBytes: MIB,
  sessions: 1024,
  threads: 1024,
  files: 1024,
  // Linux: DEFAULT_MAX_MAP_COUNT
  mappings: 65530,
  callSteps: 5_000_000,
  helloMs: 10_000,
  lingerMs: 1000,
};

export const LIMIT_NAMES = Object.keys(DEFAULT_LIMITS) as LimitName[];

/** A call that would go beyond a limit. Its message names the limit and its value. */
export class LimitError extends Error {
  override readonly name = 'LimitError';

  constructor(limits: Limits, what: LimitName) {
    super(`${what} is limited to ${limits[what]}`);
  }
}
