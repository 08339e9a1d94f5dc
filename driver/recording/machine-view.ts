import type { TraceEvent } from '../trace/trace-event.js';

/** What an entry is, for whoever draws it. Device memory that the CPU maps is `coherent`. */
export type PageKind =
  | 'none'
  | 'present'
  | 'coherent'
  | 'zero'
  | 'protnone'
  | 'swap'
  | 'migration'
  | 'device-private'
  | 'exclusive'
  | 'marker'
  | 'hwpoison';

/** The entry of one page, or of 512 when it `isHuge`. */
export interface PageView {
  readonly vpn: number;
  readonly kind: PageKind;
  readonly isWritable: boolean;
  readonly isHuge: boolean;
  /** As in page tables that are printed: `PRESENT W`, `MIG-R`. */
  readonly text: string;
  /** Of the page that it names, of a swap entry its slot; 0 where it names none. */
  readonly pfn: number;
  /** Whose memory the page is: minor number of the device, null for system memory. */
  readonly device: number | null;
}

export interface VmaView {
  readonly start: number;
  readonly end: number;
  /** As in /proc/PID/maps: `rw-p`. */
  readonly rights: string;
  readonly isFile: boolean;
}

/** The notifier subscriptions of an address space. The sequence is odd while an invalidation runs that somebody subscribed to. */
export interface NotifierView {
  readonly seq: number;
  readonly active: number;
}

export interface SpaceView {
  readonly mm: number;
  /** Pids of those that live in it. */
  readonly processes: readonly number[];
  readonly vmas: readonly VmaView[];
  /** Entries that are not none, in order. */
  readonly pages: readonly PageView[];
  readonly notifier: NotifierView | null;
}

export interface MirrorPageView {
  readonly vpn: number;
  readonly pfn: number;
  readonly access: 'read' | 'write' | 'atomic';
}

/** The page table of an open device file. */
export interface MirrorView {
  readonly file: number;
  /** Minor number. */
  readonly device: number;
  readonly mm: number;
  readonly pages: readonly MirrorPageView[];
}

export interface FolioView {
  /** Of its head. */
  readonly pfn: number;
  readonly order: number;
  readonly refcount: number;
  readonly mapcount: number;
  /** Names of PG flags. */
  readonly flags: readonly string[];
  /** Id of the task that has its lock; null for nobody. */
  readonly lockedBy: number | null;
  readonly device: number | null;
  /** Who maps it. */
  readonly mappers: readonly { readonly mm: number; readonly vpn: number }[];
}

export interface TaskView {
  readonly id: number;
  /** Process and thread. */
  readonly name: string;
  readonly state: 'idle' | 'runnable' | 'blocked' | 'sleeping';
  /** The call that it is in, empty for none. */
  readonly doing: string;
  /** Names of the locks that it holds, outermost first. */
  readonly holds: readonly string[];
  readonly waitsFor: string | null;
  /** Name of the task that has that. */
  readonly ownedBy: string | null;
  /** Kernel functions that it goes on in, innermost first; of one whose steps were too many to be looked at: empty. */
  readonly stack: readonly string[];
}

/** All of a machine that can be drawn, as plain values. */
export interface MachineView {
  readonly step: number;
  readonly spaces: readonly SpaceView[];
  readonly mirrors: readonly MirrorView[];
  /** That an entry or a mirror names. */
  readonly folios: readonly FolioView[];
  readonly tasks: readonly TaskView[];
  /** Address spaces or mirrors have more pages than were asked for. */
  readonly isCut: boolean;
}

/** Something that changed in a step. */
export interface ChangeView {
  readonly step: number;
  /** Name of the task. */
  readonly task: string;
  /** `entry 0x10000 of mm 1`, `refcount of folio 12`. */
  readonly what: string;
  readonly old: string;
  readonly new: string;
  /** Kernel functions that did it, innermost first. */
  readonly path: readonly string[];
}

/** One step. */
export interface StepView {
  readonly step: number;
  readonly tick: number;
  readonly taskId: number;
  readonly task: string;
  /** The call that it is in. */
  readonly doing: string;
  /** Kernel functions in which the step began, innermost first. */
  readonly path: readonly string[];
  /** Where it ended: a scheduling point, what it waits for, or `returns`. */
  readonly ends: string;
  readonly changes: readonly ChangeView[];
  readonly events: readonly TraceEvent[];
}
