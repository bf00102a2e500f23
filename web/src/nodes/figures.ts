// What each node did over a run, from the matrix of its rounds. Pure.
import {
  byName,
  FAILED,
  NOT_SELECTED,
  NO_REPLY,
  REJECTED,
  TRAINED,
  type ClientMatrix,
  type Figure,
} from '../run/matrix';
import { median } from '../run/rounds';

export interface NodeFigures {
  node: string;
  column: number;
  asked: number;
  trained: number;
  failed: number;
  rejected: number;
  missed: number;
  /** Medians over its rounds, in seconds. */
  train: number | null;
  upload: number | null;
  /** Of its last round that has one. */
  loss: number | null;
  samples: number | null;
  lastTrained: number | null;
  /** What became of it in the run's last round. */
  last: number;
  /** Of all samples, of all updates. */
  dataShare: number | null;
  updateShare: number | null;
}

type Own = Omit<NodeFigures, 'dataShare' | 'updateShare'>;

function known(matrix: ClientMatrix, figure: Figure, column: number): number[] {
  const found: number[] = [];
  for (let round = matrix.first; round < matrix.first + matrix.rounds; round++) {
    const value = matrix.figureAt(figure, round, column);
    if (value !== null) found.push(value);
  }
  return found;
}

function own(matrix: ClientMatrix, node: string, column: number): Own {
  const times = new Map<number, number>();
  let lastTrained: number | null = null;
  let last = NOT_SELECTED;
  for (let row = 0; row < matrix.rounds; row++) {
    last = matrix.status[row * matrix.nodes.length + column]!;
    times.set(last, (times.get(last) ?? 0) + 1);
    if (last === TRAINED) lastTrained = matrix.first + row;
  }
  const many = (status: number) => times.get(status) ?? 0;
  const figure = (name: Figure) => known(matrix, name, column);
  return {
    node,
    column,
    asked: matrix.rounds - many(NOT_SELECTED),
    trained: many(TRAINED),
    failed: many(FAILED),
    rejected: many(REJECTED),
    missed: many(NO_REPLY),
    train: median(figure('train_seconds')),
    upload: median(figure('upload_seconds')),
    loss: figure('train_loss').at(-1) ?? null,
    samples: figure('samples').at(-1) ?? null,
    lastTrained,
    last,
  };
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** One entry a node, in the run's order. Shares are of the nodes whose samples are known. */
export function nodeFigures(matrix: ClientMatrix): NodeFigures[] {
  const all = matrix.nodes.map((node, column) => own(matrix, node, column));
  const samples = sum(all.map(one => one.samples ?? 0));
  const updates = sum(all.map(one => one.trained));
  return all.map(one => ({
    ...one,
    dataShare: one.samples === null || !samples ? null : one.samples / samples,
    updateShare: updates ? one.trained / updates : null,
  }));
}

/** How unevenly: 0 where all are equal, towards 1 where one has all; null of nothing. */
export function gini(values: readonly number[]): number | null {
  const total = sum(values);
  if (!total) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const n = sorted.length;
  return sum(sorted.map((value, at) => (2 * (at + 1) - n - 1) * value)) / (n * total);
}

export type Sort = 'name' | 'train' | 'loss' | 'trained' | 'trouble';

const AMOUNT: Record<Exclude<Sort, 'name'>, (one: NodeFigures) => number> = {
  train: one => one.train ?? -1,
  loss: one => one.loss ?? -1,
  trained: one => one.trained,
  trouble: one => one.failed + one.rejected + one.missed,
};

/** By name, or the largest first. */
export function sorted(all: readonly NodeFigures[], sort: Sort): NodeFigures[] {
  if (sort === 'name') return all.toSorted((a, b) => byName(a.node, b.node));
  const amount = AMOUNT[sort];
  return all.toSorted((a, b) => amount(b) - amount(a) || a.column - b.column);
}
