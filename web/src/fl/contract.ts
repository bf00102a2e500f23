// The FL server's answers, as docs/api.md promises them. A figure that is not known is null.
import type { Maybe } from '../data/contract';

export interface FlStatus {
  status: string;
  run: Maybe<string>;
  rounds: Maybe<number>;
  current_round: Maybe<number>;
  max_rounds: Maybe<number>;
  clients: Maybe<number>;
  connected_clients: Maybe<number>;
  training_active: boolean;
  training_paused: boolean;
  pause_reason: Maybe<string>;
  waiting_for: string[];
  message: Maybe<string>;
  stalled: Maybe<string>;
  since: Maybe<string>;
  deadline: Maybe<string>;
  next_run: Maybe<string>;
}

export interface FlCommand {
  run: Maybe<string>;
  status: string;
  message: string;
}

export interface FlClient {
  client_id: string;
  kind: 'simulated' | 'warm' | 'stock' | 'unknown';
  partition: Maybe<number>;
  online: Maybe<boolean>;
  last_seen_seconds: Maybe<number>;
  tags: string[];
  properties: Record<string, string | number | boolean>;
}

export interface Model {
  version: string;
  run: string;
  round: number;
  parent: Maybe<string>;
  task: Maybe<string>;
  created: string;
  metrics: { accuracy: Maybe<number>; loss: Maybe<number> };
  size: number;
  sha256: string;
  tags: string[];
}

export interface ModelList {
  models: Model[];
  total: number;
  damaged: { version: string; reason: string }[];
  production: Maybe<string>;
}

export interface Comparison {
  a: string;
  b: string;
  accuracy_diff: Maybe<number>;
  loss_diff: Maybe<number>;
  size_diff: Maybe<number>;
  round_diff: Maybe<number>;
}

/** One of our services, as the collector sees it; `error`: why it cannot be asked. */
export interface Service {
  name: string;
  answers: boolean;
  error: Maybe<string>;
}

/** What this browser may do; `command` gives it leave to do more. */
export interface Session {
  may_write: boolean;
  until: Maybe<string>;
  command: string;
}
