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

const FIRST = ['task', 'strategy', 'engine', 'nodes', 'rounds', 'model_parameters'];

/** Nested settings as `outer.inner`, lists whole: in which order they were said does not count. */
function flat(settings: object, before = ''): [string, unknown][] {
  return Object.entries(settings).flatMap(([name, value]): [string, unknown][] => {
    const nested = value && typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length;
    return nested ? flat(value as object, `${before}${name}.`) : [[before + name, value]];
  });
}

/** What a run was told, and what its summary says of it besides; as `fedsight runs compare` has it. */
function settingsOf(run: Run): Map<string, Setting> {
  const { task, strategy, engine, rounds, model_parameters } = run;
  const known = { task, strategy, engine, nodes: run.nodes.length || null, rounds, model_parameters };
  return new Map(flat({ ...known, ...run.config }).map(([name, value]) => [name, plain(value)]));
}

/** Settings of all runs by name: those of every run first, then what its configuration holds. */
export function settingRows(runs: readonly Run[]): SettingRow[] {
  const settings = runs.map(settingsOf);
  const others = [...new Set(settings.flatMap(of => [...of.keys()]))].filter(name => !FIRST.includes(name));
  return [...FIRST, ...others.sort()]
    .map(name => {
      const values = settings.map(of => of.get(name) ?? null);
      return { name: name.replaceAll('_', ' '), values, differs: values.some(value => value !== values[0]) };
    })
    .filter(({ values }) => values.some(value => value !== null));
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

/** With pauses, waits and evaluations: from the run's start to its end, or to its last signal. */
const perRound = (run: Run): number | null =>
  run.seconds === null || !run.round ? null : run.seconds / run.round;

/** A figure that is not 0 never reads as 0, however small. */
const small = (format: (value: number) => string) => (value: number) =>
  value && Math.abs(value) < 0.001 ? String(+value.toPrecision(3)).replace(/^-/, '−') : format(value);

const loss = small(fixed(3));
const time = small(three);

const by = (format: (value: number) => string) => (value: number) =>
  (value < 0 ? '−' : '+') + format(Math.abs(value));

const NO_EVALUATION = 'No round was evaluated';
const NO_ACCURACY = 'No accuracy was measured';

export const OUTCOMES: readonly Outcome[] = [
  { name: 'accuracy', unit: '%', of: run => run.accuracy, format: percent, change: value => signed(1)(100 * value), better: 'more', why: NO_ACCURACY },
  { name: 'best accuracy', unit: '%', of: run => run.best_accuracy, format: percent, change: value => signed(1)(100 * value), better: 'more', why: NO_ACCURACY },
  { name: 'loss', of: run => run.loss, format: loss, change: by(loss), better: 'less', why: NO_EVALUATION },
  { name: 'rounds done', of: run => run.round, format: String, change: signed(0), why: 'No round was recorded' },
  { name: 'wall time a round', unit: 's', of: perRound, format: time, change: by(time), better: 'less', why: 'Nothing was timed' },
  { name: 'payload', of: sent, format: bytes, change: by(bytes), better: 'less', why: 'The payload was not counted' },
  { name: 'client failures', of: run => run.failures, format: String, change: signed(0), better: 'less', why: 'Not recorded' },
];

/** Where the best of the figures is, or are; nowhere where all are the same. */
export function bestOf(values: readonly (number | null)[], better: Outcome['better']): number[] {
  const known = values.filter(value => value !== null);
  if (!better || known.length < 2) return [];
  const best = better === 'more' ? Math.max(...known) : Math.min(...known);
  if (known.every(value => value === best)) return [];
  return values.flatMap((value, at) => (value === best ? [at] : []));
}
