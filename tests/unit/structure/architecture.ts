import { roomOf } from './cycles.js';
import type { Tree } from './tree.js';

/** A box of the drawing: a folder of sources, and how many imports go from it to each other box. */
interface Room {
  readonly name: string;
  files: number;
  lines: number;
  readonly imports: Map<string, number>;
  /** 0 for what no other room imports. */
  row: number;
}

const BOX = { width: 226, height: 88, gapX: 54, gapY: 52 };
/** Characters of the small type that a box is wide enough for. */
const BOX_CHARACTERS = 44;
const MARGIN = 20;
const WIDTH = 1200;

/** Only what the package holds is drawn: of tests/, the rooms that the command imports. */
const IS_DRAWN = /^(uapi|driver|tools|index\.ts|tests\/(selftests|bench|conform)\/)/;
/** The rooms of tools/ use each other as they like and are drawn as one, as are those of tests/ that the package holds. */
function roomNameOf(path: string): string {
  return /^(tools|tests)\//.test(path) ? path.slice(0, 5) : path === 'index.ts' ? path : roomOf(path);
}

function roomsOf(tree: Tree): Room[] {
  const rooms = new Map<string, Room>();
  const files = tree.files.filter(({ path }) => IS_DRAWN.test(path) && !path.endsWith('.test.ts'));
  for (const { path, ast, imports } of files) {
    const name = roomNameOf(path);
    const room = rooms.get(name) ?? { name, files: 0, lines: 0, imports: new Map<string, number>(), row: 0 };
    rooms.set(name, room);
    room.files++;
    room.lines += ast.getLineStarts().length - 1;
    for (const { target, external } of imports) {
      const to = roomNameOf(target);
      if (!external && to !== name) room.imports.set(to, (room.imports.get(to) ?? 0) + 1);
    }
  }
  /** One row below the lowest that imports it; a ring of rooms has no place. */
  const rowOf = (room: Room, below: readonly string[]): number => {
    if (below.includes(room.name)) throw new Error(`rooms in a ring: ${[...below, room.name].join(' <- ')}`);
    const above = [...rooms.values()].filter(({ imports }) => imports.has(room.name));
    return Math.max(-1, ...above.map((other) => rowOf(other, [...below, room.name]))) + 1;
  };
  for (const room of rooms.values()) room.row = rowOf(room, []);
  return [...rooms.values()];
}

/** The rooms of the package as a drawing: imports point down, each arrow with their number. */
export function architectureSvg(tree: Tree): string {
  const rooms = roomsOf(tree);
  const place = placesOf(rooms);
  const height = Math.max(...[...place.values()].map(({ y }) => y)) + BOX.height + MARGIN;
  const arrows = rooms.flatMap((room) => nearest(room, rooms).map((to) => arrow(place, { from: room, to })));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" font-family="sans-serif">`,
    '<title>The rooms of dmirror and how many imports go from one to another</title>',
    STYLE,
    ...arrows,
    ...rooms.map((room) => box(room, { ...place.get(room.name)!, arrows: nearest(room, rooms) })),
    '</svg>',
    '',
  ].join('\n');
}

const STYLE = `<style>
  svg { color-scheme: light dark; background: light-dark(#fff, #0d1117); }
  rect { fill: light-dark(#f6f8fa, #161b22); stroke: light-dark(#57606a, #8b949e); }
  path { fill: none; stroke: light-dark(#8c959f, #6e7681); stroke-width: 1.3; marker-end: url(#tip); }
  text { fill: light-dark(#1f2328, #e6edf3); font-size: 11px; text-anchor: middle; }
  .name { font-size: 15px; font-weight: bold; }
  .count { font-size: 12px; paint-order: stroke; stroke: light-dark(#fff, #0d1117); stroke-width: 4px; }
</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" style="fill: light-dark(#8c959f, #6e7681); stroke: none; marker-end: none"/></marker></defs>`;

interface Place {
  readonly x: number;
  readonly y: number;
}

function placesOf(rooms: readonly Room[]): Map<string, Place> {
  const place = new Map<string, Place>();
  const step = BOX.width + BOX.gapX;
  for (const { row, name } of rooms) {
    const beside = rooms
      .filter((room) => room.row === row)
      .map((room) => room.name)
      .sort();
    const left = (WIDTH - beside.length * step + BOX.gapX) / 2;
    place.set(name, { x: left + beside.indexOf(name) * step, y: MARGIN + row * (BOX.height + BOX.gapY) });
  }
  return place;
}

/** The imported rooms that are reached through no other imported room: what an arrow is drawn to. */
function nearest(room: Room, rooms: readonly Room[]): Room[] {
  const below = rooms.filter(({ name }) => room.imports.has(name));
  const reaches = (from: Room, to: Room): boolean =>
    from.imports.has(to.name) || rooms.some((via) => from.imports.has(via.name) && reaches(via, to));
  return below.filter((to) => !below.some((via) => via !== to && reaches(via, to)));
}

function arrow(place: ReadonlyMap<string, Place>, { from, to }: { from: Room; to: Room }): string {
  const [a, b] = [place.get(from.name)!, place.get(to.name)!];
  const [x1, y1] = [a.x + BOX.width / 2, a.y + BOX.height];
  const [x2, y2] = [b.x + BOX.width / 2, b.y];
  const bend = (y2 - y1) / 2;
  const count = `<text class="count" x="${(x1 + x2) / 2}" y="${(y1 + y2) / 2 + 4}">${from.imports.get(to.name)}</text>`;
  return `<path d="M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}"/>${count}`;
}

/** The name, the size, and in small type the imports that no arrow shows. */
function box(room: Room, { x, y, arrows }: Place & { arrows: readonly Room[] }): string {
  const middle = x + BOX.width / 2;
  const rest = [...room.imports].filter(([name]) => !arrows.some((to) => to.name === name)).sort();
  const lines: string[][] = [[]];
  let width = 0;
  for (const [to, count] of rest) {
    const name = to.replace(/^driver\//, '');
    // As wide as with the longest count, so that a new import breaks no line elsewhere.
    width += name.length + ' 000 · '.length;
    if (width > BOX_CHARACTERS) {
      lines.push([]);
      width = name.length;
    }
    lines.at(-1)!.push(`${name} ${count}`);
  }
  return [
    `<rect x="${x}" y="${y}" width="${BOX.width}" height="${BOX.height}" rx="6"/>`,
    `<text class="name" x="${middle}" y="${y + 20}">${room.name}</text>`,
    `<text x="${middle}" y="${y + 36}">${room.files} ${room.files === 1 ? 'file' : 'files'}, ${(room.lines / 1000).toFixed(1)}k lines</text>`,
    ...lines.map((line, i) => `<text x="${middle}" y="${y + 52 + 14 * i}">${line.join(' · ')}</text>`),
  ].join('');
}
