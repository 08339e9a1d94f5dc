/** How many results of each kind a program printed. */
export interface SuiteCounts {
  readonly pass: number;
  readonly fail: number;
  readonly skip: number;
  readonly xfail: number;
}

const RESULT = /^(not ok|ok)\b/i;
/** How a program without TAP sums up. */
const SUM = /\bpass=(\d+), skip=(\d+), fail=(\d+)/;

/** Counts TAP results of the outermost level; of a program that prints none, what it sums up itself. */
export function countResults(output: string): SuiteCounts {
  const counts = { pass: 0, fail: 0, skip: 0, xfail: 0 };
  for (const line of output.split('\n')) {
    const found = RESULT.exec(line);
    if (found === null) continue;
    const directive = /# *(SKIP|XFAIL|TODO)\b/i.exec(line)?.[1]?.toLowerCase();
    if (directive === 'skip') counts.skip++;
    else if (directive !== undefined) counts.xfail++;
    else if (found[1]!.toLowerCase() === 'ok') counts.pass++;
    else counts.fail++;
  }
  const sum = SUM.exec(output);
  if (sum === null || counts.pass + counts.fail + counts.skip + counts.xfail > 0) return counts;
  const [pass, skip, fail] = sum.slice(1).map(Number) as [number, number, number];
  return { pass, fail, skip, xfail: 0 };
}

export function countsText({ pass, fail, skip, xfail }: SuiteCounts): string {
  return `${pass}/${fail}/${skip}${xfail > 0 ? ` and ${xfail} expected failures` : ''}`;
}
