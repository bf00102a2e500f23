// Which runs are compared, in the order in which they were picked: the order of their colours.
import { formatHash } from '../route';
import { query, setQuery } from '../view';
import type { Mark } from './plot';

const COLOURS = 6;
/** Six colours, and the same again dashed. */
export const MOST = 2 * COLOURS;

export const chosen = (): string[] => (query('runs') ?? '').split(',').filter(Boolean).slice(0, MOST);

export const markOf = (at: number): Mark => ({
  colour: `s${(at % COLOURS) + 1}`,
  dashed: at >= COLOURS,
});

/** The ids with one taken in, or out where it was there; unchanged where there is no room. */
export function toggled(ids: readonly string[], id: string): string[] {
  if (ids.includes(id)) return ids.filter(one => one !== id);
  return ids.length < MOST ? [...ids, id] : [...ids];
}

export const toggle = (id: string): void =>
  setQuery({ runs: toggled(chosen(), id).join(',') }, 'replace');

/** Open the page on which the picked runs stand side by side. */
export const compare = (): void =>
  void (location.hash = formatHash({ page: 'compare', run: '', query: { runs: chosen().join(',') } }));
