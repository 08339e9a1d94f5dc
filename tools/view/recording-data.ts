import { Cell, type CellKind, History, hiOf } from '../../driver/recording/cell-history.js';
import { Column } from '../../driver/recording/column.js';
import { Recording, type Written } from '../../driver/recording/recording.js';

type Cells = Recording['live'];

/** A recording as plain values: what it has written down, and what the machine itself knew of cells that never changed. */
export interface RecordingData {
  readonly steps: number;
  /** Whether the run went on, which is not in here. */
  readonly isCut: boolean;
  readonly cells: {
    readonly kind: readonly number[];
    readonly id: readonly number[];
    readonly first: readonly number[];
  };
  readonly rows: {
    readonly cell: readonly number[];
    readonly value: readonly number[];
    readonly path: readonly number[];
  };
  /** Rows up to the end of each step. */
  readonly rowsUpTo: readonly number[];
  readonly objects: Written['objects'];
  readonly paths: Written['paths'];
  readonly taskOf: readonly number[];
  readonly tickOf: readonly number[];
  readonly pathOf: readonly number[];
  readonly endOf: readonly number[];
  readonly events: Written['events'];
  readonly names: readonly (readonly [number, string])[];
  readonly ends: readonly string[];
}

export const MAX_EVENTS = 100_000;
const MAX_ROWS = 1_000_000;
/** Pages of one address space that a page shows. */
const MAX_PAGES = 16_384;
const PROBES = 100;

/** Steps from the beginning on, as many as have `maxEvents` events. */
export function packRecording(recording: Recording, maxEvents = MAX_EVENTS): RecordingData {
  const { written } = recording;
  const { history, events } = written;
  let { steps } = recording;
  if (events.length > maxEvents) steps = Math.max(1, events[maxEvents]!.step - 1);
  const { cells, numberOf } = packCells(recording, steps);
  const rows = { cell: [] as number[], value: [] as number[], path: [] as number[] };
  const rowsUpTo: number[] = [];
  for (let step = 1; step <= steps && rows.cell.length <= MAX_ROWS; step++) {
    for (const row of history.rowsOf(step)) {
      rows.cell.push(numberOf(row.kind, row.id));
      rows.value.push(row.new);
      rows.path.push(row.path);
    }
    rowsUpTo.push(rows.cell.length);
  }
  steps = rowsUpTo.length;
  const column = (of: { at(i: number): number }): number[] => rowsUpTo.map((_, i) => of.at(i));
  const { objects, paths, taskOf, tickOf, pathOf, endOf, names, ends } = written;
  return {
    steps,
    isCut: steps < recording.steps || recording.isCut,
    cells,
    rows,
    rowsUpTo,
    objects,
    paths,
    ...{ taskOf: column(taskOf), tickOf: column(tickOf), pathOf: column(pathOf), endOf: column(endOf) },
    events: events.filter(({ step }) => step <= steps),
    names: [...names],
    ends,
  };
}

interface PackedCells {
  readonly cells: RecordingData['cells'];
  numberOf(kind: CellKind, id: number): number;
}

/** Every cell that has changed, and those that a view asks the machine for and that are not 0. */
function packCells(recording: Recording, steps: number): PackedCells {
  const { history } = recording.written;
  const cells = { kind: [] as number[], id: [] as number[], first: [] as number[] };
  const numbers = Object.values(Cell).map(() => new Map<number, number>());
  const add = (kind: CellKind, id: number, first: number): void => {
    numbers[kind]!.set(id, cells.kind.length);
    cells.kind.push(kind);
    cells.id.push(id);
    cells.first.push(first);
  };
  for (const kind of Object.values(Cell))
    for (const id of history.changed(kind)) add(kind, id, history.valueAt(kind, id, 0)!);
  const live: Cells = {
    number(kind, id) {
      const value = recording.live.number(kind, id);
      if (value !== 0 && !numbers[kind]!.has(id)) add(kind, id, value);
      return value;
    },
  };
  askForAll(new Recording(recording.written, live), steps);
  return { cells, numberOf: (kind, id) => numbers[kind]!.get(id)! };
}

/** Asks as a page will: views along the run and wherever the address spaces become others, and folios that come and go between these. */
function askForAll(recording: Recording, steps: number): void {
  const { history } = recording.written;
  const probes = new Set([0, steps]);
  for (let i = 1; i < PROBES; i++) probes.add(Math.floor((i * steps) / PROBES));
  const layout = [Cell.spaces, Cell.files, Cell.vmas].flatMap((kind) =>
    [...history.changed(kind)].flatMap((id) => history.changesOf(kind, id)),
  );
  for (const { step } of layout.slice(0, PROBES)) if (step <= steps) probes.add(step);
  for (const step of probes) recording.at(step).view({ pages: MAX_PAGES });
  const pfns = new Set<number>();
  for (const kind of [Cell.pte, Cell.pmd])
    for (const id of history.changed(kind)) {
      pfns.add(hiOf(history.valueAt(kind, id, 0)!));
      for (const row of history.changesOf(kind, id)) pfns.add(hiOf(row.new));
    }
  const first = recording.at(0);
  for (const pfn of pfns) if (first.hasPage(pfn)) first.folio(pfn, []);
}

/** The same recording, without its machine. */
export function unpackRecording(data: RecordingData): Recording {
  const history = new History();
  const { cells, rows, rowsUpTo } = data;
  for (const [i, kind] of cells.kind.entries()) history.cellOf(kind as CellKind, cells.id[i]!, () => cells.first[i]!);
  let row = 0;
  for (const end of rowsUpTo) {
    for (; row < end; row++) history.change(rows.cell[row]!, rows.value[row]!, rows.path[row]!);
    history.endStep();
  }
  const { objects, paths, events, ends } = data;
  return new Recording(
    {
      history,
      ...{ objects, paths, events, ends },
      taskOf: columnOf(Int32Array, data.taskOf),
      tickOf: columnOf(Float64Array, data.tickOf),
      pathOf: columnOf(Int32Array, data.pathOf),
      endOf: columnOf(Int32Array, data.endOf),
      names: new Map(data.names),
      sizeBytes: 0,
      isFull: data.isCut,
    },
    { number: () => 0 },
  );
}

function columnOf<T extends Int32Array | Float64Array>(
  make: new (length: number) => T,
  values: readonly number[],
): Column<T> {
  const column = new Column(make);
  for (const value of values) column.push(value);
  return column;
}
