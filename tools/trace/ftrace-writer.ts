import { FAULT } from '../../driver/mm/faults/fault-code.js';
import type { TraceEvent, TraceEventOf, TraceKind } from '../../driver/trace/trace-event.js';
import { hex, operandText } from '../../driver/trace/trace-text.js';
import { syscallName } from './slices.js';
import { type Sink, TraceClock, type TraceWriter } from './trace-writer.js';

/** The error code of a page fault on x86: it writes, it comes from user mode. */
const X86_PF_WRITE = 2;
const X86_PF_USER = 4;
const PAGE_SHIFT = 12;
const NS_PER_S = 1e9;
const IDLE = '<idle>';

/**
 * Text as `trace-cmd report -t` prints it: `task-pid [cpu] seconds.nanoseconds: event: fields`. Events that Linux has too carry its name
 * and fields; the others begin with `dmirror_`. There is one virtual CPU; the pid is the id of the task.
 */
export class FtraceWriter implements TraceWriter {
  private readonly clock = new TraceClock();
  private readonly names = new Map<number, string>();
  private readonly waits = new Set<number>();

  constructor(private readonly sink: Sink) {
    sink('cpus=1\n');
  }

  begin(name: string): void {
    this.clock.restart();
    this.names.clear();
    this.waits.clear();
    if (name !== '') this.line({ task: 0, at: this.clock.now() }, `print: # ${name}`);
  }

  event(event: TraceEvent): void {
    const text = (LINES[event.kind] as ((event: TraceEvent) => string | null) | undefined)?.(event);
    if (text === null) return;
    const { task, kind } = event;
    if (kind === 'wait') this.waits.add(task);
    if (kind !== 'switch') {
      this.line({ task, at: this.clock.at(event) }, text ?? `dmirror_${kind}: ${operandText(event)}`);
      return;
    }
    const state = this.waits.has(event.from) ? 'D' : 'R';
    this.names.set(task, comm(event.to));
    this.line({ task: event.from, at: this.clock.at(event) }, this.switchText(event, state));
    this.waits.delete(task);
  }

  end(): void {}

  /** Linux: sched_switch of include/trace/events/sched.h */
  private switchText({ from, task }: TraceEventOf<'switch'>, state: string): string {
    return `sched_switch: prev_comm=${this.nameOf(from)} prev_pid=${from} prev_prio=120 prev_state=${state} ==> next_comm=${this.nameOf(task)} next_pid=${task} next_prio=120`;
  }

  private nameOf(task: number): string {
    return this.names.get(task) ?? (task === 0 ? IDLE : `task-${task}`);
  }

  private line({ task, at }: { task: number; at: number }, text: string): void {
    const seconds = `${String(Math.floor(at / NS_PER_S)).padStart(6)}.${String(at % NS_PER_S).padStart(9, '0')}`;
    this.sink(`${this.nameOf(task).padStart(16)}-${String(task).padEnd(5)} [000] ${seconds}: ${text}\n`);
  }
}

/** Kinds that Linux has an event for; null: another kind says the same. */
const LINES: { readonly [Kind in TraceKind]?: (event: TraceEventOf<Kind>) => string | null } = {
  syscall: () => null,
  span(event) {
    const { span, phase, ret } = event;
    const name = syscallName(event.name);
    if (span === 'syscall' && NO_SYSCALLS.has(name)) return `dmirror_${name}_${phase}:`;
    if (span !== 'syscall') return `dmirror_${span}_${phase}: ${name}${phase === 'end' ? ` ret=${ret}` : ''}`;
    return phase === 'begin'
      ? `sys_enter_${name}:`
      : `sys_exit_${name}: 0x${BigInt.asUintN(64, BigInt(ret)).toString(16)}`;
  },
  fault({ access, addr, flags }) {
    if (flags & FAULT.remote) return `dmirror_fault: ${access} address=${hex(addr)} flags=${hex(flags)}`;
    const code = X86_PF_USER | (access === 'write' ? X86_PF_WRITE : 0);
    return `page_fault_user: address=${hex(addr)} ip=0x0 error_code=${hex(code)}`;
  },
  lock: ({ lock, instance, trylock }) => `lock_acquire: ${hex(instance)} ${trylock ? 'try ' : ''}${lock}`,
  unlock: ({ lock, instance }) => `lock_release: ${hex(instance)} ${lock}`,
  entry(event) {
    const { addr, level, old, new: now, oldPfn, newPfn } = event;
    const order = level === 'PMD' ? 9 : 0;
    if (isMigration(now) && !isMigration(old))
      return `set_migration_pte: addr=${bare(addr)}, pte=${bare(newPfn * 2 ** PAGE_SHIFT)} order=${order}`;
    if (isMigration(old) && !isMigration(now))
      return `remove_migration_pte: addr=${bare(addr)}, pte=${bare(oldPfn * 2 ** PAGE_SHIFT)} order=${order}`;
    return `dmirror_entry: ${operandText(event)}`;
  },
};

/** What a program does by itself. */
const NO_SYSCALLS: ReadonlySet<string> = new Set(['load', 'store', 'program']);

function isMigration(entry: string): boolean {
  return /^(PMD-)?MIG-/.test(entry);
}

/** A task's name in the 15 bytes that Linux keeps. */
function comm(name: string): string {
  return name.replaceAll(' ', '-').slice(0, 15);
}

function bare(value: number): string {
  return value.toString(16);
}
