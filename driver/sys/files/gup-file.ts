import { ENOENT } from '../../../uapi/errno.js';
import type { GupAbi } from '../../../uapi/gup-abi.js';
import type { Coroutine } from '../../core/effect.js';
import type { GupTestOpen } from '../../dmirror/index.js';
import type { Machine } from '../machine/machine.js';
import type { Thread } from '../processes/thread.js';
import { type IoctlRequest, OpenFile, type ReleaseQueue } from './open-file.js';

/** Where gup_test lives. Linux: mm/gup_test.c:gup_test_init() */
const GUP_TEST_NODE = '/sys/kernel/debug/gup_test';
/** The same before 5.11. */
const GUP_BENCHMARK_NODE = '/sys/kernel/debug/gup_benchmark';

/** An open gup_test. It acts on its caller's memory; the long-term pin is the machine's. */
class GupFile extends OpenFile {
  constructor(
    releases: ReleaseQueue,
    flags: number,
    private readonly gup: GupTestOpen,
    private readonly abi: GupAbi,
  ) {
    super(releases, flags);
  }

  /** Linux: part of fs/open.c:nonseekable_open() */
  override get isSeekable(): boolean {
    return false;
  }

  override *ioctl(thread: Thread, { cmd, arg }: IoctlRequest): Coroutine<number> {
    return yield* this.gup.module.gupTestIoctl(thread.process.mm, cmd, arg, this.abi);
  }

  override *release(): Coroutine<void> {
    this.gup.module.gupTestRelease(this.gup);
  }
}

/** Puts gup_test into the tree of paths, under the name that it has for a process: the other one is not there. */
export function addGupTest(machine: Machine): void {
  for (const path of [GUP_TEST_NODE, GUP_BENCHMARK_NODE]) {
    machine.vfs.addSpecial(path, function* ({ process: { gupAbi } }, flags) {
      if (!path.endsWith(`/${gupAbi.node}`)) return -ENOENT;
      return new GupFile(machine, flags, machine.gupTest.open(), gupAbi);
    });
  }
}
