// What tells runs apart: their settings, and what came of them. Pure.
import type { Run } from '../data/contract';
import { bytes, fixed, percent, signed, three } from '../format';

/** A setting as text; null where the run does not say. */
export type Setting = string | null;

export interface SettingRow {
  name: string;
  values: Setting[];
  /** Whether the runs have different values. */
  differs: boolean;
}

const plain = (value: unknown): Setting => {
  if (value === null || value === undefined || value === '') return null;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
};

const FIRST = ['task', 'strategy', 'engine'] as const;

/** Settings of all runs by name: those of every run first, then what its configuration holds. */
export function settingRows(runs: readonly Run[]): SettingRow[] {
  const names = [...new Set(runs.flatMap(run => Object.keys(run.config)))].sort();
  const row = (name: string, values: Setting[]): SettingRow => ({
    name,
    values,
    differs: values.some(value => value !== values[0]),
  });
  const own = FIRST.map(name => row(name, runs.map(run => plain(run[name]))));
  const rest = names
    .filter(name => !(FIRST as readonly string[]).includes(name))
    .map(name => row(name.replaceAll('_', ' '), runs.map(run => plain(run.config[name]))));
  return [...own, ...rest].filter(({ values }) => values.some(value => value !== null));
}

export interface Outcome {
  name: string;
  unit?: string;
  of: (run: Run) => number | null;
  format: (value: number) => string;
  /** The difference to the first run. */
  change: (value: number) => string;
  /** Whether more is better; absent where neither is. */
  better?: 'more' | 'less';
  why: string;
}

const sent = (run: Run): number | null =>
  run.payload_down_bytes === null || run.payload_up_bytes === null
    ? null
    : run.payload_down_bytes + run.payload_up_bytes;

const perRound = (run: Run): number | null =>
  run.seconds === null || !run.round ? null : run.seconds / run.round;

const by = (format: (value: number) => string) => (value: number) =>
  (value < 0 ? '−' : '+') + format(Math.abs(value));

const NO_EVALUATION = 'No round was evaluated';
const NO_ACCURACY = 'No accuracy was measured';

export const OUTCOMES: readonly Outcome[] = [
  { name: 'accuracy', unit: '%', of: run => run.accuracy, format: percent, change: value => signed(1)(100 * value), better: 'more', why: NO_ACCURACY },
  { name: 'best accuracy', unit: '%', of: run => run.best_accuracy, format: percent, change: value => signed(1)(100 * value), better: 'more', why: NO_ACCURACY },
  { name: 'loss', of: run => run.loss, format: fixed(3), change: signed(3), better: 'less', why: NO_EVALUATION },
  { name: 'rounds done', of: run => run.round, format: String, change: signed(0), why: 'No round was recorded' },
  { name: 'seconds a round', of: perRound, format: three, change: by(three), better: 'less', why: 'Nothing was timed' },
  { name: 'payload', of: sent, format: bytes, change: by(bytes), better: 'less', why: 'The payload was not counted' },
  { name: 'client failures', of: run => run.failures, format: String, change: signed(0), better: 'less', why: 'Not recorded' },
];

/** Which of the figures is best; -1 where none is, or all are the same. */
export function bestOf(values: readonly (number | null)[], better: Outcome['better']): number {
  const known = values.filter(value => value !== null);
  if (!better || known.length < 2) return -1;
  const best = better === 'more' ? Math.max(...known) : Math.min(...known);
  return known.every(value => value === best) ? -1 : values.indexOf(best);
}
