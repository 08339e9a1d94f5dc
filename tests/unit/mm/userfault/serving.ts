import type { Coroutine } from '../../../../driver/core/effect.js';
import { PAGE_SIZE } from '../../../../driver/mm/frames/frames.js';
import { UserfaultCtx } from '../../../../driver/mm/userfault/ctx.js';
import { type Mfill, mfillAtomic } from '../../../../driver/mm/userfault/mfill.js';
import { registerRange } from '../../../../driver/mm/userfault/register.js';
import { VM } from '../../../../driver/mm/vmas/vm-flags.js';
import { BASE, type TestMachine } from '../../test-machine.js';

/** Where fills take their bytes from: one page, whose first word is `word`. */
const SOURCE = 4096;

/** A userfaultfd that is asked for pages [0, npages) of a machine. */
export class Serving {
  readonly ctx: UserfaultCtx;
  /** Pages that were asked for: `missing 3`, `wp 0`, `minor 1`, and so on. */
  readonly asked: string[] = [];
  /** Called, as a task of its own, for each page that is asked for; afterwards its waiters go on. */
  serve: (page: number, reason: string) => Coroutine<unknown> = function* () {};

  constructor(
    private readonly world: TestMachine,
    npages: number,
    { flags = VM.uffdMissing as number, features = 0 } = {},
  ) {
    this.ctx = new UserfaultCtx(world.mm, 0, () => this.arrived());
    this.ctx.features = features;
    const range = { start: BASE, end: BASE + npages * PAGE_SIZE };
    const { error } = world.run(registerRange(this.ctx, range, flags));
    if (error !== 0) throw new Error(`registering answers ${error}`);
    world.anon(SOURCE, 1);
    world.store(SOURCE, 1);
  }

  private arrived(): void {
    const { scheduler } = this.world.kernel;
    for (const wait of this.ctx.waits.filter(({ isRead }) => !isRead)) {
      wait.isRead = true;
      const page = (wait.addr - BASE) / PAGE_SIZE;
      const reason = ['missing', 'missing', 'wp', 'wp', 'minor', 'minor'][wait.msg.words[0]!]!;
      this.asked.push(`${reason} ${page}`);
      const { serve, ctx } = this;
      const body = (function* (): Coroutine<void> {
        yield* serve(page, reason);
        ctx.wakeUserfault(wait.addr, wait.addr + 1);
      })();
      scheduler.start(scheduler.newTask('server'), body, () => {});
    }
  }

  /** UFFDIO_COPY and its like, of one page. */
  *fill(page: number, word: number, options: Partial<Pick<Mfill, 'mode' | 'wp'>> = {}): Coroutine<number> {
    const { world } = this;
    const start = BASE + page * PAGE_SIZE;
    world.memory.contentChanges(this.sourceFrame);
    world.memory.words.fill(word, this.sourceFrame * 1024, (this.sourceFrame + 1) * 1024);
    const source = BASE + SOURCE * PAGE_SIZE;
    const range = { start, end: start + PAGE_SIZE, from: world.mm, source };
    return yield* mfillAtomic(this.ctx, { mode: 'copy', wp: false, ...range, ...options });
  }

  private get sourceFrame(): number {
    const { mm } = this.world;
    const vpn = BASE / PAGE_SIZE + SOURCE;
    const table = mm.pageTable.pteTable(vpn);
    return table!.hi(vpn % 512);
  }
}
