/** What becomes of a frame: it arrives late, in part or twice; or the session is gone. */
export type WireReturn = 'DELAY' | 'CUT' | 'TWICE' | 'DROP';

interface WirePointInfo<Name extends string> {
  readonly name: Name;
  readonly returns: readonly WireReturn[];
  /** Keys of a rule that are for this point. */
  readonly takes: readonly string[];
  readonly about: string;
}

/** Points of the interface, in the order in which a frame passes them. */
export const WIRE_POINTS = [
  point('frame_delay', 'DELAY', ['delay'], 'a frame from the client arrives late, and those behind it later'),
  point('frame_cut', 'CUT', ['bytes'], 'a frame from the client arrives in part, then the session ends'),
  point('frame_twice', 'TWICE', [], 'a frame from the client arrives twice'),
  point('session_drop', 'DROP', ['while'], 'the session is gone while its call is in the kernel'),
  point('slow_reader', 'DELAY', ['delay'], 'the client does not read its replies for a while'),
] as const;
export type WirePoint = (typeof WIRE_POINTS)[number]['name'];

function point<Name extends string>(
  name: Name,
  returns: WireReturn,
  takes: readonly string[],
  about: string,
): WirePointInfo<Name> {
  return { name, returns: [returns], takes, about };
}
