import { spaceAndPage } from '../core/observer.js';
import { describeBlocked, heldNames } from '../core/scheduler.js';
import type { Task } from '../core/task.js';
import type { DmirrorFile } from '../dmirror/file.js';
import { DmirrorDevice } from '../dmirror/memory/device.js';
import { MmuSubscriptions } from '../hmm/interval-notifier.js';
import { PAGE_SIZE, PG, Zone } from '../mm/frames/frames.js';
import { tablesBelow } from '../mm/invariants.js';
import { ENTRIES_PER_TABLE, PAGES_PER_PMD_ENTRY, pmdIndex, pteIndex } from '../mm/tables/page-table.js';
import type { Table } from '../mm/tables/table.js';
import type { Mm } from '../mm/vmas/mm.js';
import { vmaRights } from '../mm/vmas/vm-flags.js';
import type { Machine } from '../sys/machine/machine.js';
import { Cell, type CellKind, entryValue } from './cell-history.js';
import type { TaskView, VmaView } from './machine-view.js';
import type { AddressRange } from './ranges.js';

/** An address space, and who lives in it. */
export interface SpaceId {
  readonly mm: number;
  readonly processes: readonly number[];
}

export interface FileId {
  readonly file: number;
  readonly device: number;
  readonly mm: number;
}

/** Pages of a device. */
export interface ChunkId {
  readonly firstPfn: number;
  readonly npages: number;
  readonly isPrivate: boolean;
  /** Minor number. */
  readonly device: number;
}

export type TaskCell = Omit<TaskView, 'stack'>;

/** Stands for what an address space without subscriptions has none of. */
export const NO_NOTIFIER = -1;

/** A machine as it is, cell by cell. Looking is no step of a task, so no observer is to act on it. */
export class LiveMachine {
  private lastMm: Mm | null = null;

  constructor(readonly machine: Machine) {}

  /** Of a kind whose values are numbers. */
  number(kind: CellKind, id: number): number {
    const { raw } = this.machine.memory.frames;
    switch (kind) {
      case Cell.pte:
        return this.entry(1, id);
      case Cell.pmd:
        return this.entry(2, id);
      case Cell.refcount:
        return raw.refcount[id]!;
      case Cell.mapcount:
        return raw.folioMapcount[id]!;
      case Cell.flags:
        return raw.flags[id]!;
      case Cell.lockOwner:
        return raw.lockOwner[id]!;
      case Cell.head:
        return raw.head[id]!;
      case Cell.order:
        return raw.order[id]!;
      case Cell.mirror: {
        const { space, vpn } = spaceAndPage(id);
        return this.machine.devices.context.files.get(space)?.mirror.get(vpn) ?? 0;
      }
      default:
        return this.notifier(kind, id);
    }
  }

  spaces(): SpaceId[] {
    const { machine } = this;
    const processes = machine.allProcesses().filter(({ state }) => state === 'running');
    return [...machine.memory.mms].map((mm) => ({
      mm: mm.id,
      processes: processes.filter((process) => process.mm === mm).map(({ pid }) => pid),
    }));
  }

  files(): FileId[] {
    const files = this.machine.devices.context.files.values();
    return [...files].map(({ id, device, mm }: DmirrorFile) => ({ file: id, device: device.minor, mm: mm.id }));
  }

  vmas(mm: number): VmaView[] {
    const vmas = this.mm(mm)?.vmas ?? [];
    return vmas.map(({ start, end, flags, file }) => ({ start, end, rights: vmaRights(flags), isFile: file !== null }));
  }

  /** What the page tables that there are could map. */
  tables(mm: number): AddressRange[] {
    const root = this.mm(mm)?.pageTable.root;
    const found: AddressRange[] = [];
    if (root === undefined) return found;
    for (const { table, level, base } of tablesBelow({ table: root, level: 4, base: 0 })) {
      if (level !== 2) continue;
      for (let i = 0; i < ENTRIES_PER_TABLE; i++) {
        if ((table.rawChildren?.[i] ?? null) === null && table.rawEntries[2 * i] === 0) continue;
        const start = (base + i * PAGES_PER_PMD_ENTRY) * PAGE_SIZE;
        found.push({ start, end: start + PAGES_PER_PMD_ENTRY * PAGE_SIZE });
      }
    }
    return found;
  }

  task(task: Task): TaskCell {
    const { id, name, state, doing } = task;
    const base = { id, name, state, doing: state === 'idle' ? '' : doing, holds: heldNames(task) };
    if (state !== 'blocked') return { ...base, waitsFor: null, ownedBy: null };
    const { waitsFor, ownedBy } = describeBlocked(task);
    return { ...base, waitsFor, ownedBy };
  }

  tasks(): Task[] {
    return [...this.machine.allThreads()].map(({ task }) => task);
  }

  chunks(): ChunkId[] {
    return this.machine.memory.pagemaps.flatMap((pagemap) => {
      if (pagemap === null || !(pagemap.owner instanceof DmirrorDevice)) return [];
      const { firstPfn, npages, zone, owner } = pagemap;
      return { firstPfn, npages, isPrivate: zone === Zone.private, device: owner.minor };
    });
  }

  lockedFolios(): number[] {
    const { lockOwner, flags } = this.machine.memory.frames.raw;
    const found: number[] = [];
    for (let pfn = 0; pfn < flags.length; pfn++) if (flags[pfn]! & PG.locked && lockOwner[pfn] !== 0) found.push(pfn);
    return found;
  }

  private mm(id: number): Mm | null {
    if (this.lastMm?.id !== id || !this.machine.memory.mms.has(this.lastMm)) {
      this.lastMm = null;
      for (const mm of this.machine.memory.mms) if (mm.id === id) this.lastMm = mm;
    }
    return this.lastMm;
  }

  private entry(level: 1 | 2, id: number): number {
    const { space, vpn } = spaceAndPage(id);
    const table = this.table(space, vpn, level);
    if (table === null) return 0;
    const i = level === 1 ? pteIndex(vpn) : pmdIndex(vpn);
    return entryValue(table.rawEntries[2 * i]!, table.rawEntries[2 * i + 1]!);
  }

  private table(space: number, vpn: number, level: number): Table | null {
    let table: Table | null = this.mm(space)?.pageTable.root ?? null;
    for (let above = 4; above > level && table !== null; above--)
      table = table.rawChildren![Math.floor(vpn / 512 ** (above - 1)) % 512]!;
    return table;
  }

  private notifier(kind: CellKind, id: number): number {
    const notifier = this.mm(id)?.notifier;
    if (!(notifier instanceof MmuSubscriptions)) return NO_NOTIFIER;
    return kind === Cell.notifierSeq ? notifier.seq : notifier.active;
  }
}
