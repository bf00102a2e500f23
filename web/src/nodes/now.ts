// What a node does now, as far as anything says; else what became of it in the last round. Pure.
import type { Event, Run } from '../data/contract';
import type { FlClient, FlStatus } from '../fl/contract';
import { FAILED, NOT_SELECTED, NO_REPLY, REJECTED, TRAINED } from '../run/matrix';
import { isLive } from '../runs/filter';
import type { NodeFigures } from './figures';
import { isOut, type Refusal } from './refusals';

export interface Now {
  text: string;
  tone: '' | 'muted' | 'warn' | 'bad';
}

export interface Seen {
  run: Run;
  round: number | null;
  /** The FL server's words, where this run is the one that it has. */
  status: FlStatus | null;
  client: FlClient | undefined;
  /** Since when its silence was told of, in ms. */
  silent: number | undefined;
  /** The policy's newest no to it. */
  refused: Refusal | undefined;
}

const OUTCOMES: Record<number, [string, Now['tone']]> = {
  [NOT_SELECTED]: ['not selected in', 'muted'],
  [TRAINED]: ['trained in', 'muted'],
  [FAILED]: ['failed in', 'bad'],
  [REJECTED]: ['update rejected in', 'warn'],
  [NO_REPLY]: ['no reply in', 'bad'],
};

/** Whether it can be reached; null where nobody says. */
export function online({ run, client, silent }: Seen): boolean | null {
  if (!isLive(run)) return null;
  if (silent !== undefined) return false;
  return client?.online ?? null;
}

export function nowOf(one: NodeFigures, seen: Seen): Now | null {
  const { run, round, status } = seen;
  if (online(seen) === false) return { text: 'silent', tone: 'bad' };
  if (isOut(seen.refused, round)) return { text: 'refused by policy', tone: 'warn' };
  if (isLive(run)) {
    const waited = (status ?? run.waiting)?.waiting_for.includes(one.node);
    if (run.stalled?.nodes.includes(one.node)) return { text: 'holds the run up', tone: 'warn' };
    if (waited) return { text: status?.status ?? 'waited for', tone: '' };
    if (status?.waiting_for.length) return { text: 'idle', tone: 'muted' };
  }
  if (round === null) return null;
  const [word, tone] = OUTCOMES[one.last] ?? ['asked in', 'muted'];
  return { text: `${word} round ${round}`, tone };
}

/** Nodes that were told to be silent, or refused, and not to be back: since when, in ms. */
export function silentSince(events: readonly Event[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const { kind, node, time } of events.toSorted((a, b) => a.id - b.id)) {
    if (node === null) continue;
    if (kind === 'NODE_RETURNED') found.delete(node);
    else found.set(node, Date.parse(time));
  }
  return found;
}
