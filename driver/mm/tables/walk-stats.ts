/** Counters of page table work since the machine's start or the last `reset`; what the series wants to make smaller. */
export class WalkStats {
  /** Fresh traversals of a range by the page table walker. */
  walks = 0;
  /** Continuations of a walk after a fault, a wait or an undo. */
  resumptions = 0;
  /** Entries looked at by a walker, by level. */
  pteEntries = 0;
  pmdEntries = 0;
  holes = 0;
  /** Calls of handle_mm_fault: by the CPU, and by GUP or HMM on its behalf. */
  cpuFaults = 0;
  remoteFaults = 0;
  /** rmap walks by reason. */
  tryToMigrate = 0;
  removeMigrationPtes = 0;
  makeExclusive = 0;
  tryToUnmap = 0;

  reset(): void {
    Object.assign(this, new WalkStats());
  }
}
