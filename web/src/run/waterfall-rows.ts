// One round as rows of a waterfall: phases where they lay in time, latest finish first.
import type { Client, Phase, Span } from '../data/contract';
import { judge, ownSeconds, type Cause, type Judgement } from './straggler';

export interface Bar {
  phase: Phase;
  offset: number;
  seconds: number;
  ok: boolean;
}

export interface Row {
  node: string;
  status: Client['status'];
  reason: string | null;
  bars: Bar[];
  /** Seconds from the round's earliest span to this client's last; null without spans. */
  finish: number | null;
  own: number | null;
  cause: Cause | null;
  client: Client;
}

export interface Waterfall {
  rows: Row[];
  server: Bar[];
  /** Where the last bar ends, in seconds. */
  end: number;
  judgement: Judgement;
  /** Whether any client waited for a turn: then own time and finish are different things. */
  queued: boolean;
}

const endOf = (bars: readonly Bar[]): number | null =>
  bars.length ? Math.max(...bars.map(bar => bar.offset + bar.seconds)) : null;

function barsByNode(spans: readonly Span[]): Map<string | null, Bar[]> {
  const found = new Map<string | null, Bar[]>();
  for (const { node, phase, offset_seconds: offset, seconds, ok } of spans) {
    const bars = found.get(node) ?? [];
    bars.push({ phase, offset, seconds, ok });
    found.set(node, bars);
  }
  return found;
}

const replied = (row: Row) => row.status === 'trained' || row.status === 'rejected';

/** Replies by finish, latest first; then those who failed or kept silent. */
function byFinish(a: Row, b: Row): number {
  if (replied(a) !== replied(b)) return replied(a) ? -1 : 1;
  return (b.finish ?? -1) - (a.finish ?? -1);
}

export function waterfall(clients: readonly Client[], spans: readonly Span[]): Waterfall {
  const bars = barsByNode(spans);
  const judgement = judge(clients);
  const rows = clients.map(client => {
    const own = bars.get(client.node) ?? [];
    return {
      node: client.node,
      status: client.status,
      reason: client.reason,
      bars: own,
      finish: endOf(own),
      own: ownSeconds(client),
      cause: judgement.causes.get(client.node) ?? null,
      client,
    };
  });
  const server = bars.get(null) ?? [];
  const all = [...bars.values()].flat();
  return {
    rows: rows.sort(byFinish),
    server,
    end: endOf(all) ?? 0,
    judgement,
    queued: all.some(bar => bar.phase === 'queued' && bar.seconds > 0),
  };
}

/** Clients that sent something back. */
export const replies = (fall: Waterfall): Row[] => fall.rows.filter(replied);
