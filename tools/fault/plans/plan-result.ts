import type { DefectName } from '../../../driver/core/defects.js';
import type { Fired } from '../../../driver/core/fault-engine.js';
import type { ProfileName } from '../../../driver/core/profile-name.js';
import type { PathName } from '../../../uapi/path-name.js';
import type { Violation } from '../violation.js';

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
