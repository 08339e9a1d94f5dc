// Where a search stands, so that another one goes on from there, in another process too: numbers of actors are places in `actors`, and rows
// are `RowsAnywhere`.

import { type Footprints, NO_ROWS, type RowsAnywhere } from '../core/footprint.js';
import { MAX_ACTORS } from './happens-before.js';

/** One choice of a wake-up within a step. */
export interface Wake {
  alternatives: number;
  chosen: number;
}

/** A state on the way of the present schedule: who can run there, who must still be tried, and who need not. Masks are of actors. */
interface NodeOf<Rows> {
  /** In the order of the director's list. */
  order: number[];
  enabled: number;
  /** Of those that can run, who would only go round in a loop again; not among the enabled. */
  spinning: number;
  backtrack: number;
  done: number;
  /** What a schedule that begins with one of these comes to was seen already. */
  sleep: number;
  /** Of whom it is known what their step from here touches, here or where the schedule came from. */
  known: number;
  /** By actor: what that is, all that it may be. */
  rows: Rows[];
  /** Steps since somebody could run who does not only go round in a loop. */
  aloneFor: number;
  /** Who spins after the chosen step. */
  spinsAfter: number;
  chosen: number;
  wakes: Wake[];
  /** What the chosen step touched with other choices of its wake-ups. */
  touched: Rows;
  /** Who could run after the chosen step and not before. */
  enables: number;
}

export type Node = NodeOf<Int32Array>;

/** A node of a stem. */
export interface StemNode extends NodeOf<RowsAnywhere> {
  /** What its chosen step touches, where that ran. */
  did: RowsAnywhere;
}

/** The nodes of one schedule, whose last step has not run yet. */
export interface Stem {
  readonly actors: readonly number[];
  readonly nodes: readonly StemNode[];
  /** Nodes from here on are searched to their end; what is left at those before is somebody else's. */
  readonly floor: number;
}

/** What a search has found out about the nodes before its floor. */
export interface BelowFloor {
  /** By node: who must be tried there. */
  readonly asked: readonly number[];
  /** What the chosen step of the last one of them touches; null while some choice of its wake-ups is left. */
  readonly touched: RowsAnywhere | null;
}

export function emptyNode(): Node {
  const masks = { enabled: 0, spinning: 0, backtrack: 0, done: 0, sleep: 0, known: 0, spinsAfter: 0, enables: 0 };
  const rows = new Array<Int32Array>(MAX_ACTORS).fill(NO_ROWS);
  return { order: [], ...masks, rows, aloneFor: 0, chosen: 0, wakes: [], touched: NO_ROWS };
}

/** The nodes of a search, as a stem. Rows that nodes share stay shared. */
export function stemOf(
  nodes: readonly Node[],
  footprints: Footprints,
  { actors, floor, ran }: { actors: readonly number[]; floor: number; ran: number },
): Stem {
  const anywhere = shared((rows: Int32Array) => footprints.anywhere(rows));
  const known = (node: Node): Node => ({
    ...node,
    rows: node.rows.map((rows, a) => (isIn(node.known | node.done, a) ? rows : NO_ROWS)),
  });
  const did = (step: number): RowsAnywhere => (step < ran ? footprints.anywhere(footprints.rowsOf(step)) : NOWHERE);
  return {
    actors: [...actors],
    nodes: nodes.map((node, step) => ({ ...copyOf(known(node), anywhere), did: step < floor ? NOWHERE : did(step) })),
    floor,
  };
}

/** The reverse. */
export function nodesOf({ nodes }: Stem, footprints: Footprints): Node[] {
  const here = shared((rows: RowsAnywhere) => footprints.here(rows));
  return nodes.map(({ did: _, ...node }) => copyOf(node, here));
}

function copyOf<From, To>(node: NodeOf<From>, rows: (rows: From) => To): NodeOf<To> {
  return {
    ...node,
    order: [...node.order],
    rows: node.rows.map(rows),
    wakes: node.wakes.map((wake) => ({ ...wake })),
    touched: rows(node.touched),
  };
}

export function isIn(mask: number, actor: number): boolean {
  return ((mask >>> actor) & 1) === 1;
}

export const NOWHERE: RowsAnywhere = new Float64Array(0);

function shared<From extends object, To>(make: (from: From) => To): (from: From) => To {
  const made = new Map<From, To>();
  return (from) => {
    const known = made.get(from) ?? make(from);
    made.set(from, known);
    return known;
  };
}
