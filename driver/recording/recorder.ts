import { callPath } from '../core/call-path.js';
import type { Effect } from '../core/effect.js';
import { Mutex, RwSem } from '../core/locks.js';
import { CHANGES, type EntryChange, entryId, PassingObserver, Shared, type SharedKind } from '../core/observer.js';
import type { Scheduler } from '../core/scheduler.js';
import type { Task } from '../core/task.js';
import { Mirror } from '../dmirror/mirror/mirror.js';
import { Frames } from '../mm/frames/frames.js';
import { ObservedFrames } from '../mm/frames/observed-frames.js';
import { ObservedTable } from '../mm/tables/observed-table.js';
import { PageTable } from '../mm/tables/page-table.js';
import { Table } from '../mm/tables/table.js';
import type { Machine } from '../sys/machine/machine.js';
import type { TraceEvent } from '../trace/trace-event.js';
import { Cell, type CellKind, entryValue, History, isObject } from './cell-history.js';
import { Column } from './column.js';
import { LiveMachine, type TaskCell } from './live-machine.js';
import { Recording } from './recording.js';

export interface RecorderOptions {
  /** What is written down may take so much; more ends the run. */
  readonly maxBytes?: number;
  /** So many changes say which functions made them: looking costs ten times the change. */
  readonly maxPaths?: number;
}

const DEFAULTS: Required<RecorderOptions> = { maxBytes: 2 ** 30, maxPaths: 300_000 };
const STEPS_BETWEEN_QUESTIONS = 256;
const EVENT_BYTES = 200;
/** Mirror pages that one touch names, above which only those are looked at that are there. */
const MANY_PAGES = 512;

/** The run was ended where what is written down of it takes all the room that there is. */
export class RecordingFullError extends Error {}

/**
 * A run is looked at point by point from now on, whatever it is looked at for: steps are the parts between two points that only an
 * explorer stops at, and who runs next is decided as without. Where the run itself is as fine, or whoever runs it gets control back at every
 * point, its steps are these.
 */
export function lookCloser(scheduler: Scheduler): void {
  scheduler.looksCloser = !scheduler.wantsFine && !scheduler.isPreemptive;
}

/** The kinds of cells behind what a task can touch. Of entries nobody is told when a whole tree goes, which has tables in it and no more. */
const CELLS_OF: { readonly [kind in SharedKind]?: readonly CellKind[] } = {
  [Shared.pmd]: [Cell.pmd],
  [Shared.folioLock]: [Cell.flags, Cell.lockOwner],
  [Shared.pageFlags]: [Cell.flags],
  [Shared.refcount]: [Cell.refcount],
  [Shared.mapcount]: [Cell.mapcount],
  [Shared.folioShape]: [Cell.head, Cell.order],
  [Shared.mirror]: [Cell.mirror],
  [Shared.notifierSeq]: [Cell.notifierSeq],
  [Shared.notifierActive]: [Cell.notifierActive],
};
/** After these there may be other address spaces, or others in them. */
const OF_SPACES: ReadonlySet<SharedKind> = new Set<SharedKind>([Shared.mmUsers, Shared.processes, Shared.nextNumber]);

/** Writes down a run of a machine, from where it is to `end`. */
export class Recorder extends PassingObserver {
  readonly history = new History();
  readonly objects: unknown[] = [];
  readonly paths: (readonly string[])[] = [];
  /** By step, from 0. */
  readonly taskOf = new Column(Int32Array);
  readonly tickOf = new Column(Float64Array);
  readonly pathOf = new Column(Int32Array);
  readonly endOf = new Column(Int32Array);
  readonly events: { readonly step: number; readonly event: TraceEvent }[] = [];
  readonly names = new Map<number, string>();
  readonly ends: string[] = [];
  private readonly live: LiveMachine;
  private readonly options: Required<RecorderOptions>;
  private readonly pathIds = new Map<string, number>();
  private readonly endIds = new Map<string, number>();
  /** Cells that the running step has touched, with the functions that did so first. */
  private readonly dirty = new Map<number, number>();
  private readonly taskStates = new Map<Task, Pick<Task, 'state' | 'waitingOn' | 'doing'> & { held: number }>();
  private pathsLeft: number;
  private path = -1;
  private taskId = 0;
  private isInStep = false;
  private isLooking = false;
  /** There was no room for more. */
  isFull = false;
  private isBeginning = true;
  private wantsSpaces = false;
  private lastLists = '';
  /** Address spaces whose vmas somebody may change. */
  private readonly inChange = new Set<number>();

  constructor(
    private readonly machine: Machine,
    options: RecorderOptions = {},
  ) {
    super(machine.kernel.observer);
    this.options = { ...DEFAULTS, ...options };
    this.pathsLeft = this.options.maxPaths;
    this.live = new LiveMachine(machine);
    const { kernel } = machine;
    lookCloser(kernel.scheduler);
    kernel.observe(this);
    machine.onFailure = () => this.isInStep && this.endStep('breaks');
    machine.trace.listen((event) => this.note(event));
    for (const { mm } of this.live.spaces()) this.known(Cell.vmas, mm);
    this.known(Cell.spaces, 0);
    for (const kind of [Cell.files, Cell.chunks]) this.known(kind, 0);
    this.lookAtTasks();
    this.isBeginning = false;
  }

  /** What was written down. The machine is to stay as it is: what never changed is read there. */
  end(): Recording {
    const { kernel, trace } = this.machine;
    if (kernel.observer === this) kernel.observe(this.next);
    this.machine.onFailure = null;
    kernel.scheduler.looksCloser = false;
    trace.listen(null);
    return new Recording(this, this.live);
  }

  override touch(kind: SharedKind, id: number, how: number, count: number): void {
    if (this.isLooking) return;
    super.touch(kind, id, how, count);
    if (this.path < 0 || kind === Shared.lock) this.path = this.pathNow();
    if ((how & CHANGES) === 0) return;
    if (OF_SPACES.has(kind)) this.wantsSpaces = true;
    if (kind === Shared.vmaList) this.inChange.add(id);
    const cells = CELLS_OF[kind];
    if (cells === undefined) return;
    if (kind === Shared.mirror && count > MANY_PAGES) this.touchMirror(id, count);
    else for (const cell of cells) for (let n = 0; n < count; n++) this.changes(cell, id + n);
  }

  override entryChanges(mm: number, vpn: number, level: number, change: EntryChange): void {
    super.entryChanges(mm, vpn, level, change);
    if (level > 2) return;
    const { oldLo, oldHi, newLo, newHi } = change;
    const cell = this.history.cellOf(level === 1 ? Cell.pte : Cell.pmd, entryId(mm, vpn), () =>
      entryValue(oldLo, oldHi),
    );
    const value = entryValue(newLo, newHi);
    if (value !== this.history.last(cell)) this.history.change(cell, value, this.pathNow());
  }

  override stepBegins(task: Task): void {
    super.stepBegins(task);
    this.names.set(task.id, task.name);
    this.taskId = task.id;
    this.isInStep = true;
    this.path = -1;
  }

  override stepEnds(task: Task, effect: Effect | null): void {
    super.stepEnds(task, effect);
    this.endStep(endText(effect));
    const { steps } = this.history;
    this.isFull = steps % STEPS_BETWEEN_QUESTIONS === 0 && this.sizeBytes > this.options.maxBytes;
    if (this.isFull)
      throw new RecordingFullError(`what is written down of ${steps} steps takes all the memory that it may`);
  }

  private endStep(text: string): void {
    this.flush();
    this.lookAtTasks();
    this.taskOf.push(this.taskId);
    this.tickOf.push(this.machine.kernel.scheduler.clock.nowTicks);
    this.pathOf.push(this.path);
    this.endOf.push(this.endId(text));
    this.history.endStep();
    this.isInStep = false;
  }

  get sizeBytes(): number {
    const { history, taskOf, tickOf, pathOf, endOf, events } = this;
    const columns = [history, taskOf, tickOf, pathOf, endOf];
    return columns.reduce((sum, { sizeBytes }) => sum + sizeBytes, EVENT_BYTES * events.length);
  }

  /** Of the step that runs; those of the locks of folios are seen at the folios. */
  private note(event: TraceEvent): void {
    if ((event.kind === 'lock' || event.kind === 'unlock') && event.instance !== 0) return;
    this.events.push({ step: this.history.steps + 1, event });
  }

  private readonly first = (kind: CellKind, id: number): number => {
    this.isLooking = true;
    const value = isObject(kind) ? this.objectOf(kind, id) : this.live.number(kind, id);
    this.isLooking = false;
    return value;
  };

  private known(kind: CellKind, id: number): number {
    return this.history.cellOf(kind, id, this.first);
  }

  /** A cell is about to change. */
  private changes(kind: CellKind, id: number): void {
    const cell = this.known(kind, id);
    if (!this.dirty.has(cell)) this.dirty.set(cell, this.pathNow());
  }

  private touchMirror(id: number, count: number): void {
    const file = this.machine.devices.context.files.get(Math.floor(id / entryId(1, 0)));
    const end = id + count;
    file?.mirror.visit((vpn) => {
      const page = entryId(file.id, vpn);
      if (page >= id && page < end) this.changes(Cell.mirror, page);
    });
  }

  /** The step has ended, or the run. */
  private flush(): void {
    for (const [cell, path] of this.dirty) {
      const { kind, id } = this.history.kindAndId(cell);
      this.look(cell, this.first(kind, id), path);
    }
    this.dirty.clear();
    if (this.wantsSpaces) this.lookAtSpaces();
    this.lookAtVmas();
    const { context } = this.machine.devices;
    const chunks = this.machine.memory.pagemaps.reduce(
      (sum, pagemap) => sum + (pagemap === null ? 0 : 2 ** pagemap.id),
      0,
    );
    const now = `${context.files.size} ${context.nextFileId} ${chunks}`;
    if (now === this.lastLists) return;
    this.lastLists = now;
    for (const kind of [Cell.files, Cell.chunks]) this.look(this.known(kind, 0), this.objectOf(kind, 0), this.path);
  }

  private lookAtSpaces(): void {
    this.wantsSpaces = false;
    this.look(this.known(Cell.spaces, 0), this.objectOf(Cell.spaces, 0), this.path);
    for (const { id } of this.machine.memory.mms) this.known(Cell.vmas, id);
  }

  /** Whoever has an address space's lock for write may change its vmas, in the step that ends it too. */
  private lookAtVmas(): void {
    for (const mm of this.machine.memory.mms) {
      const { isWriteLocked } = mm.mmapLock;
      if (!isWriteLocked && !this.inChange.has(mm.id)) continue;
      this.look(this.known(Cell.vmas, mm.id), this.objectOf(Cell.vmas, mm.id), this.path);
      if (isWriteLocked) this.inChange.add(mm.id);
      else this.inChange.delete(mm.id);
    }
  }

  private look(cell: number, value: number, path: number): void {
    if (value !== this.history.last(cell)) this.history.change(cell, value, path);
  }

  /** Tasks change by what others do: each is looked at. */
  private lookAtTasks(): void {
    let alive = 0;
    for (const { task } of this.machine.allThreads()) {
      alive++;
      const { state, waitingOn, doing } = task;
      const held = heldCount(task);
      const before = this.taskStates.get(task);
      const isSame = before?.state === state && before.held === held && before.doing === doing;
      // What a task waits for may get another owner.
      if (isSame && before.waitingOn === waitingOn && waitingOn === null) continue;
      this.taskStates.set(task, { state, held, waitingOn, doing });
      this.isLooking = true;
      const now = this.live.task(task);
      this.isLooking = false;
      this.taskIs(task, now);
    }
    if (alive < this.taskStates.size) this.forgetTasks();
  }

  private forgetTasks(): void {
    const alive = new Set(this.live.tasks());
    for (const task of this.taskStates.keys()) {
      if (alive.has(task)) continue;
      this.taskStates.delete(task);
      this.taskIs(task, null);
    }
  }

  /** `null`: it is no more, and so it was before it was first seen. */
  private taskIs(task: Task, now: TaskCell | null): void {
    const value = this.placeOf(now);
    const first = this.isBeginning ? value : this.placeOf(null);
    const cell = this.history.cellOf(Cell.task, task.id, () => first);
    this.look(cell, value, this.path);
  }

  private objectOf(kind: CellKind, id: number): number {
    const { live } = this;
    if (kind === Cell.vmas) return this.placeOf(live.vmas(id));
    return this.placeOf(kind === Cell.spaces ? live.spaces() : kind === Cell.files ? live.files() : live.chunks());
  }

  private readonly places = new Map<string, number>();

  /** Equal ones are one. */
  private placeOf(value: unknown): number {
    const text = JSON.stringify(value);
    let place = this.places.get(text);
    if (place === undefined) {
      place = this.objects.push(value) - 1;
      this.places.set(text, place);
    }
    return place;
  }

  private pathNow(): number {
    if (this.pathsLeft <= 0) return -1;
    this.pathsLeft--;
    const names = callPath().filter((name) => !name.startsWith('get '));
    const path = names.slice(names.findIndex((name) => !OWN.has(name) && !name.startsWith('touch')));
    const text = path.join(' ');
    let id = this.pathIds.get(text);
    if (id === undefined) {
      id = this.paths.push(path) - 1;
      this.pathIds.set(text, id);
    }
    return id;
  }

  private endId(text: string): number {
    let id = this.endIds.get(text);
    if (id === undefined) {
      id = this.ends.push(text) - 1;
      this.endIds.set(text, id);
    }
    return id;
  }
}

/** Functions between what changes something and who writes it down, which are none of the kernel's. */
const OWN: ReadonlySet<string> = new Set([
  ...['touch', 'entryChanges', 'changes', 'touchMirror', 'pathNow', 'takeLock'],
  ...[Table, ObservedTable, PageTable, Frames, ObservedFrames, Mirror, Mutex, RwSem].flatMap((of) =>
    Object.getOwnPropertyNames(of.prototype),
  ),
]);

/** Tells two states of a task's locks apart. */
function heldCount({ held, heldMask }: Task): number {
  if (heldMask === 0) return 0;
  return held.reduce((sum, count) => sum * HELD_AT_ONCE + count, 0);
}

/** More locks of one class than a task holds, but for the folios of a migration. */
const HELD_AT_ONCE = 31;

function endText(effect: Effect | null): string {
  if (effect === null) return 'returns';
  if (effect.kind === 'preempt') return effect.at;
  return effect.kind === 'sleep' ? 'sleeps' : `waits for ${effect.what}`;
}
