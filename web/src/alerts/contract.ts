// Alerts and silences, as docs/api.md promises them. A figure that is not known is null.
import type { Maybe } from '../data/contract';

export type AlertState = 'pending' | 'firing' | 'resolved';
export type Severity = 'info' | 'warning' | 'critical';

export interface Alert {
  id: number;
  type: string;
  severity: Severity;
  state: AlertState;
  message: string;
  current_value: Maybe<number>;
  expected_range: Maybe<[number, number]>;
  threshold: Maybe<number>;
  baseline: Maybe<number>;
  timestamp: string;
  started: string;
  fired: Maybe<string>;
  resolved: Maybe<string>;
  run: Maybe<string>;
  round: Maybe<number>;
  node: Maybe<string>;
  labels: Record<string, string>;
  evidence: Record<string, unknown>;
  count: number;
  acknowledged: Maybe<{ by: string; at: string; comment: string }>;
  silence: Maybe<number>;
}

export interface AlertPage {
  alerts: Alert[];
  total: number;
  firing: number;
}

export interface Rule {
  type: string;
  severity: Severity;
  fires_when: string;
  fired: number;
  acknowledged: number;
}

export interface Rules {
  rules: Rule[];
  notifiers: { webhooks: number; alertmanager: boolean; waiting: number; error: Maybe<string> };
}

export interface Matcher {
  label: string;
  op: '=' | '!=' | '=~' | '!~';
  value: string;
}

export interface Silence {
  id: number;
  matchers: Matcher[];
  starts: string;
  ends: string;
  by: string;
  comment: string;
}
