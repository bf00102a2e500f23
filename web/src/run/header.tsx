// What a run is, how far it is, how long it will take.
import { serverNow } from '../data/collector';
import type { Run } from '../data/contract';
import { clock, duration, plural, seconds } from '../format';
import { lazy } from '../lazy';
import { Choice, Glyph, Status, Unknown } from '../parts';
import { isLive, runName } from '../runs/filter';
import { href, query, setQuery } from '../view';
import { secondsLeft, type RoundTable } from './rounds';
import { back, SMOOTHING, setZoom, smoothing, zoom } from './view';

const Controls = lazy(() => import('./steering').then(part => part.Controls));
const Moment = lazy(() => import('./steering').then(part => part.Moment));

interface HeadProps {
  run: Run;
  table: RoundTable;
  nodes: number;
}

function Left({ run, table }: Omit<HeadProps, 'nodes'>) {
  if (run.state !== 'training') return null;
  const left = secondsLeft(table, run.rounds);
  if (left === 0) return null;
  if (left === null) {
    return (
      <span>
        <Unknown why="No round has been timed yet" /> left
      </span>
    );
  }
  return (
    <span title="Rounds left, times the median of the last 20 measured rounds">
      about {duration(left)} left, {clock(serverNow() + left * 1000).slice(0, 5)} UTC
    </span>
  );
}

const Meta = ({ run, table, nodes }: HeadProps) => (
  <div class="meta grow">
    <span>
      Round <b>{table.last ?? run.round ?? 0}</b>
      {run.rounds !== null && ` of ${run.rounds}`}
    </span>
    <Left run={run} table={table} />
    {run.seconds !== null && <span class="wide-only">{(run.ended === null ? duration : seconds)(run.seconds)} elapsed</span>}
    <a class="wide-only" href={href('nodes', run.id)}>
      {plural(nodes, 'node')}
    </a>
    {Boolean(run.failures) && <span class="wide-only">{plural(run.failures!, 'failure')}</span>}
  </div>
);

const Smoothing = () => (
  <span class="row wide-only">
    <span class="faint">Smooth</span>
    <Choice
      label="Smoothing"
      value={smoothing()}
      options={SMOOTHING.map(weight => [weight, weight === '0' ? 'Off' : weight] as const)}
      onChange={weight => setQuery({ smooth: weight === '0' ? null : weight }, 'replace')}
    />
  </span>
);

export function RunHead({ run, table, nodes }: HeadProps) {
  const range = zoom(table);
  const done = run.rounds && table.last !== null ? table.last / run.rounds : 0;
  return (
    <div>
      <div class="run-head">
        <h1>{runName(run)}</h1>
        <Status run={run} />
        <Meta run={run} table={table} nodes={nodes} />
        <div class="row">
          {range && (
            <button class="button" onClick={() => setZoom(null)}>
              Rounds {range[0]} to {range[1]} <Glyph name="cross" />
              <span class="unseen">Show all rounds</span>
            </button>
          )}
          {query('round') !== undefined && table.last === null && (
            <button class="button" onClick={back}>
              Newest round
            </button>
          )}
          <Smoothing />
          <Controls run={run} />
        </div>
      </div>
      <div class="progress" role="progressbar" aria-label="Rounds done" aria-valuenow={Math.round(done * 100)}>
        <i style={{ width: `${Math.min(1, done) * 100}%` }} />
      </div>
      {isLive(run) && <Moment run={run} />}
    </div>
  );
}
