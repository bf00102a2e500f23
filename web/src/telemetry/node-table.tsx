// All nodes: how each stands, what comes, how wrong it was, what it used and what it sends on.
import './shared';
import { serverNow } from '../data/collector';
import { ago, clock, percent, three } from '../format';
import { Figure, Glyph, Meter as Bar, Unknown } from '../parts';
import { setQuery } from '../view';
import type { MetricQuality, NodeStanding } from './contract';
import { lately, sends, type Meter } from './energy';
import { ahead, energy, withUnit } from './words';

const HOUR = 3600;

/** One node as the forecaster, the collector, or both know it. */
export interface NodeRow {
  node: string;
  standing: NodeStanding | null;
  meter: Meter | undefined;
}

interface TableProps {
  rows: readonly NodeRow[];
  chosen: string | null;
  metric: string;
  unit: string | null;
  quality: MetricQuality | undefined;
  /** The horizon whose error is shown, in steps. */
  steps: number;
  step: number;
  /** Whether the collector has said what it has. */
  known: boolean;
}

function State({ standing }: { standing: NodeStanding | null }) {
  if (!standing) return <Unknown why="No window of this node is read by a forecaster" />;
  const age = standing.last_row === null ? 0 : (serverNow() - Date.parse(standing.last_row)) / 1000;
  if (standing.standing === 'ready') {
    return (
      <span class="faint" title={standing.message ?? `last row ${standing.last_row}`}>
        {ago(Math.max(0, age))}
        {standing.personal && ' · own model'}
        {standing.message && ' · in part'}
      </span>
    );
  }
  const why = standing.standing.replace('_', ' ');
  const few = standing.standing === 'few_rows' || standing.standing === 'gap';
  const silent = standing.standing === 'silent';
  return (
    <span class="status warn" title={standing.message ?? ''}>
      {few ? <Bar ratio={standing.rows / standing.wanted} tone="live" /> : <Glyph name="triangle" />}
      <span class="text">{few ? `${standing.rows} of ${standing.wanted} rows` : silent ? `silent, ${ago(age)}` : why}</span>
    </span>
  );
}

function Energy({ meter }: { meter: Meter | undefined }) {
  const found = meter && lately(meter, HOUR);
  if (!found) return <Unknown why="No energy counter of this node reached the collector in the last hour" />;
  return (
    <span title={`over ${ahead(found.seconds)}`}>
      {energy(found.joules)} <small>{meter!.modelled ? 'modelled' : 'measured'}</small>
    </span>
  );
}

function Row({ row, props }: { row: NodeRow; props: TableProps }) {
  const { node, standing, meter } = row;
  const { metric, unit, quality, steps, known } = props;
  const outlook = standing?.outlook.find(one => one.metric === metric);
  const own = quality?.nodes.find(one => one.node === node);
  const error = own?.horizons.find(one => one.horizon === steps);
  const choose = () => setQuery({ node });
  const figure = (value: number) => withUnit(value, unit);
  const none = standing?.message ?? 'It is not foreseen';
  return (
    <tr class={node === props.chosen ? 'chosen' : ''} onClick={choose}>
      <td>
        <button class="link" aria-pressed={node === props.chosen} onClick={choose}>
          {node}
        </button>
      </td>
      <td>
        <State standing={standing} />
      </td>
      <td class="right">
        <Figure value={outlook?.now} format={figure} why={none} />
      </td>
      <td class="right">
        <Figure value={outlook?.peak} format={figure} why={none} />{' '}
        {outlook && <small class="wide-only">{clock(Date.parse(outlook.peak_at)).slice(0, 5)}</small>}
      </td>
      <td class="right wide-only">
        <Figure value={error?.model.mae} format={three} why="Nothing was scored yet" />
      </td>
      <td class="right wide-only">
        <Figure value={own?.coverage} format={value => `${percent(value)} %`} why="Nothing was scored yet" />
      </td>
      <td class="right">
        <Energy meter={meter} />
      </td>
      <td class="wide-only">
        {known ? (
          (sends(meter, serverNow() / 1000) ?? <Unknown why="No energy or power of it has come of late" />)
        ) : (
          <Unknown why="The collector was not asked yet" />
        )}
      </td>
    </tr>
  );
}

export const NodesTable = (props: TableProps) => (
  <div class="sideways" tabIndex={0} role="group" aria-label="Table of nodes">
    <table class="telemetry-nodes">
      <thead>
        <tr>
          <th>Node</th>
          <th>Last row</th>
          <th class="right">Now</th>
          <th class="right">Peak ahead</th>
          <th class="right wide-only">Error at {ahead(props.steps * props.step)}</th>
          <th class="right wide-only">Held</th>
          <th class="right">Energy, 1 h</th>
          <th class="wide-only" title="What of its telemetry reaches the collector: rows or minutes">
            Sends on
          </th>
        </tr>
      </thead>
      <tbody>
        {props.rows.map(row => (
          <Row key={row.node} row={row} props={props} />
        ))}
      </tbody>
    </table>
  </div>
);
