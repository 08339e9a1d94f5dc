import { createHash } from 'node:crypto';
import { UsageError } from '../exit-code.js';
import type { Blob, BlobResult } from './blob.js';
import type { Costs } from './costs.js';
import { deal, type Shard } from './split.js';

/** What of a command's work is done here, and what is known of it already. A command asks for its units, in their order, and tells what came of each. */
export interface Share {
  /** Those of `units` that this process answers for; `nameOf` begins with a word for the path. */
  pick<Unit extends object>(units: readonly Unit[], nameOf: (unit: Unit) => string): readonly Unit[];
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

/** Units of one name are told apart by their order. */
class Names {
  readonly all: string[] = [];
  private readonly counts = new Map<string, number>();
  readonly of = new Map<object, string>();

  add(unit: object, name: string): string {
    const count = (this.counts.get(name) ?? 0) + 1;
    this.counts.set(name, count);
    const own = count === 1 ? name : `${name} #${count}`;
    this.all.push(own);
    this.of.set(unit, own);
    return own;
  }
}

/** One shard of a command, which keeps what it finds for a blob. */
export class ShardShare implements Share {
  private readonly names = new Names();
  private readonly loads: number[];
  private readonly results: BlobResult[] = [];
  private mine = 0;

  constructor(
    readonly shard: Shard,
    private readonly costs: Costs,
  ) {
    this.loads = Array<number>(shard.total).fill(0);
  }

  pick<Unit extends object>(units: readonly Unit[], nameOf: (unit: Unit) => string): readonly Unit[] {
    const costs = units.map((unit) => this.costs.of(this.names.add(unit, nameOf(unit))));
    const shards = deal(costs, this.loads);
    const mine = units.filter((_, i) => shards[i] === this.shard.index - 1);
    this.mine += mine.length;
    return mine;
  }

  known(): undefined {
    return undefined;
  }

  keep(unit: object, result: unknown, ms: number): void {
    this.results.push({ name: this.names.of.get(unit)!, ms, result });
  }

  /** What the shard came to. */
  blob(): Pick<Blob, 'shard' | 'costs' | 'units' | 'isInterrupted' | 'results'> {
    const { shard, results, costs, names } = this;
    const hash = createHash('sha256').update(names.all.join('\n')).digest('hex');
    return {
      shard,
      costs: { version: costs.version, hash: costs.hash },
      units: { count: names.all.length, hash },
      isInterrupted: results.length < this.mine,
      results,
    };
  }
}

/** All shards of a command together: nothing is left to do. */
export class MergedShare implements Share {
  readonly isMerged = true;
  private readonly names = new Names();

  constructor(
    private readonly results: ReadonlyMap<string, unknown>,
    private readonly isPartial: boolean,
  ) {}

  pick<Unit extends object>(units: readonly Unit[], nameOf: (unit: Unit) => string): readonly Unit[] {
    return units.filter((unit) => {
      const name = this.names.add(unit, nameOf(unit));
      if (this.results.has(name)) return true;
      if (this.isPartial) return false;
      throw new UsageError(
        `no shard has a result of '${name}'`,
        'merge where the files that the command names are what they were for the shards',
      );
    });
  }

  known(unit: object): unknown {
    return this.results.get(this.names.of.get(unit)!);
  }

  keep(): void {}
}
