// What foresees a metric: the model, the mixture, or the level alone that the model departs from.
import { fixed } from '../format';
import type { MetricForecast } from './contract';
import { ahead } from './words';

/** What stays of the rows' past where a model does not foresee. */
const flat = (rows: number): string => (rows === 1 ? 'last value' : `median of ${rows}`);

/** Of how much of the model a forecast is so many steps ahead, and what the rest is. */
export function method({ model_shares, level_rows }: MetricForecast, steps: number): string {
  const begun = Object.keys(model_shares ?? {}).map(Number).filter(step => step <= steps);
  const share = begun.length ? model_shares![Math.max(...begun)]! : 1;
  if (share === 1) return 'model';
  if (share === 0) return `baseline: ${flat(level_rows)}`;
  return `mixture: ${fixed(0)(100 * share)} % model, ${flat(level_rows)}`;
}

/** The same of each step where it changes, a line each; a row is `step` seconds. */
export const methods = (one: MetricForecast, step: number): string =>
  Object.keys(one.model_shares ?? { 1: 1 })
    .map(from => `from ${ahead(Number(from) * step)} on: ${method(one, Number(from))}`)
    .join('\n');
