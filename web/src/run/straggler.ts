// Who a round waited for, and why. A straggler is a client whose own time (download, train,
// upload) lies beyond median + 3 MAD of its round. Waiting for a turn in the simulation's queue
// is not the client's own time and never makes a straggler.
import type { Client } from '../data/contract';
import { median } from './rounds';

/** Below this many replies a median and its deviation say nothing. */
export const FEWEST = 4;
const WORTH_NAMING = 1.25;
/** A client that had the processor for less of its time than this was kept waiting for it. */
const BUSY = 0.7;
const OWN_PHASES = ['download', 'train', 'upload'] as const;
type OwnPhase = (typeof OWN_PHASES)[number];

export interface Cause {
  phase: OwnPhase;
  /** How many times the median of that phase. */
  factor: number;
  /** How many times the median samples, where that helps to explain it. */
  samples: number | null;
  /** CPU time over wall time of training, where it is low enough to explain it. */
  processor: number | null;
}

export interface Judgement {
  median: number | null;
  threshold: number | null;
  causes: Map<string, Cause>;
}

const phaseSeconds = (client: Client, phase: OwnPhase): number | null =>
  client[`${phase}_seconds`];

/** Seconds that a client itself took; null where none of its phases was measured. */
export function ownSeconds(client: Client): number | null {
  const known = OWN_PHASES.map(phase => phaseSeconds(client, phase)).filter(v => v != null);
  return known.length ? known.reduce((a, b) => a + b, 0) : null;
}

const known = (values: (number | null)[]): number[] => values.filter(value => value != null);

function ratio(value: number | null, middle: number | null): number | null {
  return value == null || !middle ? null : value / middle;
}

function causeOf(client: Client, replies: readonly Client[]): Cause {
  const phases = OWN_PHASES.map(phase => {
    const middle = median(known(replies.map(other => phaseSeconds(other, phase)))) ?? 0;
    const mine = phaseSeconds(client, phase) ?? 0;
    return { phase, excess: mine - middle, factor: middle ? mine / middle : 1 };
  });
  const { phase, factor } = phases.reduce((a, b) => (b.excess > a.excess ? b : a));
  const samples = ratio(client.samples, median(known(replies.map(other => other.samples))));
  const explains = phase === 'train' && samples !== null && samples >= WORTH_NAMING;
  const share = phase === 'train' ? ratio(client.cpu_seconds, client.train_seconds) : null;
  return {
    phase,
    factor,
    samples: explains ? samples : null,
    processor: share !== null && share < BUSY ? share : null,
  };
}

/** Judge the clients that replied in one round. */
export function judge(clients: readonly Client[]): Judgement {
  const replies = clients.filter(
    client => client.status === 'trained' || client.status === 'rejected',
  );
  const own = known(replies.map(ownSeconds));
  const middle = median(own);
  const causes = new Map<string, Cause>();
  if (middle === null || own.length < FEWEST) return { median: middle, threshold: null, causes };
  const deviation = median(own.map(value => Math.abs(value - middle)))!;
  const threshold = middle + 3 * deviation;
  for (const client of replies) {
    if ((ownSeconds(client) ?? 0) > threshold) causes.set(client.node, causeOf(client, replies));
  }
  return { median: middle, threshold, causes };
}

const times = (factor: number): string => `${factor.toFixed(factor < 9.95 ? 1 : 0)}×`;

const share = (ratio: number): string => `${Math.round(100 * ratio)} %`;

/** `train 2.3×, 2.1× the samples`: short enough for a column. */
export function shortCause({ phase, factor, samples, processor }: Cause): string {
  const data = samples === null ? '' : `, ${times(samples)} the samples`;
  const why = processor === null ? data : `, CPU ${share(processor)} of it`;
  return `${phase} ${times(factor)}${why}`;
}

export function longCause({ phase, factor, samples, processor }: Cause): string {
  const whys = [
    samples === null ? '' : `, with ${times(samples)} the median samples`,
    processor === null ? '' : `, and had a CPU for ${share(processor)} of it`,
  ];
  return `${phase} took ${times(factor)} the median${whys.join('')}`;
}
