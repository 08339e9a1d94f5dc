// The public face of this room.

export type { MachineAt } from './machine-at.js';
export { machineNow } from './machine-now.js';
export type * from './machine-view.js';
export type { AddressRange } from './ranges.js';
export { Recorder, type RecorderOptions, RecordingFullError } from './recorder.js';
export type { Recording } from './recording.js';
export { StoppedError, stopAfter } from './stop-after.js';
