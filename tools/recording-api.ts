// Recordings for programs, as `dmirror/recording`: of a machine of one's own with a Recorder, or of whatever a command line names with `record`.

export {
  machineNow,
  Recorder,
  type RecorderOptions,
  type Recording,
  RecordingFullError,
  StoppedError,
  stopAfter,
} from '../driver/recording/index.js';
export type * from '../driver/recording/machine-view.js';
export { explainLines } from './recording/explain.js';
export { record, type WhichRun } from './recording/record.js';
export type { RecordedRun, RecordOptions } from './recording/recorded-run.js';
