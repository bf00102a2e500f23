// Error by horizon beside the two baselines, and how often the interval held.
import './shared';
import { serverNow } from '../data/collector';
import { fixed, percent, plural, three, timeScale } from '../format';
import { Figure, Unknown } from '../parts';
import { Plot } from '../compare/plot';
import type { HorizonQuality, MetricQuality, Quality } from './contract';
import { digits } from '../chart/ticks';
import { method, methods } from './method';
import { forecast } from './store';
import { ahead, said } from './words';

const MARKS = [
  { colour: 's1', dashed: false },
  { colour: 's4', dashed: true },
  { colour: 's5', dashed: true },
];
const METHODS = ['model', 'persistence', 'median_30'] as const;
const NAMES = { model: 'model', persistence: 'persistence', median_30: 'median of 30' };

interface ErrorsProps {
  quality: Quality;
  of: MetricQuality;
  node: string | null;
  height: number;
}

const nothing = () => undefined;

/** Of fewer comparisons nothing is said. */
const FEW = 10;

/** Whether the model is better than the better baseline, at its longest horizon. */
function verdict({ model, persistence, median_30, scored }: HorizonQuality): string {
  const best = Math.min(persistence.mae, median_30.mae);
  if (!best || scored < FEW) return plural(scored, 'comparison');
  const than = median_30.mae <= persistence.mae ? NAMES.median_30 : NAMES.persistence;
  const part = model.mae / best - 1;
  return `${fixed(0)(Math.abs(part) * 100)} % ${part <= 0 ? 'below' : 'above'} ${than}`;
}

function Table({ rows, unit }: { rows: readonly HorizonQuality[]; unit: string | null }) {
  return (
    <table class="unseen">
      <caption>Mean absolute error{said(unit) && `, ${said(unit)}`}</caption>
      <thead>
        <tr>
          <th>Steps</th>
          {METHODS.map(method => (
            <th key={method}>{NAMES[method]}</th>
          ))}
          <th>held</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(row => (
          <tr key={row.horizon}>
            <td>{row.horizon}</td>
            {METHODS.map(method => (
              <td key={method}>{three(row[method].mae)}</td>
            ))}
            <td>{percent(row.coverage)} %</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function Errors({ quality, of, node, height }: ErrorsProps) {
  const own = of.nodes.find(one => one.node === node);
  const { horizons: rows, coverage } = own ?? of;
  if (!rows.length) {
    return (
      <div class="body">
        <p class="muted">Nothing was scored yet: a forecast is compared with its rows once they have come.</p>
        <dl class="facts telemetry-facts">
          <Method of={of} node={node} />
        </dl>
      </div>
    );
  }
  const last = rows.at(-1)!;
  const { per, unit: apart } = timeScale(last.seconds * 5);
  const x = rows.map(row => row.seconds / per);
  const data = { x, lines: METHODS.map(method => rows.map(row => row[method].mae)) };
  const scored = rows.reduce((sum, row) => sum + row.scored, 0);
  return (
    <div class="body">
      <Plot
        label={`Mean absolute error of ${node ?? 'all nodes'} by ${apart} ahead; the table beneath has the same figures`}
        data={data}
        raw={null}
        marks={MARKS}
        height={height}
        low={0}
        tickX={value => fixed(Number.isInteger(value) ? 0 : 1)(value)}
        tick={(value, step) => fixed(digits(step))(value)}
        zoom={null}
        onZoom={nothing}
      />
      <div class="legend">
        {METHODS.map((method, at) => (
          <span key={method}>
            <svg class="swatch" width="14" height="8" aria-hidden="true">
              <path d="M0 4h14" class={`line-${MARKS[at]!.colour} ${MARKS[at]!.dashed ? 'dashed' : ''}`} />
            </svg>
            {NAMES[method]}
          </span>
        ))}
        <span class="grow" />
        <span class="faint">{apart} ahead</span>
      </div>
      <dl class="facts telemetry-facts">
        <Method of={of} node={node} steps={last.horizon} />
        <dt>{ahead(last.seconds)} ahead</dt>
        <dd>
          {three(last.model.mae)} {said(of.unit)} <small>{verdict(last)}</small>
        </dd>
        <dt>MASE</dt>
        <dd>
          <Figure value={last.model.mase} format={fixed(2)} why="Nothing ever changed from one row to the next" />{' '}
          <small>median of 30: {last.median_30.mase === null ? '—' : fixed(2)(last.median_30.mase)}</small>
        </dd>
        <dt>{fixed(0)(100 * (quality.target ?? 0))} % interval held</dt>
        <dd>
          <Figure value={coverage} format={value => `${percent(value)} %`} why="Nothing was scored yet" />
        </dd>
        <dt>Scored</dt>
        <dd>
          {plural(scored, 'comparison')} <small>in {ahead((serverNow() - Date.parse(quality.since)) / 1000)}</small>
        </dd>
        <dt>Drift</dt>
        <dd>
          <Drift quality={quality} />
        </dd>
      </dl>
      <Table rows={rows} unit={of.unit} />
    </div>
  );
}

/** What foresees the node now, so many steps ahead, else at its longest horizon. */
function Method({ of, node, steps }: { of: MetricQuality; node: string | null; steps?: number }) {
  const shown = forecast.value?.node === node ? forecast.value : null;
  const one = shown?.forecasts.find(each => each.metric === of.metric);
  if (!one) return null;
  return (
    <>
      <dt>Foreseen by</dt>
      <dd class="telemetry-method" title={methods(one, shown!.step_seconds)}>
        {method(one, steps ?? shown!.horizon)} {shown!.personal && <small>its own model</small>}
      </dd>
    </>
  );
}

function Drift({ quality: { drift, retrain } }: { quality: Quality }) {
  if (!drift || drift.ratio === null) {
    const left = drift ? `${drift.scored} of ${drift.wanted} scores` : 'no scores';
    return <Unknown why={`Not enough is scored of this model: ${left}`} />;
  }
  return (
    <span class={drift.drifting ? 'warn' : ''}>
      {fixed(2)(drift.ratio)} <small>of {fixed(2)(drift.threshold)}{drift.drifting && retrain !== 'never' ? ': train again' : ''}</small>
    </span>
  );
}
