import type { Effect } from '../core/effect.js';
import type { Footprints } from '../core/footprint.js';
import type { EntryChange, Observer, SharedKind } from '../core/observer.js';
import { END_RUN, type SchedulerPolicy } from '../core/policy.js';
import type { DueEvent } from '../core/scheduler.js';
import type { Task } from '../core/task.js';
import type { WaitQueue } from '../core/wait-queue.js';
import type { Line } from './line.js';

/** The actor that fires the timer which is due first; all others are tasks, by id. */
const CLOCK = 0;

/** `complete`: no other schedule can come to anything else. `bound`: those within the bound ran. `budget`: there are others. */
export type Verdict = 'complete' | 'bound' | 'budget';

/**
 * Decides one schedule after the other. A decision is a place in a list of alternatives whose first is the default: go on with
 * the task that ran last, else with the first that can run; wake whoever came first.
 */
export interface Strategy {
  /** Before each schedule; false when there is none left. */
  begins(): boolean;
  /** When none is left. */
  readonly verdict: Verdict;
  /** The last schedule was given up as whoever could run only went round in a loop. */
  readonly isLivelock?: boolean;
  /** No two schedules that run to their end differ only in the order of steps that have nothing to do with each other. */
  readonly isInequivalent?: boolean;
  /** Whose step is next, by place in `actors`; `END_RUN` gives the schedule up. Also asked where there is no choice. */
  pick(actors: readonly number[]): number;
  /** Whom a wake-up wakes; two or more. */
  wake(actors: readonly number[]): number;
  /** Told what each step touches. */
  readonly footprints?: Footprints;
  /** A step has ended at `point`, or nowhere, and was the `steps`th of its call. */
  stepEnds?(point: Effect | null, steps: number): void;
  /** The schedule is over, and not given up by the strategy; the last step may have been cut short. */
  ends?(): void;
  /** Of one schedule, to show what it looks for. */
  readonly guarantee?: number;
  /** What was to be replayed does not exist, and why; null when all is well. */
  readonly misfit?: string | null;
  /** What stands for the schedule that has ended, if it comes before `best`. Without: the schedule itself, if it is the first. */
  line?(best: Line | null): Line | null;
}

/** Stands between the scheduler of a machine and a strategy, which sees actors and places only. */
export class Director implements SchedulerPolicy, Observer {
  readonly isTimeFree = true;
  /** Of the present schedule: the places that were chosen, where there were two or more. */
  readonly choices: number[] = [];
  /** The strategy has given the schedule up. */
  isGivenUp = false;
  /** Everybody in turn, whatever the strategy wants: a schedule that keeps others waiting for ever is none of a real machine. */
  isFair = false;
  /** The run ends before its next step, to be continued. */
  isPaused = false;
  /** Virtual time that a call may take by itself, with its steps and sleeps. */
  deadlineTicks = Number.POSITIVE_INFINITY;
  /** The call that took longer, which ended the schedule. */
  late: Task | null = null;
  /** By id of a task: how long its call has slept. */
  private readonly slept = new Map<number, number>();
  private isDirecting = false;
  /** Who ran last. */
  private current = -1;
  private readonly actors: number[] = [];
  /** Chosen while it slept: its step is the next. */
  private awake: Task | null = null;
  private isClockRunning = false;
  private isInStep = false;

  constructor(public strategy: Strategy) {}

  /** From here to `ends` the strategy decides. */
  begins(): void {
    this.choices.length = 0;
    this.isGivenUp = false;
    this.isFair = false;
    this.isPaused = false;
    this.late = null;
    this.slept.clear();
    this.isDirecting = true;
    this.current = -1;
    this.awake = null;
    this.isClockRunning = false;
  }

  ends(): void {
    this.endClockStep();
    // A step that threw has no end of its own.
    if (this.isInStep) this.strategy.stepEnds?.(null, 0);
    if (!this.isGivenUp || this.late !== null) this.strategy.ends?.();
    this.isInStep = false;
    this.isDirecting = false;
  }

  reset(): void {}

  pick(runnable: readonly Task[]): number {
    if (this.isDirecting && this.isPaused) return END_RUN;
    if (!this.isDirecting || this.isFair) return 0;
    if (this.awake !== null) {
      const place = runnable.indexOf(this.awake);
      this.awake = null;
      return place;
    }
    if (this.isGivenUp) return END_RUN;
    this.endClockStep();
    const actor = this.decide(runnable, NO_EVENTS);
    for (let i = 0; i < runnable.length; i++) if (runnable[i]!.id === actor) return i;
    return END_RUN;
  }

  due(events: readonly DueEvent[], runnable: readonly Task[]): number {
    if (!this.isDirecting || this.isFair) return runnable.length > 0 ? -1 : 0;
    if (this.awake !== null || this.isGivenUp || this.isPaused) return -1;
    this.endClockStep();
    const actor = this.decide(runnable, events);
    const place = events.findIndex((event) => actorOf(event) === actor);
    const event = events[place];
    if (event === undefined) {
      this.awake = runnable.find(({ id }) => id === actor) ?? null;
      return -1;
    }
    if (!('fire' in event)) this.awake = event;
    else {
      this.isClockRunning = true;
      return earliestTimer(events);
    }
    return place;
  }

  wake(waiters: readonly Task[], _queue: WaitQueue): number {
    if (!this.isDirecting || this.isFair) return 0;
    const place = this.strategy.wake(waiters.map(({ id }) => id));
    this.choices.push(place);
    return place;
  }

  private decide(runnable: readonly Task[], events: readonly DueEvent[]): number {
    const { actors } = this;
    this.list(runnable, events);
    const place = this.strategy.pick(actors);
    if (place === END_RUN) {
      this.isGivenUp = true;
      return -1;
    }
    if (actors.length > 1) this.choices.push(place);
    this.current = actors[place]!;
    return this.current;
  }

  /** The default first, then who can run, who sleeps, and the clock, each by id: an order that no schedule changes. */
  private list(runnable: readonly Task[], events: readonly DueEvent[]): void {
    const { actors, current } = this;
    // A list that becomes empty gives up its room.
    if (actors.length > runnable.length) actors.length = runnable.length;
    for (let i = 0; i < runnable.length; i++) {
      const { id } = runnable[i]!;
      let at = i;
      for (; at > 0 && actors[at - 1] !== current && (id === current || id < actors[at - 1]!); at--)
        actors[at] = actors[at - 1]!;
      actors[at] = id;
    }
    if (events.length === 0) return;
    const asleep = events.flatMap((event) => ('fire' in event ? [] : [event.id])).sort(byNumber);
    actors.push(...asleep);
    if (asleep.length < events.length) actors.push(CLOCK);
  }

  private endClockStep(): void {
    if (!this.isClockRunning) return;
    this.isClockRunning = false;
    this.strategy.stepEnds?.(null, 0);
  }

  touch(kind: SharedKind, id: number, how: number, count: number): void {
    if (this.isDirecting) this.strategy.footprints?.touch(kind, id, how, count);
  }

  entryChanges(_mm: number, _vpn: number, _level: number, _change: EntryChange): void {}

  stepBegins(_task: Task): void {
    this.isInStep = this.isDirecting;
  }

  stepEnds(task: Task, effect: Effect | null): void {
    if (this.isInStep) {
      this.strategy.stepEnds?.(effect, task.steps);
      if (this.deadlineTicks !== Number.POSITIVE_INFINITY) this.measure(task, effect);
    }
    this.isInStep = false;
  }

  private measure(task: Task, effect: Effect | null): void {
    const { slept } = this;
    const ticks = (slept.get(task.id) ?? 0) + (effect?.kind === 'sleep' ? effect.ticks : 0);
    slept.set(task.id, effect === null ? 0 : ticks);
    if (ticks + task.steps <= this.deadlineTicks || this.late !== null) return;
    this.late = task;
    this.isGivenUp = true;
  }
}

const NO_EVENTS: readonly DueEvent[] = [];
const byNumber = (a: number, b: number): number => a - b;

function actorOf(event: DueEvent): number {
  return 'fire' in event ? CLOCK : event.id;
}

/** Timers fire in the order of their moments. */
function earliestTimer(events: readonly DueEvent[]): number {
  let first = -1;
  events.forEach((event, i) => {
    const other = events[first];
    if ('fire' in event && (other === undefined || event.atTick < (other as typeof event).atTick)) first = i;
  });
  return first;
}
