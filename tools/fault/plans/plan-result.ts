import type { Violation } from '../../../driver/check/violation.js';
import type { DefectName } from '../../../driver/inject/defects.js';
import type { Fired } from '../../../driver/inject/inject-engine.js';
import type { PathName } from '../../../uapi/path-name.js';
import type { ProfileName } from '../../../uapi/profile-name.js';

export interface PlanResult {
  readonly name: string;
  readonly path: PathName;
  readonly profile: ProfileName;
  readonly seed: number;
  readonly defects: readonly DefectName[];
  readonly status: 'pass' | 'fail';
  /** What was expected and did not come, with its step. */
  readonly failures: readonly string[];
  readonly violations: readonly Violation[];
  readonly fired: readonly Fired[];
  /** Repeats it, with `dmirror fault replay`. */
  readonly token: string;
}

export interface PlanOptions {
  readonly path: PathName;
  readonly seed?: number | undefined;
  readonly defects?: readonly DefectName[];
}
