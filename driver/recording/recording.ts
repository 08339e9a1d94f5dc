import { assert } from '../core/assert.js';
import { entryId } from '../core/observer.js';
import { mirrorAccess, mirrorPfn } from '../dmirror/mirror/mirror.js';
import { flagNames, PAGE_SIZE } from '../mm/frames/frames.js';
import { entryText, Kind, kindOf } from '../mm/tables/entry.js';
import type { TraceEvent } from '../trace/trace-event.js';
import { Cell, type CellKind, type History, hiOf, loOf, type Row } from './cell-history.js';
import type { Column } from './column.js';
import { firstWhere } from './first-where.js';
import type { ChunkId, FileId, LiveMachine, SpaceId, TaskCell } from './live-machine.js';
import { type Cells, MachineAt, pageOf } from './machine-at.js';
import type { ChangeView, StepView, VmaView } from './machine-view.js';

/** What a recorder has written down. */
export interface Written {
  readonly history: History;
  readonly objects: readonly unknown[];
  readonly paths: readonly (readonly string[])[];
  readonly taskOf: Column<Int32Array>;
  readonly tickOf: Column<Float64Array>;
  readonly pathOf: Column<Int32Array>;
  readonly endOf: Column<Int32Array>;
  readonly events: readonly { readonly step: number; readonly event: TraceEvent }[];
  readonly names: ReadonlyMap<number, string>;
  readonly ends: readonly string[];
  readonly sizeBytes: number;
  readonly isFull: boolean;
}

const NOTHING: readonly string[] = [];

/** A run that can be gone through in any order. Step 0 is the machine as it was at the beginning, step n as it was after the nth step. */
export class Recording {
  /** Name of each task that made a step, by id. */
  readonly names: ReadonlyMap<number, string>;
  readonly sizeBytes: number;
  /** The run went on, but there was no room for more. */
  readonly isCut: boolean;
  /** By step, the place of its first event. */
  private readonly firstEvent: Int32Array;
  /** By task, its steps in order. */
  private readonly stepsOf = new Map<number, number[]>();

  constructor(
    readonly written: Written,
    /** The machine itself, for what never changed. */
    readonly live: Pick<LiveMachine, 'number'>,
  ) {
    this.names = written.names;
    this.sizeBytes = written.sizeBytes;
    this.isCut = written.isFull;
    written.history.freeze();
    this.firstEvent = firstEvents(written.events, this.steps);
    for (let step = 1; step <= this.steps; step++) {
      const steps = this.stepsOf.get(this.taskId(step)) ?? [];
      this.stepsOf.set(this.taskId(step), steps);
      steps.push(step);
    }
  }

  get steps(): number {
    return this.written.history.steps;
  }

  /** The machine as it was after `step` steps. */
  at(step: number): MachineAt {
    assert(Number.isInteger(step) && step >= 0 && step <= this.steps, 'there is no step % of %', step, this.steps);
    return new MachineAt(step, new CellsAt(step, { written: this.written, live: this.live, recording: this }));
  }

  /** What step `step`, from 1, was. */
  step(step: number): StepView {
    assert(step >= 1 && step <= this.steps, 'there is no step % of %', step, this.steps);
    const { taskOf, tickOf, endOf, ends } = this.written;
    const taskId = taskOf.at(step - 1);
    const changes = this.written.history.rowsOf(step).flatMap((row) => this.change(row) ?? []);
    return {
      step,
      tick: tickOf.at(step - 1),
      taskId,
      task: this.taskName(step),
      doing: this.doing(step),
      path: this.path(step),
      ends: ends[endOf.at(step - 1)]!,
      changes,
      events: this.events(step),
    };
  }

  taskId(step: number): number {
    return this.written.taskOf.at(step - 1);
  }

  taskName(step: number): string {
    return this.names.get(this.taskId(step))!;
  }

  /** Kernel functions in which a step began. */
  path(step: number): readonly string[] {
    return this.written.paths[this.written.pathOf.at(step - 1)] ?? NOTHING;
  }

  /** Steps that begin in a kernel function, or in which it changes something. */
  stepsIn(name: string): number[] {
    const { paths, pathOf, history } = this.written;
    const places = new Set(paths.flatMap((path, i) => (path.includes(name) ? [i] : [])));
    const isIn = (step: number): boolean =>
      places.has(pathOf.at(step - 1)) || history.pathsOf(step).some((path) => places.has(path));
    return Array.from({ length: places.size === 0 ? 0 : this.steps }, (_, i) => i + 1).filter(isIn);
  }

  events(step: number): TraceEvent[] {
    const { events } = this.written;
    return events.slice(this.firstEvent[step]!, this.firstEvent[step + 1]!).map(({ event }) => event);
  }

  /** Every change of the entry of a page, from the level that decided about it. */
  changesOfPage(mm: number, vpn: number): ChangeView[] {
    return this.changesOf([
      [Cell.pte, entryId(mm, vpn)],
      [Cell.pmd, entryId(mm, vpn - (vpn % 512))],
    ]);
  }

  /** Every device file that was open at some time. */
  filesSeen(): number[] {
    const { history, objects } = this.written;
    const first = this.at(0).files();
    const later = history.changesOf(Cell.files, 0).flatMap((row) => objects[row.new] as FileId[]);
    return [...new Set([...first, ...later].map(({ file }) => file))];
  }

  changesOfMirror(file: number, vpn: number): ChangeView[] {
    return this.changesOf([[Cell.mirror, entryId(file, vpn)]]);
  }

  changesOfFolio(pfn: number): ChangeView[] {
    const kinds = [Cell.refcount, Cell.mapcount, Cell.flags, Cell.lockOwner, Cell.order];
    return this.changesOf(kinds.map((kind) => [kind, pfn]));
  }

  changesOfNotifier(mm: number): ChangeView[] {
    return this.changesOf([
      [Cell.notifierSeq, mm],
      [Cell.notifierActive, mm],
    ]);
  }

  changesOfVmas(mm: number): ChangeView[] {
    return this.changesOf([[Cell.vmas, mm]]);
  }

  private changesOf(cells: readonly (readonly [CellKind, number])[]): ChangeView[] {
    const rows = cells.flatMap(([kind, id]) => this.written.history.changesOf(kind, id));
    return rows.sort((a, b) => a.row - b.row).flatMap((row) => this.change(row) ?? []);
  }

  /** Null for what is a part of another change, or of no interest to people. */
  private change(row: Row): ChangeView | null {
    const text = this.text(row);
    if (text === null || text.old === text.new) return null;
    const { step } = row;
    const task = step > this.steps ? '' : this.taskName(step);
    return { step, task, ...text, path: this.written.paths[row.path] ?? NOTHING };
  }

  private text(row: Row): { what: string; old: string; new: string } | null {
    const { kind, id } = row;
    const plain = (what: string): { what: string; old: string; new: string } => ({
      what,
      old: String(row.old),
      new: String(row.new),
    });
    switch (kind) {
      case Cell.pte:
      case Cell.pmd: {
        const { mm, vpn } = pageOf(id);
        const level = kind === Cell.pte ? 'entry' : 'PMD entry';
        return { what: `${level} ${addrText(vpn)} of mm ${mm}`, old: entryAndPfn(row.old), new: entryAndPfn(row.new) };
      }
      case Cell.refcount:
        return plain(`refcount of folio ${id}`);
      case Cell.mapcount:
        return plain(`mapcount of folio ${id}`);
      case Cell.order:
        return plain(`order of folio ${id}`);
      case Cell.flags:
        return { what: `flags of folio ${id}`, old: flagNames(row.old).join(' '), new: flagNames(row.new).join(' ') };
      case Cell.lockOwner:
        return { what: `lock of folio ${id}`, old: this.ownerText(row.old), new: this.ownerText(row.new) };
      case Cell.mirror: {
        const { mm: file, vpn } = pageOf(id);
        return { what: `mirror ${addrText(vpn)} of file ${file}`, old: mirrorText(row.old), new: mirrorText(row.new) };
      }
      case Cell.notifierSeq:
        return plain(`notifier sequence of mm ${id}`);
      case Cell.notifierActive:
        return plain(`running invalidations of mm ${id}`);
      case Cell.vmas:
        return { what: `vmas of mm ${id}`, ...this.vmaChange(row) };
      default:
        return null;
    }
  }

  private ownerText(id: number): string {
    return id === 0 ? 'free' : (this.names.get(id) ?? `task ${id}`);
  }

  /** Those that are in one list alone. */
  private vmaChange(row: Row): { old: string; new: string } {
    const textsOf = (place: number): string[] =>
      (this.written.objects[place] as VmaView[]).map(
        ({ start, end, rights }) => `${addr(start)}-${addr(end)} ${rights}`,
      );
    const [old, now] = [textsOf(row.old), textsOf(row.new)];
    const but = (list: string[], other: string[]): string =>
      list.filter((text) => !other.includes(text)).join(', ') || 'nothing';
    return { old: but(old, now), new: but(now, old) };
  }

  /**
   * Functions in which a task stands after `step`: where its next step begins, or where its last one ended.
   * Nobody can look into a coroutine that waits.
   */
  pathOf(task: number, step: number): readonly string[] {
    const { history, paths, pathOf } = this.written;
    const next = this.stepsOf.get(task) ?? [];
    const at = firstWhere(0, next.length, (i) => next[i]! > step);
    const near = next[at] ?? next[at - 1];
    return near === undefined || near > history.steps ? NOTHING : (paths[pathOf.at(near - 1)] ?? NOTHING);
  }

  /** The call in which a step began. */
  private doing(step: number): string {
    const place = this.written.history.valueAt(Cell.task, this.taskId(step), step - 1);
    const task = place === undefined ? null : (this.written.objects[place] as TaskCell | null);
    return task?.doing ?? '';
  }
}

/** Whoever changes vmas has emptied what it took away before anybody changes them again; it may do so in some steps. */
const LATELY = 8;

/** What was written down, and the machine itself for what never changed. */
class CellsAt implements Cells {
  constructor(
    private readonly step: number,
    private readonly from: {
      readonly written: Written;
      readonly live: Recording['live'];
      readonly recording: Recording;
    },
  ) {}

  number(kind: CellKind, id: number): number {
    const { written, live } = this.from;
    return written.history.valueAt(kind, id, this.step) ?? live.number(kind, id);
  }

  spaces(): readonly SpaceId[] {
    return this.object(Cell.spaces, 0) as SpaceId[];
  }

  files(): readonly FileId[] {
    return this.object(Cell.files, 0) as FileId[];
  }

  vmas(mm: number): readonly VmaView[] {
    return this.object(Cell.vmas, mm) as VmaView[];
  }

  lately(mm: number): readonly VmaView[] {
    const { history, objects } = this.from.written;
    const changes = history.changesUntil(Cell.vmas, mm, { step: this.step, most: LATELY });
    return changes.flatMap(({ old }) => objects[old] as VmaView[]);
  }

  tasks(): TaskCell[] {
    const ids = [...this.from.written.history.changed(Cell.task)];
    return ids.flatMap((id) => (this.object(Cell.task, id) as TaskCell | null) ?? []);
  }

  stack(task: number): readonly string[] {
    if ((this.object(Cell.task, task) as TaskCell).state === 'idle') return NOTHING;
    return this.from.recording.pathOf(task, this.step);
  }

  chunks(): readonly ChunkId[] {
    return this.object(Cell.chunks, 0) as ChunkId[];
  }

  everLocked(): number[] {
    return [...this.from.written.history.changed(Cell.lockOwner)].sort((a, b) => a - b);
  }

  private object(kind: CellKind, id: number): unknown {
    const { history, objects } = this.from.written;
    return objects[history.valueAt(kind, id, this.step)!];
  }
}

/** By step, where its events begin. */
function firstEvents(events: Written['events'], steps: number): Int32Array {
  const first = new Int32Array(steps + 3);
  for (const { step } of events) first[step + 1]!++;
  for (let step = 0; step < first.length - 1; step++) first[step + 1]! += first[step]!;
  return first;
}

function entryAndPfn(value: number): string {
  const text = entryText(loOf(value));
  return [Kind.none, Kind.table].includes(kindOf(loOf(value)) as 0) ? text : `${text} ${hiOf(value)}`;
}

function mirrorText(entry: number): string {
  if (entry === 0) return 'none';
  return `${mirrorAccess(entry)} ${mirrorPfn(entry)}`;
}

function addr(address: number): string {
  return `0x${address.toString(16)}`;
}

function addrText(vpn: number): string {
  return addr(vpn * PAGE_SIZE);
}
