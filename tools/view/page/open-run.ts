import { Kind, kindOf } from '../../../driver/mm/tables/entry.js';
import { Cell, isObject, loOf } from '../../../driver/recording/cell-history.js';
import type { FileId } from '../../../driver/recording/live-machine.js';
import { pageOf } from '../../../driver/recording/machine-at.js';
import type { Recording } from '../../../driver/recording/recording.js';
import { eventLine } from '../../../driver/trace/trace-text.js';
import { lanesOf, type TaskLane } from '../lanes.js';
import type { PageData, PageRun } from '../page-data.js';
import { type RecordingData, unpackRecording } from '../recording-data.js';

/** Pages of a row of the grid. */
export const ROW_PAGES = 32;
/** Rows of one address space. */
const MAX_ROWS = 512;

/** A run that is open, with what is drawn of it at every step. */
export interface OpenRun extends PageRun {
  readonly index: number;
  readonly recording: Recording;
  readonly lanes: readonly TaskLane[];
  /** Step of each event, and its line as one searches it. */
  readonly eventSteps: Int32Array;
  readonly eventLines: readonly string[];
  readonly eventWords: readonly string[];
  /** By address space: first pages of the rows in which something is at some step. */
  readonly rows: ReadonlyMap<number, readonly number[]>;
  /** By address space: how many such rows there are for which the page has no room. */
  readonly rowsLeftOut: ReadonlyMap<number, number>;
}

export function pageData(): PageData {
  return JSON.parse(document.getElementById('page')!.textContent!);
}

const opened = new Map<number, Promise<OpenRun>>();

export function openRun(run: PageRun, index: number): Promise<OpenRun> {
  const known = opened.get(index);
  if (known !== undefined) return known;
  const made = unpack(index).then((data) => opens(run, index, data));
  opened.set(index, made);
  return made;
}

async function unpack(index: number): Promise<RecordingData> {
  const text = atob(document.getElementById(`run-${index}`)!.textContent!.trim());
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  return await new Response(stream).json();
}

function opens(run: PageRun, index: number, data: RecordingData): OpenRun {
  const recording = unpackRecording(data);
  const names = new Map(data.names);
  const eventLines = data.events.map(({ event }) => {
    const name = names.get(event.task);
    return name === undefined ? eventLine(event) : eventLine(event).replace(`task ${event.task}`, name);
  });
  // The first question puts the changes in order.
  recording.at(0).view({ pages: 1 });
  return {
    ...run,
    index,
    recording,
    lanes: lanesOf(recording),
    eventSteps: Int32Array.from(data.events, ({ step }) => step),
    eventLines,
    eventWords: eventLines.map((line) => line.toLowerCase()),
    ...rowsOf(data),
  };
}

/** Rows of the grids: where an entry or a mirror has something at some step. */
function rowsOf({ cells, rows, objects }: RecordingData): Pick<OpenRun, 'rows' | 'rowsLeftOut'> {
  const files = new Map<number, number>();
  const places = new Set<number>();
  for (const [i, kind] of cells.kind.entries()) if (kind === Cell.files) places.add(cells.first[i]!);
  for (const [i, cell] of rows.cell.entries()) if (cells.kind[cell] === Cell.files) places.add(rows.value[i]!);
  for (const place of places) for (const { file, mm } of objects[place] as FileId[]) files.set(file, mm);
  const used = new Map<number, Set<number>>();
  const use = (cell: number, value: number): void => {
    const kind = cells.kind[cell]!;
    if (isObject(kind as 0) || value === 0 || ![Cell.pte, Cell.pmd, Cell.mirror].includes(kind as 0)) return;
    // A table of entries, which are cells of their own.
    if (kind === Cell.pmd && kindOf(loOf(value)) === Kind.table) return;
    const { mm: space, vpn } = pageOf(cells.id[cell]!);
    const mm = kind === Cell.mirror ? (files.get(space) ?? -1) : space;
    const known = used.get(mm) ?? new Set();
    used.set(mm, known);
    known.add(vpn - (vpn % ROW_PAGES));
  };
  for (const [cell, first] of cells.first.entries()) use(cell, first);
  for (const [i, cell] of rows.cell.entries()) use(cell, rows.value[i]!);
  const sorted = [...used].map(([mm, first]) => [mm, [...first].sort((a, b) => a - b)] as const);
  return {
    rows: new Map(sorted.map(([mm, first]) => [mm, first.slice(0, MAX_ROWS)])),
    rowsLeftOut: new Map(sorted.map(([mm, { length }]) => [mm, Math.max(0, length - MAX_ROWS)])),
  };
}
