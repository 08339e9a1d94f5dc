import type { Coroutine } from '../../core/effect.js';
import type { Timer } from '../../core/scheduler.js';
import type { Task } from '../../core/task.js';
import { HPAGE_PMD_NR } from '../frames/frames.js';
import type { Memory } from '../memory.js';
import type { Mm } from '../vmas/mm.js';

/** What /sys/kernel/mm/transparent_hugepage/khugepaged has, with what 6.12 begins with. */
const FIRST_KNOBS = {
  defrag: 1,
  allocSleepMillisecs: 60_000,
  scanSleepMillisecs: 10_000,
  pagesToScan: HPAGE_PMD_NR * 8,
  maxPtesNone: HPAGE_PMD_NR - 1,
  maxPtesSwap: HPAGE_PMD_NR / 8,
  maxPtesShared: HPAGE_PMD_NR / 2,
};
export type KhugepagedKnobs = typeof FIRST_KNOBS;

/** What khugepaged knows, and where it is. Linux: khugepaged_scan and the variables beside it */
export class Khugepaged {
  readonly knobs: KhugepagedKnobs = { ...FIRST_KNOBS };
  /** Address spaces that have or may get huge pages, each with a reference to its structure. Linux: khugepaged_scan.mm_head */
  readonly mms: Mm[] = [];
  /** Of these, whose turn it is, and where in it. */
  mm: Mm | null = null;
  address = 0;
  pagesCollapsed = 0;
  fullScans = 0;
  /** Of a turn: small pages looked at, how often it began with the list, and whether it has slept for lack of a huge page. */
  progress = 0;
  passes = 0;
  hasWaited = false;
  /** A turn is under way. */
  isAtWork = false;
  /** It comes with its first scan, and sleeps between two by the timer. */
  task: Task | null = null;
  timer: Timer | null = null;

  constructor(readonly doScan: (memory: Memory) => Coroutine<boolean>) {}

  /** What follows is a new turn, which sleeps once for a huge page or never. */
  beginTurn(sleeps: boolean): void {
    this.progress = 0;
    this.passes = 0;
    this.hasWaited = !sleeps;
  }
}
