// Which rows of a list are in sight, where each has its own height. Pure.

const PADDING = 17;
const LINE = 18;

/** A row's height before it is measured: a line for who and what, and one for each reason. */
export const heightOf = (reasons: number, narrow: boolean): number =>
  PADDING + LINE * (1 + (narrow ? 2 : 1) * Math.max(1, reasons));

/** Where each row begins, and where the last one ends. */
export function topsOf(heights: readonly number[]): number[] {
  let at = 0;
  return [0, ...heights.map(height => (at += height))];
}

/** The last place whose top is not below `at`, by halving. */
function placeOf(tops: readonly number[], at: number): number {
  let [low, high] = [0, tops.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (tops[middle]! <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** First row to draw and the one after the last, with some to spare on both sides. */
export function inSight(tops: readonly number[], top: number, height: number, spare: number): [number, number] {
  const end = tops.length - 1;
  return [Math.max(0, placeOf(tops, top) - spare), Math.min(end, placeOf(tops, top + height) + 1 + spare)];
}

/** How many a minute there were in the last `minutes`, null where less than that is known. Times in
 *  ms, newest first; `whole` where there are no older ones. */
export function pace(times: readonly number[], now: number, minutes: number, whole: boolean): number | null {
  const since = now - minutes * 60_000;
  const within = times.findIndex(time => time < since);
  if (within < 0 && !whole) return null;
  return (within < 0 ? times.length : within) / minutes;
}
