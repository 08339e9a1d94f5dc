import type { Coroutine } from '../core/effect.js';
import type { GupTestFile } from '../dmirror/index.js';
import type { Machine } from './machine.js';
import { type IoctlRequest, OpenFile, type ReleaseQueue } from './open-file.js';
import type { Thread } from './thread.js';

/** Where gup_test lives. Linux: mm/gup_test.c:gup_test_init() */
export const GUP_TEST_NODE = '/sys/kernel/debug/gup_test';

/** An open gup_test. It acts on its caller's memory; the long-term pin is the machine's. */
class GupFile extends OpenFile {
  constructor(
    releases: ReleaseQueue,
    flags: number,
    private readonly gup: GupTestFile,
  ) {
    super(releases, flags);
  }

  override *ioctl(thread: Thread, { cmd, arg }: IoctlRequest): Coroutine<number> {
    return yield* this.gup.module.ioctl(thread.process.mm, cmd, arg);
  }

  override *release(): Coroutine<void> {
    this.gup.module.release(this.gup);
  }
}

/** Puts gup_test into the tree of paths. */
export function addGupTest(machine: Machine): void {
  machine.vfs.addSpecial(GUP_TEST_NODE, function* (_thread, flags) {
    return new GupFile(machine, flags, machine.gupTest.open());
  });
}
