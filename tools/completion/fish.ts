import { allPlaces, nameOf, type OptionWord, type WordPlace } from './place.js';

export function fishScript(root: WordPlace): string {
  return [
    '# fish completion for dmirror: dmirror completion fish | source',
    'complete -c dmirror -f',
    ...allPlaces(root).flatMap(fishPlace),
  ].join('\n');
}

function fishPlace(place: WordPlace): string[] {
  const here = `complete -c dmirror -n ${fishText(condition(place))}`;
  return [
    ...place.commands.map((child) => `${here} -a ${nameOf(child)} -d ${fishText(child.about)}`),
    ...(place.values.length > 0 ? [`${here} -a ${fishText(place.values.join(' '))}`] : []),
    ...(place.takesFiles ? [`${here} -F`] : []),
    ...place.options.map((option) => `${here} ${fishOption(option)}`),
  ];
}

/** The names of the path are there, and none of a command below it. */
function condition({ path, commands }: WordPlace): string {
  const seen = path.map((name) => `__fish_seen_subcommand_from ${name}`);
  const unseen = commands.length > 0 ? [`not __fish_seen_subcommand_from ${commands.map(nameOf).join(' ')}`] : [];
  return [...seen, ...unseen].join('; and ');
}

function fishOption({ text, about, values }: OptionWord): string {
  const name = text.startsWith('--') ? `-l ${text.slice(2)}` : `-s ${text.slice(1)}`;
  const value = values === undefined ? '' : values.length > 0 ? ` -x -a ${fishText(values.join(' '))}` : ' -r -F';
  return `${name} -d ${fishText(about)}${value}`;
}

function fishText(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
