/** Steps of a migration, in the order in which they end; setup is collect and unmap together. */
export type MigrateStage = 'collect' | 'unmap' | 'setup' | 'copy' | 'pages' | 'finalize';

/** What an event of each kind carries. Addresses are bytes, and ranges are [start, end). */
export interface TraceOperands {
  /** A system call begins. */
  syscall: { readonly name: string; readonly tid: number };
  /** A command of a device begins, or ends with what its caller sees. */
  ioctl:
    | { readonly command: string; readonly phase: 'begin'; readonly addr: number; readonly npages: number }
    | { readonly command: string; readonly phase: 'end'; readonly ret: number; readonly cpages: number };
  /** An access finds no entry that allows it. `flags` are FAULT bits. */
  fault: { readonly access: 'read' | 'write'; readonly addr: number; readonly flags: number };
  /** A walk over page tables begins. */
  walk: { readonly walk: 'collect' | 'hmm' | 'hmm-migrate'; readonly start: number; readonly end: number };
  /**
   * A step of a migration has ended with `pages` of `npages` entries that (still) migrate. Where there is no address space `start` and
   * `end` are 0; `pfn` is the first source page that there is, 0 without.
   */
  migrate: {
    readonly stage: MigrateStage;
    readonly start: number;
    readonly end: number;
    readonly pfn: number;
    readonly pages: number;
    readonly npages: number;
  };
  /** Subscribers of an address space are told before its entries change. `owned`: by somebody whom the event names. */
  notifier: { readonly event: string; readonly owned: boolean; readonly start: number; readonly end: number };
  /** Something about one page that is worth a line. */
  page: {
    readonly what: 'gup_test dump' | 'mirror entry to a freed page';
    readonly addr: number;
    readonly pfn: number;
  };
  /** A rule of a plan strikes. `page` is counted from the start of the call's range, -1 outside of it. */
  inject: {
    readonly rule: string;
    readonly point: string;
    readonly phase: string;
    readonly page: number;
    readonly addr: number;
  };
  /** A lock is taken. `instance` tells locks of one name apart: for a folio its pfn, else 0. */
  lock: { readonly lock: string; readonly instance: number; readonly trylock: boolean };
  unlock: { readonly lock: string; readonly instance: number };
  /** The task sleeps until somebody wakes it. `owner` is the task that has what it waits for, 0 when that is nobody. */
  wait: { readonly for: string; readonly owner: number };
  /** Another task goes on; `from` is the one that ran before, `doing` the call that `to` is in. */
  switch: { readonly from: number; readonly to: string; readonly doing: string };
  /** An entry of address space `mm` gets another value, in a call. The pfn of a swap entry is its slot. */
  entry: {
    readonly mm: number;
    readonly addr: number;
    readonly level: string;
    readonly old: string;
    readonly oldPfn: number;
    readonly new: string;
    readonly newPfn: number;
    readonly doing: string;
  };
  /** Flags and mappings of a folio before and after a step that changed them. */
  folio: { readonly pfn: number; readonly old: string; readonly new: string };
  /** References of a folio before and after a step that changed them. */
  refcount: { readonly pfn: number; readonly old: number; readonly new: number };
  /** Work of a task begins or ends; spans of one task nest. `ret` is what it came to, 0 at the beginning. */
  span: {
    readonly span: 'syscall' | 'chunk' | 'fault';
    readonly name: string;
    readonly phase: 'begin' | 'end';
    readonly ret: number;
  };
  /** How much of something there is after a step that changed it. */
  counter: { readonly counter: string; readonly value: number };
  /** Device file `file` stores or erases its mirror of a range. */
  mirror: { readonly file: number; readonly start: number; readonly end: number };
}

export type TraceKind = keyof TraceOperands;

/** One event: `tick` is virtual time in microseconds, `task` the id of the running task, 0 outside of one. */
export type TraceEventOf<Kind extends TraceKind> = {
  [K in Kind]: { readonly tick: number; readonly task: number; readonly kind: K } & TraceOperands[K];
}[Kind];
export type TraceEvent = TraceEventOf<TraceKind>;
