export interface AddressRange {
  readonly start: number;
  readonly end: number;
}

/** What of `ranges`, which may overlap and are in no order, none of `taken` has; `taken` is in order. */
export function without(ranges: readonly AddressRange[], taken: readonly AddressRange[]): AddressRange[] {
  const left: AddressRange[] = [];
  for (const { start, end } of merged(ranges)) {
    let from = start;
    for (const one of taken) {
      if (one.end <= from) continue;
      if (one.start >= end) break;
      if (one.start > from) left.push({ start: from, end: one.start });
      from = Math.max(from, one.end);
    }
    if (from < end) left.push({ start: from, end });
  }
  return left;
}

function merged(ranges: readonly AddressRange[]): AddressRange[] {
  const all: AddressRange[] = [];
  for (const { start, end } of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = all.at(-1);
    if (last === undefined || start > last.end) all.push({ start, end });
    else if (end > last.end) all[all.length - 1] = { start: last.start, end };
  }
  return all;
}
