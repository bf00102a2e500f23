// Curves of several runs over one axis: rounds, wall time or bytes sent. Pure.
import type { Run } from '../data/contract';
import { smooth } from '../chart/smooth';
import { payload, type Line, type RoundFigure, type RoundTable } from '../run/rounds';

export const X_AXES = [
  ['round', 'Round'],
  ['time', 'Wall time'],
  ['bytes', 'Bytes'],
] as const;
export type XAxis = (typeof X_AXES)[number][0];

/** Points of one run; an `y` of null breaks the line, a point without a place on the axis is left out. */
export interface Points {
  x: number[];
  y: Line;
}

/** What has been added up so far; unknown from the first figure on that is. */
export function runningTotal(values: Line): Line {
  let total: number | null = 0;
  return values.map(value => {
    if (total !== null) total = value === null ? null : total + value;
    return total;
  });
}

/** Seconds from the run's start to the end of each round. */
export function elapsed(run: Run, table: RoundTable): Line {
  const start = run.started === null ? NaN : Date.parse(run.started);
  return table.started.map((text, at) => {
    const seconds = table.figures.seconds[at];
    const began = text === null ? NaN : (Date.parse(text) - start) / 1000;
    return Number.isNaN(began) || seconds == null ? null : began + seconds;
  });
}

function places(run: Run, table: RoundTable, axis: XAxis): Line {
  if (axis === 'time') return elapsed(run, table);
  return axis === 'bytes' ? runningTotal(payload(table)) : table.round;
}

export function pointsOf(run: Run, table: RoundTable, figure: RoundFigure, axis: XAxis): Points {
  const xs = places(run, table, axis);
  const ys = table.figures[figure];
  const known = xs.flatMap((x, at) => (x === null ? [] : [at]));
  return { x: known.map(at => xs[at]!), y: known.map(at => ys[at]!) };
}

export interface Aligned {
  x: number[];
  /** Undefined where a run has no point at that place: the line goes on. Null breaks it. */
  lines: (number | null | undefined)[][];
}

/** All runs' points over the union of their places, in order. */
export function aligned(runs: readonly Points[]): Aligned {
  const x = [...new Set(runs.flatMap(run => run.x))].sort((a, b) => a - b);
  const at = new Map(x.map((place, index) => [place, index]));
  const lines = runs.map(run => {
    const line = new Array<number | null | undefined>(x.length).fill(undefined);
    run.x.forEach((place, index) => (line[at.get(place)!] = run.y[index]!));
    return line;
  });
  return { x, lines };
}

/** Points that no line reaches: the nearest places of their own run on both sides are holes, or none. */
export function alone(line: readonly (number | null | undefined)[]): number[] {
  const own = line.flatMap((value, at) => (value === undefined ? [] : [at]));
  return own.filter((at, place) => {
    const beside = [own[place - 1], own[place + 1]].map(other => (other === undefined ? null : line[other]));
    return line[at] !== null && beside.every(value => value === null);
  });
}

export const smoothed = (points: Points, weight: number): Points =>
  weight ? { x: points.x, y: smooth(points.y, weight) } : points;

/** The run's last known figure at or before a place; null before the first. */
export function valueBefore(points: Points, place: number): number | null {
  let found: number | null = null;
  for (let at = 0; at < points.x.length && points.x[at]! <= place; at++) {
    found = points.y[at] ?? found;
  }
  return found;
}
