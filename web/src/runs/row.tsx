// One run in the list.
import { serverNow } from '../data/collector';
import type { Run } from '../data/contract';
import { ago, bytes, duration, fixed, percent, plural, seconds as timed } from '../format';
import { Figure, Meter, Spark, Status, Unknown } from '../parts';
import { goRun, runHref } from '../view';
import { chosen, markOf, toggle } from '../compare/chosen';
import { runName } from './filter';

interface RowProps {
  run: Run;
  /** The row's place in the whole list, for who cannot see it. */
  index: number;
  current: boolean;
  onPick: () => void;
}

const NO_EVALUATION = 'No round was evaluated yet';
const NO_ACCURACY = 'No accuracy was measured';

const tone = ({ state }: Run) => (state === 'failed' ? 'bad' : state === 'training' ? 'live' : '');

function note(run: Run): [string, string] {
  const held = run.stalled?.message ?? run.waiting?.message;
  if (held) return [held, 'warn'];
  if (run.paused?.reason) return [run.paused.reason, 'muted'];
  if (run.silent) {
    const { seconds, p95_factor: factor } = run.silent;
    const times = factor === null ? '' : `, ${factor.toFixed(1)} × the 95th percentile round`;
    return [`nothing for ${duration(seconds)}${times}`, 'warn'];
  }
  if (run.reason) return [run.reason, run.state === 'failed' ? 'bad' : 'muted'];
  if (run.failures) return [plural(run.failures, 'client failure'), 'muted'];
  return ['', 'muted'];
}

const sent = (run: Run): number | null =>
  run.payload_down_bytes === null || run.payload_up_bytes === null
    ? null
    : run.payload_down_bytes + run.payload_up_bytes;

const Rounds = ({ run }: { run: Run }) => (
  <>
    <Figure value={run.round} format={String} why="No round was recorded yet" />
    <span class="faint">/{run.rounds ?? '?'}</span>
  </>
);

function Started({ run }: { run: Run }) {
  if (!run.started) return <Unknown why="The start of this run was not recorded" />;
  return <span title={run.started}>{ago((serverNow() - Date.parse(run.started)) / 1000)}</span>;
}

/** Takes the run into the comparison; ticked in the colour that its curves will have. */
function Tick({ run }: { run: Run }) {
  const at = chosen().indexOf(run.id);
  return (
    <input
      type="checkbox"
      checked={at >= 0}
      aria-label={`Compare ${run.id}`}
      style={{ accentColor: `var(--${markOf(at).colour})` }}
      onChange={() => toggle(run.id)}
    />
  );
}

export function RunRow({ run, index, current, onPick }: RowProps) {
  const [text, colour] = note(run);
  return (
    <div
      role="row"
      aria-rowindex={index}
      class={`run-row ${current ? 'current' : ''}`}
      onClick={onPick}
      onDblClick={() => goRun(run.id)}
    >
      <span role="gridcell" class="row tight">
        <Tick run={run} />
        <Status run={run} />
      </span>
      <span role="gridcell" class="mono muted ellipsis">
        {run.id}
      </span>
      <span role="gridcell" class="ellipsis">
        <a href={runHref(run.id)}>{runName(run)}</a>
      </span>
      <span role="gridcell" class="row">
        <span class="rounds">
          <Rounds run={run} />
        </span>
        {run.round !== null && run.rounds !== null && (
          <Meter ratio={run.round / run.rounds} tone={tone(run)} />
        )}
      </span>
      <span role="gridcell" class="row">
        <Spark values={run.accuracy_trend} width={84} height={20} tone={tone(run)} />
        <b>
          <Figure value={run.accuracy} format={percent} why={NO_ACCURACY} />
        </b>
      </span>
      <span role="gridcell" class="right">
        <Figure value={run.loss} format={fixed(3)} why={NO_EVALUATION} />
      </span>
      <span role="gridcell" class="right muted">
        <Figure value={run.seconds} format={run.ended === null ? duration : timed} why="Nothing was timed yet" />
      </span>
      <span role="gridcell" class="right muted">
        <Figure value={sent(run)} format={bytes} why="The payload was not counted" />
      </span>
      <span role="gridcell" class={`ellipsis ${colour}`} title={text}>
        {text}
      </span>
      <span role="gridcell" class="right faint">
        <Started run={run} />
      </span>
    </div>
  );
}

export const RunRowPhone = ({ run, index }: RowProps) => (
  <div role="row" aria-rowindex={index} class="run-row-phone" onClick={() => goRun(run.id)}>
    <span role="gridcell">
      <span class="row">
        <Status run={run} />
        <span class="mono faint ellipsis">{run.id}</span>
      </span>
      <a class="ellipsis" href={runHref(run.id)}>
        {runName(run)} <Rounds run={run} />
      </a>
    </span>
    <span role="gridcell">
      <Spark values={run.accuracy_trend} width={76} height={24} tone={tone(run)} />
    </span>
    <span role="gridcell" class="right">
      <b>
        <Figure value={run.accuracy} format={percent} unit="%" why={NO_ACCURACY} />
      </b>
    </span>
  </div>
);
