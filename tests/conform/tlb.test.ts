import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { ProfileName } from '../../driver/mm/profile.js';
import { checkTlb } from '../../driver/mm/tables/check-tlb.js';
import { Machine } from '../../driver/sys/machine/machine.js';
import { EQUAL_PATHS, type PathName } from '../../uapi/path-name.js';
import { count, stride } from '../counts.js';
import { comparedPart } from './exceptions.js';
import { generate } from './generate.js';
import { fillTlbs } from './greedy-tlb.js';
import { World } from './ops/world.js';
import { readRecording, type Sequence, type Step } from './recording.js';

const WITH_SWAP: readonly string[] = ['swap', 'huge', 'pin', 'raw'];
/** Generated sequences a family, for kernels of which there are no recordings. */
const COUNT = count(1, 5);
const FAMILIES = ['small', 'mix', 'coherent', 'thp', 'swap', 'huge', 'pin', 'raw'];
/** Every so many sequences one is replayed, on each path another; conform.test.ts replays all on both. */
const SAMPLE_STRIDE = stride(16, 768);
const TIMEOUT_MS = 600_000;

/** Replays with one machine a configuration. */
class TlbReplayer {
  private readonly worlds = new Map<boolean, World>();

  constructor(
    private readonly path: PathName,
    private readonly profile: ProfileName = '6.12',
  ) {}

  /** Where a TLB allowed more than its page table, or the answer was another than the recorded one; '' when nowhere. */
  replay({ seq, steps }: Sequence, withSwap: boolean): string {
    const world = this.world(withSwap);
    const { memory } = world.machine;
    for (const [at, [op, expected]] of steps.entries()) {
      const words = op.split(' ');
      if (!world.hasActor(Number(words[1]))) continue;
      fillTlbs(memory);
      try {
        const answer = world.run(words);
        for (const mm of memory.mms) {
          checkTlb(mm);
          if (mm.tlbFlushPending !== 0) return `${seq} step ${at} ${op}: a flush never came`;
        }
        if (expected !== '-' && answer !== expected) return `${seq} step ${at} ${op}: ${answer}, not ${expected}`;
      } catch (error) {
        this.worlds.clear();
        return `${seq} step ${at} ${op}: ${error instanceof Error ? error.message : String(error)}`;
      }
    }
    return '';
  }

  private world(withSwap: boolean): World {
    const used = this.worlds.get(withSwap);
    if (used !== undefined) {
      used.machine.reset();
      used.begin();
      return used;
    }
    const more = withSwap ? { swapBytes: 256 * 2 ** 20, hugePages: 16 } : {};
    const world = new World(new Machine({ dialect: '6.12', path: this.path, profile: this.profile, ...more }));
    this.worlds.set(withSwap, world);
    return world;
  }
}

describe.each(EQUAL_PATHS.map((path, at) => ({ path, at })))(
  'a TLB that holds all it can, on the $path path',
  ({ path, at }) => {
    it.each(FAMILIES)('%s: never allows more than the page table', { timeout: TIMEOUT_MS }, (family) => {
      const file = fileURLToPath(new URL(`./recordings/${family}.jsonl.gz`, import.meta.url));
      const sample = readRecording(file).filter((_, i) => (i + at) % SAMPLE_STRIDE === 0);
      const replayer = new TlbReplayer(path);
      const withSwap = WITH_SWAP.includes(family);
      const wrong = sample.map((sequence) => replayer.replay(comparedPart(sequence), withSwap));
      expect(wrong.filter((text) => text !== '')).toEqual([]);
    });

    it.each(
      (['6.19', '7.3'] as const).flatMap((profile) =>
        (['thp', 'huge', 'mix', 'swap'] as const).map((f) => [f, profile] as const),
      ),
    )('%s on %s, generated: never allows more than the page table', { timeout: TIMEOUT_MS }, (family, profile) => {
      const replayer = new TlbReplayer(path, profile);
      const wrong: string[] = [];
      for (let seed = 1; seed <= COUNT; seed++) {
        const steps = generate(family, seed).map((op): Step => [op, '-']);
        wrong.push(replayer.replay({ seq: `${family}-${seed}`, steps }, WITH_SWAP.includes(family)));
      }
      expect(wrong.filter((text) => text !== '')).toEqual([]);
    });
  },
);
