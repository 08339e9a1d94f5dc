import { type ComponentChild, type ComponentChildren, h } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

interface VirtualListProps {
  readonly count: number;
  /** Of every item, in pixels. */
  readonly height: number;
  readonly label: string;
  readonly class?: string;
  /** Item to have in sight whenever it becomes another. */
  readonly at?: number | undefined;
  readonly onKeyDown?: (event: KeyboardEvent) => void;
  readonly item: (i: number) => ComponentChildren;
}

const AROUND = 4;

/** A list of which only what is in sight exists. */
export function VirtualList(props: VirtualListProps): ComponentChild {
  const { count, height, label, class: name = '', at, onKeyDown, item } = props;
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [room, setRoom] = useState(400);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setRoom(entry!.contentRect.height));
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    const { current } = box;
    if (current === null || at === undefined || at < 0) return;
    const isInSight = at * height >= current.scrollTop && (at + 1) * height <= current.scrollTop + current.clientHeight;
    if (!isInSight) current.scrollTop = Math.max(0, at * height - current.clientHeight / 2);
    setTop(current.scrollTop);
  }, [at, count]);
  const first = Math.max(0, Math.floor(top / height) - AROUND);
  const end = Math.min(count, Math.ceil((top + room) / height) + AROUND);
  const items: ComponentChildren[] = [];
  for (let i = first; i < end; i++) items.push(item(i));
  return h(
    'div',
    {
      ref: box,
      class: `list ${name}`,
      tabIndex: 0,
      role: 'region',
      'aria-label': label,
      onScroll: () => setTop(box.current!.scrollTop),
      onKeyDown,
    },
    h(
      'div',
      { style: { height: `${count * height}px`, position: 'relative' } },
      h('div', { style: { transform: `translateY(${first * height}px)` } }, items),
    ),
  );
}
