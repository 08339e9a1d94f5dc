import { describe, expect, it } from 'vitest';
import { ObjectGraph } from '../../../driver/check/object-graph.js';

describe('an image of objects', () => {
  it('puts fields, elements, entries and bytes back into the same objects', () => {
    const shared = { n: 1 };
    const root = {
      shared,
      list: [shared, { n: 2 }],
      map: new Map<string, unknown>([['a', shared]]),
      set: new Set([1, 2]),
      bytes: Uint8Array.of(1, 2, 3),
      text: 'x' as string | null,
    };
    const { list, map, set, bytes } = root;
    const image = new ObjectGraph([root]);
    for (let again = 0; again < 2; again++) {
      Object.assign(root, { list: [], map: new Map(), text: null });
      list.push({ n: 3 });
      list[1]!.n = 9;
      shared.n = 7;
      map.set('b', shared).delete('a');
      set.clear();
      bytes.fill(0);
      image.restore();
      expect(root.list).toBe(list);
      expect(root.map).toBe(map);
      expect(root).toEqual({
        shared: { n: 1 },
        list: [{ n: 1 }, { n: 2 }],
        map: new Map([['a', { n: 1 }]]),
        set: new Set([1, 2]),
        bytes: Uint8Array.of(1, 2, 3),
        text: 'x',
      });
      expect(root.list[0]).toBe(shared);
    }
  });

  it('leaves alone what it is told to, and names large arrays instead of keeping them', () => {
    const apart = { n: 1 };
    const large = new Uint8Array(1 << 20);
    const image = new ObjectGraph([{ apart, large }], { apart: [apart] });
    apart.n = 2;
    large[0] = 1;
    image.restore();
    expect(apart.n).toBe(2);
    expect(large[0]).toBe(1);
    expect(image.large).toHaveLength(1);
    expect(image.large[0]).toBe(large);
  });
});
