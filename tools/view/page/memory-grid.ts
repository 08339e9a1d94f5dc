import { Component, type ComponentChild, h } from 'preact';
import type { MachineView, MirrorPageView, PageView } from '../../../driver/recording/machine-view.js';
import { disagrees, mirrorSign, pageSign } from '../cell-sign.js';
import { type Diff, pageText } from '../diff.js';
import { ROW_PAGES } from './open-run.js';
import { VirtualList } from './virtual-list.js';

/** A page of an address space, or of the mirror of a file. */
export interface CellPlace {
  readonly mm: number;
  readonly vpn: number;
  readonly file: number | null;
}

interface MemoryProps {
  readonly view: MachineView;
  readonly rows: ReadonlyMap<number, readonly number[]>;
  readonly rowsLeftOut: ReadonlyMap<number, number>;
  readonly diff: Diff | null;
  readonly selected: CellPlace | null;
  readonly headOf: (pfn: number) => number;
  readonly onSelect: (place: CellPlace) => void;
}

const LINE = 20;
const HUGE_PAGES = 512;

/** A cell as it is drawn. */
interface DrawnCell {
  readonly sign: string;
  readonly class: string;
  readonly title: string;
  readonly folio: number;
}

interface Row {
  readonly mm: number;
  readonly first: number;
  readonly tables: readonly (readonly [name: string, file: number | null, cells: readonly DrawnCell[]])[];
}

type Item = { readonly heading: string; readonly mark: string | null } | { readonly row: number; readonly mm: number };

/** The page table of each address space, and below each of its rows the same pages in the mirror of every device that is open. */
export function Memory(props: MemoryProps): ComponentChild {
  const { view, rows, rowsLeftOut, diff, selected } = props;
  const items: Item[] = [];
  for (const { mm, processes, notifier, vmas } of view.spaces) {
    const who = processes.length === 0 ? 'nobody lives in it' : `process ${processes.join(', ')}`;
    const seq =
      notifier === null ? 'no notifier' : `notifier sequence ${notifier.seq}${notifier.active ? ', invalidating' : ''}`;
    const differs = diff?.notifier(mm, notifier?.seq) ?? null;
    const left = rowsLeftOut.get(mm) ?? 0;
    const cut = left === 0 ? '' : ` · cut: ${left} more rows have no room`;
    items.push({ heading: `mm ${mm} · ${who} · ${vmas.length} vmas · ${seq}${cut}`, mark: differs });
    for (const row of rows.get(mm) ?? []) items.push({ row, mm });
  }
  const found = new Finder(view);
  const files = Math.max(0, ...view.spaces.map(({ mm }) => view.mirrors.filter((mirror) => mirror.mm === mm).length));
  const item = (i: number): ComponentChild => {
    const of = items[i]!;
    if ('heading' in of)
      return h(
        'h3',
        { key: of.heading, class: 'space', style: { height: `${(1 + files) * LINE + 6}px` } },
        of.heading,
        mark(of.mark),
      );
    return h(GridRow, {
      key: `${of.mm} ${of.row}`,
      row: rowOf(of, found, props),
      height: (1 + files) * LINE + 6,
      selected: props.selected,
      onSelect: props.onSelect,
    });
  };
  const at = items.findIndex((of) => 'row' in of && of.mm === selected?.mm && of.row === rowFirst(selected.vpn));
  return h(VirtualList, {
    count: items.length,
    height: (1 + files) * LINE + 6,
    label: 'page tables and mirrors; arrow keys choose a cell',
    class: 'memory',
    at: at < 0 ? undefined : at,
    onKeyDown: (event: KeyboardEvent) => chooseByKey(event, items, props),
    item,
  });
}

function rowFirst(vpn: number): number {
  return vpn - (vpn % ROW_PAGES);
}

/** Arrow keys go from cell to cell while the grid has the focus: to the sides by pages, up and down by lines, those of mirrors among them. */
function chooseByKey(event: KeyboardEvent, items: readonly Item[], { view, selected, onSelect }: MemoryProps): void {
  const [dx, dy] = DIRECTIONS[event.key] ?? [0, 0];
  if ((dx === 0 && dy === 0) || event.shiftKey || event.ctrlKey || event.altKey || event.metaKey) return;
  const lines = items.flatMap((of) => {
    if (!('row' in of)) return [];
    const files = view.mirrors.filter(({ mm }) => mm === of.mm).map(({ file }) => file);
    return [null, ...files].map((file) => ({ mm: of.mm, first: of.row, file }));
  });
  if (lines.length === 0) return;
  event.preventDefault();
  event.stopPropagation();
  const is =
    ({ mm, vpn, file }: CellPlace) =>
    (line: (typeof lines)[number]) =>
      line.mm === mm && line.file === file && line.first === rowFirst(vpn);
  const now = selected === null ? -1 : lines.findIndex(is(selected));
  const page = now < 0 ? 0 : selected!.vpn - lines[now]!.first + dx;
  // From the end of a row on to the next one of the same kind.
  const over = page < 0 ? -1 : page >= ROW_PAGES ? 1 : 0;
  const to = now < 0 ? 0 : over === 0 ? now + dy : nextOf(lines, now, over);
  const line = lines[to];
  if (line === undefined) return;
  onSelect({ mm: line.mm, vpn: line.first + ((page + ROW_PAGES) % ROW_PAGES), file: line.file });
}

function nextOf(lines: readonly { readonly file: number | null }[], now: number, by: 1 | -1): number {
  let to = now + by;
  while (to >= 0 && to < lines.length && lines[to]!.file !== lines[now]!.file) to += by;
  return to;
}

const DIRECTIONS: Readonly<Record<string, readonly [dx: number, dy: number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

function mark(text: string | null): ComponentChild | null {
  return text === null ? null : h('span', { class: 'differs-text' }, ` ≠ ${text}`);
}

/** What stands where, of one view. */
class Finder {
  private readonly pages = new Map<string, PageView>();
  private readonly mirrored = new Map<string, MirrorPageView>();

  constructor(readonly view: MachineView) {
    for (const { mm, pages } of view.spaces) for (const page of pages) this.pages.set(`${mm} ${page.vpn}`, page);
    for (const { file, pages } of view.mirrors)
      for (const page of pages) this.mirrored.set(`${file} ${page.vpn}`, page);
  }

  page(mm: number, vpn: number): PageView | undefined {
    const own = this.pages.get(`${mm} ${vpn}`);
    if (own !== undefined) return own;
    const huge = this.pages.get(`${mm} ${vpn - (vpn % HUGE_PAGES)}`);
    return huge?.isHuge === true ? huge : undefined;
  }

  mirror(file: number, vpn: number): MirrorPageView | undefined {
    return this.mirrored.get(`${file} ${vpn}`);
  }
}

function rowOf({ row: first, mm }: { row: number; mm: number }, found: Finder, { diff, headOf }: MemoryProps): Row {
  const vpns = Array.from({ length: ROW_PAGES }, (_, i) => first + i);
  const own = vpns.map((vpn): DrawnCell => {
    const page = found.page(mm, vpn);
    const differs = diff?.page(mm, vpn, page) ?? null;
    const kind = page === undefined ? 'none' : page.kind === 'present' && page.isWritable ? 'writable' : page.kind;
    const text = page === undefined ? 'none' : pageText(page);
    return {
      sign: pageSign(page),
      class: `${kind}${differs === null ? '' : ' differs'}`,
      title: titleOf(vpn, text, differs),
      folio: page === undefined || page.pfn === 0 || page.kind === 'swap' ? -1 : headOf(page.pfn),
    };
  });
  const mirrors = found.view.mirrors
    .filter((mirror) => mirror.mm === mm)
    .map(
      ({ file, device }) =>
        [`dev${device}`, file, vpns.map((vpn) => mirrorCell(found, { mm, vpn, file }, { diff, headOf }))] as const,
    );
  return { mm, first, tables: [['', null, own], ...mirrors] };
}

function mirrorCell(
  found: Finder,
  { mm, vpn, file }: { mm: number; vpn: number; file: number },
  { diff, headOf }: Pick<MemoryProps, 'diff' | 'headOf'>,
): DrawnCell {
  const page = found.mirror(file, vpn);
  const differs = diff?.mirror(file, vpn, page) ?? null;
  const wrong = disagrees(found.page(mm, vpn), page);
  const text = page === undefined ? 'none' : `${page.access} ${page.pfn}${wrong ? ', not as the page table' : ''}`;
  return {
    sign: `${mirrorSign(page)}${wrong ? '!' : ''}`,
    class: `${page === undefined ? 'none' : 'mirrored'}${wrong ? ' wrong' : ''}${differs === null ? '' : ' differs'}`,
    title: titleOf(vpn, text, differs),
    folio: page === undefined ? -1 : headOf(page.pfn),
  };
}

function titleOf(vpn: number, text: string, differs: string | null): string {
  return `${address(vpn)} ${text}${differs === null ? '' : `, other: ${differs}`}`;
}

export function address(vpn: number): string {
  return `0x${(vpn * 4096).toString(16)}`;
}

interface GridRowProps {
  readonly row: Row;
  readonly height: number;
  readonly selected: CellPlace | null;
  readonly onSelect: (place: CellPlace) => void;
}

/** Drawn again only when something in it is another. */
class GridRow extends Component<GridRowProps> {
  private last = '';

  override shouldComponentUpdate(next: GridRowProps): boolean {
    return this.last !== keyOf(next);
  }

  override render(): ComponentChild {
    const { row, height } = this.props;
    this.last = keyOf(this.props);
    const lines = row.tables.map(([name, file, cells]) =>
      h(
        'div',
        { class: 'line', key: String(file) },
        h('span', { class: file === null ? 'addr' : 'addr device' }, file === null ? address(row.first) : name),
        cells.map((cell, i) => this.cell(cell, file, row.first + i)),
      ),
    );
    return h('div', { class: 'row', style: { height: `${height}px` } }, lines);
  }

  private cell({ sign, class: name, title, folio }: DrawnCell, file: number | null, vpn: number): ComponentChild {
    const { row, selected, onSelect } = this.props;
    const { mm } = row;
    const isSelected = selected?.vpn === vpn && selected.mm === mm && selected.file === file;
    return h(
      'span',
      {
        key: String(vpn),
        class: `cell ${name}${isSelected ? ' selected' : ''}`,
        title,
        'data-vpn': vpn,
        'data-mm': mm,
        'data-file': file ?? undefined,
        'data-folio': folio < 0 ? undefined : folio,
        onClick: () => onSelect({ mm, vpn, file }),
      },
      sign,
    );
  }
}

function keyOf({ row, height, selected }: GridRowProps): string {
  const own = selected !== null && selected.mm === row.mm && rowFirst(selected.vpn) === row.first;
  const cells = row.tables.map(
    ([, file, of]) => `${file}|${of.map((cell) => `${cell.sign} ${cell.class} ${cell.title}`).join('|')}`,
  );
  return `${row.mm} ${row.first} ${height} ${own ? `${selected.vpn} ${selected.file}` : ''} ${cells.join('\n')}`;
}
