import type { Block, Region } from './region.js';

/**
 * The flow of control in a region, as what WebAssembly can say: blocks and loops inside each other.
 * N. Ramsey: Beyond Relooper (2022). Nodes are numbered in reverse postorder, the entry is 0; a way back that does not
 * lead to a dominator has no place in it, so the region is left there.
 */
export interface FlowNode {
  readonly block: Block;
  readonly number: number;
  /** Those that this one dominates immediately, the last in the order first. */
  readonly children: FlowNode[];
  /** Some way leads back here. */
  isLoop: boolean;
  /** Several ways lead forward to here. */
  isMerge: boolean;
  /** The immediate dominator's number. */
  dominator: number;
}

/** Nodes by the address of their block. */
export type Flow = ReadonlyMap<number, FlowNode>;

export function flowOf({ entry, blocks }: Region, successors: (block: Block) => readonly number[]): Flow {
  const byStart = new Map(blocks.map((block) => [block.start, block]));
  const order = postorder(entry, byStart, successors).reverse();
  const nodes = new Map<number, FlowNode>();
  for (const [number, block] of order.entries()) {
    nodes.set(block.start, { block, number, children: [], isLoop: false, isMerge: false, dominator: -1 });
  }
  const list = [...nodes.values()];
  const ways = list.map((): number[] => []);
  for (const node of list) {
    for (const pc of new Set(successors(node.block))) {
      const to = nodes.get(pc);
      if (to !== undefined) ways[to.number]!.push(node.number);
    }
  }
  findDominators(list, ways);
  for (const node of list) describe(list, node, ways[node.number]!);
  return nodes;
}

function postorder(
  entry: number,
  blocks: ReadonlyMap<number, Block>,
  successors: (block: Block) => readonly number[],
): Block[] {
  const order: Block[] = [];
  const seen = new Set<number>();
  const visit = (pc: number) => {
    const block = blocks.get(pc);
    if (block === undefined || seen.has(pc)) return;
    seen.add(pc);
    for (const next of successors(block)) visit(next);
    order.push(block);
  };
  visit(entry);
  return order;
}

/** K. Cooper, T. Harvey, K. Kennedy: A Simple, Fast Dominance Algorithm (2001). */
function findDominators(list: readonly FlowNode[], ways: readonly (readonly number[])[]): void {
  list[0]!.dominator = 0;
  for (let changed = true; changed; ) {
    changed = false;
    for (const node of list.slice(1)) {
      const known = ways[node.number]!.filter((from) => list[from]!.dominator >= 0);
      const dominator = known.reduce((a, b) => commonDominator(list, a, b));
      if (dominator !== node.dominator) changed = true;
      node.dominator = dominator;
    }
  }
}

function commonDominator(list: readonly FlowNode[], first: number, second: number): number {
  let [a, b] = [first, second];
  while (a !== b) {
    if (a > b) a = list[a]!.dominator;
    else b = list[b]!.dominator;
  }
  return a;
}

function describe(list: readonly FlowNode[], node: FlowNode, from: readonly number[]): void {
  node.isLoop = from.some((n) => n >= node.number && dominates(list, node, n));
  node.isMerge = from.filter((n) => n < node.number).length > 1;
  if (node.number > 0) list[node.dominator]!.children.unshift(node);
}

function dominates(list: readonly FlowNode[], node: FlowNode, other: number): boolean {
  let n = other;
  while (n > node.number) n = list[n]!.dominator;
  return n === node.number;
}

/** Has the way from one node to another a place in the code? */
export function isStructured(flow: Flow, from: FlowNode, to: FlowNode): boolean {
  if (to.number > from.number) return true;
  return to.isLoop && dominates([...flow.values()], to, from.number);
}
