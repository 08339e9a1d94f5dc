// What a command of the test device does to the memory at ptr and to the range, so that a call which reaches the wrong command can be
// judged. Linux: lib/test_hmm.c; the on-fault and unlocked commands from their postings.

/** Bytes for each of npages pages. */
export interface PtrUse {
  /** Bytes the kernel stores at ptr, and which the caller reads. */
  readonly out: number;
  /** Bytes the kernel reads at ptr. */
  readonly in: number;
}

interface CommandEffect extends PtrUse {
  /** What else it does. */
  readonly does: string;
}

const PAGE = 4096;

const EFFECTS: Readonly<Record<string, CommandEffect>> = {
  READ: { out: PAGE, in: 0, does: 'faults the range into the mirror and copies it' },
  WRITE: { out: 0, in: PAGE, does: 'overwrites the range with what is at ptr' },
  MIGRATE: { out: PAGE, in: 0, does: 'moves the range to the device' },
  MIGRATE_TO_DEV: { out: PAGE, in: 0, does: 'moves the range to the device' },
  MIGRATE_ON_FAULT_TO_DEV: { out: PAGE, in: 0, does: 'faults the range in and moves it to the device' },
  MIGRATE_TO_SYS: { out: 0, in: 0, does: 'moves device pages of the range back to system memory' },
  SNAPSHOT: { out: 1, in: 0, does: 'looks up the range and changes nothing' },
  EXCLUSIVE: { out: PAGE, in: 0, does: 'makes the range exclusive to the device' },
  CHECK_EXCLUSIVE: { out: 0, in: 0, does: 'only answers 0 or EPERM' },
  RELEASE: { out: 0, in: 0, does: 'evicts all memory of the device' },
  FLAGS: {
    out: 0,
    in: 0,
    does: 'takes npages as the flag word: an odd one makes the next allocation fail; answers 0 with cpages 0',
  },
  READ_UNLOCKED: { out: PAGE, in: 0, does: 'faults the range into the mirror and copies it' },
  READ_UNLOCKABLE: { out: PAGE, in: 0, does: 'faults the range into the mirror and copies it' },
  READ_UNLOCKED_TIMEOUT: {
    out: PAGE,
    in: 0,
    does: 'faults the range into the mirror and copies it, or gives up in time',
  },
  GET_MEM_DEV_TYPE: { out: 0, in: 0, does: 'answers the type of the device in the record' },
};

/** What a client's call does when it runs another command than the client asked for. */
export type AbiEffect = KnownEffect | { readonly known: false; readonly text: string };

export interface KnownEffect {
  readonly known: true;
  /** Bytes a page that are stored behind the end of the client's buffer; up to that many, as the kernel may stop early. */
  readonly overrunBytesPerPage: number;
  /** Bytes a page that the client expects and that keep what they held. */
  readonly underfillBytesPerPage: number;
  /** Bytes a page that are read from behind the end of the client's buffer. */
  readonly overreadBytesPerPage: number;
  readonly text: string;
}

function lookup(name: string): CommandEffect | undefined {
  const short = name.replace(/^HMM_DMIRROR_/, '');
  return short !== name && Object.hasOwn(EFFECTS, short) ? EFFECTS[short] : undefined;
}

/** What a command does to ptr; undefined for one that is not modelled. */
export function ptrUse(name: string): PtrUse | undefined {
  return lookup(name);
}

/** A client calls `wanted`, with a buffer as large as `wanted` needs, and the kernel runs `run`. */
export function effectOf(wanted: string, run: string): AbiEffect {
  const asked = lookup(wanted);
  const done = lookup(run);
  if (asked === undefined || done === undefined) {
    return { known: false, text: `unknown: ${asked === undefined ? wanted : run} is not modelled` };
  }
  const buffer = Math.max(asked.out, asked.in);
  const overrunBytesPerPage = Math.max(0, done.out - buffer);
  const underfillBytesPerPage = Math.max(0, asked.out - done.out);
  const overreadBytesPerPage = Math.max(0, done.in - buffer);
  const parts = [done.does];
  if (overrunBytesPerPage > 0) {
    parts.push(
      `stores up to ${bytes(done.out)} at ptr, where the client has ${room(buffer)}: ${bytes(overrunBytesPerPage)} over its end`,
    );
  } else if (done.out > 0) parts.push(`stores ${bytes(done.out)} at ptr`);
  if (underfillBytesPerPage > 0)
    parts.push(`leaves ${bytes(underfillBytesPerPage)} of the client's buffer as they were`);
  if (overreadBytesPerPage > 0)
    parts.push(`reads ${bytes(overreadBytesPerPage)} behind the end of the client's buffer`);
  return { known: true, overrunBytesPerPage, underfillBytesPerPage, overreadBytesPerPage, text: parts.join('; ') };
}

function bytes(perPage: number): string {
  return perPage === 1 ? 'npages bytes' : `npages*${perPage} bytes`;
}

function room(perPage: number): string {
  return perPage === 0 ? 'no buffer' : `room for ${bytes(perPage)}`;
}
