// What may be asked of the FL server about a run, and why not. Pure.
import type { Run } from '../data/contract';
import type { FlStatus, Session } from './contract';
import { isLive } from '../runs/filter';

export type Action = 'start' | 'pause' | 'resume' | 'stop' | 'restart';

export interface Offer {
  action: Action;
  /** Why it cannot be asked for; null where it can. */
  why: string | null;
}

export interface Known {
  status: FlStatus | null;
  /** What was said instead of a status. */
  error: string | null;
  session: Session | null;
}

function shown(run: Run, status: FlStatus | null): Action[] {
  if (status?.run !== run.id) {
    if (isLive(run)) return ['pause', 'stop'];
    return status && !status.training_active ? ['start'] : [];
  }
  if (!status.training_active) return ['restart', 'start'];
  return [status.training_paused ? 'resume' : 'pause', 'restart', 'stop'];
}

function obstacle(action: Action, run: Run, { status, error, session }: Known): string | null {
  if (!status) return error ?? 'The FL server has not answered yet.';
  if (action !== 'start' && status.run !== run.id) {
    const other = status.run && `it has ${status.run}`;
    return `The FL server does not drive this run${other ? `: ${other}` : ''}. What started it can stop it, with Ctrl-C.`;
  }
  return session?.may_write ? null : NO_LOGIN;
}

export const NO_LOGIN = 'This browser may look, not change anything.';

export const offers = (run: Run, known: Known): Offer[] =>
  shown(run, known.status).map(action => ({ action, why: obstacle(action, run, known) }));
