/** The names of `names` that are spelled most like `word`, as far as any is near. */
export function nearestNames(word: string, names: readonly string[]): string[] {
  const most = Math.max(2, Math.floor(word.length / 2));
  return [...new Set(names)]
    .map((name) => ({ name, d: distance(word.toLowerCase(), name.toLowerCase()) }))
    .filter(({ d }) => d <= most)
    .sort((a, b) => a.d - b.d)
    .map(({ name }) => name);
}

/** The nearest of them. */
export function nearest(word: string, names: readonly string[]): string | undefined {
  return nearestNames(word, names)[0];
}

/** ` (did you mean x?)`, or nothing when nothing is near. */
export function didYouMean(word: string, names: readonly string[]): string {
  const near = nearest(word, names);
  return near === undefined ? '' : ` (did you mean '${near}'?)`;
}

/** ` (did you mean x?)`, or what there is when nothing is near. */
export function hint(word: string, names: readonly string[]): string {
  return didYouMean(word, names) || `; there are: ${names.join(', ')}`;
}

/** Levenshtein's. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
