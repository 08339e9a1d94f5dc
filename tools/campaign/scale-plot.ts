import { escapeXml } from '../report/junit.js';

interface Line {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [760, 360, 60, 250, 40, 40];
/** Told apart in grey too, by their brightness. */
const COLORS = ['#1b4f72', '#a04000', '#1e8449', '#5dade2', '#e59866', '#7dcea0'];

/** Lines over numbers of workers, both axes logarithmic. */
export function plotOf(title: string, lines: readonly Line[]): string {
  const all = lines.flatMap(({ points }) => points);
  const x = axis(
    all.map((point) => point[0]),
    LEFT,
    WIDTH - RIGHT,
  );
  const y = axis(
    all.map((point) => point[1]),
    HEIGHT - BOTTOM,
    TOP,
  );
  const text = (at: readonly [number, number], what: string, more = ''): string =>
    `<text x="${at[0]}" y="${at[1]}"${more}>${escapeXml(what)}</text>`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<title>${escapeXml(title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text([LEFT, 22], title, ' font-weight="bold"'),
    ...x.ticks.flatMap(([value, at]) => [
      `<path d="M${at} ${TOP}V${HEIGHT - BOTTOM}" stroke="#dddddd"/>`,
      text([at, HEIGHT - 22], String(value), ' text-anchor="middle"'),
    ]),
    text([(LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6], 'workers', ' text-anchor="middle"'),
    ...y.ticks.flatMap(([value, at]) => [
      `<path d="M${LEFT} ${at}H${WIDTH - RIGHT}" stroke="#dddddd"/>`,
      text([LEFT - 6, at + 4], String(value), ' text-anchor="end"'),
    ]),
    ...lines.flatMap(({ name, points }, i) => {
      const color = COLORS[i % COLORS.length]!;
      const places = points.map(([px, py]) => [x.of(px), y.of(py)] as const);
      return [
        `<path d="M${places.map((place) => place.join(' ')).join('L')}" fill="none" stroke="${color}" stroke-width="2"/>`,
        ...places.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3" fill="${color}"/>`),
        `<path d="M${WIDTH - RIGHT + 12} ${TOP + 8 + i * 20}h20" stroke="${color}" stroke-width="2"/>`,
        text([WIDTH - RIGHT + 38, TOP + 12 + i * 20], name),
      ];
    }),
    '</svg>\n',
  ].join('\n');
}

/** From the power of ten below all to the one above. */
function axis(
  values: readonly number[],
  from: number,
  to: number,
): { of(value: number): number; ticks: (readonly [number, number])[] } {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  const of = (value: number): number => Math.round(from + ((Math.log10(value) - low) / (high - low)) * (to - from));
  const powers = Array.from({ length: high - low + 1 }, (_, i) => Number((10 ** (low + i)).toPrecision(3)));
  return { of, ticks: powers.map((value) => [value, of(value)] as const) };
}
