import type { Race } from '../../driver/explore/index.js';
import { Machine } from '../../driver/sys/machine/machine.js';
import type { MachineOptions } from '../../driver/sys/machine/machine-options.js';
import type { Thread } from '../../driver/sys/processes/thread.js';
import { ops } from '../../tests/conform/ops/ops.js';
import { BUFFER_ADDR, BUFFER_PAGES, FILLER, RECORD_ADDR } from '../../tests/conform/ops/places.js';
import { poke, type Script, type Seat } from '../../tests/conform/ops/script.js';
import { type Actor, World } from '../../tests/conform/ops/world.js';
import { PAGE_SIZE } from '../../uapi/mman.js';
import type { CallResult } from '../../uapi/system-call.js';
import { UsageError } from '../exit-code.js';
import type { Litmus } from './litmus-file.js';
import { misfit } from './litmus-misfit.js';
import { canonicalAnswer, knownWords, NEVER_RAN, outcomeText } from './litmus-outcome.js';

/** Pages between the buffers of two threads, and bytes between their records. */
const BUFFER_STRIDE_PAGES = 512;

/** The part of a world that one thread of a race has for itself. */
class ThreadSeat implements Seat {
  readonly recordAddr: number;
  readonly bufferAddr: number;
  /** Its thread of each process. */
  readonly threads = new Map<number, Thread>();

  constructor(
    readonly world: World,
    index: number,
  ) {
    this.recordAddr = RECORD_ADDR + (1 + index) * PAGE_SIZE;
    this.bufferAddr = BUFFER_ADDR + (1 + index) * BUFFER_STRIDE_PAGES * PAGE_SIZE;
  }

  threadOf(p: number): Thread {
    return this.threads.get(p) ?? this.world.actor(p).thread;
  }
}

/** A litmus test on a machine that is set up for it, to be raced as often as wanted. */
export class LitmusRace implements Race {
  readonly machine: Machine;
  readonly setupAnswers: readonly string[];
  private readonly world: World;
  private readonly seats: readonly ThreadSeat[];
  private readonly known: ReadonlySet<string>;
  private readonly actors: ReadonlyMap<number, Actor>;
  private answers: string[][] = [];

  constructor(
    readonly test: Litmus,
    options: Partial<MachineOptions>,
  ) {
    const { name, threads } = test;
    const wrong = misfit(test);
    if (wrong !== null) throw new UsageError(`${name}: ${wrong.message}`, wrong.wayOut);
    this.machine = new Machine(options);
    const bufferPages = Math.max(BUFFER_PAGES, (1 + threads.length) * BUFFER_STRIDE_PAGES);
    this.world = new World(this.machine, { bufferPages });
    this.known = knownWords([...test.setup, ...test.threads.flat(), ...test.observe]);
    this.setupAnswers = test.setup.map((line) => this.setUp(line));
    this.seats = test.threads.map((_, t) => new ThreadSeat(this.world, t));
    for (const t of test.threads.keys()) this.takeSeat(t);
    this.actors = new Map([...this.world.allActors].map(([p, actor]) => [p, copyOf(actor)]));
  }

  private setUp(line: string): string {
    try {
      return this.canonical(line, this.world.run(line.split(' ')));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new UsageError(`${this.test.name}: '${line}' of its set-up can not be done: ${why}`, 'mend the test');
    }
  }

  /** Of each thread, the task that begins it. */
  get tasks(): number[] {
    return this.test.threads.map((lines, t) => this.seats[t]!.threadOf(Number(lines[0]?.split(' ')[1] ?? 0)).task.id);
  }

  /** Puts every thread to work on its ops; nothing runs before the machine does. The machine is as it was after the set-up. */
  start(): void {
    this.begin();
    for (const t of this.test.threads.keys()) this.drive(this.thread(t));
  }

  /** One op after the other instead, `order` names the thread of each; the outcome. */
  serial(order: readonly number[]): string {
    this.begin();
    const lines = this.test.threads.map((thread) => [...thread]);
    for (const t of order) this.answers[t]!.push(this.world.finish(this.op(t, lines[t]!.shift()!)));
    return this.outcome();
  }

  /** What became of it, once no thread is left in the kernel. */
  outcome(): string {
    const observed = this.test.observe.map((line) => {
      const words = line.split(' ');
      return this.canonical(line, this.isAlive(Number(words[1])) ? this.world.run(words) : NEVER_RAN);
    });
    const threads = this.test.threads.map((lines, t) =>
      lines.map((line, i) => this.canonical(line, this.answers[t]![i] ?? NEVER_RAN)),
    );
    return outcomeText(threads, observed);
  }

  private begin(): void {
    for (const p of [...this.world.allActors.keys()]) this.world.removeActor(p);
    for (const [p, actor] of this.actors) this.world.addActor(p, copyOf(actor));
    this.answers = this.test.threads.map(() => []);
  }

  private canonical(line: string, answer: string): string {
    return answer === NEVER_RAN ? answer : canonicalAnswer(line, answer, this.known);
  }

  /** Threads of one process that exist for the race, and memory that is there before it. */
  private takeSeat(t: number): void {
    const seat = this.seats[t]!;
    const { world } = this;
    for (const p of new Set(this.test.threads[t]!.map((line) => Number(line.split(' ')[1])))) {
      if (!world.hasActor(p)) continue;
      const actor = world.actor(p);
      const isFirst = !this.seats.some((other) => other.threads.get(p) === actor.thread);
      const thread = isFirst ? actor.thread : this.machine.threadByTid(world.call(actor, 'thread').ret)!;
      seat.threads.set(p, thread);
      const pages = Math.max(
        0,
        ...this.test.threads[t]!.map((line) => (line.startsWith('dm') ? Number(line.split(' ')[6]) : 8)),
      );
      world.finish(poke(seat, p, seat.recordAddr, FILLER.subarray(0, 64)));
      world.finish(poke(seat, p, seat.bufferAddr, FILLER.subarray(0, pages * PAGE_SIZE)));
    }
  }

  /** Is there such a process? It may have been killed where it ran with a failure. */
  private isAlive(p: number): boolean {
    return this.world.hasActor(p) && this.world.actor(p).thread.process.state === 'running';
  }

  private *thread(t: number): Script<void> {
    for (const line of this.test.threads[t]!) this.answers[t]!.push(yield* this.op(t, line));
  }

  private *op(t: number, line: string): Script<string> {
    const words = line.split(' ');
    if (!this.isAlive(Number(words[1]))) return NEVER_RAN;
    return yield* ops[words[0]!]!(this.seats[t]!, words);
  }

  /** Starts the script's first call; the end of each starts the next. */
  private drive(script: Script<void>): void {
    const next = (step: IteratorResult<{ thread: Thread; name: string; args: readonly never[] }, void>): void => {
      if (step.done === true) return;
      const { thread, name, args } = step.value;
      if (thread.process.state !== 'running') return;
      const call = this.machine.start(thread, name, args);
      const go = (result: CallResult): void => {
        // Who is killed by another thread's exit does not come back from its call.
        if (name === 'exit' || !thread.task.killed) next(script.next(result) as typeof step);
      };
      if (call.result !== undefined) go(call.result);
      else call.onDone = go;
    };
    next(script.next() as never);
  }
}

function copyOf(actor: Actor): Actor {
  return { ...actor, deviceFds: [...actor.deviceFds], fds: new Map(actor.fds) };
}
