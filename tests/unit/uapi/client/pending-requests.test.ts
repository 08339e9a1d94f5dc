import { describe, expect, it } from 'vitest';
import { type Pending, PendingRequests } from '../../../../uapi/client/pending-requests.js';

const pending = (id: number): Pending => ({ id, resolve() {}, reject() {} });

describe('requests without an answer', () => {
  it('are found by their ids, once', () => {
    const requests = new PendingRequests();
    for (let id = 1; id <= 1000; id++) requests.add(pending(id));
    for (let id = 1000; id >= 1; id--) expect(requests.take(id)?.id).toBe(id);
    expect(requests.take(5)).toBeUndefined();
  });

  it('stay while others come and go, and around the largest id', () => {
    const requests = new PendingRequests();
    const old = 0xfffffff0;
    requests.add(pending(old));
    for (let i = 1; i < 100_000; i++) {
      const id = (old + i) >>> 0;
      requests.add(pending(id));
      expect(requests.take(id)?.id).toBe(id);
    }
    expect(requests.take(old)?.id).toBe(old);
  });

  it('can be taken all together, in the order of their ids', () => {
    const requests = new PendingRequests();
    for (const id of [3, 1, 200, 70]) requests.add(pending(id));
    expect(requests.takeAll().map(({ id }) => id)).toEqual([1, 3, 70, 200]);
    expect(requests.takeAll()).toEqual([]);
  });
});
