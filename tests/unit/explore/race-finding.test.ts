import { describe, expect, it } from 'vitest';
import { ObjectGraph } from '../../../driver/check/object-graph.js';
import { type Coroutine, preemptPoint } from '../../../driver/core/effect.js';
import { LockClass } from '../../../driver/core/lock-class.js';
import { Mutex } from '../../../driver/core/locks.js';
import { Access, Shared } from '../../../driver/core/observer.js';
import { WaitQueue } from '../../../driver/core/wait-queue.js';
import type { Director } from '../../../driver/explore/director.js';
import { type ExploreOptions, exploreSubject } from '../../../driver/explore/explore.js';
import type { Subject } from '../../../driver/explore/subject.js';
import { testKernel } from '../helpers.js';

const POINT = preemptPoint('point');

/** Two tasks over a flag, a queue and a mutex. */
class Pair implements Subject {
  readonly kernel = testKernel();
  readonly mutex = new Mutex(this.kernel, LockClass.dmirrorMutex, 'mutex');
  readonly queue = new WaitQueue('the flag', { owner: () => null, objectId: 7, kernel: this.kernel });
  /** For who waits for a call of others. */
  readonly served = new WaitQueue('a server');
  answer = '';
  private flag = false;
  private readonly tasks = ['a', 'b'].map((name) => this.kernel.scheduler.newTask(name));
  private readonly graph: ObjectGraph;

  constructor(
    private readonly bodies: readonly ((pair: Pair) => Coroutine<void>)[],
    director: Director,
  ) {
    Object.assign(this.kernel.scheduler, { policy: director, stepLimit: 2000 });
    this.kernel.observe(director);
    this.graph = new ObjectGraph(Object.values(this), { apart: [director, bodies] });
  }

  get isSet(): boolean {
    this.kernel.observer?.touch(Shared.content, 1, Access.read, 1);
    return this.flag;
  }

  set(): void {
    this.kernel.observer?.touch(Shared.content, 1, Access.write, 1);
    this.flag = true;
  }

  goBack(): void {
    this.graph.restore();
    this.answer = '';
    this.flag = false;
  }

  start(): void {
    this.bodies.forEach((body, i) => {
      this.kernel.scheduler.start(this.tasks[i]!, body(this), () => undefined);
    });
  }

  run() {
    return this.kernel.scheduler.run();
  }

  prove(): void {}

  outcome(): string {
    return this.answer;
  }

  release(): void {}
}

function* setsAndWakes(pair: Pair): Coroutine<void> {
  yield POINT;
  pair.set();
  pair.queue.wakeAll();
}

function* waits(pair: Pair): Coroutine<void> {
  while (!pair.isSet) yield pair.queue;
}

function* waitsTooLate(pair: Pair): Coroutine<void> {
  if (pair.isSet) return;
  yield POINT;
  yield pair.queue;
}

function* waitsWithMutex(pair: Pair): Coroutine<void> {
  yield* pair.mutex.lock();
  yield* waits(pair);
  pair.mutex.unlock();
}

function* waitsForServerWithMutex(pair: Pair): Coroutine<void> {
  yield* pair.mutex.lock();
  yield pair.served;
  pair.mutex.unlock();
}

function* setsWithMutex(pair: Pair): Coroutine<void> {
  yield* pair.mutex.lock();
  yield* setsAndWakes(pair);
  pair.mutex.unlock();
}

function* spins(pair: Pair): Coroutine<void> {
  while (!pair.isSet) yield POINT;
}

function* sleeps(_pair: Pair): Coroutine<void> {
  yield { kind: 'sleep', ticks: 2000 };
}

function* waitsForAMoment(pair: Pair): Coroutine<void> {
  const { scheduler } = pair.kernel;
  let isLate = false;
  const timer = scheduler.addTimer(scheduler.now() + 10, () => {
    isLate = true;
    pair.queue.wakeAll();
  });
  while (!pair.isSet && !isLate) yield pair.queue;
  scheduler.cancelTimer(timer);
  pair.answer = isLate ? 'late' : 'woken';
}

type Body = (pair: Pair) => Coroutine<void>;
const SEARCHES: readonly ExploreOptions[] = [
  { strategy: 'dpor' },
  { strategy: 'all', budget: 2000 },
  { strategy: 'random', budget: 100, seed: 5 },
];
const seen = (bodies: readonly Body[], options: ExploreOptions) =>
  exploreSubject((director) => new Pair(bodies, director), options);

describe.each(SEARCHES)('$strategy', (search) => {
  it.each<[kind: string, bodies: Body[], options: ExploreOptions]>([
    ['deadlock', [waitsWithMutex, setsWithMutex], {}],
    ['hang', [waitsForServerWithMutex, setsAndWakes], {}],
    ['lost wake-up', [waitsTooLate, setsAndWakes], {}],
    ['livelock', [spins, spins], { budget: 50 }],
    ['deadline', [sleeps, setsAndWakes], { deadlineUs: 1000 }],
  ])('finds a %s that is planted, and repeats it', (kind, bodies, options) => {
    const { findings } = seen(bodies, { ...search, ...options });
    expect(findings.map((finding) => finding.kind)).toEqual([kind]);
    const again = seen(bodies, { strategy: 'replay', choices: findings[0]!.witness, ...options });
    expect(again.findings).toMatchObject([{ kind, message: findings[0]!.message }]);
  });

  it('says hang too of who waits for one that waits for a call', () => {
    const { findings } = seen([waitsForServerWithMutex, setsWithMutex], search);
    expect(findings.map(({ kind, waits }) => `${kind} of ${waits!.length}`).sort()).toEqual(['hang of 1', 'hang of 2']);
  });

  it.each<[Body[]]>([
    [[waits, setsAndWakes]],
    [[setsWithMutex, setsWithMutex]],
    [[spins, setsAndWakes]],
    [[sleeps, sleeps]],
  ])('finds nothing in %o', (bodies) => {
    expect(seen(bodies, { ...search, deadlineUs: 5000 }).findings).toEqual([]);
  });

  it('lets time run out before and after whatever else happens', () => {
    const { outcomes, findings } = seen([waitsForAMoment, setsAndWakes], search);
    expect([...outcomes.keys()].sort()).toEqual(['late', 'woken']);
    expect(findings).toEqual([]);
  });
});
