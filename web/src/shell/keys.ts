// The keys. What they do is up to the page that is open.
import { useEffect } from 'preact/hooks';
import { dialog, go, PLACES } from '../view';

type Keys = Record<string, (event: KeyboardEvent) => void>;

/** Keys of the page that is open; a page sets them while it stands. */
let pageKeys: Keys = {};

export function usePageKeys(keys: Keys): void {
  useEffect(() => {
    pageKeys = keys;
    return () => {
      if (pageKeys === keys) pageKeys = {};
    };
  });
}

/** The key before: `g` and a letter open a page. */
let after = '';

const typing = (target: EventTarget | null): boolean =>
  target instanceof Element && target.matches('input, textarea, select, [contenteditable]');

function onKeyDown(event: KeyboardEvent): void {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
    event.preventDefault();
    dialog.value = dialog.value === 'jump' ? null : 'jump';
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (document.querySelector('dialog[open]') || (typing(event.target) && event.key !== 'Escape')) return;
  const place = after === 'g' && PLACES.find(([name]) => name[0] === event.key);
  after = event.key;
  if (place) go(place[0]);
  else if (event.key === '?') dialog.value = 'keys';
  else pageKeys[event.key]?.(event);
}

export const watchKeys = (): void => addEventListener('keydown', onKeyDown);
