import type { Verdict } from './director.js';
import { type BelowFloor, isIn, NOWHERE, type Stem, type StemNode } from './stem.js';
import { type Tallied, Tally } from './tally.js';

/** A part of a search, which whoever is free does. */
export interface PartOfSearch {
  /** Schedules at most. */
  readonly budget: number;
  /** Of drawn schedules. */
  readonly seed: number;
  /** Of `dpor`: where it goes on; null at the beginning. */
  readonly stem: Stem | null;
}

/** What came of a part. */
export interface PartResult extends Tallied {
  readonly verdict: Verdict;
  /** Of `dpor`: what is left. */
  readonly left: Stem | null;
  readonly belowFloor: BelowFloor | null;
  readonly guarantee?: number;
}

/** A search that is done in parts: which ones, and what comes of them, depends on what was found so far and never on who does them when. */
export interface SplitSearch {
  readonly tally: Tally;
  /** Null while something is left. */
  readonly verdict: Verdict | null;
  readonly guarantee?: number | undefined;
  /** Parts to be done next, all at the same time, with so many schedules together. */
  round(budget: number): readonly PartOfSearch[];
  /** What came of them, in their order; null where nobody did it. */
  accept(results: readonly (PartResult | null)[]): void;
}

/** How large parts are: always the same, however many do them. */
export interface PartSizes {
  /** Schedules before a search is split: most are over by then. */
  readonly first: number;
  /** Parts of a round, and schedules of each. */
  readonly parts: number;
  readonly ofPart: number;
}
export const PART_SIZES: PartSizes = { first: 500, parts: 16, ofPart: 125 };

/** A node that several parts have in common. */
interface Fork {
  readonly node: StemNode;
  readonly parent: Fork | null;
  /** Whose step of the parent leads here, and whom it let run. */
  readonly by: Pick<StemNode, 'chosen' | 'enables'> | null;
  readonly actors: readonly number[];
  /** Whose step is tried from here, until it is known what it touches: nobody else's is meanwhile. -1 without. */
  busy: number;
}

/** What is left to do: a stem, and the fork that its floor follows. */
interface Left {
  readonly stem: Stem;
  readonly fork: Fork | null;
}

/** By `dpor`: subtrees of the tree of schedules. Nodes above them are kept here, as each part may ask for more to be tried there. */
export class SplitTree implements SplitSearch {
  readonly tally = new Tally();
  private readonly left: Left[] = [];
  private readonly forks: Fork[] = [];
  private running: readonly Left[] = [];
  private isBegun = false;

  constructor(private readonly sizes = PART_SIZES) {}

  get verdict(): Verdict | null {
    return this.isBegun && this.left.length === 0 && !this.forks.some(canFork) ? 'complete' : null;
  }

  round(budget: number): readonly PartOfSearch[] {
    const { first, parts, ofPart } = this.sizes;
    if (!this.isBegun) return [{ budget: Math.min(budget, first), seed: 0, stem: null }];
    do this.takeForks();
    while (this.left.length < parts && this.split());
    this.running = this.left.splice(0, Math.min(parts, budget));
    const each = Math.min(ofPart, Math.floor(budget / this.running.length));
    return this.running.map(({ stem }) => ({ budget: each, seed: 0, stem }));
  }

  accept(results: readonly (PartResult | null)[]): void {
    this.isBegun = this.isBegun || results[0] != null;
    for (const [i, result] of results.entries()) {
      const { fork, stem } = this.running[i] ?? { fork: null, stem: null };
      if (result === null) {
        if (stem !== null) this.left.push({ stem, fork });
        continue;
      }
      const { left, belowFloor, ...tallied } = result;
      this.tally.join(tallied);
      if (fork !== null && belowFloor !== null) heed(fork, belowFloor, stem.nodes[stem.floor - 1]!.chosen);
      if (left !== null) this.left.push({ stem: left, fork });
    }
  }

  /** Where somebody must be tried and nobody is: stems of their own. */
  private takeForks(): void {
    for (const fork of this.forks) {
      if (!canFork(fork)) continue;
      const pending = pendingOf(fork.node);
      fork.busy = fork.node.order.find((actor) => isIn(pending, actor))!;
      this.left.push({ stem: stemFrom(fork), fork });
    }
  }

  /** Makes forks down to the first node that has something to give away, of the stem where that comes soonest. False when there is none. */
  private split(): boolean {
    let at = Number.POSITIVE_INFINITY;
    let place = -1;
    for (const [i, { stem }] of this.left.entries()) {
      const first = firstPending(stem);
      if (first < at) [at, place] = [first, i];
    }
    if (place < 0) return false;
    const { stem, fork: last } = this.left[place]!;
    let fork = last;
    for (let step = stem.floor; step <= at; step++) {
      const node = stem.nodes[step]!;
      node.done |= 1 << node.chosen;
      node.rows[node.chosen] = node.did;
      fork = { node, parent: fork, by: stem.nodes[step - 1] ?? null, actors: stem.actors, busy: -1 };
      this.forks.push(fork);
    }
    this.left[place] = { stem: { ...stem, floor: at + 1 }, fork };
    return true;
  }
}

/** Who must be tried and was not. */
function pendingOf({ backtrack, done, sleep }: StemNode): number {
  return backtrack & ~done & ~sleep;
}

function canFork({ node, busy }: Fork): boolean {
  return busy < 0 && pendingOf(node) !== 0;
}

/** The first node from the floor on where somebody else must be tried; without one that can be given away infinity. */
function firstPending({ nodes, floor }: Stem): number {
  // Choices of wake-ups belong to whoever has the step.
  if (floor > 0 && nodes[floor - 1]!.wakes.length > 0) return Number.POSITIVE_INFINITY;
  for (let at = floor; at < nodes.length - 1 && nodes[at]!.wakes.length === 0; at++)
    if ((pendingOf(nodes[at]!) & ~(1 << nodes[at]!.chosen)) !== 0) return at;
  return Number.POSITIVE_INFINITY;
}

/** The way to a fork, with the step that is to be tried there. */
function stemFrom(fork: Fork): Stem {
  const nodes: StemNode[] = [];
  let by: Fork['by'] = { chosen: fork.busy, enables: 0 };
  for (let at: Fork | null = fork; at !== null; { by, parent: at } = at) {
    const { chosen, enables } = by!;
    nodes.unshift({ ...at.node, chosen, enables, did: NOWHERE });
  }
  return { actors: fork.actors, nodes, floor: nodes.length };
}

/** What a part that has `chosen` at that fork has found out about it and those above. */
function heed(fork: Fork, { asked, touched }: BelowFloor, chosen: number): void {
  let at: Fork | null = fork;
  for (let i = asked.length - 1; at !== null; i--, at = at.parent) at.node.backtrack |= asked[i]!;
  if (touched === null) return;
  fork.node.done |= 1 << chosen;
  fork.node.rows[chosen] = touched;
  if (fork.busy === chosen) fork.busy = -1;
}

/** By drawing: some schedules with each of many seeds. */
export class SplitDraws implements SplitSearch {
  readonly tally = new Tally();
  readonly verdict = null;
  guarantee: number | undefined;
  private parts = 0;

  constructor(
    private readonly seed: number,
    private readonly sizes = PART_SIZES,
  ) {}

  round(budget: number): readonly PartOfSearch[] {
    const { parts, first } = this.sizes;
    return Array.from({ length: Math.min(parts, Math.ceil(budget / first)) }, (_, i) => ({
      budget: Math.min(first, budget - i * first),
      seed: this.seed + SEEDS_APART * this.parts++,
      stem: null,
    }));
  }

  accept(results: readonly (PartResult | null)[]): void {
    for (const part of results) {
      if (part === null) continue;
      const { guarantee, ...result } = part;
      this.tally.join(result);
      if (guarantee !== undefined) this.guarantee = Math.min(guarantee, this.guarantee ?? 1);
    }
  }
}

/** So that who gives the next seed gets other schedules. */
const SEEDS_APART = 1_000_003;

/** One that can't be split. */
export class WholeSearch implements SplitSearch {
  readonly tally = new Tally();
  verdict: Verdict | null = null;

  round(budget: number): readonly PartOfSearch[] {
    return [{ budget, seed: 0, stem: null }];
  }

  accept([result]: readonly (PartResult | null)[]): void {
    if (result == null) return;
    this.tally.join(result);
    this.verdict = result.verdict;
  }
}
