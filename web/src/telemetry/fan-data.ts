// The fan as columns over one axis of time: what was measured, then what is foreseen. Pure.
import type { Line } from '../run/rounds';
import type { MetricForecast } from './contract';

export interface Fan {
  /** Unix seconds. */
  x: number[];
  observed: Line;
  median: Line;
  low: Line;
  high: Line;
}

const seconds = (times: readonly string[]): number[] => times.map(time => Date.parse(time) / 1000);

/** So many steps ahead, and about three times as many back. */
export function fanOf(one: MetricForecast, steps: number): Fan {
  const levels = Object.keys(one.quantiles).map(Number).sort((a, b) => a - b);
  const line = (level: number) => one.quantiles[String(level)]!.slice(0, steps);
  const from = Math.max(0, one.observed.times.length - Math.max(60, 3 * steps));
  const [past, values] = [seconds(one.observed.times.slice(from)), one.observed.values.slice(from)];
  const ahead = seconds(one.times.slice(0, steps));
  // The fan begins where the line ends: at the last row, which is known.
  const last = values.at(-1) ?? null;
  const lead = (rest: Line): Line => [...new Array<null>(Math.max(0, past.length - 1)).fill(null), last, ...rest];
  return {
    x: [...past, ...ahead],
    observed: [...values, ...new Array<null>(ahead.length).fill(null)],
    median: lead(line(0.5)),
    low: lead(line(levels[0]!)),
    high: lead(line(levels.at(-1)!)),
  };
}
