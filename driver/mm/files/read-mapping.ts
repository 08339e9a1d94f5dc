import { type Coroutine, FINE } from '../../core/effect.js';
import { folioPut } from '../frames/folio.js';
import { PAGE_SIZE } from '../frames/frames.js';
import type { Memory } from '../memory.js';
import type { AddressSpace } from './address-space.js';

export interface ReadRequest {
  readonly offset: number;
  readonly lenBytes: number;
}

/**
 * read(2) of a file: fewer bytes at its end. `getPage` gives the page of an index with a reference, 0 for a hole, which reads as
 * zero, or a negative errno, which ends it.
 */
export function* readMapping(
  memory: Memory,
  mapping: AddressSpace,
  { offset, lenBytes, pageSize }: ReadRequest & { pageSize: number },
  getPage: (index: number) => Coroutine<number>,
): Coroutine<Uint8Array> {
  const out = new Uint8Array(Math.max(0, Math.min(lenBytes, mapping.size - offset)));
  for (let done = 0; done < out.length; ) {
    const inPage = (offset + done) % pageSize;
    const n = Math.min(pageSize - inPage, out.length - done);
    const pfn = yield* getPage((offset + done - inPage) / PAGE_SIZE);
    if (pfn < 0) return out.subarray(0, done);
    if (pfn > 0) {
      const from = pfn * PAGE_SIZE + inPage;
      const first = Math.floor(from / PAGE_SIZE);
      if (memory.kernel.scheduler.isFine) yield FINE.content;
      memory.contentIsRead(first, Math.ceil((from + n) / PAGE_SIZE) - first);
      out.set(memory.bytes.subarray(from, from + n), done);
      folioPut(memory, pfn);
    }
    done += n;
  }
  return out;
}
