// Client figures as matrices, one row a round and one column a node: what the heat map draws.
import { numberColumn, textColumn, type ColumnsAnswer } from '../data/columns';
import type { ClientStatus } from '../data/contract';

export const NOT_SELECTED = 0;
const STATUS: Record<ClientStatus, number> = { trained: 1, failed: 2, rejected: 3, no_reply: 4 };
export const TRAINED = STATUS.trained;
export const FAILED = STATUS.failed;
export const REJECTED = STATUS.rejected;
export const NO_REPLY = STATUS.no_reply;
/** It was asked; what became of it is not known. */
export const ASKED = 5;

export type Figure =
  | 'train_seconds'
  | 'cpu_seconds'
  | 'train_loss'
  | 'train_accuracy'
  | 'samples'
  | 'payload_up_bytes'
  | 'upload_seconds'
  | 'peak_memory_bytes';

/** Nodes that the run did not name: as people count them, 2 before 10. */
export const byName = new Intl.Collator('en', { numeric: true }).compare;

export class ClientMatrix {
  /** Rounds are `first` to `last`; cell (round, node) is at `(round - first) * nodes + node`. */
  first = 0;
  last: number | null = null;
  nodes: string[];
  status = new Uint8Array(0);
  readonly figures = new Map<Figure, Float32Array>();
  private columnOf: Map<string, number>;

  constructor(nodes: readonly string[]) {
    this.nodes = [...nodes];
    this.columnOf = new Map(nodes.map((node, column) => [node, column]));
  }

  get rounds(): number {
    return this.last === null ? 0 : this.last - this.first + 1;
  }

  column(node: string): number | null {
    return this.columnOf.get(node) ?? null;
  }

  cell(round: number, column: number): number {
    return (round - this.first) * this.nodes.length + column;
  }

  figureAt(figure: Figure, round: number, column: number): number | null {
    const value = this.figures.get(figure)?.[this.cell(round, column)];
    return value === undefined || Number.isNaN(value) ? null : value;
  }

  /** Whether any cell of a loaded figure is known. */
  knows(figure: Figure): boolean {
    return this.figures.get(figure)?.some(value => !Number.isNaN(value)) ?? false;
  }

  /** Take in an answer: `round`, `node`, and whichever of `status` and `figures` it has. */
  absorb(answer: ColumnsAnswer, figures: readonly Figure[]): void {
    const round = numberColumn(answer, 'round') as number[];
    if (!round.length) {
      figures.forEach(figure => this.ensure(figure));
      return;
    }
    const node = textColumn(answer, 'node');
    this.grow(round[0]!, round[round.length - 1]!, node.dictionary);
    const columns = node.dictionary.map(name => this.columnOf.get(name)!);
    const cells = round.map((at, row) => this.cell(at, columns[node.index[row]!]!));
    if (answer.columns.status) this.absorbStatus(answer, cells);
    for (const figure of figures) {
      const into = this.ensure(figure);
      const values = numberColumn(answer, figure);
      cells.forEach((cell, row) => (into[cell] = values[row] ?? NaN));
    }
  }

  private absorbStatus(answer: ColumnsAnswer, cells: readonly number[]): void {
    const { dictionary, index } = textColumn(answer, 'status');
    const codes = dictionary.map(name => STATUS[name as ClientStatus] ?? ASKED);
    cells.forEach((cell, row) => (this.status[cell] = codes[index[row] ?? -1] ?? ASKED));
  }

  private ensure(figure: Figure): Float32Array {
    let values = this.figures.get(figure);
    if (!values) {
      values = new Float32Array(this.status.length).fill(NaN);
      this.figures.set(figure, values);
    }
    return values;
  }

  /** Make room for rounds `from` to `to` and for nodes never seen before. */
  private grow(from: number, to: number, names: readonly string[]): void {
    const fresh = names.filter(name => !this.columnOf.has(name)).sort(byName);
    const first = this.last === null ? from : Math.min(this.first, from);
    const last = this.last === null ? to : Math.max(this.last, to);
    if (!fresh.length && this.last === last && this.first === first) return;
    const nodes = [...this.nodes, ...fresh];
    const move = <T extends Uint8Array | Float32Array>(old: T, into: T): T => {
      for (let row = 0; row < this.rounds; row++) {
        const start = row * this.nodes.length;
        const part = old.subarray(start, start + this.nodes.length);
        into.set(part, (row + this.first - first) * nodes.length);
      }
      return into;
    };
    const size = (last - first + 1) * nodes.length;
    this.status = move(this.status, new Uint8Array(size));
    for (const [figure, values] of this.figures) {
      this.figures.set(figure, move(values, new Float32Array(size).fill(NaN)));
    }
    fresh.forEach((name, at) => this.columnOf.set(name, this.nodes.length + at));
    [this.nodes, this.first, this.last] = [nodes, first, last];
  }
}

export interface Envelope {
  low: (number | null)[];
  high: (number | null)[];
}

/** Lowest and highest of a figure over the clients of each round, from `first`, `length` rounds. */
export function envelope(
  matrix: ClientMatrix,
  figure: Figure,
  first: number,
  length: number,
): Envelope | null {
  const values = matrix.figures.get(figure);
  if (!values) return null;
  const low = new Array<number | null>(length).fill(null);
  const high = new Array<number | null>(length).fill(null);
  for (let row = 0; row < matrix.rounds; row++) {
    const at = row + matrix.first - first;
    if (at < 0 || at >= length) continue;
    const start = row * matrix.nodes.length;
    for (const value of values.subarray(start, start + matrix.nodes.length)) {
      if (Number.isNaN(value)) continue;
      low[at] = Math.min(low[at] ?? value, value);
      high[at] = Math.max(high[at] ?? value, value);
    }
  }
  return { low, high };
}
