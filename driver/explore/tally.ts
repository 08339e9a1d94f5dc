import type { Director } from './director.js';
import { compareLines, type Line } from './line.js';
import type { FoundNow } from './race-finding.js';

/** What one schedule came to: neither an outcome nor a finding when it was given up. */
export interface Result {
  readonly outcome?: string;
  readonly findings: readonly FoundNow[];
}

/** What is known of an outcome or a finding. */
export interface Seen {
  schedules: number;
  /** The first one, where the strategy knows which is. */
  line: Line | null;
  witness: readonly number[];
}

interface SeenFinding extends Seen {
  readonly finding: FoundNow;
}

/** What came of some schedules, in the form that goes to another process. */
export interface Tallied {
  readonly outcomes: ReadonlyMap<string, Seen>;
  readonly findings: ReadonlyMap<string, SeenFinding>;
  readonly schedules: number;
  readonly inequivalent: number;
}

/** Counts what schedules come to. */
export class Tally implements Tallied {
  readonly outcomes = new Map<string, Seen>();
  /** By kind and message. */
  readonly findings = new Map<string, SeenFinding>();
  schedules = 0;
  /** Of those, which were not given up. */
  inequivalent = 0;

  /** The last schedule of `director`. */
  note({ outcome, findings }: Result, director: Director): void {
    this.schedules++;
    if (outcome === undefined && findings.length === 0) return;
    this.inequivalent++;
    if (outcome !== undefined) count(this.outcomes, outcome, director, (seen) => seen);
    for (const finding of findings)
      count(this.findings, `${finding.kind} ${finding.message}`, director, (seen) => ({ ...seen, finding }));
  }

  /** Of what was seen here too the witness stays, unless the other's line comes before it. */
  join({ outcomes, findings, schedules, inequivalent }: Tallied): void {
    this.schedules += schedules;
    this.inequivalent += inequivalent;
    joinSeen(this.outcomes, outcomes);
    joinSeen(this.findings, findings);
  }
}

function count<T extends Seen>(known: Map<string, T>, name: string, director: Director, make: (seen: Seen) => T): void {
  let seen = known.get(name);
  if (seen === undefined) {
    seen = make({ schedules: 0, line: null, witness: choicesOf(director) });
    known.set(name, seen);
  }
  seen.schedules++;
  seen.line = director.strategy.line?.(seen.line) ?? seen.line;
}

function joinSeen<T extends Seen>(into: Map<string, T>, from: ReadonlyMap<string, T>): void {
  for (const [name, seen] of from) {
    const known = into.get(name);
    const isFirst = known?.line != null && seen.line !== null && compareLines(seen.line, known.line) < 0;
    const kept = known === undefined || isFirst ? seen : known;
    into.set(name, { ...kept, schedules: (known?.schedules ?? 0) + seen.schedules });
  }
}

/** Of the last schedule, without the defaults at the end. */
export function choicesOf({ choices }: Director): number[] {
  let end = choices.length;
  while (end > 0 && choices[end - 1] === 0) end--;
  return choices.slice(0, end);
}
