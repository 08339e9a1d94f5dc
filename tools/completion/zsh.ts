import { allPlaces, nameOf, slashed, type WordPlace } from './place.js';

export function zshScript(root: WordPlace): string {
  const places = allPlaces(root);
  return [
    '#compdef dmirror',
    '# zsh completion for dmirror: source <(dmirror completion zsh)',
    '_dmirror() {',
    '  local place= depth=0 i',
    '  local -a commands',
    '  for ((i = 2; i < CURRENT; i++)); do',
    '    case "$place/$words[i]" in',
    `      ${places.slice(1).map(slashed).join('|')}) place+="/$words[i]"; ((depth = i - 1)) ;;`,
    '    esac',
    '  done',
    '  shift $depth words; ((CURRENT -= depth))',
    '  case $place in',
    ...places.map(zshPlace),
    '  esac',
    '}',
    'if [ "$funcstack[1]" = _dmirror ]; then _dmirror "$@"; else compdef _dmirror dmirror; fi',
  ].join('\n');
}

function zshPlace(place: WordPlace): string {
  const { commands, options, values, takesFiles } = place;
  const specs = options.map(({ text, about, values: own }) => {
    const value = own === undefined ? '' : own.length > 0 ? `:value:(${own.join(' ')})` : ':value:_files';
    return `'*${text}[${zshText(about)}]${value}'`;
  });
  if (commands.length > 0) specs.push(`'1:command:{_describe command commands}'`);
  else if (values.length > 0) specs.push(`'1:value:(${values.join(' ')})'`);
  else if (takesFiles) specs.push(`'*:file:_files'`);
  const list = commands.map((child) => `'${nameOf(child)}:${zshText(child.about)}'`);
  return [
    `    ${slashed(place) || "''"})`,
    ...(list.length > 0 ? [`      commands=(${list.join(' ')})`] : []),
    `      _arguments ${specs.join(' ')} ;;`,
  ].join('\n');
}

/** A description inside an argument of zsh's _arguments or _describe. */
function zshText(text: string): string {
  return text.replace(/[\\:[\]]/g, '\\$&').replaceAll("'", "'\\''");
}
