import type { Effect } from '../../core/effect.js';
import {
  CHANGES,
  type EntryChange,
  type Observer,
  Shared,
  type SharedKind,
  spaceAndPage,
} from '../../core/observer.js';
import type { Task } from '../../core/task.js';
import { flagNames, HPAGE_PMD_NR, PAGE_SIZE } from '../../mm/frames/frames.js';
import { entryText, Kind, kindOf } from '../../mm/tables/entry.js';
import type { TraceKind, TraceOperands } from '../../trace/trace-event.js';
import type { Machine } from './machine.js';

const LEVELS = ['', 'PTE', 'PMD', 'PUD', 'PGD'];

/** What a step found of a folio when it first touched it. */
interface FolioBefore {
  readonly state: string;
  readonly refcount: number;
}

/**
 * Reports what tasks do to what they share, while somebody listens for it: entries as they change, folios with what a whole step has
 * changed of them.
 */
export class TraceObserver implements Observer {
  private lastTask = 0;
  private preparedPages = 0;
  /** What each counter was last said to be. */
  private readonly counted = new Map<string, number>();
  private readonly folios = new Map<number, FolioBefore>();

  constructor(
    private readonly machine: Machine,
    private readonly kinds: ReadonlySet<string>,
  ) {}

  stepBegins({ id, name, doing }: Task): void {
    if (id !== this.lastTask) this.emit('switch', id, { from: this.lastTask, to: name, doing });
    this.lastTask = id;
  }

  stepEnds(task: Task, effect: Effect | null): void {
    const { frames } = this.machine.memory;
    for (const [pfn, before] of this.folios) {
      const state = this.folioState(pfn);
      const { refcount } = frames.raw;
      if (state !== before.state) this.emit('folio', task.id, { pfn, old: before.state, new: state });
      if (refcount[pfn] !== before.refcount)
        this.emit('refcount', task.id, { pfn, old: before.refcount, new: refcount[pfn]! });
    }
    this.folios.clear();
    if (this.kinds.has('counter')) this.countAll(task.id);
    if (effect?.kind === 'wait') this.emit('wait', task.id, { for: effect.what, owner: effect.owner()?.id ?? 0 });
  }

  entryChanges(mm: number, vpn: number, level: number, { oldLo, oldHi, newLo, newHi }: EntryChange): void {
    const task = this.machine.kernel.scheduler.current;
    const pages = level === 2 ? HPAGE_PMD_NR : 1;
    if (kindOf(oldLo) === Kind.migration) this.preparedPages -= pages;
    if (kindOf(newLo) === Kind.migration) this.preparedPages += pages;
    // A step may be a whole call.
    if (this.kinds.has('counter')) this.countAll(task?.id ?? 0);
    const [before, after] = [entryText(oldLo), entryText(newLo)];
    // What a CPU notes in an entry that it uses.
    if (before === after && oldHi === newHi) return;
    this.emit('entry', task?.id ?? 0, {
      mm,
      addr: vpn * PAGE_SIZE,
      level: LEVELS[level]!,
      old: before,
      oldPfn: oldHi,
      new: after,
      newPfn: newHi,
      doing: task?.doing ?? '',
    });
  }

  touch(kind: SharedKind, id: number, how: number, count: number): void {
    if ((how & CHANGES) === 0) return;
    const isFolio = kind >= Shared.folioLock && kind <= Shared.mapcount;
    if (isFolio && (this.kinds.has('folio') || this.kinds.has('refcount'))) this.noteFolio(id);
    if (kind !== Shared.mirror) return;
    const { space: file, vpn } = spaceAndPage(id);
    const task = this.machine.kernel.scheduler.current?.id ?? 0;
    this.emit('mirror', task, { file, start: vpn * PAGE_SIZE, end: (vpn + count) * PAGE_SIZE });
  }

  private countAll(task: number): void {
    const { memory, devices } = this.machine;
    this.count(task, 'free frames', memory.allocator.freeFrames);
    this.count(task, 'prepared pages', this.preparedPages);
    for (let minor = 0, device = devices.device(0); device !== undefined; device = devices.device(++minor)) {
      const { calloc, cfree } = device;
      if (calloc > 0) this.count(task, `pages of device ${minor}`, calloc - cfree);
    }
    for (const { id, rss } of memory.mms) this.count(task, `RSS of mm ${id}`, rss.anon + rss.file + rss.shmem);
  }

  private count(task: number, counter: string, value: number): void {
    if (this.counted.get(counter) === value) return;
    this.counted.set(counter, value);
    this.emit('counter', task, { counter, value });
  }

  private noteFolio(pfn: number): void {
    if (this.folios.has(pfn)) return;
    this.folios.set(pfn, { state: this.folioState(pfn), refcount: this.machine.memory.frames.raw.refcount[pfn]! });
  }

  /** `locked lru dirty, mapped 1`: flags by name and how often the folio is mapped. */
  private folioState(pfn: number): string {
    const { flags, folioMapcount } = this.machine.memory.frames.raw;
    return `${flagNames(flags[pfn]!).join(' ') || 'none'}, mapped ${folioMapcount[pfn]}`;
  }

  private emit<Kind extends TraceKind>(kind: Kind, task: number, operands: TraceOperands[Kind]): void {
    if (this.kinds.has(kind)) this.machine.kernel.emit(kind, operands, task);
  }
}
