import type { RefObject } from 'preact';
import { useEffect } from 'preact/hooks';

interface KeysProps {
  readonly step: number;
  readonly steps: number;
  readonly go: (step: number) => void;
  readonly input: RefObject<HTMLInputElement | null>;
  readonly togglePlay: () => void;
  readonly compareHere: () => void;
  readonly deselect: () => void;
}

const FAR = 10;

/** What keys do wherever nothing else wants them. */
export function useKeys(props: KeysProps): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const target = event.target as HTMLElement;
      const isTyping = target.matches('select, input:not([type=range])');
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping) {
        if (event.key === 'Escape') target.blur();
        return;
      }
      const action = actionOf(event, target, props);
      if (action === null) return;
      event.preventDefault();
      action();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  });
}

function actionOf(event: KeyboardEvent, target: HTMLElement, props: KeysProps): (() => void) | null {
  const { step, steps, go, input, togglePlay, compareHere, deselect } = props;
  const size = event.shiftKey ? FAR : 1;
  const click = (name: string) => () => document.querySelector<HTMLButtonElement>(`.zoom .${name}`)?.click();
  const keys: Readonly<Record<string, (() => void) | undefined>> = {
    ArrowLeft: () => go(step - size),
    ArrowRight: () => go(step + size),
    Home: () => go(0),
    End: () => go(steps),
    '/': () => input.current?.focus(),
    c: compareHere,
    Escape: deselect,
    '+': click('nearer'),
    '-': click('farther'),
    // Of a button that has the focus, space is a click.
    ' ': target.matches('button') ? undefined : togglePlay,
  };
  return keys[event.key] ?? null;
}
