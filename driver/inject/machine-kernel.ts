import { Kernel } from '../core/kernel.js';
import { type Defects, noDefects } from './defects.js';
import { InjectEngine } from './inject-engine.js';

/** The kernel of a machine: what every part of it may use, and the two ways to make it go wrong. */
export class MachineKernel extends Kernel {
  /** Injection points: off, and then one boolean test each, unless a plan arms them. */
  readonly inject = new InjectEngine(this.scheduler, ({ rule, point, phase, page, addr }) =>
    this.emit('inject', { rule, point, phase, page, addr }),
  );
  /** Planted bugs, for testing our own tests; all off. */
  readonly defects: Defects = noDefects();

  override reset(seed: number): void {
    super.reset(seed);
    this.inject.reset();
  }
}
