import type { Transport } from '../../uapi/client/transport.js';
import type { PathName } from '../../uapi/path-name.js';

/** Which family a case belongs to: the kernel's own table, or ours about migrate on fault. */
type SuiteName = 'hmm' | 'migrate_on_fault';

/** One case of the suite. `run` resolves on pass, throws SkipError to skip and anything else to fail. */
export interface SelftestCase {
  /** The kernel's full name, as in `hmm.hmm_device_private.anon_read`. */
  readonly name: string;
  readonly suite: SuiteName;
  run(ctx: SelftestContext): Promise<void>;
}

/** What a case is given. It boots its own machines; whoever runs it closes them. */
export interface SelftestContext {
  /** Boots a fresh machine with the context's seed and path, which `options` may override. */
  boot(options?: object): Promise<Transport>;
  readonly seed: number;
  /** The migration path that serves the case's machine. */
  readonly path: PathName;
}

/** Thrown by a case that cannot run here; the message is the reason. */
export class SkipError extends Error {
  override readonly name = 'SkipError';
}

/** Thrown by a check that does not hold; carries both values so a report can show them. */
export class CheckError extends Error {
  override readonly name = 'CheckError';

  constructor(
    message: string,
    readonly expected: unknown,
    readonly actual: unknown,
  ) {
    super(message);
  }
}
