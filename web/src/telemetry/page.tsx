// Telemetry: what nodes do and will do, how wrong forecasts were, what training costs in energy.
import './shared';
import { useEffect, useMemo } from 'preact/hooks';
import { now as wall, serverNow } from '../data/collector';
import { Command } from '../fl/ask';
import { ago, clock, fixed } from '../format';
import { Choice, Glyph, Panel } from '../parts';
import { lazy } from '../lazy';
import { Skeleton } from '../states';
import { phone, query, setQuery } from '../view';
import type { MetricForecast, NodeList } from './contract';
import { FanChart, hoverRow } from './fan';
import { fanOf, type Fan } from './fan-data';
import type { NodeRow } from './node-table';
import { away, chosenNode, forecast, list, quality, recent, show, watch } from './store';
import { ahead, metricName, said, unitOf, withUnit } from './words';

const Errors = lazy(() => import('./errors').then(part => part.Errors));
const NodesTable = lazy(() => import('./node-table').then(part => part.NodesTable));
const RoundEnergy = lazy(() => import('./round-energy').then(part => part.RoundEnergy));

const COLLECT = [
  ['On each node, its figures', 'fedsight serve exporter'],
  ['and their way to the bridge', 'fedsight serve agent'],
  ['Here, the bridge into windows', 'fedsight serve bridge'],
] as const;
const TRAIN = ['A model, once nodes have rows', 'fedsight run --task telemetry'] as const;
const FORESEE = ['The forecaster', 'fedsight serve forecast'] as const;

/** What would fill the page, in order. */
const Commands = ({ steps }: { steps: readonly (readonly [string, string])[] }) => (
  <ol class="telemetry-steps">
    {steps.map(([what, command]) => (
      <li key={command}>
        <span class="muted">{what}</span>
        <Command text={command} />
      </li>
    ))}
  </ol>
);

function Missing({ found, why }: { found: NodeList | null; why: string | null | undefined }) {
  if (why) {
    return (
      <Panel title="Nothing is foreseen yet" sub={why.split(';')[0]}>
        <div class="body">
          <Commands steps={[...COLLECT, TRAIN, FORESEE]} />
        </div>
      </Panel>
    );
  }
  if (!found) return null;
  if (!found.model) {
    return (
      <Panel title="No model yet" sub="the forecaster takes the first one that is there">
        <div class="body">
          <p class="muted">{found.problem}</p>
          <Commands steps={[TRAIN]} />
        </div>
      </Panel>
    );
  }
  if (!found.nodes.length) {
    return (
      <Panel title="No node has a window yet" sub="rows arrive from the nodes by way of the bridge">
        <div class="body">
          <Commands steps={COLLECT} />
        </div>
      </Panel>
    );
  }
  return null;
}

function ReadOut({ fan, unit }: { fan: Fan; unit: string | null }) {
  const at = hoverRow.value;
  if (at === null || fan.x[at] === undefined) return null;
  const [observed, median] = [fan.observed[at], fan.median[at]];
  const text =
    observed != null
      ? withUnit(observed, unit)
      : median != null
        ? `${withUnit(median, unit)} (${withUnit(fan.low[at]!, null)} to ${withUnit(fan.high[at]!, null)})`
        : 'not measured';
  return (
    <span class="read-out">
      {clock(fan.x[at]! * 1000)} <b>{text}</b>
    </span>
  );
}

const Legend = ({ target }: { target: number }) => (
  <div class="legend">
    <span>
      <svg class="swatch" width="14" height="8" aria-hidden="true"><path d="M0 4h14" class="line-s1" /></svg>
      measured
    </span>
    <span>
      <svg class="swatch" width="14" height="8" aria-hidden="true"><path d="M0 4h14" class="line-s2 dashed" /></svg>
      foreseen, median
    </span>
    <span>
      <i class="band" />
      {fixed(0)(100 * target)} % of values
    </span>
    <span>
      <i class="hatched" />
      not measured
    </span>
  </div>
);

interface LiveProps {
  node: string;
  metric: string;
  one: MetricForecast | undefined;
  steps: number;
  message: string | null;
}

function Live({ node, metric, one, steps, message }: LiveProps) {
  const fan = useMemo(() => (one ? fanOf(one, steps) : null), [one, steps]);
  const height = phone.value ? 210 : 290;
  const title = `${node} ${metricName(metric).toLowerCase()}`;
  return (
    <Panel title={title} sub={said(one?.unit)} right={fan && <ReadOut fan={fan} unit={one!.unit} />}>
      <div class="body">
        {fan ? (
          <>
            <FanChart
              label={`${title}: measured, and foreseen until ${one!.times[steps - 1] ?? one!.times.at(-1)}`}
              fan={fan}
              height={height}
              now={Math.floor(serverNow() / 1000)}
            />
            <Legend target={one!.calibration.target} />
          </>
        ) : (
          <p class="muted telemetry-wait">{message ?? 'Its forecast is on its way.'}</p>
        )}
      </div>
    </Panel>
  );
}

/** Horizons that can be chosen, in steps. */
function horizons({ model, step_seconds }: NodeList): [string, string][] {
  const most = model!.horizon;
  const steps = [...new Set([Math.ceil(most / 10), Math.ceil(most / 2), most])];
  return steps.map(each => [String(each), ahead(each * step_seconds)]);
}

function rowsOf(found: NodeList | null): NodeRow[] {
  const names = new Set([...(found?.nodes ?? []).map(one => one.node), ...(recent.value ?? []).map(one => one.node)]);
  return [...names].sort().map(node => ({
    node,
    standing: found?.nodes.find(one => one.node === node) ?? null,
    meter: recent.value?.find(one => one.node === node),
  }));
}

function Controls({ found, metric, steps }: { found: NodeList; metric: string; steps: number }) {
  const { model, metrics } = found;
  return (
    <div class="row telemetry-controls">
      <Choice
        label="Metric"
        value={metric}
        options={metrics.map(({ name }) => [name, metricName(name)] as const)}
        onChange={name => setQuery({ metric: name })}
      />
      <span class="faint ellipsis wide-only">
        model <span class="mono">{model!.version}</span>, made {ago((serverNow() - Date.parse(model!.made_at)) / 1000)}
      </span>
      {found.problem && (
        <span class="warn ellipsis" title={found.problem}>
          <Glyph name="triangle" /> {found.problem}
        </span>
      )}
      <span class="grow" />
      <Choice label="Horizon" value={String(steps)} options={horizons(found)} onChange={ahead => setQuery({ ahead })} />
    </div>
  );
}

function Foresight({ found }: { found: NodeList }) {
  const metric = found.metrics.find(({ name }) => name === query('metric'))?.name ?? found.metrics[0]!.name;
  const choices = horizons(found).map(([key]) => key);
  const steps = Number(choices.find(key => key === query('ahead')) ?? choices.at(-1));
  const node = chosenNode(found, query('node') ?? '');
  const standing = found.nodes.find(one => one.node === node)!;
  const shown = forecast.value?.node === node ? forecast.value : null;
  const of = quality.value?.metrics.find(one => one.metric === metric);
  const one = shown?.forecasts.find(each => each.metric === metric);
  return (
    <>
      <Controls found={found} metric={metric} steps={steps} />
      <Live node={node!} metric={metric} one={one} steps={steps} message={standing.message} />
      <Panel title="Error by horizon" sub={['MAE', said(of?.unit), node].filter(Boolean).join(', ')}>
        {quality.value && of ? (
          <Errors quality={quality.value} of={of} node={node} height={phone.value ? 160 : 176} />
        ) : (
          <p class="muted body">It is being asked.</p>
        )}
      </Panel>
    </>
  );
}

/** The horizon in the middle of those scored, for the table. */
function middle(found: NodeList | null): number {
  const scored = quality.value?.metrics[0]?.horizons.map(one => one.horizon) ?? [];
  return scored.includes(10) ? 10 : (scored.at(-1) ?? found?.model?.horizon ?? 10);
}

/** More rows than anybody reads would only make the page slow. */
const MOST_ROWS = 400;

function subOf(found: NodeList | null, shown: number, all: number): string | null {
  const part = shown < all ? `${shown} of ${all}` : '';
  const pace = found?.nodes.length ? `one row every ${ahead(found.step_seconds)}` : '';
  return [part, pace].filter(Boolean).join(', ') || null;
}

export function TelemetryPage() {
  const wanted = query('node') ?? '';
  useEffect(watch, []);
  const wantedMetric = query('metric') ?? '';
  useEffect(() => show(wanted, wantedMetric), [wanted, wantedMetric]);
  void wall.value; // ages grow
  document.title = 'Telemetry · fedsight';
  const found = list.value;
  if (away.value === undefined) return <Skeleton rows={8} />;
  const ready = found?.model && found.nodes.length > 0;
  const all = rowsOf(found);
  const rows = all.slice(0, MOST_ROWS);
  const metric = found?.metrics.find(({ name }) => name === query('metric'))?.name ?? found?.metrics[0]?.name ?? '';
  return (
    <div class="telemetry-page">
      {ready ? <Foresight found={found} /> : <Missing found={found} why={away.value} />}
      <Panel title="Nodes" sub={subOf(found, rows.length, all.length)}>
        {rows.length ? (
          <NodesTable
            rows={rows}
            chosen={found && chosenNode(found, wanted)}
            metric={metric}
            unit={unitOf(found?.metrics ?? [], metric)}
            quality={quality.value?.metrics.find(one => one.metric === metric)}
            steps={middle(found)}
            step={found?.step_seconds ?? 3}
            known={recent.value !== null}
          />
        ) : (
          <p class="muted body">No node has sent anything yet.</p>
        )}
      </Panel>
      <RoundEnergy wanted={query('run')} height={phone.value ? 150 : 170} />
    </div>
  );
}
