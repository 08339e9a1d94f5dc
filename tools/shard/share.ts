import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { UsageError } from '../exit-code.js';
import type { Blob, BlobResult } from './blob.js';
import type { Costs } from './costs.js';
import { deal, type Shard } from './split.js';

/** What a unit is called, and what it was read from. */
export interface UnitNaming<Unit> {
  /** Begins with a word for the path. */
  readonly nameOf: (unit: Unit) => string;
  /** Files that the user named. */
  readonly files?: readonly string[] | undefined;
}

/** What of a command's work is done here, and what is known of it already. A command asks once for its units, in their order, and tells what came of each. */
export interface Share {
  /** Those of `units` that this process answers for. */
  pick<Unit extends object>(units: readonly Unit[], naming: UnitNaming<Unit>): readonly Unit[];
  /** What another process found; undefined: the unit is to be done. */
  known(unit: object): unknown;
  /** Whether all is done here. */
  readonly isWhole?: boolean;
  /** Whether all of it comes from other processes. */
  readonly isMerged?: boolean;
  /** Called once for each unit that was done to its end. */
  keep(unit: object, result: unknown, ms: number): void;
}

/** Where `--report blob` writes. */
export const BLOB_FOLDER = 'blob-report';

/** A command that does everything. */
export const WHOLE: Share = { isWhole: true, pick: (units) => units, known: () => undefined, keep: () => {} };

/** The units of a command by name. Those of one name are told apart by their order. */
class NamedUnits {
  readonly of = new Map<object, string>();
  /** What all shards have in common. */
  readonly whole: Blob['units'];

  constructor(units: readonly object[] = [], { nameOf, files = [] }: UnitNaming<never> = { nameOf: String }) {
    const counts = new Map<string, number>();
    for (const unit of units) {
      const name = nameOf(unit as never);
      const count = (counts.get(name) ?? 0) + 1;
      counts.set(name, count);
      this.of.set(unit, count === 1 ? name : `${name} #${count}`);
    }
    this.whole = {
      count: units.length,
      hash: sha256([...this.of.values()].join('\n')),
      files: sha256(files.map((file) => sha256(readFileSync(file))).join('\n')),
    };
  }
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** One shard of a command, which keeps what it finds for a blob. */
export class ShardShare implements Share {
  private readonly results: BlobResult[] = [];
  private units = new NamedUnits();
  private mine = 0;

  constructor(
    readonly shard: Shard,
    private readonly costs: Costs,
  ) {}

  pick<Unit extends object>(units: readonly Unit[], naming: UnitNaming<Unit>): readonly Unit[] {
    this.units = new NamedUnits(units, naming);
    const costs = units.map((unit) => this.costs.of(this.units.of.get(unit)!));
    const shards = deal(costs, Array<number>(this.shard.total).fill(0));
    const mine = units.filter((_, i) => shards[i] === this.shard.index - 1);
    this.mine = mine.length;
    return mine;
  }

  known(): undefined {
    return undefined;
  }

  keep(unit: object, result: unknown, ms: number): void {
    this.results.push({ name: this.units.of.get(unit)!, ms, result });
  }

  /** What the shard came to. */
  blob(): Pick<Blob, 'shard' | 'costs' | 'units' | 'isInterrupted' | 'results'> {
    const { shard, results, costs, units } = this;
    return {
      shard,
      costs: { version: costs.version, hash: costs.hash },
      units: units.whole,
      isInterrupted: results.length < this.mine,
      results,
    };
  }
}

/** All shards of a command together: nothing is left to do. */
export class MergedShare implements Share {
  readonly isMerged = true;
  private units = new NamedUnits();

  constructor(
    private readonly results: ReadonlyMap<string, unknown>,
    private readonly of: { readonly units: Blob['units']; readonly isPartial: boolean },
  ) {}

  pick<Unit extends object>(units: readonly Unit[], naming: UnitNaming<Unit>): readonly Unit[] {
    this.units = new NamedUnits(units, naming);
    const names = new Set(this.units.of.values());
    const wrong = this.problem(names);
    if (wrong !== undefined)
      throw new UsageError(wrong, 'merge where the files that the command names are what they were for the shards');
    return units.filter((unit) => this.known(unit) !== undefined);
  }

  /** What does not fit the results. */
  private problem(names: ReadonlySet<string>): string | undefined {
    const { units, isPartial } = this.of;
    const { count, hash, files } = this.units.whole;
    if (count !== units.count) return `the units here are not those of the shards: ${count} and ${units.count}`;
    if (hash !== units.hash) return 'the units here are not those of the shards: others of the same number';
    if (files !== units.files) return 'the files that the command names are not those of the shards';
    const stray = [...this.results.keys()].find((name) => !names.has(name));
    if (stray !== undefined) return `there is no unit '${stray}', of which a shard has a result`;
    const missing = [...names].find((name) => !this.results.has(name));
    return missing === undefined || isPartial ? undefined : `no shard has a result of '${missing}'`;
  }

  known(unit: object): unknown {
    return this.results.get(this.units.of.get(unit)!);
  }

  keep(): void {}
}
