import type { WireMap } from '../../uapi/wire/message.js';
import type { MachineHost } from './machine-host.js';

/** Time that calls of any session may keep the machine from coming to rest. */
const PATIENCE_MS = 2000;

/** Proves the machine consistent for whoever asks, once for all who wait at the same time. */
export class MachineCheck {
  private waiting: ((result: WireMap) => void)[] = [];
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly host: () => MachineHost) {}

  /** Answers when the machine has come to rest and is proved, or why it could not be. */
  ask(answer: (result: WireMap) => void): void {
    this.waiting.push(answer);
    if (this.timer !== undefined) return;
    const why = `calls were under way for ${PATIENCE_MS} ms`;
    this.timer = setTimeout(() => this.answer({ ok: false, why }), PATIENCE_MS).unref();
    this.host().onceQuiet(() => {
      if (this.timer !== undefined) this.answer(proved(this.host()));
    });
  }

  private answer(result: WireMap): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    for (const answer of this.waiting.splice(0)) answer(result);
  }
}

/** It holds only while nobody sleeps inside the kernel with a lock. */
function proved({ machine }: MachineHost): WireMap {
  for (const { task } of machine.allThreads()) {
    if (task.heldMask !== 0) return { ok: false, why: `${task.name} sleeps with a lock` };
  }
  machine.checkInvariants();
  return { ok: true, processes: machine.allProcesses().length };
}
