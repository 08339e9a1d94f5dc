import { allPlaces, nameOf, type OptionWord, slashed, type WordPlace } from './place.js';

/** `complete -o default` falls back to files where nothing of ours fits. */
export function bashScript(root: WordPlace): string {
  const places = allPlaces(root);
  // In these lines a shell's own ${...} stands, not ours.
  /* biome-ignore-start lint/suspicious/noTemplateCurlyInString: shell text */
  return [
    '# bash completion for dmirror: source <(dmirror completion bash)',
    '_dmirror() {',
    '  local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} place= words= i',
    '  for ((i = 1; i < COMP_CWORD; i++)); do',
    '    case "$place/${COMP_WORDS[i]}" in',
    `      ${places.slice(1).map(slashed).join('|')}) place+="/\${COMP_WORDS[i]}" ;;`,
    '    esac',
    '  done',
    '  case $place in',
    ...places.map(bashPlace),
    '  esac',
    '  COMPREPLY=($(compgen -W "$words" -- "$word"))',
    '}',
    'complete -o default -F _dmirror dmirror',
  ].join('\n');
  /* biome-ignore-end lint/suspicious/noTemplateCurlyInString: shell text */
}

function bashPlace(place: WordPlace): string {
  const { commands, options, values } = place;
  const words = [...commands.map(nameOf), ...values, ...options.map(({ text }) => text)];
  const valued = options.flatMap(bashValues);
  return [
    `    ${slashed(place) || "''"})`,
    ...(valued.length > 0 ? ['      case $previous in', ...valued, '      esac'] : []),
    `      words='${words.join(' ')}' ;;`,
  ].join('\n');
}

function bashValues({ text, values }: OptionWord): string[] {
  if (values === undefined) return [];
  const kind = values.length > 0 ? `-W '${values.join(' ')}'` : '-f';
  return [`        ${text}) COMPREPLY=($(compgen ${kind} -- "$word")); return ;;`];
}
