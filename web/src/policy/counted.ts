// Refusals as governed runs counted them. Pure.
import type { Samples } from '../telemetry/contract';

export interface Counted {
  run: string;
  node: string | null;
  action: string;
  rule: string;
  count: number;
}

/** The last value of each counter, the largest first. */
export const countedRefusals = (series: Samples['series']): Counted[] =>
  series
    .map(({ labels, values }) => ({
      run: labels['run'] ?? '',
      node: labels['node'] ?? null,
      action: labels['action'] ?? '',
      rule: labels['rule'] ?? '',
      count: values.findLast(value => value !== null) ?? 0,
    }))
    .filter(({ run, count }) => run && count > 0)
    .sort((a, b) => b.count - a.count || a.run.localeCompare(b.run));
