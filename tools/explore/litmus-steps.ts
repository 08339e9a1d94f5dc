// Steps of the plan language as ops: names of processes, mappings and devices become numbers, in order of their making.

import { keysOf } from '../fault/plans/plan-words.js';
import { opError } from './litmus-op.js';
import { LITMUS_STEP, type LitmusAction, type LitmusStep as Step, type YamlLitmus } from './litmus-schema.js';

/** Ends the reading; `path` is where in the file, `key` a key there. */
type Refuse = (message: string, path: readonly (string | number)[], key?: string) => never;

interface Lines {
  readonly setup: readonly string[];
  readonly threads: readonly (readonly string[])[];
  readonly observe: readonly string[];
}

const DEFAULT_PAGES = 1;
const HUGE_PAGES = 512;
const COMMANDS: readonly string[] = [
  'read',
  'write',
  'migrate_to_dev',
  'migrate_on_fault_to_dev',
  'migrate_to_sys',
  'snapshot',
  'exclusive',
  'check_exclusive',
  'release',
];

export function opLines(test: YamlLitmus, refuse: Refuse): Lines {
  const names = new Names();
  const translate = (actions: readonly LitmusAction[], path: readonly (string | number)[]): string[] =>
    actions.flatMap((action, i) => {
      const wrong = (message: string, key?: string): never => refuse(message, [...path, i], key);
      const ops = typeof action === 'string' ? [action] : names.lines(action, wrong);
      for (const op of ops) {
        const error = opError(op);
        if (error !== null) wrong(error);
      }
      return ops;
    });
  return {
    setup: translate(test.setup ?? [], ['setup']),
    threads: test.threads.map((actions, t) => translate(actions, ['threads', t])),
    observe: translate(test.observe ?? [], ['observe']),
  };
}

interface Mapping {
  readonly region: number;
  readonly pages: number;
}

class Names {
  private readonly processes = new Map<string, number>([['main', 0]]);
  private readonly mappings = new Map<string, Mapping>();
  private readonly devices = new Map<string, number>();

  lines(step: Step, refuse: (message: string, key?: string) => never): string[] {
    const known = keysOf(step.do).filter((key) => key in LITMUS_STEP.entries);
    const other = Object.keys(step).find((key) => !known.includes(key));
    if (other !== undefined) refuse(`'${other}' means nothing for ${step.do}; it takes: ${known.join(', ')}`, other);
    const p = this.of(this.processes, step.process ?? 'main', { what: 'process', refuse });
    const part = (): string => this.part(step, refuse);
    const verb = step.do;
    if (COMMANDS.includes(verb)) return [this.command(step, p, refuse)];
    switch (verb) {
      case 'open': {
        const minor = step.minor ?? 0;
        this.devices.set(step.name ?? 'dev', minor);
        return [`open ${p} ${minor}`];
      }
      case 'close':
        return [`close ${p} ${this.device(step, refuse)}`];
      case 'map':
        return this.map(step, p);
      case 'unmap':
      case 'load':
        return [`${verb} ${p} ${part()}`];
      case 'store':
        return [`store ${p} ${part()} ${step.value ?? 0}`];
      case 'protect':
        return [`protect ${p} ${part()} ${step.prot === 'none' || step.prot === undefined ? '-' : step.prot}`];
      case 'advise':
        return [`advise ${p} ${part()} ${(step.advice ?? '').toUpperCase()}`];
      case 'move': {
        const region = this.mappings.size;
        this.mappings.set(`${step.on ?? 'buf'} moved`, { region, pages: DEFAULT_PAGES });
        return [`remap ${p} ${part()} ${region} 0 0`];
      }
      case 'fork': {
        const q = this.processes.size;
        this.processes.set(step.name ?? 'child', q);
        return [`fork ${p} ${q}`];
      }
      case 'exit':
        return [`exit ${p}`];
      case 'pin':
        return [`pin ${p} ${part()} 1`];
      case 'unpin':
      case 'khugepaged':
        return [`${verb} ${p}`];
      default:
        return refuse(`'${verb}' is no step of a litmus test`);
    }
  }

  private map(step: Step, p: number): string[] {
    const mapping: Mapping = { region: this.mappings.size, pages: step.huge ? HUGE_PAGES : pagesOf(step).count };
    this.mappings.set(step.name ?? 'buf', mapping);
    const { region, pages } = mapping;
    const kind = step.file ? (step.shared ? 'files' : 'filep') : step.shared ? 'shared' : 'anon';
    const prot = step.prot === 'none' ? '-' : (step.prot ?? 'rw');
    const made = `map ${p} ${region} 0 ${pages} ${kind} ${prot}`;
    return step.huge ? [made, `advise ${p} ${region} 0 ${pages} HUGEPAGE`] : [made];
  }

  private command(step: Step, p: number, refuse: (message: string) => never): string {
    const name = step.do.toUpperCase();
    const range = name === 'RELEASE' && step.on === undefined ? '0 0 1' : this.part(step, refuse);
    return `dm ${p} ${this.device(step, refuse)} ${name} ${range}${name === 'WRITE' ? ` ${step.value ?? 0}` : ''}`;
  }

  /** `R off n` of a step. */
  private part(step: Step, refuse: (message: string) => never): string {
    const { region, pages } = this.of(this.mappings, step.on ?? 'buf', { what: 'mapping', refuse });
    const { first, count } = step.pages === undefined ? { first: 0, count: pages } : pagesOf(step);
    return `${region} ${first} ${count}`;
  }

  private device(step: Step, refuse: (message: string) => never): number {
    return this.of(this.devices, step.device ?? 'dev', { what: 'device', refuse });
  }

  private of<T>(
    names: ReadonlyMap<string, T>,
    name: string,
    { what, refuse }: { what: string; refuse: (message: string) => never },
  ): T {
    return (
      names.get(name) ?? refuse(`no ${what} is named '${name}'; there is ${[...names.keys()].join(', ') || 'none'}`)
    );
  }
}

/** `3` of what is mapped is a count; of a part, a page. */
function pagesOf({ pages = DEFAULT_PAGES, do: verb }: Step): { first: number; count: number } {
  if (typeof pages === 'number') return verb === 'map' ? { first: 0, count: pages } : { first: pages, count: 1 };
  const [first, last = first] = pages.split('-').map(Number) as [number, number?];
  return verb === 'map' && !pages.includes('-') ? { first: 0, count: first } : { first, count: last - first + 1 };
}
