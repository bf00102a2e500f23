// The figures that the heat map can show.
import { bytes, count, fixed, percent, seconds } from '../format';
import type { Figure } from './matrix';

export interface HeatFigure {
  key: Figure;
  /** In the row of buttons, and in a sentence. */
  short: string;
  long: string;
  text: (value: number) => string;
  /** Times spread over decades: their ramp is logarithmic. */
  log: boolean;
  /** Why a client that trained may lack it. */
  why: string;
}

const time = { text: seconds, log: true };
const rate = (value: number) => `${percent(value)} %`;

export const HEAT_FIGURES: readonly HeatFigure[] = [
  { key: 'train_seconds', short: 'Train', long: 'Train time', ...time, why: 'not reported' },
  { key: 'cpu_seconds', short: 'CPU', long: 'CPU time', ...time, why: 'not reported' },
  {
    key: 'upload_seconds',
    short: 'Upload',
    long: 'Upload time',
    ...time,
    why: 'a simulation uploads nothing',
  },
  { key: 'train_loss', short: 'Loss', long: 'Training loss', text: fixed(3), log: false, why: 'not reported' },
  {
    key: 'train_accuracy',
    short: 'Accuracy',
    long: 'Training accuracy',
    text: rate,
    log: false,
    why: 'not reported',
  },
  { key: 'samples', short: 'Samples', long: 'Samples', text: count, log: false, why: 'not reported' },
  {
    key: 'payload_up_bytes',
    short: 'Payload',
    long: 'Payload sent',
    text: bytes,
    log: false,
    why: 'not counted',
  },
  {
    key: 'peak_memory_bytes',
    short: 'Memory',
    long: 'Peak memory',
    text: bytes,
    log: false,
    why: 'clients of a simulation share a process',
  },
];

export const figureOf = (key: Figure): HeatFigure =>
  HEAT_FIGURES.find(figure => figure.key === key)!;

export interface Span {
  low: number;
  high: number;
}

const MOST_LOOKED_AT = 16_384;
/** Spreads what is looked at: with every nth value, some nodes would never be among them. */
const scattered = (at: number): number => Math.imul(at, 0x9e3779b1) >>> 8;

/** From the 1st to the 99th percentile, so that one odd value does not wash out the rest. */
export function spread(values: Float32Array): Span | null {
  const every = Math.max(1, Math.floor(values.length / MOST_LOOKED_AT));
  const known = values.filter((value, at) => scattered(at) % every === 0 && !Number.isNaN(value)).sort();
  if (!known.length) return null;
  const at = (share: number) => known[Math.min(known.length - 1, Math.floor(known.length * share))]!;
  return { low: at(0.01), high: at(0.99) };
}

/** Where a value lies between low (0) and high (1), by its logarithm for times. */
export function place(value: number, { low, high }: Span, log: boolean): number {
  if (high <= low) return 0.5;
  const bend = log && low > 0 ? Math.log : (x: number) => x;
  const share = (bend(Math.max(value, log && low > 0 ? low : value)) - bend(low)) / (bend(high) - bend(low));
  return Math.max(0, Math.min(1, share));
}
