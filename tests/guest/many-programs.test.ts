import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Wasm } from '../../driver/core/web-assembly.js';
import { moduleCache } from '../../driver/cpu/compiler/module-cache.js';
import { isLong } from '../counts.js';
import { needs } from '../needs.js';
import { COMPILER, GuestBuild } from './compile.js';
import { guestSystem, runGuest } from './run.js';

/** 10 minutes of them, where the machine is not shared; in CI so few that the core is to hold less. */
const ROUNDS = isLong ? 600 : 2;
const MAX_MODULES = isLong ? 512 : 4;
const PROGRAMS = ['files', 'corners', 'float-print'];
const MORE_PROGRAMS = ['threads', 'signals', 'race', 'waits', 'memory', 'proc', 'ioctls'];

/** Modules of compiled code that the host still has. */
class Modules {
  made = 0;
  private readonly refs: WeakRef<object>[] = [];
  private readonly original = Wasm.Module;

  constructor() {
    const { original } = this;
    const made = (module: object) => {
      this.made++;
      this.refs.push(new WeakRef(module));
    };
    class Counted extends original {
      constructor(bytes: Uint8Array) {
        super(bytes);
        made(this);
      }
    }
    Object.assign(Wasm, { Module: Counted });
  }

  /** What nobody refers to is collected first. */
  async alive(): Promise<number> {
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    // A reference is strong to the end of the turn that made or read it.
    await new Promise((resolve) => setImmediate(resolve));
    gc();
    return this.refs.filter((ref) => ref.deref() !== undefined).length;
  }

  restore(): void {
    Object.assign(Wasm, { Module: this.original });
  }
}

describe('programs one after the other on one machine', needs(COMPILER), () => {
  const build = new GuestBuild();
  const { most } = moduleCache;
  let modules: Modules;
  beforeAll(() => {
    modules = new Modules();
    if (!isLong) moduleCache.most = 1;
  });
  afterAll(() => {
    moduleCache.most = most;
    modules.restore();
    build.remove();
  });

  it('need no more memory for their code, however many there were', { timeout: 0 }, async () => {
    const on = guestSystem();
    const { core } = on.hart;
    core.maxModules = MAX_MODULES;
    const paths = [...PROGRAMS, ...(isLong ? MORE_PROGRAMS : [])].map((name) => build.compile(name));
    const rss: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      for (const path of paths) {
        expect(runGuest(path, { on }).status, path).toBe(0);
        expect(core.modules).toBeLessThanOrEqual(MAX_MODULES);
      }
      // All machines share those that were made last, and the way into compiled code.
      expect(await modules.alive()).toBeLessThanOrEqual(core.modules + moduleCache.most + 1);
      rss.push(process.memoryUsage.rss());
    }
    expect(modules.made).toBeGreaterThan(3 * MAX_MODULES);
    if (!isLong) return;
    const half = ROUNDS / 2;
    expect(Math.max(...rss.slice(half))).toBeLessThan(1.1 * Math.max(...rss.slice(half / 4, half)));
  });
});
