import type { CType, RecordField, RecordLayout } from './types.js';

/** What attributes say about the layout of a record, a member or a typedef. */
export interface LayoutAttributes {
  packed: boolean;
  /** Bytes; 0 when not given. */
  align: number;
  /** Of a record: what `#pragma pack` allows its members at most; 0 when nothing. */
  pack?: number;
  /** `mode(DI)` and its kin: the bytes of the integer that it really is. */
  modeBytes?: number;
  /** `vector_size(16)`. */
  vectorBytes?: number;
}

/** A member as it is declared. */
export interface Member {
  readonly name: string;
  readonly type: CType;
  /** Bits of a bit-field. */
  readonly width?: number;
  readonly attributes: LayoutAttributes;
}

function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}

/** The alignment of a member: its type's, less when packed, more when an attribute says so, never more than `#pragma pack`. */
function memberAlign({ type, attributes }: Member, { packed, pack = 0 }: LayoutAttributes): number {
  const align = Math.max(packed || attributes.packed ? 1 : type.align, attributes.align);
  return pack > 0 ? Math.min(align, pack) : align;
}

/**
 * Offsets, size and alignment by the rules of the System V ABI as gcc has them: a bit-field may not reach over more units of its
 * type's alignment than its type does, unless it is packed; a bit-field without a name does not align the record, except on ARM.
 */
export function layoutRecord(
  record: Pick<RecordLayout, 'kind' | 'tag' | 'place'>,
  members: readonly Member[],
  attributes: LayoutAttributes & { unnamedAligns?: boolean },
): RecordLayout {
  const fields: RecordField[] = [];
  let end = 0;
  let size = 0;
  let recordAlign = 1;
  for (const member of members) {
    const { name, type, width } = member;
    const align = memberAlign(member, attributes);
    const from = record.kind === 'union' ? 0 : end;
    if (width === undefined) {
      const start = roundUp(from, align * 8);
      fields.push({ name, type, offset: start / 8, size: type.size });
      end = start + type.size * 8;
      recordAlign = Math.max(recordAlign, align);
    } else {
      const start = bitFieldStart(from, member, { align, attributes });
      end = start + width;
      if (width > 0)
        fields.push({ name, type, offset: Math.floor(start / 8), size: type.size, bits: { start, width } });
      if (name !== '' || attributes.unnamedAligns) recordAlign = Math.max(recordAlign, align);
    }
    size = Math.max(size, Math.ceil(end / 8));
  }
  const align = Math.max(recordAlign, attributes.align);
  return { ...record, size: roundUp(size, align), align, fields };
}

function bitFieldStart(
  from: number,
  member: Member,
  { align, attributes }: { align: number; attributes: LayoutAttributes },
): number {
  const { type, width } = member;
  const { packed, pack = 0 } = attributes;
  const unit = (pack > 0 ? Math.min(type.align, pack) : type.align) * 8;
  if (width === 0) return roundUp(from, unit);
  const start = member.attributes.align > 0 ? roundUp(from, align * 8) : from;
  if (packed || member.attributes.packed) return start;
  const units = Math.ceil((start + width!) / unit) - Math.floor(start / unit);
  return units > (type.size * 8) / unit ? roundUp(start, unit) : start;
}
