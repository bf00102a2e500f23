// Sets, versions, drafts and replays, as docs/api.md promises them. What is not known is null.
import type { Maybe } from '../data/contract';

export type Files = Record<string, string>;

export interface RuleRow {
  id: string;
  effect: 'permit' | 'forbid';
  reason: string;
  file: string;
  line: number;
  actions: string[];
  refused: number;
}

export interface PolicySet {
  version: string;
  number: Maybe<number>;
  digest: string;
  policies: RuleRow[];
  files: Files;
  warnings: string[];
  fault: Maybe<string>;
  observe: boolean;
  refused_since: string;
  change_refused: Maybe<string>;
  replay_refused: Maybe<string>;
}

export interface Fault {
  file: string;
  line: Maybe<number>;
  column: Maybe<number>;
  message: string;
}

export interface Tested {
  file: string;
  line: Maybe<number>;
  name: string;
  expected: string;
  got: string;
  rules: string[];
  errors: string[];
  wrong: Maybe<string>;
}

export interface Tried {
  ok: boolean;
  version: Maybe<string>;
  rules: number;
  faults: Fault[];
  warnings: string[];
  tests: Tested[];
  change_refused: Maybe<string>;
}

export interface Version {
  number: number;
  version: string;
  author: string;
  time: string;
  note: string;
}

export interface Taken {
  version: string;
  number: number;
}

export interface Flip {
  seq: number;
  time: number;
  client: string;
  action: string;
  allowed: boolean;
  rules: string[];
  before: string[];
}

export interface Found {
  requests: number;
  judged: number;
  refused: number;
  allowed: number;
  unjudged: number;
  refused_by_rule: Record<string, number>;
  allowed_by_rule: Record<string, number>;
  refused_by_client: Record<string, number>;
  allowed_by_client: Record<string, number>;
  why_unjudged: Record<string, number>;
  examples: Flip[];
}

export interface ReplayState {
  id: number;
  version: string;
  state: 'running' | 'done' | 'failed' | 'stopped';
  share: number;
  seconds: number;
  found: Maybe<Found>;
  error: Maybe<string>;
}
