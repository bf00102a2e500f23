// Why a run does not go on, or how it ended: what stands above all else on its page.
import type { Run } from '../data/contract';
import { clock, listed, seconds, unnamed } from '../format';
import { Glyph } from '../parts';

const capital = (text: string): string => text[0]!.toUpperCase() + text.slice(1);

const at = (time: string): string => `${clock(Date.parse(time))} UTC`;

/** What the watchdog found: where one looks first. */
function Stall({ run }: { run: Run }) {
  const { message, since, round, phase, nodes } = run.stalled!;
  const more = unnamed(nodes, message);
  return (
    <p class="banner mild run-note" role="alert">
      <Glyph name="triangle" tone="warn" />
      <span>
        <b>{capital(message ?? 'The run makes no progress')}.</b> Since {at(since)}
        {round !== null && `, round ${round}`}
        {phase && `, phase ${phase}`}
        {more.length > 0 && `, waiting for ${listed(more, 8)}`}.
      </span>
    </p>
  );
}

function Pause({ run }: { run: Run }) {
  const { since, reason } = run.paused!;
  return (
    <p class="banner mild run-note" role="status">
      <Glyph name="pause" tone="warn" />
      <span>
        <b>Paused</b> since {at(since)}
        {reason && `: ${reason}`}. No further round begins until it is resumed.
      </span>
    </p>
  );
}

function Silence({ run }: { run: Run }) {
  const { seconds: quiet, p95_factor: factor } = run.silent!;
  return (
    <p class="banner mild run-note" role="status">
      <Glyph name="dashes" tone="warn" />
      <span>
        <b>Nothing was heard of this run for {seconds(quiet)}</b>
        {factor !== null && `, ${factor.toFixed(1)} times its 95th percentile round`}. It may still
        train: look at its terminal.
      </span>
    </p>
  );
}

function End({ run }: { run: Run }) {
  const bad = run.state === 'failed';
  return (
    <p class={`banner run-note ${bad ? '' : 'mild'}`} role="status">
      <Glyph name={bad ? 'cross' : 'stop'} tone={bad ? 'bad' : 'warn'} />
      <span>
        {bad ? 'Failed' : run.state === 'stopped' ? 'Stopped' : 'Ended'}: {run.reason}
      </span>
    </p>
  );
}

/** Why a run does not go on, since when nothing was heard of it, or how it ended. */
export const RunNote = ({ run }: { run: Run }) => (
  <>
    {run.stalled && <Stall run={run} />}
    {run.paused && <Pause run={run} />}
    {run.silent && <Silence run={run} />}
    {run.reason && <End run={run} />}
  </>
);
