/** Something with a place, and numbers that may count along with it. */
export interface Neighbour {
  readonly at: number;
  /** Only what has the same is put together. */
  readonly key: string;
  readonly numbers: readonly number[];
}

export interface Run<T> {
  readonly first: T;
  last: T;
}

/** Those that lie side by side and are of one kind, and whose numbers count up, down or stay, as one run; in the order of their first ones. */
export function runsOf<T extends Neighbour>(all: Iterable<T>): Run<T>[] {
  const runs: Run<T>[] = [];
  const latest = new Map<string, Run<T>>();
  for (const one of all) {
    const run = latest.get(one.key);
    if (run !== undefined && goesOn(run, one)) run.last = one;
    else {
      const made = { first: one, last: one };
      runs.push(made);
      latest.set(one.key, made);
    }
  }
  return runs;
}

function goesOn<T extends Neighbour>({ first, last }: Run<T>, next: T): boolean {
  if (next.at !== last.at + 1) return false;
  const isStart = first === last;
  return next.numbers.every((number, i) => {
    const by = number - last.numbers[i]!;
    return isStart ? Math.abs(by) <= 1 : by === (last.numbers[i]! - first.numbers[i]!) / (last.at - first.at);
  });
}

/** `3`, or `3-5`. */
export function rangeText(from: number | string, to: number | string): string {
  return from === to ? `${from}` : `${from}-${to}`;
}
