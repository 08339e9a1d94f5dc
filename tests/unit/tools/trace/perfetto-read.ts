import { PbfReader } from 'pbf';

/** One packet of a Perfetto trace, as far as we write any; see tools/trace/perfetto-packet.ts. */
export interface Packet {
  at?: number;
  type?: number;
  track?: number;
  name?: string;
  detail?: string;
  value?: number;
  flow?: number;
  endOfFlow?: number;
  uuid?: number;
  trackName?: string;
  parent?: number;
  process?: string;
  thread?: string;
  isCounter?: boolean;
}

/** Every packet of the file. */
export function readPerfetto(bytes: Uint8Array): Packet[] {
  return new PbfReader(bytes).readFields<Packet[]>((tag, packets, pbf) => {
    if (tag === 1) packets.push(pbf.readMessage(readPacket, {}));
  }, []);
}

function readPacket(tag: number, packet: Packet, pbf: PbfReader): void {
  if (tag === 8) packet.at = pbf.readVarint();
  else if (tag === 11) pbf.readMessage(readTrackEvent, packet);
  else if (tag === 60) pbf.readMessage(readDescriptor, packet);
}

function readTrackEvent(tag: number, packet: Packet, pbf: PbfReader): void {
  if (tag === 4) pbf.readMessage(readAnnotation, packet);
  else if (tag === 9) packet.type = pbf.readVarint();
  else if (tag === 11) packet.track = pbf.readVarint();
  else if (tag === 23) packet.name = pbf.readString();
  else if (tag === 30) packet.value = pbf.readVarint(true);
  else if (tag === 47) packet.flow = pbf.readFixed64();
  else if (tag === 48) packet.endOfFlow = pbf.readFixed64();
}

function readAnnotation(tag: number, packet: Packet, pbf: PbfReader): void {
  if (tag === 6) packet.detail = pbf.readString();
}

function readDescriptor(tag: number, packet: Packet, pbf: PbfReader): void {
  if (tag === 1) packet.uuid = pbf.readVarint();
  else if (tag === 2) packet.trackName = pbf.readString();
  else if (tag === 3) pbf.readMessage(readProcess, packet);
  else if (tag === 4) pbf.readMessage(readThread, packet);
  else if (tag === 5) packet.parent = pbf.readVarint();
  else if (tag === 8) packet.isCounter = true;
}

function readProcess(tag: number, packet: Packet, pbf: PbfReader): void {
  if (tag === 6) packet.process = pbf.readString();
}

function readThread(tag: number, packet: Packet, pbf: PbfReader): void {
  if (tag === 5) packet.thread = pbf.readString();
}
