// Axes of the parallel coordinates: settings that differ and are numbers, then outcomes. Pure.
import type { Run } from '../data/contract';
import { three } from '../format';
import { OUTCOMES } from './settings';

export interface Axis {
  key: string;
  name: string;
  /** One figure a run, null where there is none. */
  values: (number | null)[];
  low: number;
  high: number;
  format: (value: number) => string;
}

/** The part of an axis that a run must lie in, from 0 (low end) to 1. */
export type Brush = readonly [number, number];

const MOST_SETTINGS = 5;

function axis(key: string, name: string, values: (number | null)[], format: Axis['format']): Axis | null {
  const known = values.filter(value => value !== null);
  if (known.length < 2) return null;
  const low = known.reduce((a, b) => Math.min(a, b));
  const high = known.reduce((a, b) => Math.max(a, b));
  return low === high ? null : { key, name, values, low, high, format };
}

const number = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null;

export const plainNumber = (value: number): string =>
  Number.isInteger(value) ? String(value) : String(+value.toPrecision(3));

/** Settings by how many runs have them, then what the runs came to. */
export function axesOf(runs: readonly Run[]): Axis[] {
  const names = [...new Set(runs.flatMap(run => Object.keys(run.config)))].sort();
  const settings = names
    .flatMap(name => {
      const values = runs.map(run => number(run.config[name]));
      return axis(name, name.replaceAll('_', ' '), values, plainNumber) ?? [];
    })
    .sort((a, b) => share(b) - share(a))
    .slice(0, MOST_SETTINGS);
  const shown = new Set(['accuracy', 'loss', 'wall time a round', 'payload']);
  const outcomes = OUTCOMES.filter(({ name }) => shown.has(name))
    .reverse()
    .flatMap(({ name, unit, of, format }) => {
      const title = unit ? `${name}, ${unit}` : name;
      return axis(`outcome ${name}`, title, runs.map(of), name === 'loss' ? three : format) ?? [];
    });
  return [...settings, ...outcomes];
}

/** As many axes as there is room for: half of them outcomes, the last of all; with none left out, all. */
export function fitting(axes: readonly Axis[], most: number): Axis[] {
  if (axes.length <= most) return [...axes];
  const outcomes = axes.filter(({ key }) => key.startsWith('outcome '));
  const settings = axes.filter(axis => !outcomes.includes(axis));
  const held = Math.min(outcomes.length, Math.max(Math.ceil(most / 2), most - settings.length));
  return [...settings.slice(0, most - held), ...outcomes.slice(outcomes.length - held)];
}

const share = ({ values }: Axis): number => values.filter(value => value !== null).length;

/** Where a run lies on an axis, 0 to 1; null where it has no figure. */
export function placeOn(one: Axis, run: number): number | null {
  const value = one.values[run] ?? null;
  return value === null ? null : (value - one.low) / (one.high - one.low);
}

/** Which runs lie within every brush; a run without the figure lies in none. */
export function within(axes: readonly Axis[], brushes: ReadonlyMap<string, Brush>, runs: number): boolean[] {
  const held = axes.filter(one => brushes.has(one.key));
  return Array.from({ length: runs }, (_, run) =>
    held.every(one => {
      const place = placeOn(one, run);
      const [from, to] = brushes.get(one.key)!;
      return place !== null && place >= from - 1e-9 && place <= to + 1e-9;
    }),
  );
}
