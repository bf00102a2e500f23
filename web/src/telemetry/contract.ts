// The forecaster's answers, as docs/api.md promises them. What is not known is null.
import type { Maybe } from '../data/contract';

export interface Outlook {
  metric: string;
  now: number;
  peak: number;
  peak_at: string;
}

export interface NodeStanding {
  node: string;
  standing: 'ready' | 'unreadable' | 'no_metric' | 'few_rows' | 'gap' | 'constant' | 'silent';
  message: Maybe<string>;
  rows: number;
  wanted: number;
  last_row: Maybe<string>;
  made_at: Maybe<string>;
  personal: boolean;
  outlook: Outlook[];
}

export interface Metric {
  name: string;
  unit: Maybe<string>;
}

export interface NodeList {
  model: Maybe<{ version: string; made_at: string; rows: number; horizon: number; quantiles: number[] }>;
  problem: Maybe<string>;
  step_seconds: number;
  interval_seconds: number;
  metrics: Metric[];
  nodes: NodeStanding[];
}

export interface MetricForecast {
  metric: string;
  unit: Maybe<string>;
  times: string[];
  quantiles: Record<string, number[]>;
  observed: { times: string[]; values: Maybe<number>[] };
  calibration: { target: number; coverage: Maybe<number>; scored: number };
  /** How much of it is the model's from a step on; null: all of it. */
  model_shares: Maybe<Record<string, number>>;
  /** Rows whose median is the level that the rest stays at. */
  level_rows: number;
}

export interface NodeForecast {
  node: string;
  made_at: string;
  model: string;
  method: 'model' | 'mixture' | 'baseline';
  personal: boolean;
  rows_used: number;
  step_seconds: number;
  horizon: number;
  forecasts: MetricForecast[];
}

export interface MethodErrors {
  mae: number;
  rmse: number;
  mase: Maybe<number>;
}

export interface HorizonQuality {
  horizon: number;
  seconds: number;
  scored: number;
  coverage: number;
  model: MethodErrors;
  persistence: MethodErrors;
  median_30: MethodErrors;
}

export interface NodeQuality {
  node: string;
  coverage: Maybe<number>;
  horizons: HorizonQuality[];
}

export interface MetricQuality {
  metric: string;
  unit: Maybe<string>;
  coverage: Maybe<number>;
  horizons: HorizonQuality[];
  nodes: NodeQuality[];
}

export interface Quality {
  since: string;
  model: Maybe<string>;
  target: Maybe<number>;
  step_seconds: number;
  metrics: MetricQuality[];
  total: number;
  drift: Maybe<{
    reference: Maybe<number>;
    recent: Maybe<number>;
    ratio: Maybe<number>;
    threshold: number;
    drifting: boolean;
    scored: number;
    wanted: number;
  }>;
  retrain: 'never' | 'suggest' | 'run';
}

/** Samples of the collector, `GET /api/v1/query?times=ns`. */
export interface Samples {
  series: { name: string; labels: Record<string, string>; times: number[]; values: Maybe<number>[] }[];
}
