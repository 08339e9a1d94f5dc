import { assert } from '../core/assert.js';
import type { Effect } from '../core/effect.js';
import { Footprints, NO_ROWS } from '../core/footprint.js';
import { END_RUN } from '../core/policy.js';
import type { Strategy } from './director.js';
import { HappensBefore, MAX_ACTORS } from './happens-before.js';
import { type Line, LineWriter } from './line.js';
import { Spins } from './spins.js';
import { type BelowFloor, emptyNode, type Node, nodesOf, type Stem, stemOf, type Wake } from './stem.js';

/** Steps that those who go round in a loop may take with nobody else left, as a loop may count its turns. */
const MOST_ALONE = 500;

/**
 * Source-set dynamic partial order reduction with sleep sets: of all schedules with the same partial order of steps one runs, and few are
 * begun in vain. Stateless: what is kept are the nodes of the present schedule. See Abdulla et al., Optimal Dynamic Partial Order
 * Reduction, 2014. What a step touches is known only when it has run, so races are sought backward, from each step to those before it.
 */
export class DporStrategy implements Strategy {
  readonly verdict = 'complete';
  readonly isInequivalent = true;
  readonly footprints = new Footprints();
  private isRecording = false;
  /** The last schedule was given up as all who could run only went round in a loop. */
  isLivelock = false;
  /** Schedules that were given up, as all that they could come to was seen. */
  blocked = 0;
  private readonly order = new HappensBefore(this.footprints);
  /** By what was touched alone; made when a step might touch more. */
  private ownOrder: HappensBefore | null = null;
  private readonly spins = new Spins(this.order, this.footprints);
  private readonly lines = new LineWriter();
  private readonly nodes: Node[];
  /** Nodes of the present schedule; those behind are room for later. */
  private length: number;
  /** What is left at nodes before this one is somebody else's. */
  private readonly floor: number;
  /** Of the last node before the floor: what its chosen step touches, once all choices of its wake-ups were tried. */
  private floorTouched: Int32Array | null = null;
  /** Steps of the present schedule that have begun. */
  private depth = 0;
  private wakesDone = 0;
  private isFirst = true;
  /** Ids of actors, by number. */
  private readonly actors: number[];
  private readonly firstInV = new Int32Array(MAX_ACTORS);

  /** Goes on from `stem`, or begins with the race. */
  constructor(stem: Stem | null = null) {
    this.actors = [...(stem?.actors ?? [])];
    this.nodes = stem === null ? [] : nodesOf(stem, this.footprints);
    this.length = this.nodes.length;
    this.floor = stem?.floor ?? 0;
  }

  /** What is left, after `begins` was true and before the schedule ran. */
  stem(): Stem {
    const { actors, floor, length } = this;
    return stemOf(this.nodes.slice(0, length), this.footprints, { actors, floor, ran: length - 1 });
  }

  belowFloor(): BelowFloor {
    const { floor, footprints, nodes } = this;
    const root = floor - 1;
    let touched = this.floorTouched;
    if (root >= 0 && nodes[root]!.wakes.length === 0 && root < this.order.events) touched ??= footprints.rowsOf(root);
    return {
      asked: nodes.slice(0, floor).map(({ backtrack }) => backtrack),
      touched: touched === null ? null : footprints.anywhere(touched),
    };
  }

  begins(): boolean {
    if (!this.isFirst && !this.backtrack()) return false;
    this.isFirst = false;
    this.isLivelock = false;
    this.depth = 0;
    // The last node has another choice than it had: from its step on everything is new.
    const known = Math.min(this.order.events, Math.max(0, this.length - 1));
    this.order.truncate(known);
    this.ownOrder?.truncate(known);
    this.footprints.truncate(known);
    return true;
  }

  pick(actors: readonly number[]): number {
    const { depth } = this;
    if (depth > 0 && depth === this.length) this.noteEnabled(actors);
    this.wakesDone = 0;
    if (depth === this.length && !this.addNode(actors)) {
      if (!this.isLivelock) this.blocked++;
      return END_RUN;
    }
    const { chosen } = this.nodes[depth]!;
    const place = actors.indexOf(this.actors[chosen]!);
    assert(place >= 0, 'a schedule does not repeat: who could run can not');
    this.depth++;
    this.isRecording = depth >= this.order.events;
    if (this.isRecording) this.footprints.begins(this.actors[chosen]!);
    return place;
  }

  wake(actors: readonly number[]): number {
    const { wakes } = this.nodes[this.depth - 1]!;
    const at = this.wakesDone++;
    if (at === wakes.length) wakes.push({ alternatives: actors.length, chosen: 0 });
    assert(wakes[at]!.alternatives === actors.length, 'a schedule does not repeat: others wait');
    return wakes[at]!.chosen;
  }

  stepEnds(point: Effect | null, steps: number): void {
    if (!this.isRecording) return;
    this.isRecording = false;
    const event = this.depth - 1;
    const node = this.nodes[event]!;
    const isKnown = ((node.known >>> node.chosen) & 1) === 1;
    this.footprints.ends(isKnown ? node.rows[node.chosen] : node.touched);
    this.order.add(node.chosen, this.actors.length);
    node.spinsAfter = this.spins.after(node.spinning, point, steps);
    // On the way to where the search goes on from: what came of these steps is in the nodes.
    if (event < this.length - 1) this.enable(node.enables);
    else for (const other of this.order.races) this.reverse(other, event);
  }

  /** What others would have done instead of the last step is not known, so each of them must come before it too. */
  ends(): void {
    const node = this.nodes[this.depth - 1];
    if (node !== undefined) node.backtrack |= node.enabled;
  }

  line(best: Line | null): Line | null {
    const wakesOf = (event: number): number[] => this.nodes[event]!.wakes.map(({ chosen }) => chosen);
    return this.lines.line(this.touchedOrder(), this.actors, { wakesOf, best });
  }

  /** The order by what was touched, whatever is known from other schedules: so it is the same however the search came here. */
  private touchedOrder(): HappensBefore {
    if (!this.footprints.hasMore) return this.order;
    this.ownOrder ??= new HappensBefore(this.footprints, true);
    const { ownOrder } = this;
    for (let event = ownOrder.events; event < this.order.events; event++) {
      const { chosen, enables } = this.nodes[event]!;
      ownOrder.add(chosen, this.actors.length);
      for (let actor = 0; enables >>> actor !== 0; actor++) if ((enables >>> actor) & 1) ownOrder.enables(actor);
    }
    return ownOrder;
  }

  private enable(enables: number): void {
    for (let actor = 0; enables >>> actor !== 0; actor++) if ((enables >>> actor) & 1) this.order.enables(actor);
  }

  /** Those that can run now and could not before were let run by the last step; a timer that it has stopped must be tried before it. */
  private noteEnabled(actors: readonly number[]): void {
    const node = this.nodes[this.depth - 1]!;
    let stopped = node.enabled & ~(1 << node.chosen);
    node.enables = 0;
    for (const id of actors) {
      const actor = this.numberOf(id);
      stopped &= ~(1 << actor);
      if ((((node.enabled | node.spinsAfter) >>> actor) & 1) === 1) continue;
      this.order.enables(actor);
      node.enables |= 1 << actor;
    }
    node.backtrack |= stopped;
  }

  private numberOf(id: number): number {
    let number = this.actors.indexOf(id);
    if (number < 0) {
      number = this.actors.push(id) - 1;
      assert(number < MAX_ACTORS, 'more than % tasks race', MAX_ACTORS);
    }
    return number;
  }

  /** False when all who can run here sleep. */
  private addNode(actors: readonly number[]): boolean {
    const node = this.room();
    node.enabled = 0;
    if (node.order.length > actors.length) node.order.length = actors.length;
    for (let i = 0; i < actors.length; i++) {
      const actor = this.numberOf(actors[i]!);
      node.order[i] = actor;
      node.enabled |= 1 << actor;
    }
    const spins = this.length === 0 ? 0 : this.nodes[this.length - 1]!.spinsAfter;
    node.spinning = node.enabled & spins;
    node.enabled &= ~spins;
    node.aloneFor = node.enabled === 0 ? (this.nodes[this.length - 1]?.aloneFor ?? 0) + 1 : 0;
    if (node.enabled === 0) node.enabled = node.spinning;
    node.done = 0;
    node.wakes.length = 0;
    node.touched = NO_ROWS;
    node.enables = 0;
    this.inherit(node);
    const awake = node.enabled & ~node.sleep;
    const chosen = node.order.find((actor) => ((awake >>> actor) & 1) === 1);
    this.isLivelock = node.aloneFor > MOST_ALONE;
    if (chosen === undefined || this.isLivelock) return false;
    node.chosen = chosen;
    node.backtrack = 1 << chosen;
    this.length++;
    return true;
  }

  private room(): Node {
    let node = this.nodes[this.length];
    if (node === undefined) {
      node = emptyNode();
      this.nodes.push(node);
    }
    return node;
  }

  /**
   * Who slept or was done before the last step, and has nothing to do with it, sleeps on. The step of any other one was seen to touch what
   * it may touch no more after the last step; yet there is an order in which it does, and it has to do with what conflicts with that.
   */
  private inherit(node: Node): void {
    node.sleep = 0;
    node.known = 0;
    if (this.length === 0) return;
    const before = this.nodes[this.length - 1]!;
    const asleep = (before.sleep | before.done) & (node.enabled | node.spinning);
    node.known = (before.known | before.done) & ~(1 << before.chosen);
    const last = this.length - 1;
    for (let actor = 0; node.known >>> actor !== 0; actor++) {
      if (((node.known >>> actor) & 1) === 0) continue;
      node.rows[actor] = before.rows[actor]!;
      if (((asleep >>> actor) & 1) === 1 && !this.footprints.conflictsWith(last, before.rows[actor]!))
        node.sleep |= 1 << actor;
    }
  }

  /** What the last node's step touched, whatever its wake-ups chose. */
  private touchedByLast(node: Node): Int32Array {
    const rows = this.footprints.rowsOf(this.length - 1);
    return node.touched.length === 0 ? rows.slice() : Int32Array.of(...node.touched, ...rows);
  }

  /**
   * `event` races with `other`: some schedule must have them the other way round. That begins, at the node before `other`, with one of
   * those who come first among the steps that do not need `other`.
   */
  private reverse(other: number, event: number): void {
    const node = this.nodes[other]!;
    const first = this.initials(other, event);
    if ((first & (node.backtrack | node.sleep)) !== 0) return;
    const possible = first & node.enabled;
    const racing = this.order.actorOf[event]!;
    if (possible === 0) node.backtrack |= node.enabled;
    else node.backtrack |= (possible >>> racing) & 1 ? 1 << racing : possible & -possible;
  }

  /** Mask of the actors whose first step, among those between that do not come after `other` and `event` itself, needs none of them. */
  private initials(other: number, event: number): number {
    const { order, firstInV } = this;
    let seen = 0;
    let initials = 0;
    for (let e = other + 1; e <= event; e++) {
      if (e !== event && order.isBefore(other, e)) continue;
      const actor = order.actorOf[e]!;
      if ((seen >>> actor) & 1) continue;
      let isFirst = true;
      for (let b = 0; seen >>> b !== 0 && isFirst; b++)
        if ((seen >>> b) & 1) isFirst = order.clocks[e * MAX_ACTORS + b]! <= firstInV[b]!;
      if (isFirst) initials |= 1 << actor;
      seen |= 1 << actor;
      firstInV[actor] = e;
    }
    return initials;
  }

  /** Goes back to the last node where something is left to try; false when there is none. */
  private backtrack(): boolean {
    for (; this.length > 0 && this.floorTouched === null; this.length--) {
      const node = this.nodes[this.length - 1]!;
      const touched = this.touchedByLast(node);
      node.touched = touched;
      if (nextWake(node.wakes)) return true;
      if (this.length === this.floor) {
        this.floorTouched = touched;
        return false;
      }
      node.done |= 1 << node.chosen;
      node.rows[node.chosen] = touched;
      const left = node.backtrack & ~node.done & ~node.sleep;
      if (left !== 0) {
        node.chosen = node.order.find((actor) => ((left >>> actor) & 1) === 1)!;
        node.wakes.length = 0;
        node.touched = NO_ROWS;
        return true;
      }
    }
    return false;
  }
}

/** Counts up the choices of a step's wake-ups, the last one first. */
function nextWake(wakes: Wake[]): boolean {
  for (let wake = wakes.at(-1); wake !== undefined; wake = wakes.at(-1)) {
    if (++wake.chosen < wake.alternatives) return true;
    wakes.pop();
  }
  return false;
}
