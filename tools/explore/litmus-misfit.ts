/** An exploration tells so many tasks apart, with those that the kernel has. */
const MOST_THREADS = 12;

interface Ops {
  readonly setup: readonly string[];
  readonly threads: readonly (readonly string[])[];
  readonly observe: readonly string[];
}

/** What is wrong with ops that are right each. */
interface Misfit {
  readonly message: string;
  /** The list of ops that it is in. */
  readonly keys: readonly (string | number)[];
  readonly wayOut: string;
}

/** Why the ops of a test do not go together, or null. */
export function misfit(test: Ops): Misfit | null {
  const { length } = test.threads;
  if (length > MOST_THREADS)
    return {
      message: `${length} threads, and at most ${MOST_THREADS} can race`,
      keys: ['threads'],
      wayOut: 'use fewer',
    };
  return madeByOther(test) ?? madeByNone(test);
}

/** What one op makes for others to name, a descriptor or a process, is the script's own: the kernel would have no part in that race. */
function madeByOther({ threads }: Ops): Misfit | null {
  for (const [thread, lines] of threads.entries())
    for (const line of lines) {
      const [op, p, made] = line.split(' ');
      if (op !== 'open' && op !== 'fork') continue;
      const uses = (other: string): boolean => {
        const words = other.split(' ');
        if (op === 'fork') return words[1] === made;
        return words[1] === p && ['dm', 'open', 'close'].includes(words[0]!) && words[2] === made;
      };
      const at = threads.findIndex((others, t) => t !== thread && others.some(uses));
      if (at < 0) continue;
      const what = op === 'open' ? `device ${made}` : `process ${made}`;
      const message = `threads[${at}] uses ${what}, which '${line}' of threads[${thread}] makes: who names it first is no race of the kernel's`;
      return { message, keys: ['threads', at], wayOut: `make ${what} in the set-up` };
    }
  return null;
}

function madeByNone({ setup, threads, observe }: Ops): Misfit | null {
  const lists = [
    ...threads.map((lines, t) => ({ lines, keys: ['threads', t] })),
    { lines: observe, keys: ['observe'] },
  ];
  const all = [...setup, ...lists.flatMap(({ lines }) => lines)];
  const made = new Set(['0', ...all.flatMap((line) => (line.startsWith('fork ') ? [line.split(' ')[2]!] : []))]);
  for (const { lines, keys } of lists)
    for (const line of lines) {
      const p = line.split(' ')[1]!;
      if (!made.has(p))
        return { message: `'${line}' names process ${p}, which no op makes`, keys, wayOut: `'fork 0 ${p}' makes it` };
    }
  return null;
}
