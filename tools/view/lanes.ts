import { Cell } from '../../driver/recording/cell-history.js';
import type { TaskView } from '../../driver/recording/machine-view.js';
import type { Recording } from '../../driver/recording/recording.js';
import { Slices } from '../trace/slices.js';

/** Something that lasts from the end of one step to that of another. */
export interface Stretch {
  readonly from: number;
  to: number;
  readonly name: string;
  /** How many others are around it. */
  readonly depth: number;
}

/** What one task does over the steps of a run. */
export interface TaskLane {
  readonly task: number;
  readonly name: string;
  /** Calls, chunks, stages, faults. */
  readonly spans: readonly Stretch[];
  readonly waits: readonly Stretch[];
  /** `depth` is how many it held before. */
  readonly locks: readonly Stretch[];
  /** Steps in which something was injected. */
  readonly injected: readonly number[];
  /** Steps with which it began to run although another task could have gone on. */
  readonly chosen: readonly number[];
  /** Steps with which it began to run. */
  readonly began: readonly number[];
}

type MutableTaskLane = {
  -readonly [K in keyof TaskLane]: TaskLane[K] extends readonly (infer T)[] ? T[] : TaskLane[K];
};

/** A lane a task that made a step, in the order of their ids. */
export function lanesOf(recording: Recording): TaskLane[] {
  const { names, steps } = recording;
  const lanes = new Map<number, MutableTaskLane>();
  for (const [task, name] of [...names].sort(([a], [b]) => a - b))
    lanes.set(task, { task, name, spans: [], waits: [], locks: [], injected: [], chosen: [], began: [] });
  addSpans(recording, lanes);
  for (const lane of lanes.values()) addStates(recording, lane);
  for (let step = 1; step <= steps; step++) {
    const task = recording.taskId(step);
    const before = step === 1 ? task : recording.taskId(step - 1);
    if (step > 1 && task === before) continue;
    const lane = lanes.get(task)!;
    lane.began.push(step);
    if (task !== before && stateOf(recording, before, step - 1) === 'runnable') lane.chosen.push(step);
  }
  return [...lanes.values()];
}

function stateOf(recording: Recording, task: number, step: number): string | undefined {
  return taskAt(recording, recording.written.history.valueAt(Cell.task, task, step))?.state;
}

function taskAt({ written }: Recording, place: number | undefined): Omit<TaskView, 'stack'> | null {
  return place === undefined ? null : (written.objects[place] as Omit<TaskView, 'stack'> | null);
}

function addSpans(recording: Recording, lanes: ReadonlyMap<number, MutableTaskLane>): void {
  const slices = new Slices();
  const open = new Map<number, Stretch[]>();
  const { steps, written } = recording;
  for (const { step, event } of written.events) {
    const lane = lanes.get(event.task);
    if (lane === undefined) continue;
    if (event.kind === 'inject') lane.injected.push(step);
    const stack = open.get(event.task) ?? [];
    open.set(event.task, stack);
    for (const { phase, name } of slices.of(event)) {
      if (phase === 'begin') {
        const span = { from: step - 1, to: steps, name, depth: stack.length };
        stack.push(span);
        lane.spans.push(span);
      } else {
        const span = stack.pop();
        if (span !== undefined) span.to = step;
      }
    }
  }
}

function addStates(recording: Recording, lane: MutableTaskLane): void {
  const rows = recording.written.history.changesOf(Cell.task, lane.task);
  const first = recording.written.history.valueAt(Cell.task, lane.task, 0);
  const states = [{ step: 0, new: first }, ...rows];
  const held = new Map<string, Stretch>();
  let wait: Stretch | null = null;
  for (const { step, new: place } of states) {
    const task = taskAt(recording, place);
    if (wait !== null) wait.to = step;
    wait = null;
    if (task?.state === 'blocked') {
      const name = `waits for ${task.waitsFor ?? '?'}${task.ownedBy === null ? '' : ` of ${task.ownedBy}`}`;
      wait = { from: step, to: recording.steps, name, depth: 0 };
      lane.waits.push(wait);
    }
    const holds = task?.holds ?? [];
    for (const [name, stretch] of held)
      if (!holds.includes(name)) {
        stretch.to = step;
        held.delete(name);
      }
    for (const name of holds) {
      if (held.has(name)) continue;
      const stretch = { from: Math.max(0, step - 1), to: recording.steps, name, depth: held.size };
      held.set(name, stretch);
      lane.locks.push(stretch);
    }
  }
}
