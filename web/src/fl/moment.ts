// What a run does at this moment, in one sentence. Pure.
import type { Run } from '../data/contract';
import { duration, listed, unnamed } from '../format';
import type { FlStatus } from './contract';

interface Wait {
  round: number | null;
  message: string | null;
  nodes: readonly string[];
  /** When the wait ends at the latest, in ms. */
  until: number | null;
}

function waitOf(run: Run, status: FlStatus | null): Wait | null {
  if (status && status.run === run.id && status.training_active) {
    const { current_round: round, status: word, waiting_for: nodes, deadline } = status;
    const told = status.message ?? '';
    const message = told.includes(word) ? told : [word, told].filter(Boolean).join(', ');
    return { round, message, nodes, until: deadline === null ? null : Date.parse(deadline) };
  }
  if (!run.waiting || run.state !== 'training') return null;
  const { round, message, waiting_for: nodes, since, deadline_seconds: most } = run.waiting;
  return { round, message, nodes, until: most === null ? null : Date.parse(since) + most * 1000 };
}

/** The sentence; null where nothing is known of this moment. `now`: the collector's clock, ms. */
export function moment(run: Run, status: FlStatus | null, now: number): string | null {
  const wait = waitOf(run, status);
  // Rounds that are quicker than we ask: what was said is of one that is over.
  if (!wait || (wait.round ?? Infinity) <= (run.round ?? 0)) return null;
  const more = unnamed(wait.nodes, wait.message);
  const nodes = more.length ? `waits for ${listed(more)}` : '';
  const left = wait.until === null ? 0 : (wait.until - now) / 1000;
  const most = left > 0 ? `at most ${duration(left)} more` : '';
  const what = [wait.message, nodes, most].filter(Boolean).join(', ');
  return wait.round === null ? what : `Round ${wait.round}: ${what}`;
}
