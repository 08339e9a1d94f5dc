import * as mman from '../../../uapi/mman.js';

/** Advice by its name without MADV_, in lower case. */
export const ADVICE: Readonly<Record<string, number>> = Object.fromEntries(
  Object.entries(mman)
    .filter(([name]) => name.startsWith('MADV_'))
    .map(([name, value]) => [name.slice(5).toLowerCase(), value as number]),
);

export const PROTECTION: Readonly<Record<string, number>> = {
  none: mman.PROT_NONE,
  r: mman.PROT_READ,
  rw: mman.PROT_READ | mman.PROT_WRITE,
};

/** Steps that are commands of the device. */
export const COMMANDS = [
  'read',
  'write',
  'migrate_to_dev',
  'migrate_on_fault_to_dev',
  'migrate_to_sys',
  'snapshot',
  'exclusive',
  'check_exclusive',
  'release',
] as const;

const PART = ['on', 'pages'];

/** What a step can do that is no command, and which keys it takes besides `do`, `process` and `expect`. */
const OTHERS: Readonly<Record<string, readonly string[]>> = {
  session: ['name', 'dialect'],
  drop: ['session'],
  process: ['name', 'session'],
  map: ['name', 'pages', 'prot', 'shared', 'file', 'huge'],
  unmap: PART,
  protect: [...PART, 'prot'],
  advise: [...PART, 'advice'],
  move: PART,
  store: [...PART, 'value'],
  load: PART,
  fork: ['name'],
  kill: ['name'],
  exit: [],
  wait: [],
  open: ['name', 'minor', 'dialect'],
  close: ['device'],
  pin: PART,
  unpin: [],
  khugepaged: [],
  together: ['steps'],
};

export const VERBS: readonly string[] = [...COMMANDS, ...Object.keys(OTHERS)];

/** Steps that a rule can `run`: those that are one call, or take a session away. */
export const ACTIONS: readonly string[] = VERBS.filter(
  (verb) => !['session', 'process', 'map', 'open', 'together'].includes(verb),
);

/** The keys that mean something for a step. */
export function keysOf(verb: string): readonly string[] {
  const own = OTHERS[verb] ?? ['device', 'dialect', ...PART, ...(verb === 'write' ? ['value'] : [])];
  return ['do', 'process', ...own, 'expect'];
}

/** What may be expected as the `error` of a step: codes of protocol errors, and what becomes of a call without an answer. */
export const ERRORS = [
  'none',
  'disconnected',
  'lost',
  'stuck',
  'bad-frame',
  'bad-message',
  'bad-hello',
  'bad-call',
  'duplicate-id',
  'no-such-thread',
  'no-such-dialect',
  'no-such-control',
  'limit',
  'refused',
  'machine-failed',
  'shutting-down',
] as const;

/** The session that a plan has from the start. */
export const MAIN_SESSION = 'main';

const MADE: Readonly<Record<string, string>> = { open: 'dev', map: 'buf', fork: 'child' };

/** The name of what a step makes. */
export function madeBy({ name, do: verb }: { name?: string; do: string }): string {
  return name ?? MADE[verb] ?? verb;
}
