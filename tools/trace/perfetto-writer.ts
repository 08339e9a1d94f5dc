import { PbfWriter } from 'pbf';
import type { TraceEvent, TraceEventOf } from '../../driver/trace/trace-event.js';
import { lockText, operandText } from '../../driver/trace/trace-text.js';
import { PacketType, writePacket } from './perfetto-packet.js';
import { Slices } from './slices.js';
import { type Sink, TraceClock, type TraceWriter } from './trace-writer.js';

/**
 * A Perfetto trace: a process a run, in it a track a task with nested slices (system call, command, chunk, stage, fault), tracks beside
 * it for the locks that the task holds, waits with an arrow to whoever has what is waited for, counters, and instants for all else.
 */
export class PerfettoWriter implements TraceWriter {
  private readonly clock = new TraceClock();
  private readonly slices = new Slices();
  /** Tracks of the present run by name. */
  private readonly tracks = new Map<string, number>();
  private readonly names = new Map<number, string>();
  /** Locks that each task holds, by the place of their track. */
  private readonly slots = new Map<number, (string | null)[]>();
  private lastTrack = 0;
  private lastFlow = 0;
  private run = 0;

  constructor(private readonly sink: Sink) {}

  begin(name: string): void {
    this.closeAll();
    this.clock.restart();
    this.run++;
    for (const map of [this.tracks, this.names, this.slots]) map.clear();
    const process = { pid: this.run, name: name === '' ? 'dmirror' : name };
    this.packet({ uuid: this.newTrack('process'), process });
  }

  event(event: TraceEvent): void {
    const at = this.clock.at(event);
    const { task } = event;
    for (const ended of this.slices.goesOn(event)) this.slice(PacketType.end, task, at, ended);
    switch (event.kind) {
      case 'switch':
        this.rename(event);
        return;
      case 'counter':
        this.packet({ at, type: PacketType.counter, track: this.counterTrack(event.counter), value: event.value });
        return;
      case 'lock':
        this.lock(event, at);
        return;
      case 'unlock':
        this.unlock(event, at);
        return;
      case 'wait':
        this.wait(event, at);
        return;
      default:
        this.work(event, at);
    }
  }

  end(): void {
    this.closeAll();
  }

  /** Slices of the task's own track, and what is no slice. */
  private work(event: TraceEvent, at: number): void {
    const changes = this.slices.of(event);
    for (const { phase, name, note } of changes) {
      const type = phase === 'begin' ? PacketType.begin : PacketType.end;
      this.slice(type, event.task, at, name, note);
    }
    if (changes.length > 0) return;
    const name =
      event.kind === 'inject' ? `inject ${event.point}` : event.kind === 'notifier' ? event.event : event.kind;
    this.slice(PacketType.instant, event.task, at, name, operandText(event));
  }

  private wait(event: TraceEventOf<'wait'>, at: number): void {
    const flow = event.owner === 0 ? undefined : ++this.lastFlow;
    const track = this.taskTrack(event.task);
    this.slices.waits(event.task);
    this.packet({ at, type: PacketType.begin, track, name: `waits for ${event.for}`, flow });
    if (flow === undefined) return;
    const name = `has ${event.for}`;
    this.packet({ at, type: PacketType.instant, track: this.taskTrack(event.owner), name, endOfFlow: flow });
  }

  /** A lock is held on a track of its own, as locks need not be let go in the order in which they were taken. */
  private lock({ task, lock, instance, trylock }: TraceEventOf<'lock'>, at: number): void {
    const slots = this.slots.get(task) ?? [];
    this.slots.set(task, slots);
    const key = lockText(lock, instance);
    let slot = slots.indexOf(null);
    if (slot < 0) slot = slots.length;
    slots[slot] = key;
    const track = this.lockTrack(task, slot);
    this.packet({ at, type: PacketType.begin, track, name: key, note: trylock ? 'trylock' : undefined });
  }

  private unlock({ task, lock, instance }: TraceEventOf<'unlock'>, at: number): void {
    const slots = this.slots.get(task) ?? [];
    const slot = slots.lastIndexOf(lockText(lock, instance));
    // It was taken before anybody listened.
    if (slot < 0) return;
    slots[slot] = null;
    this.packet({ at, type: PacketType.end, track: this.lockTrack(task, slot) });
  }

  private slice(type: number, task: number, at: number, name: string, note?: string): void {
    this.packet({ at, type, track: this.taskTrack(task), name: type === PacketType.end ? undefined : name, note });
  }

  private closeAll(): void {
    const at = this.clock.now();
    for (const { task, count } of this.slices.takeOpen())
      for (let i = 0; i < count; i++) this.packet({ at, type: PacketType.end, track: this.taskTrack(task) });
    for (const [task, slots] of this.slots)
      for (const [slot, key] of slots.entries())
        if (key !== null) this.packet({ at, type: PacketType.end, track: this.lockTrack(task, slot) });
  }

  private rename({ task, to }: TraceEventOf<'switch'>): void {
    if (this.names.get(task) === to) return;
    this.names.set(task, to);
    const known = this.tracks.get(taskKey(task));
    if (known !== undefined) this.describeTask(known, task);
  }

  private taskTrack(task: number): number {
    const known = this.tracks.get(taskKey(task));
    if (known !== undefined) return known;
    const uuid = this.newTrack(taskKey(task));
    this.describeTask(uuid, task);
    return uuid;
  }

  private describeTask(uuid: number, task: number): void {
    const name = task === 0 ? 'no task' : `task ${task}${this.names.has(task) ? ` (${this.names.get(task)})` : ''}`;
    this.packet({ uuid, parent: this.tracks.get('process')!, thread: { pid: this.run, tid: task, name } });
  }

  private lockTrack(task: number, slot: number): number {
    return this.child(`locks ${task} ${slot}`, () => ({ parent: this.taskTrack(task), name: 'locks' }));
  }

  private counterTrack(counter: string): number {
    return this.child(`counter ${counter}`, () => ({
      parent: this.tracks.get('process')!,
      name: counter,
      isCounter: true,
    }));
  }

  private child(key: string, described: () => { parent: number; name: string; isCounter?: boolean }): number {
    const known = this.tracks.get(key);
    if (known !== undefined) return known;
    const description = described();
    const uuid = this.newTrack(key);
    this.packet({ uuid, ...description });
    return uuid;
  }

  private newTrack(key: string): number {
    this.tracks.set(key, ++this.lastTrack);
    return this.lastTrack;
  }

  private packet(packet: Parameters<typeof writePacket>[0]): void {
    const pbf = new PbfWriter();
    pbf.writeMessage(1, writePacket, packet);
    this.sink(pbf.finish());
  }
}

function taskKey(task: number): string {
  return `task ${task}`;
}
