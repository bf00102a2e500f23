// The rounds of a run as dense columns: one entry a round from the first to the last known, nulls
// where a round was not recorded, so that no line is drawn through what is missing.
import type { Round } from '../data/contract';

export const ROUND_FIGURES = [
  'seconds',
  'accuracy',
  'loss',
  'train_loss',
  'selected',
  'participants',
  'failures',
  'samples',
  'payload_down_bytes',
  'payload_up_bytes',
] as const;
export type RoundFigure = (typeof ROUND_FIGURES)[number];
export type Line = (number | null)[];

export interface RoundTable {
  first: number;
  /** The last round known, or null before the first. */
  last: number | null;
  round: number[];
  started: (string | null)[];
  figures: Record<RoundFigure, Line>;
}

const noFigures = (length: number) =>
  Object.fromEntries(
    ROUND_FIGURES.map(figure => [figure, new Array<number | null>(length).fill(null)]),
  ) as Record<RoundFigure, Line>;

export const noRounds: RoundTable = {
  first: 1,
  last: null,
  round: [],
  started: [],
  figures: noFigures(0),
};

export const indexOf = (table: RoundTable, round: number): number => round - table.first;

export const figureAt = (table: RoundTable, figure: RoundFigure, round: number): number | null =>
  table.figures[figure][indexOf(table, round)] ?? null;

/** A new table in which `rows` replace or follow what was known. */
export function mergeRounds(table: RoundTable, rows: readonly Round[]): RoundTable {
  if (!rows.length) return table;
  const numbers = rows.map(row => row.round);
  const known = table.last === null ? [] : [table.first, table.last];
  const first = numbers.concat(known).reduce((a, b) => Math.min(a, b));
  const last = numbers.concat(known).reduce((a, b) => Math.max(a, b));
  const length = last - first + 1;
  const shift = table.first - first;
  const started = new Array<string | null>(length).fill(null);
  const figures = noFigures(length);
  table.started.forEach((value, at) => (started[at + shift] = value));
  for (const figure of ROUND_FIGURES) {
    table.figures[figure].forEach((value, at) => (figures[figure][at + shift] = value));
  }
  for (const row of rows) {
    started[row.round - first] = row.started;
    for (const figure of ROUND_FIGURES) figures[figure][row.round - first] = row[figure] ?? null;
  }
  return { first, last, round: Array.from({ length }, (_, at) => first + at), started, figures };
}

/** Down and up together; unknown where either is. */
export function payload(table: RoundTable): Line {
  const { payload_down_bytes: down, payload_up_bytes: up } = table.figures;
  return down.map((value, at) => (value === null || up[at] == null ? null : value + up[at]!));
}

export function median(values: readonly number[]): number | null {
  if (!values.length) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** Seconds left, by the median of the last 20 measured rounds; null before one was measured. */
export function secondsLeft(table: RoundTable, rounds: number | null): number | null {
  const measured = table.figures.seconds.filter(value => value !== null).slice(-20);
  const middle = median(measured);
  if (middle === null || rounds === null || table.last === null) return null;
  return Math.max(0, rounds - table.last) * middle;
}
