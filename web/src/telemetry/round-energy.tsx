// What the machines used in each round of a run, and for each point of accuracy.
import './shared';
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { Chart } from '../chart/chart';
import { digits } from '../chart/ticks';
import { ApiError, getRounds } from '../data/api';
import { serverNow, suspect } from '../data/collector';
import type { Run } from '../data/contract';
import { fixed, plural } from '../format';
import { Figure, Panel } from '../parts';
import { mergeRounds, noRounds, type Line, type RoundTable } from '../run/rounds';
import { isLive } from '../runs/filter';
import { runs } from '../runs/store';
import { tipFor } from '../tip';
import { runHref, setQuery } from '../view';
import { machinesOf, perPoint, together, wholly, type Meter } from './energy';
import { readMeters } from './store';
import { energy } from './words';

const NAMED = 'All that the nodes’ machines used from the beginning of a round to its end, whatever else they did';
const ALL =
  'No machine has the name of a node of this run: all that the metered machines used from the beginning of a round to its end, whatever else they did';
const AGAIN_MS = 15_000;
/** Runs that can be chosen from. */
const MOST_RUNS = 30;

interface Used {
  run: string;
  rounds: RoundTable;
  machines: Meter[];
  named: boolean;
  joules: Line;
  metered: number[];
}

const used = signal<Used | null>(null);

function usedIn(run: Run, rounds: RoundTable, all: readonly Meter[]): Used {
  const { machines, named } = machinesOf(all, run.nodes);
  const found = rounds.round.map((_, at) => {
    const [started, seconds] = [rounds.started[at], rounds.figures.seconds[at]];
    if (started == null || seconds == null) return { joules: null, metered: 0 };
    const from = Date.parse(started) / 1000;
    return together(machines, from, from + seconds);
  });
  return {
    run: run.id,
    rounds,
    machines,
    named,
    joules: wholly(found),
    metered: found.map(({ metered }) => metered),
  };
}

async function read(run: Run): Promise<void> {
  const from = Date.parse(run.started!) / 1000;
  const end = run.ended ?? (isLive(run) ? null : run.last_seen);
  const to = end === null ? serverNow() / 1000 : Date.parse(end) / 1000;
  try {
    // A counter is read between two samples: one before the first round, and one after the last.
    const [rows, all] = await Promise.all([getRounds(run.id, null), readMeters(from - 60, to + 60)]);
    used.value = usedIn(run, mergeRounds(noRounds, rows), all);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.unreachable) suspect();
  }
}

function useUsed(run: Run | undefined): Used | null {
  useEffect(() => {
    if (!run?.started) return undefined;
    void read(run);
    const timer = isLive(run) ? setInterval(() => document.hidden || void read(run), AGAIN_MS) : 0;
    return () => clearInterval(timer);
  }, [run?.id, run?.state]);
  return used.value?.run === run?.id ? used.value : null;
}

const Pick = ({ chosen }: { chosen: string }) => (
  <select class="pick" aria-label="Run" value={chosen} onChange={event => setQuery({ run: event.currentTarget.value })}>
    {runs.value.slice(0, MOST_RUNS).map(({ id, task }) => (
      <option key={id} value={id}>
        {task ?? 'run'} {id}
      </option>
    ))}
  </select>
);

const nothing = () => undefined;

/** Which machines the sum covers, and where their figures come from. */
function covers({ machines, named, metered }: Used, nodes: number): string {
  const modelled = machines.filter(one => one.modelled).length;
  const way = !modelled ? 'measured' : modelled === machines.length ? 'modelled' : `${modelled} modelled`;
  const most = metered.reduce((a, b) => Math.max(a, b), 0);
  const whose = named ? `${most} of ${plural(nodes, 'node')}` : `all of ${plural(most, 'machine')}`;
  return `${whose}, ${way}`;
}

function Figures({ found, run }: { found: Used; run: Run }) {
  const known = found.joules.filter(value => value !== null);
  const sum = known.reduce((a, b) => a + b, 0);
  const { accuracy } = found.rounds.figures;
  const point = perPoint(found.joules, accuracy);
  const why = accuracy.every(value => value === null)
    ? 'This run has no accuracy'
    : 'Accuracy did not grow, or a round between was not metered by all';
  return (
    <dl class="facts telemetry-facts">
      <dt>This run</dt>
      <dd>
        <Figure value={known.length ? sum : null} format={energy} why="No round was metered" />{' '}
        <small>
          {known.length} of {plural(found.joules.length, 'round')}
        </small>
      </dd>
      <dt>A round</dt>
      <dd>
        <Figure value={known.length ? sum / known.length : null} format={energy} why="No round was metered" /> <small>on average</small>
      </dd>
      <dt>A point of accuracy</dt>
      <dd>
        <Figure value={point} format={energy} why={why} />
      </dd>
      <dt>Metered</dt>
      <dd>
        <span class={found.machines.some(one => one.modelled) ? 'warn' : ''} {...tipFor(found.named ? NAMED : ALL)} tabIndex={0}>
          {covers(found, run.nodes.length)}
        </span>
      </dd>
    </dl>
  );
}

export function RoundEnergy({ wanted, height }: { wanted: string | undefined; height: number }) {
  const run = runs.value.find(({ id }) => id === wanted) ?? runs.value.find(isLive) ?? runs.value[0];
  const found = useUsed(run);
  const metered = found?.joules.some(value => value !== null);
  const title = 'Energy of a round';
  if (!run) {
    return (
      <Panel title={title}>
        <p class="muted body">No run yet: its rounds will stand here with what they used.</p>
      </Panel>
    );
  }
  return (
    <Panel
      title={title}
      sub={metered ? 'J' : null}
      right={<Pick chosen={run.id} />}
    >
      {found && metered && (
        <div class="body">
          <Chart
            label={`Joules of each round of run ${run.id}`}
            rounds={found.rounds.round}
            curves={[{ label: 'energy', values: found.joules, colour: 's3', stepped: true }]}
            height={height}
            tick={(value, step) => fixed(digits(step))(value)}
            low={0}
            zoom={null}
            pinned={null}
            onPin={nothing}
            onZoom={nothing}
          />
          <Figures found={found} run={run} />
        </div>
      )}
      {found && !metered && (
        <p class="muted body">
          No energy counter reached the collector while{' '}
          <a class="mono" href={runHref(run.id)}>
            {run.id}
          </a>{' '}
          ran: what its rounds used is not known.
        </p>
      )}
    </Panel>
  );
}
