// The collector's answers, as docs/api.md promises them. A figure that is not known is null.

export type RunState =
  | 'training'
  | 'paused'
  | 'silent'
  | 'finished'
  | 'failed'
  | 'stopped'
  | 'interrupted'
  | 'unknown';
export type ClientStatus = 'trained' | 'failed' | 'rejected' | 'no_reply';
export type Phase = 'queued' | 'download' | 'train' | 'upload' | 'aggregate' | 'evaluate';
export type Maybe<T> = T | null;

export interface Run {
  id: string;
  task: Maybe<string>;
  strategy: Maybe<string>;
  engine: Maybe<string>;
  state: RunState;
  reason: Maybe<string>;
  round: Maybe<number>;
  rounds: Maybe<number>;
  nodes: string[];
  started: Maybe<string>;
  ended: Maybe<string>;
  last_seen: Maybe<string>;
  seconds: Maybe<number>;
  accuracy: Maybe<number>;
  best_accuracy: Maybe<number>;
  loss: Maybe<number>;
  payload_down_bytes: Maybe<number>;
  payload_up_bytes: Maybe<number>;
  model_parameters: Maybe<number>;
  failures: Maybe<number>;
  silent: Maybe<{ seconds: number; p95_factor: Maybe<number> }>;
  waiting: Maybe<Waiting>;
  stalled: Maybe<Stalled>;
  paused: Maybe<{ since: string; reason: Maybe<string> }>;
  accuracy_trend: Maybe<number>[];
  config: Record<string, unknown>;
}

export interface Waiting {
  since: string;
  round: Maybe<number>;
  message: Maybe<string>;
  waiting_for: string[];
  deadline_seconds: Maybe<number>;
}

/** What the run's own watchdog says. */
export interface Stalled {
  since: string;
  round: Maybe<number>;
  message: Maybe<string>;
  phase: Maybe<string>;
  nodes: string[];
}

export interface Round {
  round: number;
  started: Maybe<string>;
  seconds: Maybe<number>;
  accuracy: Maybe<number>;
  loss: Maybe<number>;
  train_loss: Maybe<number>;
  selected: Maybe<number>;
  participants: Maybe<number>;
  failures: Maybe<number>;
  samples: Maybe<number>;
  payload_down_bytes: Maybe<number>;
  payload_up_bytes: Maybe<number>;
}

export interface Client {
  round: number;
  node: string;
  /** Null where no more is known than what was sent to it. */
  status: Maybe<ClientStatus>;
  reason: Maybe<string>;
  train_seconds: Maybe<number>;
  cpu_seconds: Maybe<number>;
  queued_seconds: Maybe<number>;
  samples: Maybe<number>;
  train_loss: Maybe<number>;
  train_accuracy: Maybe<number>;
  payload_down_bytes: Maybe<number>;
  payload_up_bytes: Maybe<number>;
  download_seconds: Maybe<number>;
  upload_seconds: Maybe<number>;
  peak_memory_bytes: Maybe<number>;
}

export interface Span {
  round: number;
  node: Maybe<string>;
  phase: Phase;
  start: string;
  offset_seconds: number;
  seconds: number;
  ok: boolean;
}

export interface Event {
  id: number;
  time: string;
  source: string;
  kind: string;
  run: Maybe<string>;
  round: Maybe<number>;
  node: Maybe<string>;
  details: Record<string, unknown>;
}

export interface Health {
  status: 'healthy' | 'degraded';
  timestamp: string;
  version: string;
  store_id: string;
  components: Record<string, { status: string; latency_ms?: Maybe<number>; error?: string }>;
}

export interface SystemStatus {
  components: Record<string, { status: string }>;
  signals: { runs: number; events: number; samples: number; spans: number };
}

/** What the live stream sends; `cursor` grows. */
export type StreamMessage =
  | { type: 'subscribed'; streams: string[]; cursor: number }
  | { type: 'fl_round_update'; cursor: number; run: string; metrics: Round }
  | { type: 'run_update'; cursor: number; run: string; state: RunState }
  | { type: 'event'; cursor: number; event: Event }
  | { type: 'alert' | 'network_alert'; cursor: number; alert: object }
  | { type: 'lagging'; cursor: number }
  | { type: 'error'; error: { code: string; message: string } };
