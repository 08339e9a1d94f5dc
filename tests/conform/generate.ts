// New sequences of ops in the language of the recordings, from a seed.

import { Prng } from '../../driver/core/prng.js';
import { COMMANDS, FAMILIES, type Family, type FamilyPlan, type Weights } from './families.js';

const PROTECTIONS: Weights = { rw: 40, r: 38, '-': 20, x: 2 };
const MAP_PROTECTIONS: Weights = { rw: 75, r: 20, '-': 5 };
const MAX_PROCESSES = 4;
const MOST_RAW = ['0', '1', '2', '4', '8', '9', '64', '65', '0x10000000000000', '0xffffffffffffffff'];
const RAW_NUMBERS = ['0x0', '0x4806', '0x40284802', '0x80284800', '0xc0304801', '0xc0284703'];
const RAW_ADDRESSES = ['68719476744', '0xfffffffffffff000', '0x7ffffffff000', '0', '0x8000000000000000', '68719480832'];

/** The op lines of sequence `seed` of a family: some state is made, worked on, and looked at. */
export function generate(family: Family, seed: number): string[] {
  return generateFrom(FAMILIES[family], seed, COMMANDS);
}

/** The same of any plan, with commands of a device weighted otherwise. */
export function generateFrom(plan: FamilyPlan, seed: number, commands: Weights): string[] {
  return new Generator(plan, new Prng(seed), commands).run();
}

/** What a generator remembers of a region, in pages; real state may be smaller. */
interface Region {
  pages: number;
  kind: string;
}

class Generator {
  private readonly lines: string[] = [];
  private readonly alive = [0];
  private nextProcess = 1;
  private readonly regions: Region[] = [];
  private value = 1;

  constructor(
    private readonly plan: FamilyPlan,
    private readonly prng: Prng,
    private readonly commands: Weights,
  ) {}

  run(): string[] {
    for (const d of this.plan.devices.slice(0, 2)) if (this.prng.below(10) < 8) this.lines.push(`open 0 ${d}`);
    for (let r = 0; r < this.plan.regions; r++) this.lines.push(this.mapLine(0, r));
    const {
      begins,
      steps: [least, most],
    } = this.plan;
    if (begins !== undefined && this.prng.below(4) > 0) this.lines.push(begins);
    const steps = least + this.prng.below(most - least);
    for (let i = 0; i < steps; i++) this.step();
    this.lookAtAll();
    return this.lines;
  }

  private step(): void {
    const p = this.one(this.alive);
    const r = this.prng.below(this.plan.regions);
    const { off, n } = this.range(r);
    const at = `${p} ${r} ${off} ${n}`;
    switch (this.weighted(this.plan.ops)) {
      case 'dm':
        return void this.add(this.commandLine(p, `${r} ${off} ${n}`));
      case 'load':
        return void this.add(`load ${p} ${r} ${off} ${this.accessed(n)}`);
      case 'store':
        return void this.add(`store ${p} ${r} ${off} ${this.accessed(n)} ${this.next()}`);
      case 'open':
        return void this.add(`open ${p} ${this.one(this.plan.devices)}`);
      case 'close':
        return void this.add(`close ${p} ${this.one(this.plan.devices)}`);
      case 'protect':
        return void this.add(`protect ${at} ${this.weighted(PROTECTIONS)}`);
      case 'advise':
        return void this.add(`advise ${at} ${this.weighted(this.plan.advice)}`);
      case 'unmap':
        return void this.add(`unmap ${at}`);
      case 'map':
        return void this.add(this.mapLine(p, r));
      case 'remap':
        return void this.add(
          `remap ${at} ${this.prng.below(this.plan.regions + 1)} ${this.one(this.plan.remapTo)} ${this.prng.below(2)}`,
        );
      case 'pagemap':
        return void this.add(`pagemap ${p} ${r} 0 ${this.regions[r]!.pages}`);
      default:
        return void this.rareStep(p, at);
    }
  }

  private commandLine(p: number, range: string): string {
    const device = this.one(this.plan.devices);
    const command = this.weighted(this.commands);
    const value = this.next();
    return `dm ${p} ${device} ${command} ${range}${command === 'WRITE' ? ` ${value}` : ''}`;
  }

  /** Processes, pins and raw ioctls. */
  private rareStep(p: number, at: string): void {
    const { ops } = this.plan;
    if (this.prng.below(2) === 0 && 'raw' in ops) return void this.add(this.rawLine(p));
    if ('gup' in ops && this.prng.below(3) > 0) {
      const kind = this.prng.below(3);
      if (kind === 0)
        return void this.add(`gup ${at} ${1 + this.prng.below(4)} ${1 + this.prng.below(5)} ${this.prng.below(2)}`);
      return void this.add(kind === 1 ? `pin ${at} ${this.prng.below(4)}` : `unpin ${p}`);
    }
    if (this.alive.length > 1 && this.prng.below(6) === 0) return void this.exit();
    if (this.nextProcess < MAX_PROCESSES) {
      this.add(`fork ${p} ${this.nextProcess}`);
      this.alive.push(this.nextProcess++);
    }
  }

  private exit(): void {
    const [p] = this.alive.splice(this.prng.below(this.alive.length), 1);
    this.add(`exit ${p}`);
  }

  private mapLine(p: number, r: number): string {
    const known = this.regions[r];
    const pages = known?.pages ?? this.one(this.plan.regionPages);
    const kind = pages >= 512 || !('hugetlb' in this.plan.kinds) ? this.weighted(this.plan.kinds) : 'anon';
    this.regions[r] ??= { pages, kind };
    const device = kind === 'dev' ? ` ${this.one(this.plan.devices)}` : '';
    const { off, n } = known === undefined ? { off: 0, n: pages } : this.range(r);
    return `map ${p} ${r} ${off} ${n} ${kind} ${this.weighted(this.plan.protections ?? MAP_PROTECTIONS)}${device}`;
  }

  private rawLine(p: number): string {
    const number =
      this.prng.below(3) > 0 ? `0xc02848${this.prng.below(12).toString(16).padStart(2, '0')}` : this.one(RAW_NUMBERS);
    const addr = this.prng.below(2) === 0 ? '68719476736' : this.one(RAW_ADDRESSES);
    return `raw ${p} ${this.one(this.plan.devices)} ${number} ${addr} ${this.one(MOST_RAW)} ${this.one(['0', '0', '0', '1', '2', '3', '9'])}`;
  }

  /** Pages that a load or store works through: whole huge pages, else few. */
  private accessed(n: number): number {
    return n >= 512 ? n : Math.min(n, 12);
  }

  /** Mostly few pages; in large regions whole huge pages. */
  private range(r: number): { off: number; n: number } {
    const { pages } = this.regions[r] ?? { pages: 1 };
    if (this.plan.isMostlyWhole && this.prng.below(2) === 0) return { off: 0, n: pages };
    if (pages >= 512 && this.prng.below(10) < 8) {
      const first = this.prng.below(3) > 0 ? 0 : this.prng.below(pages / 512);
      return { off: first * 512, n: 512 * (1 + this.prng.below(pages / 512 - first)) };
    }
    const off = this.prng.below(pages);
    const most = Math.min(pages - off, this.prng.below(4) === 0 ? pages : 3);
    return { off, n: 1 + this.prng.below(most) };
  }

  private lookAtAll(): void {
    for (const p of this.alive) {
      const ranges = this.regions.map(({ pages }, r) => ({ r, pages }));
      for (const { r, pages } of ranges) this.add(`pagemap ${p} ${r} 0 ${pages}`);
      for (const { r, pages } of ranges) this.add(`dm ${p} ${this.plan.devices[0]} SNAPSHOT ${r} 0 ${pages}`);
      for (const { r, pages } of ranges) this.add(`load ${p} ${r} 0 ${Math.min(pages, 12)}`);
    }
  }

  private add(line: string): void {
    this.lines.push(line);
  }

  /** A new value to store, far enough from the one before. */
  private next(): number {
    this.value += 256;
    return this.value;
  }

  private one<T>(values: readonly T[]): T {
    return values[this.prng.below(values.length)]!;
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
