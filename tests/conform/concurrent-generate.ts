// Small races in the op language: what is done first, and the ops of two or three threads that then run at once.

import { Prng } from '../../driver/core/prng.js';
import type { Weights } from './families.js';

/** What is done first, the ops of each thread, and what is asked when all have ended. */
interface GeneratedRace {
  readonly name: string;
  readonly setup: readonly string[];
  readonly threads: readonly (readonly string[])[];
  readonly observe: readonly string[];
}

const DEVICES = [0, 0, 0, 1, 2];
const KINDS: Weights = { anon: 70, shared: 15, filep: 10, files: 5 };
const SETUP: Weights = {
  store: 40,
  MIGRATE_TO_DEV: 25,
  EXCLUSIVE: 10,
  READ: 5,
  protect: 8,
  FREE: 5,
  fork: 15,
  load: 10,
};
/** Ops of one page each: what differs between schedules is then seen. */
const RACING: Weights = {
  MIGRATE_TO_DEV: 22,
  MIGRATE_TO_SYS: 14,
  READ: 12,
  WRITE: 12,
  SNAPSHOT: 8,
  EXCLUSIVE: 8,
  CHECK_EXCLUSIVE: 3,
  load: 20,
  store: 20,
  protect: 10,
  advise: 10,
  unmap: 5,
};
const COMMANDS = ['MIGRATE_TO_DEV', 'MIGRATE_TO_SYS', 'READ', 'WRITE', 'SNAPSHOT', 'EXCLUSIVE', 'CHECK_EXCLUSIVE'];

/** The race of a seed. */
export function generateRace(seed: number): GeneratedRace {
  return { name: `race-${seed}`, ...new RaceGenerator(new Prng(seed)).run() };
}

class RaceGenerator {
  private value = 0x1000;
  private processes = 1;
  private readonly device: number;
  private readonly pages: number;

  constructor(private readonly prng: Prng) {
    this.device = DEVICES[prng.below(DEVICES.length)]!;
    this.pages = 1 + prng.below(3);
  }

  run(): Omit<GeneratedRace, 'name'> {
    const setup = [`open 0 ${this.device}`, `map 0 0 0 ${this.pages} ${this.weighted(KINDS)} rw`];
    for (let i = this.prng.below(4); i >= 0; i--) setup.push(this.setupLine());
    const count = 2 + this.prng.below(2);
    const most = count === 2 ? 3 : 1 + this.prng.below(2);
    const threads = Array.from({ length: count }, () => this.thread(most));
    const observe = Array.from({ length: this.processes }, (_, p) => `load ${p} 0 0 ${this.pages}`);
    return { setup, threads, observe: [`dm 0 ${this.device} SNAPSHOT 0 0 ${this.pages}`, ...observe] };
  }

  private setupLine(): string {
    const name = this.weighted(SETUP);
    if (name === 'store') return `store 0 0 0 ${this.pages} ${this.next()}`;
    if (name === 'load') return `load 0 0 0 ${this.pages}`;
    if (name === 'protect') return `protect 0 0 ${this.prng.below(this.pages)} 1 r`;
    if (name === 'FREE') return `advise 0 0 0 ${this.pages} FREE`;
    if (name !== 'fork') return `dm 0 ${this.device} ${name} 0 0 ${this.pages} ${this.next()}`;
    if (this.processes === 3) return `load 0 0 0 ${this.pages}`;
    return `fork 0 ${this.processes++}`;
  }

  private thread(most: number): string[] {
    const p = this.prng.below(this.processes);
    return Array.from({ length: 1 + this.prng.below(most) }, () => this.racingLine(p));
  }

  private racingLine(p: number): string {
    const name = this.weighted(RACING);
    const page = this.prng.below(this.pages);
    if (COMMANDS.includes(name)) return `dm ${p} ${this.device} ${name} 0 ${page} 1 ${this.next()}`;
    if (name === 'store') return `store ${p} 0 ${page} 1 ${this.next()}`;
    if (name === 'protect') return `protect ${p} 0 ${page} 1 ${this.weighted({ r: 50, rw: 40, '-': 10 })}`;
    if (name === 'advise') return `advise ${p} 0 ${page} 1 ${this.weighted({ DONTNEED: 60, FREE: 20, COLD: 20 })}`;
    return `${name} ${p} 0 ${page} 1`;
  }

  private next(): number {
    this.value += 0x100;
    return this.value;
  }

  private weighted(weights: Weights): string {
    const entries = Object.entries(weights);
    let left = this.prng.below(entries.reduce((sum, [, weight]) => sum + weight, 0));
    for (const [name, weight] of entries) {
      if (left < weight) return name;
      left -= weight;
    }
    return entries[0]![0];
  }
}
