import * as v from 'valibot';
import { inputBytes, UsageError } from '../exit-code.js';
import type { Hunted } from './hunt.js';
import { raceKey } from './race-text.js';
import type { Review } from './review.js';

const WAY_OUT = 'name a whole report, as text, as a page, with --json, or quoted in a reply';

/** The name by which two reports know the same finding. */
export function keyOf({ cures, violation }: Hunted): string {
  return cures[0]?.name ?? violation.kind;
}

/** What two reports are compared by: keys of one that are not in the other. */
export function compared(
  { findings, races }: Pick<Review, 'findings' | 'races'>,
  known: ReadonlySet<string>,
): { readonly new: readonly string[]; readonly gone: readonly string[] } {
  const now = new Set([...findings.map(keyOf), ...races.map(raceKey)]);
  return { new: [...now].filter((key) => !known.has(key)), gone: [...known].filter((key) => !now.has(key)) };
}

/** Keys of the findings and races of a report made before. Throws UsageError where it is none, or not all of one. */
export function readBaseline(file: string): ReadonlySet<string> {
  const wrong = (what: string) => new UsageError(`${file}: ${what}`, WAY_OUT);
  const text = inputBytes(file, WAY_OUT).toString('utf8');
  const found = text.startsWith('{') ? keysOfJson(text) : keysOfText(text);
  if (found === null) throw wrong('no report of `dmirror series review`');
  const { keys, count } = found;
  if (keys.length !== count)
    throw wrong(`it counts ${count} findings and races, and has ${keys.length}: it is cut, or more than one report`);
  return new Set(keys);
}

interface Found {
  readonly keys: readonly string[];
  /** As many as the report says that there are. */
  readonly count: number;
}

/** Plain, quoted, or as a page. */
function keysOfText(text: string): Found | null {
  const counts = [...text.matchAll(/^[> ]*(?:<b>)?(?:Findings|Races): (\d+)\b/gm)];
  if (counts.length < 2) return null;
  const heads = text.matchAll(/^[> ]*(?:<b>)?\d+\. \[([^\]\n]+)\]/gm);
  return { keys: [...heads].map(([, key]) => key!), count: Number(counts[0]![1]) + Number(counts[1]![1]) };
}

const KEYED = v.array(v.object({ key: v.string() }));
/** What of a shard was seen is not explained, so it has no keys. */
const REPORT = v.object({ findings: KEYED, races: KEYED, seen: v.optional(v.never()) });

function keysOfJson(text: string): Found | null {
  try {
    const { findings, races } = v.parse(REPORT, JSON.parse(text));
    const keys = [...findings, ...races].map(({ key }) => key);
    return { keys, count: keys.length };
  } catch {
    return null;
  }
}
