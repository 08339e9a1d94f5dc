import type { TraceEvent, TraceEventOf, TraceKind } from './trace-event.js';

/** What an event says beside its kind. */
const TEXT: { readonly [Kind in TraceKind]: (event: TraceEventOf<Kind>) => string } = {
  syscall: ({ name, tid }) => `${name} of thread ${tid}`,
  ioctl: (event) =>
    event.phase === 'begin'
      ? `${event.command} ${hex(event.addr)}, ${pages(event.npages)}`
      : `${event.command} = ${event.ret}, ${pages(event.cpages)}`,
  fault: ({ access, addr }) => `${access} fault at ${hex(addr)}`,
  walk: ({ walk, start, end }) => `${walk} ${range(start, end)}`,
  migrate: ({ stage, start, end, pfn, pages: done, npages }) =>
    `${stage} ${end > 0 ? range(start, end) : `pfn ${pfn}`}, ${done} of ${pages(npages)}`,
  notifier: ({ event, owned, start, end }) => `${event}${owned ? ' owner' : ''} ${range(start, end)}`,
  page: ({ what, addr, pfn }) => `${what} ${hex(addr)}, pfn ${pfn}`,
  inject: ({ rule, point, phase, page, addr }) =>
    `${point} in ${phase} by ${rule}${page < 0 ? '' : `, page ${page}`}${addr < 0 ? '' : ` at ${hex(addr)}`}`,
  lock: ({ lock, instance, trylock }) => `${lockText(lock, instance)}${trylock ? ' (trylock)' : ''}`,
  unlock: ({ lock, instance }) => lockText(lock, instance),
  wait: ({ for: what, owner }) => `for ${what}${owner === 0 ? '' : ` of task ${owner}`}`,
  switch: ({ from, to, doing }) => `from task ${from} to ${to}${doing === '' ? '' : ` in ${doing}`}`,
  entry: ({ mm, addr, level, old, oldPfn, new: now, newPfn }) =>
    `mm ${mm} ${level} ${hex(addr)}: ${old}${pfnText(oldPfn)} -> ${now}${pfnText(newPfn)}`,
  folio: ({ pfn, old, new: now }) => `${pfn}: ${old} -> ${now}`,
  refcount: ({ pfn, old, new: now }) => `folio ${pfn}: ${old} -> ${now}`,
  span: ({ span, name, phase, ret }) => `${span} ${name} ${phase === 'begin' ? 'begins' : `= ${ret}`}`,
  counter: ({ counter, value }) => `${counter} ${value}`,
  mirror: ({ file, start, end }) => `of file ${file} ${range(start, end)}`,
};

/** Every kind there is. */
export const TRACE_KINDS = Object.keys(TEXT) as readonly TraceKind[];

/** Kinds that come at nearly every step: nobody gets them who does not say so. */
const FREQUENT: readonly string[] = [
  'lock',
  'unlock',
  'wait',
  'switch',
  'entry',
  'folio',
  'refcount',
  'mirror',
  'span',
  'counter',
];
export const RARE_KINDS = TRACE_KINDS.filter((kind) => !FREQUENT.includes(kind));

/** Of interest for programs that draw, or too many for people. */
const SELDOM_WANTED: readonly string[] = ['folio', 'refcount', 'span', 'counter'];
/** What a listener gets that does not say what it wants. */
export const USUAL_KINDS: ReadonlySet<string> = new Set(TRACE_KINDS.filter((kind) => !SELDOM_WANTED.includes(kind)));

/** What `event` says beside its kind, in words. */
export function operandText(event: TraceEvent): string {
  return (TEXT[event.kind] as (event: TraceEvent) => string)(event);
}

/** One line, its columns aligned as far as common numbers go. */
export function eventLine(event: TraceEvent): string {
  const { tick, task, kind } = event;
  return `${String(tick).padStart(8)} task ${task} ${kind.padEnd(8)} ${operandText(event)}`;
}

/** A lock among those of its name. */
export function lockText(lock: string, instance: number): string {
  return instance === 0 ? lock : `${lock} ${instance}`;
}

function pfnText(pfn: number): string {
  return pfn === 0 ? '' : ` ${pfn}`;
}

function pages(count: number): string {
  return count === 1 ? '1 page' : `${count} pages`;
}

function range(start: number, end: number): string {
  return `${hex(start)}-${hex(end)}`;
}

export function hex(value: number): string {
  return `${value < 0 ? '-' : ''}0x${Math.abs(value).toString(16)}`;
}
