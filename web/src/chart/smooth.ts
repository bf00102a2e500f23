// Curves as they are drawn: smoothed over the raw line, never across what was not recorded.
import type { Line } from '../run/rounds';

/** Exponential smoothing; it starts anew after a gap. */
export function smooth(values: Line, weight: number): Line {
  let level: number | null = null;
  return values.map(value => {
    if (value === null) level = null;
    else level = level === null ? value : level * weight + value * (1 - weight);
    return level;
  });
}

/** Stretches without a value between two known ones, as indexes of those two. */
export function gaps(values: Line): [number, number][] {
  const found: [number, number][] = [];
  let before: number | null = null;
  values.forEach((value, at) => {
    if (value === null) return;
    if (before !== null && at - before > 1) found.push([before, at]);
    before = at;
  });
  return found;
}

/** Indexes of known values with no known neighbour: a line cannot show them. */
export function isolated(values: readonly (number | null | undefined)[]): number[] {
  return values.flatMap((value, at) =>
    value != null && values[at - 1] == null && values[at + 1] == null ? [at] : [],
  );
}
