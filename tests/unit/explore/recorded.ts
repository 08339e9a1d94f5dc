import { Footprints } from '../../../driver/core/footprint.js';
import type { Strategy } from '../../../driver/explore/director.js';
import { HappensBefore } from '../../../driver/explore/happens-before.js';
import type { Line } from '../../../driver/explore/line.js';

/** Writes down what each step of another strategy's one schedule touches, and the partial order of all. */
export class Recorded implements Strategy {
  readonly verdict = 'budget';
  readonly footprints = new Footprints();
  readonly order = new HappensBefore(this.footprints);
  readonly ids: number[] = [];
  private readonly wakes: number[][] = [];
  private enabled = new Set<number>();

  constructor(private readonly inner: Strategy) {}

  begins(): boolean {
    return this.inner.begins();
  }

  pick(actors: readonly number[]): number {
    for (const id of actors) {
      if (!this.ids.includes(id)) this.ids.push(id);
      if (this.order.events > 0 && !this.enabled.has(id)) this.order.enables(this.ids.indexOf(id));
    }
    this.enabled = new Set(actors);
    const place = this.inner.pick(actors);
    this.wakes.push([]);
    this.footprints.begins(actors[place]!);
    return place;
  }

  wake(actors: readonly number[]): number {
    const chosen = this.inner.wake(actors);
    this.wakes.at(-1)!.push(chosen);
    return chosen;
  }

  stepEnds(): void {
    this.footprints.ends();
    this.order.add(this.ids.indexOf(this.footprints.taskOf[this.order.events]!), this.ids.length);
  }

  /** By actor, the text of each of its steps. Of some that do the same in any order, which comes first or last may be another one. */
  texts(): string[] {
    return Array.from({ length: this.order.events }, (_, event) => {
      const texts = this.footprints.textOf(event).map((text) => text.replace(' near', '').replace('add peek', 'peek'));
      return `${this.footprints.taskOf[event]}: ${texts.sort().join(', ')}`;
    });
  }

  /** Another schedule with the same order, drawn. */
  otherLine(draw: (bound: number) => number): { line: Line; events: number[] } {
    const { order } = this;
    const left = Array.from({ length: order.events }, (_, event) => event);
    const events: number[] = [];
    while (left.length > 0) {
      const ready = left.filter((event) => left.every((other) => other >= event || !order.isBefore(other, event)));
      const event = ready[draw(ready.length)]!;
      left.splice(left.indexOf(event), 1);
      events.push(event);
    }
    const actors = events.map((event) => this.footprints.taskOf[event]!);
    return { line: { switches: 0, actors, wakes: events.flatMap((event) => this.wakes[event]!) }, events };
  }
}
