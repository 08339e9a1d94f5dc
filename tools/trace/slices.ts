import type { MigrateStage, TraceEvent } from '../../driver/trace/trace-event.js';

/** A slice of a task's track begins or ends. */
export interface SliceChange {
  readonly phase: 'begin' | 'end';
  readonly name: string;
  readonly note?: string;
}

/** What begins where a stage ends. */
const NEXT_STAGE: { readonly [stage in MigrateStage]?: MigrateStage } = {
  collect: 'unmap',
  unmap: 'copy',
  setup: 'copy',
  copy: 'pages',
  pages: 'finalize',
};
const STAGES: readonly string[] = ['setup', 'collect', 'unmap', 'copy', 'pages', 'finalize'];
const WAIT = 'wait';

/**
 * Which slices of each task are open, innermost last. A migration says when a stage has ended; the next begins there, and the first
 * with the walk over the page tables.
 */
export class Slices {
  private readonly open = new Map<number, string[]>();

  /** The task has blocked; its next event ends that. */
  waits(task: number): void {
    this.stack(task).push(WAIT);
  }

  /** The task of `event` is running: what it waited for is over. */
  goesOn({ task, kind }: TraceEvent): readonly string[] {
    const stack = this.stack(task);
    if (stack.at(-1) !== WAIT || kind === 'counter') return [];
    stack.pop();
    return [WAIT];
  }

  /** What `event` begins and ends; empty when it is none of a slice. */
  of(event: TraceEvent): readonly SliceChange[] {
    const stack = this.stack(event.task);
    switch (event.kind) {
      case 'span': {
        const name = event.span === 'syscall' ? syscallName(event.name) : `${event.span} ${event.name}`;
        if (event.phase === 'begin') return begins(stack, name);
        return endsDownTo(stack, (open) => open === name);
      }
      case 'ioctl':
        if (event.phase === 'begin') return begins(stack, event.command);
        return endsDownTo(stack, (open) => open === event.command);
      case 'walk':
        if (event.walk === 'hmm') return [];
        return [...endsStages(stack), ...begins(stack, 'setup'), ...begins(stack, 'collect')];
      case 'migrate':
        return stageEnds(stack, event.stage);
      default:
        return [];
    }
  }

  /** How many slices of each task are open; they are forgotten. */
  takeOpen(): { task: number; count: number }[] {
    const left = [...this.open].map(([task, { length }]) => ({ task, count: length }));
    this.open.clear();
    return left;
  }

  private stack(task: number): string[] {
    const known = this.open.get(task);
    if (known !== undefined) return known;
    const made: string[] = [];
    this.open.set(task, made);
    return made;
  }
}

function begins(stack: string[], name: string): SliceChange[] {
  stack.push(name);
  return [{ phase: 'begin', name }];
}

/** Ends the innermost slice that `isIt` and those inside it, which nothing else ended. */
function endsDownTo(stack: string[], isIt: (open: string) => boolean): SliceChange[] {
  const at = stack.findLastIndex(isIt);
  if (at < 0) return [];
  return stack
    .splice(at)
    .reverse()
    .map((name) => ({ phase: 'end' as const, name }));
}

/** A walk that is tried again, or a chunk that was given up, leaves stages open. */
function endsStages(stack: string[]): SliceChange[] {
  let count = 0;
  while (count < stack.length && STAGES.includes(stack.at(-1 - count)!)) count++;
  return stack
    .splice(stack.length - count)
    .reverse()
    .map((name) => ({ phase: 'end' as const, name }));
}

function stageEnds(stack: string[], stage: MigrateStage): SliceChange[] {
  const isOpen = stack.includes(stage);
  // The end of unmap is that of setup, which says so itself only where migrate_vma_setup() stands around both.
  if (stage === 'setup' && !isOpen) return [];
  const ended = isOpen ? endsDownTo(stack, (open) => open === stage) : [];
  if (stage === 'unmap' || !isOpen) ended.push(...endsStages(stack));
  const next = NEXT_STAGE[stage];
  return next === undefined ? ended : [...ended, ...begins(stack, next)];
}

/** As Linux names it: an ioctl whose record a program hands over as bytes is one like others. */
export function syscallName(name: string): string {
  return name === 'ioctlBytes' ? 'ioctl' : name;
}
