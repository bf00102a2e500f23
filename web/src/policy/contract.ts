// The policy service's answers, as docs/api.md promises them. What is not known is null.
import type { Maybe } from '../data/contract';

export interface Because {
  id: string;
  /** Empty where the trail does not tell whose reason is which. */
  reason: string;
  effect: 'permit' | 'forbid';
}

export interface Party {
  type: string;
  id: string;
  attributes?: Record<string, unknown>;
  groups?: { type: string; id: string }[];
}

export interface Decision {
  decision_id: number;
  timestamp: string;
  action: string;
  principal: string;
  client_id: Maybe<string>;
  allowed: boolean;
  observed: boolean;
  reason: string;
  because: Because[];
  errors: string[];
  obligations: string[];
  policy_version: string;
  inputs: string;
  run: Maybe<string>;
  round: Maybe<number>;
  request: {
    principal: Party;
    resource?: Maybe<Party>;
    context?: Record<string, unknown>;
    /** Where attributes were left out as too large: how large all was. */
    left_out_bytes?: number;
  };
}

export interface DecisionPage {
  decisions: Decision[];
  total: number;
  last_decision_id: number;
  oldest_decision_id: Maybe<number>;
  /** Whether others that fit are behind these. */
  more: boolean;
}

export interface RefusalRow {
  rule: Maybe<string>;
  reason: string;
  count: number;
  last: string;
  clients: Record<string, number>;
  steps: number[];
}

export interface RefusalTable {
  refused: number;
  decisions: number;
  since: Maybe<string>;
  rules: RefusalRow[];
  clients: { client: string; count: number }[];
  rules_left_out: number;
  clients_left_out: number;
  start: Maybe<string>;
  step_seconds: number;
}

export interface Change {
  /** Unix nanoseconds: exact to some hundred, as JavaScript has it. */
  time: number;
  cause: string;
  before: number;
  after: number;
  weight: number;
  run: Maybe<string>;
  round: Maybe<number>;
  note: string;
}

export interface TrustCurve {
  client: string;
  score: number;
  changes: Change[];
}

export interface TrustCurves {
  clients: TrustCurve[];
  total: number;
  min_trust: Maybe<number>;
  initial: number;
  half_life_seconds: number;
}

export interface Proven {
  time: string;
  seconds: number;
  ok: boolean;
  records: number;
  first: number;
  last: number;
  signed: number;
  anchored: Maybe<number>;
  seq: Maybe<number>;
  what: Maybe<string>;
  /** Whether it was compared with what a witness holds; `unknown`: and why not. */
  anchors: 'checked' | 'none' | 'unknown';
  anchors_why: Maybe<string>;
}

export interface AuditState {
  records: number;
  first: number;
  bytes: number;
  files: number;
  key: string;
  fingerprint: string;
  head: Maybe<{ log: string; seq: number; hash: string; time: string }>;
  verified: Maybe<Proven>;
  fault: Maybe<string>;
}
