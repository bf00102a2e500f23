// How two texts differ, line by line (Myers, "An O(ND) Difference Algorithm", 1986). Pure.
import type { Files } from './edit-contract';

/** A line of a diff: its number before and after; null on the side where it is not. */
export interface Line {
  before: number | null;
  after: number | null;
  text: string;
}
/** `skipped` lines that are alike come before these. */
export interface Hunk {
  skipped: number;
  lines: Line[];
}
export interface FileDiff {
  name: string;
  state: 'new' | 'gone' | 'changed';
  added: number;
  removed: number;
  hunks: Hunk[];
}

const CONTEXT = 3;
/** Where texts differ by more lines than this they are told as wholly other. */
const MOST_EDITS = 2000;

const lines = (text: string): string[] => {
  const found = text.split('\n');
  if (found.at(-1) === '') found.pop();
  return found;
};

/** The furthest places of each number of edits, up to the one that reaches the end; null beyond. */
function traced(a: readonly string[], b: readonly string[]): Int32Array[] | null {
  const most = Math.min(a.length + b.length, MOST_EDITS);
  const at = new Int32Array(2 * most + 3);
  const seen: Int32Array[] = [];
  for (let edits = 0; edits <= most; edits++) {
    seen.push(at.slice());
    for (let k = -edits; k <= edits; k += 2) {
      const down = k === -edits || (k !== edits && at[most + k]! < at[most + k + 2]!);
      let x = down ? at[most + k + 2]! : at[most + k]! + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      at[most + k + 1] = x;
      if (x >= a.length && x - k >= b.length) return seen;
    }
  }
  return null;
}

/** All lines of both texts, in order. */
export function compared(before: string, after: string): Line[] {
  const [a, b] = [lines(before), lines(after)];
  const seen = traced(a, b);
  const gone = (x: number): Line => ({ before: x + 1, after: null, text: a[x]! });
  const come = (y: number): Line => ({ before: null, after: y + 1, text: b[y]! });
  if (!seen) return [...a.map((_, x) => gone(x)), ...b.map((_, y) => come(y))];
  const most = Math.min(a.length + b.length, MOST_EDITS);
  const found: Line[] = [];
  let [x, y] = [a.length, b.length];
  for (let edits = seen.length - 1; edits >= 0; edits--) {
    const at = seen[edits]!;
    const k = x - y;
    const down = k === -edits || (k !== edits && at[most + k]! < at[most + k + 2]!);
    const from = down ? k + 1 : k - 1;
    const [px, py] = edits ? [at[most + from + 1]!, at[most + from + 1]! - from] : [0, 0];
    while (x > px && y > py) {
      x--, y--;
      found.push({ before: x + 1, after: y + 1, text: a[x]! });
    }
    if (!edits) break;
    found.push(down ? come(--y) : gone(--x));
  }
  return found.reverse();
}

const differs = (line: Line): boolean => line.before === null || line.after === null;

function hunks(all: readonly Line[]): Hunk[] {
  const near = all.map(() => false);
  all.forEach((line, at) => {
    if (differs(line)) near.fill(true, Math.max(0, at - CONTEXT), at + CONTEXT + 1);
  });
  const found: Hunk[] = [];
  let skipped = 0;
  all.forEach((line, at) => {
    if (!near[at]) skipped++;
    else if (at && near[at - 1]) found.at(-1)!.lines.push(line);
    else {
      found.push({ skipped, lines: [line] });
      skipped = 0;
    }
  });
  return found;
}

/** The files that differ, by name. */
export function difference(before: Files, after: Files): FileDiff[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names
    .filter(name => before[name] !== after[name])
    .map(name => {
      const all = compared(before[name] ?? '', after[name] ?? '');
      const state = before[name] === undefined ? 'new' : after[name] === undefined ? 'gone' : 'changed';
      const added = all.filter(line => line.before === null).length;
      const removed = all.filter(line => line.after === null).length;
      return { name, state, added, removed, hunks: hunks(all) };
    });
}

/** The lines of `after` that are not in `before`. */
export const changedLines = (before: string, after: string): Set<number> =>
  new Set(compared(before, after).filter(line => line.before === null).map(line => line.after!));
