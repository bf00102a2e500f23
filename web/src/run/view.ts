// What the reader looks at on a run page, read from the URL.
import { parseRange, formatRange, wholeNumber, type Range } from '../route';
import { query, setQuery } from '../view';
import { HEAT_FIGURES } from './heat-figures';
import type { Figure } from './matrix';
import type { RoundTable } from './rounds';

export const SMOOTHING = ['0', '0.6', '0.9'] as const;
export type Smoothing = (typeof SMOOTHING)[number];

export const smoothing = (): Smoothing =>
  SMOOTHING.find(weight => weight === query('smooth')) ?? '0';

/** The figure of the heat map that the URL names, else the first. */
export const heatFigure = (): Figure =>
  HEAT_FIGURES.find(({ key }) => key === query('metric'))?.key ?? HEAT_FIGURES[0]!.key;

/** The round that was pinned, if the run has it. */
export function pinned(table: RoundTable): number | null {
  const round = wholeNumber(query('round'));
  const inside = round !== null && table.last !== null && round >= table.first && round <= table.last;
  return inside ? round : null;
}

/** The round that the page tells about: the pinned one, else the newest. */
export const shownRound = (table: RoundTable): number | null => pinned(table) ?? table.last;

/** The rounds that charts and heat map show; null for all. */
export function zoom(table: RoundTable): Range | null {
  const range = parseRange(query('zoom'));
  if (!range || table.last === null) return null;
  const [from, to] = [Math.max(range[0], table.first), Math.min(range[1], table.last)];
  return from < to ? [from, to] : null;
}

export const setZoom = (range: Range | null): void =>
  setQuery({ zoom: range && formatRange(range) });

export const inspecting = (): boolean => query('inspect') === '1';

/** Pin a round; the newest one is followed rather than pinned when `follow` is set. */
export function pin(round: number, table: RoundTable, how: 'push' | 'replace', follow = false): void {
  if (table.last === null) return;
  const within = Math.max(table.first, Math.min(table.last, round));
  setQuery({ round: follow && within === table.last ? null : within }, how);
}

export function step(by: number, table: RoundTable): void {
  const round = shownRound(table);
  if (round !== null) pin(round + by, table, 'replace', true);
}

export const inspect = (round: number): void => setQuery({ round, inspect: 1 });

/** Esc: close the inspector, else go back to the newest round, else show all rounds. */
export function back(): void {
  const key = ['inspect', 'round', 'zoom'].find(name => query(name) !== undefined);
  if (key) setQuery({ [key]: null });
}
