import type { PbfWriter } from 'pbf';

/** `TrackEvent.Type` of Perfetto's protocol. */
export const PacketType = { begin: 1, end: 2, instant: 3, counter: 4 } as const;

/** A `TracePacket` with a `TrackDescriptor` in it. */
interface Described {
  readonly uuid: number;
  readonly parent?: number;
  readonly name?: string;
  readonly process?: { readonly pid: number; readonly name: string };
  readonly thread?: { readonly pid: number; readonly tid: number; readonly name: string };
  readonly isCounter?: boolean;
}

/** One with a `TrackEvent`; `at` is in nanoseconds. */
interface Happened {
  readonly at: number;
  readonly type: number;
  readonly track: number;
  readonly name?: string | undefined;
  readonly note?: string | undefined;
  readonly value?: number;
  readonly flow?: number | undefined;
  readonly endOfFlow?: number;
}

const SEQUENCE = 1;
const SEQ_INCREMENTAL_STATE_CLEARED = 1;

/** Writes the fields of one packet. Numbers are those of perfetto/trace: TracePacket, TrackDescriptor, TrackEvent. */
export function writePacket(packet: Described | Happened, pbf: PbfWriter): void {
  if ('uuid' in packet) {
    pbf.writeVarintField(10, SEQUENCE);
    pbf.writeVarintField(13, SEQ_INCREMENTAL_STATE_CLEARED);
    pbf.writeMessage(60, writeDescriptor, packet);
    return;
  }
  pbf.writeVarintField(8, packet.at);
  pbf.writeVarintField(10, SEQUENCE);
  pbf.writeMessage(11, writeTrackEvent, packet);
}

function writeDescriptor({ uuid, parent, name, process, thread, isCounter }: Described, pbf: PbfWriter): void {
  pbf.writeVarintField(1, uuid);
  if (name !== undefined) pbf.writeStringField(2, name);
  if (process !== undefined) {
    pbf.writeMessage(
      3,
      (from, to) => {
        to.writeVarintField(1, from.pid);
        to.writeStringField(6, from.name);
      },
      process,
    );
  }
  if (thread !== undefined) {
    pbf.writeMessage(
      4,
      (from, to) => {
        to.writeVarintField(1, from.pid);
        to.writeVarintField(2, from.tid);
        to.writeStringField(5, from.name);
      },
      thread,
    );
  }
  if (parent !== undefined) pbf.writeVarintField(5, parent);
  if (isCounter === true) pbf.writeMessage(8, () => {}, null);
}

function writeTrackEvent({ type, track, name, note, value, flow, endOfFlow }: Happened, pbf: PbfWriter): void {
  if (note !== undefined) {
    pbf.writeMessage(
      4,
      (text, to) => {
        to.writeStringField(10, 'detail');
        to.writeStringField(6, text);
      },
      note,
    );
  }
  pbf.writeVarintField(9, type);
  pbf.writeVarintField(11, track);
  if (name !== undefined) pbf.writeStringField(23, name);
  if (value !== undefined) pbf.writeVarintField(30, value);
  if (flow !== undefined) pbf.writeFixed64Field(47, flow);
  if (endOfFlow !== undefined) pbf.writeFixed64Field(48, endOfFlow);
}
