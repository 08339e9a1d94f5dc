import fc from 'fast-check';
import { ObjectGraph } from '../../../driver/check/object-graph.js';
import { type Coroutine, preemptPoint } from '../../../driver/core/effect.js';
import type { Kernel } from '../../../driver/core/kernel.js';
import { LockClass } from '../../../driver/core/lock-class.js';
import { Mutex, RwSem } from '../../../driver/core/locks.js';
import { Access, GET_ALIVE, lastDrop, Shared } from '../../../driver/core/observer.js';
import { WaitQueue } from '../../../driver/core/wait-queue.js';
import type { Director } from '../../../driver/explore/director.js';
import type { Subject } from '../../../driver/explore/subject.js';
import { testKernel } from '../helpers.js';

const POINT = preemptPoint('op');
const CELLS = 2;
const CELL_OPS = [
  'read',
  'write',
  'increment',
  'await',
  'wakeOne',
  'wakeAll',
  'pass',
  'hold',
  'try',
  'put',
  'ask',
  'awaitLate',
  'awaitOr',
  'spin',
  'retry',
] as const;

/**
 * `cell` and `value` are small numbers; what stands between `lock` and its end is done with the lock held. Of each cell's references every
 * task has one until it has `put` it; `hold` takes another for a moment, `try` does unless there is none, and `ask` whether there are at
 * most `value`. `pass` writes with the mutex, in one step; `awaitLate` may miss the wake-up between its test and its wait, `awaitOr` waits
 * no longer than `value`; `spin` looks again and again until somebody has written, `retry` begins again when somebody has meanwhile.
 */
export type SmallOp =
  | {
      readonly op: (typeof CELL_OPS)[number];
      readonly cell: number;
      readonly value: number;
    }
  | { readonly op: 'sleep'; readonly value: number }
  | { readonly op: 'mutex' | 'trylock' | 'readLock' | 'writeLock'; readonly within: readonly SmallOp[] };

export type SmallProgram = readonly (readonly SmallOp[])[];

/** Tasks over a few cells, one mutex, one semaphore and a queue; its outcome is what each task has read, and the cells at the end. */
export class SmallSubject implements Subject {
  readonly kernel: Kernel = testKernel();
  private readonly cells = new Array(CELLS).fill(0);
  private readonly reads: string[][];
  private readonly references: number[];
  private readonly hasPut = new Set<string[]>();
  private readonly mutex = new Mutex(this.kernel, LockClass.dmirrorMutex, 'mutex');
  private readonly sem = new RwSem(this.kernel, LockClass.mmapLock, 'sem');
  private readonly queues = [11, 12].map(
    (objectId) => new WaitQueue('cell', { owner: () => null, objectId: objectId * 1000, kernel: this.kernel }),
  );
  private readonly writes = [21, 22].map(
    (objectId) => new WaitQueue('cell', { owner: () => null, objectId: objectId * 1000, kernel: this.kernel }),
  );
  private readonly tasks;
  private readonly graph: ObjectGraph;

  /** With `spinsSleep` who would go round in a loop sleeps until somebody writes, so that every schedule comes to an end. */
  constructor(
    private readonly program: SmallProgram,
    director: Director,
    private readonly spinsSleep = false,
  ) {
    const { scheduler } = this.kernel;
    this.reads = program.map(() => []);
    this.references = new Array(CELLS).fill(program.length);
    this.tasks = program.map((_, i) => scheduler.newTask(`t${i}`));
    Object.assign(scheduler, { policy: director, stepLimit: 1000 });
    this.kernel.observe(director);
    this.graph = new ObjectGraph(Object.values(this), { apart: [director, program] });
  }

  goBack(): void {
    this.graph.restore();
  }

  start(): void {
    this.program.forEach((ops, i) => {
      this.kernel.scheduler.start(this.tasks[i]!, this.run1(ops, this.reads[i]!), () => undefined);
    });
  }

  run() {
    return this.kernel.scheduler.run();
  }

  prove(): void {}

  outcome(): string {
    return `${this.reads.map((of) => of.join(' ')).join(' | ')} => ${this.cells.join(' ')}`;
  }

  release(): void {}

  private *run1(ops: readonly SmallOp[], reads: string[]): Coroutine<void> {
    for (const op of ops) yield* this.one(op, reads);
  }

  private *one(op: SmallOp, reads: string[]): Coroutine<void> {
    const { kernel, cells, queues, sem, mutex } = this;
    if (kernel.scheduler.isFine) yield POINT;
    const touch = (cell: number, how: number) => kernel.observer?.touch(Shared.content, cell, how, 1);
    if (op.op === 'sleep') yield { kind: 'sleep', ticks: op.value };
    else if ('within' in op) {
      if (op.op === 'mutex') {
        yield* mutex.lock();
        yield* this.run1(op.within, reads);
        mutex.unlock();
      } else if (op.op === 'trylock') {
        const isTaken = mutex.tryLock();
        reads.push(isTaken ? 't' : 'f');
        if (!isTaken) return;
        yield* this.run1(op.within, reads);
        mutex.unlock();
      } else if (op.op === 'readLock') {
        yield* sem.readLock();
        yield* this.run1(op.within, reads);
        sem.readUnlock();
      } else {
        yield* sem.writeLock();
        yield* this.run1(op.within, reads);
        sem.writeUnlock();
      }
    } else if (op.op === 'read') {
      touch(op.cell, Access.read);
      reads.push(String(cells[op.cell]));
    } else if (op.op === 'write') {
      this.write(op.cell, op.value);
    } else if (op.op === 'increment') {
      touch(op.cell, Access.read);
      const before = cells[op.cell];
      if (kernel.scheduler.isFine) yield POINT;
      this.write(op.cell, before + 1);
    } else if (op.op === 'pass') {
      yield* mutex.lock();
      this.write(op.cell, op.value);
      mutex.unlock();
    } else if (op.op === 'hold' || op.op === 'try' || op.op === 'ask' || op.op === 'put') {
      yield* this.refer(op, reads);
    } else if (op.op === 'awaitLate') {
      touch(op.cell, Access.read);
      if (cells[op.cell] !== 0) return;
      if (kernel.scheduler.isFine) yield POINT;
      yield queues[op.cell]!;
    } else if (op.op === 'awaitOr') {
      reads.push((yield* this.awaitOr(op.cell, op.value)) ? 'late' : 'woken');
    } else if (op.op === 'spin') {
      for (;;) {
        touch(op.cell, Access.read);
        if (cells[op.cell] !== 0) break;
        yield this.spinsSleep ? this.writes[op.cell]! : POINT;
      }
    } else if (op.op === 'retry') {
      reads.push(yield* this.retry(op.cell));
    } else if (op.op === 'await') {
      for (;;) {
        touch(op.cell, Access.read);
        if (cells[op.cell] !== 0) break;
        yield queues[op.cell]!;
      }
    } else {
      this.write(op.cell, op.value);
      if (op.op === 'wakeAll') queues[op.cell]!.wakeAll();
      else queues[op.cell]!.wakeOne();
    }
  }

  private write(cell: number, value: number): void {
    this.kernel.observer?.touch(Shared.content, cell, Access.write, 1);
    this.cells[cell] = value;
    if (this.spinsSleep) this.writes[cell]!.wakeAll();
  }

  /** What the other cell held while this one did not change. */
  private *retry(cell: number): Coroutine<string> {
    const { kernel, cells } = this;
    const look = (at: number): number => {
      kernel.observer?.touch(Shared.content, at, Access.read, 1);
      return cells[at]!;
    };
    for (;;) {
      const before = look(cell);
      if (kernel.scheduler.isFine) yield POINT;
      const other = look(1 - cell);
      if (kernel.scheduler.isFine) yield POINT;
      if (look(cell) === before) return String(other);
    }
  }

  private *refer({ op, cell, value }: { op: string; cell: number; value: number }, reads: string[]): Coroutine<void> {
    const { kernel, hasPut } = this;
    if (op === 'ask') {
      const isWithin = this.references[cell]! <= value;
      kernel.observer?.touch(Shared.refcount, cell, isWithin ? Access.within : Access.beyond, 1);
      reads.push(isWithin ? 'few' : 'many');
    } else if (op === 'put') {
      if (hasPut.has(reads)) return;
      hasPut.add(reads);
      this.put(cell, reads);
    } else {
      if ((op === 'hold' && hasPut.has(reads)) || !this.get({ op, cell }, reads)) return;
      if (kernel.scheduler.isFine) yield POINT;
      this.put(cell, reads);
    }
  }

  private *awaitOr(cell: number, ticks: number): Coroutine<boolean> {
    const { kernel, cells, queues } = this;
    let isLate = false;
    const timer = kernel.scheduler.addTimer(kernel.scheduler.now() + ticks, () => {
      isLate = true;
      queues[cell]!.wakeAll();
    });
    for (;;) {
      kernel.observer?.touch(Shared.content, cell, Access.read, 1);
      if (cells[cell] !== 0 || isLate) break;
      yield queues[cell]!;
    }
    kernel.scheduler.cancelTimer(timer);
    return isLate;
  }

  private get({ op, cell }: { op: string; cell: number }, reads: string[]): boolean {
    const { references } = this;
    const isAlive = references[cell]! > 0;
    const how = op === 'hold' ? Access.add : isAlive ? GET_ALIVE : Access.read;
    this.kernel.observer?.touch(Shared.refcount, cell, how, 1);
    if (op === 'try') reads.push(isAlive ? 'got' : 'gone');
    if (isAlive) references[cell]!++;
    return isAlive;
  }

  private put(cell: number, reads: string[]): void {
    const left = this.references[cell]! - 1;
    this.kernel.observer?.touch(Shared.refcount, cell, Access.drop | lastDrop(left), 1);
    this.references[cell] = left;
    if (left === 0) reads.push('freed');
  }
}

const simple: fc.Arbitrary<SmallOp> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constantFrom(...CELL_OPS),
      cell: fc.nat(CELLS - 1),
      value: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('sleep'), value: fc.integer({ min: 1, max: 20 }) }) },
) as fc.Arbitrary<SmallOp>;

const locked: fc.Arbitrary<SmallOp> = fc.record({
  op: fc.constantFrom('mutex', 'trylock', 'readLock', 'writeLock'),
  within: fc.array(
    simple.filter(({ op }) => op !== 'sleep'),
    { minLength: 0, maxLength: 1 },
  ),
}) as fc.Arbitrary<SmallOp>;

export const smallProgram = (tasks: number, ops: number): fc.Arbitrary<SmallProgram> =>
  fc.array(
    fc.array(fc.oneof({ weight: 3, arbitrary: simple }, { weight: 1, arbitrary: locked }), {
      minLength: 1,
      maxLength: ops,
    }),
    {
      minLength: tasks,
      maxLength: tasks,
    },
  );
