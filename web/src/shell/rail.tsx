// The rail on the left, or the tabs below on a phone: pages that exist, and the collector's state.
import type { JSX } from 'preact';
import { now, reach } from '../data/collector';
import { duration } from '../format';
import { Glyph } from '../parts';
import { liveRuns } from '../runs/store';
import { dialog, page } from '../view';

const RunsIcon = () => (
  <svg viewBox="0 0 16 16" aria-hidden="true">
    <path d="M2 4h12M2 8h12M2 12h8" />
  </svg>
);

const JumpIcon = () => (
  <svg viewBox="0 0 16 16" aria-hidden="true">
    <path d="M7 2a5 5 0 1 1 0 10A5 5 0 0 1 7 2zM10.5 10.5 14 14" />
  </svg>
);

const Eye = () => (
  <svg width="20" height="20" viewBox="0 0 20 20" class="eye" aria-hidden="true">
    <path d="M1.5 10C4 5.5 7 4 10 4s6 1.5 8.5 6c-2.5 4.5-5.5 6-8.5 6s-6-1.5-8.5-6z" />
    <circle cx="10" cy="10" r="1.6" class="pupil" />
    <circle cx="10" cy="6.8" r="1" />
    <circle cx="7.2" cy="11.6" r="1" />
    <circle cx="12.8" cy="11.6" r="1" />
  </svg>
);

const onRuns = () => page.value === 'runs' || page.value === 'run';
const current = () => (onRuns() ? 'page' : undefined);

function CollectorLine(): JSX.Element {
  const { state, latency, health, goneSince, refusal } = reach.value;
  if (state === 'unknown') return <div>asking the collector</div>;
  if (state === 'refused') {
    return (
      <>
        <div class="row tight">
          <Glyph name="cross" tone="bad" /> collector answers {refusal}
        </div>
        <div>{location.host}</div>
      </>
    );
  }
  if (state === 'gone') {
    const since = duration(Math.max(0, (now.value - (goneSince ?? now.value)) / 1000));
    return (
      <>
        <div class="row tight">
          <Glyph name="dashes" tone="bad" /> collector not reachable
        </div>
        <div>
          {location.host}, for {since}
        </div>
      </>
    );
  }
  const degraded = health!.status === 'degraded';
  return (
    <>
      <div class="row tight">
        <Glyph name={degraded ? 'triangle' : 'check'} tone={degraded ? 'warn' : 'ok'} />
        collector{degraded ? ' degraded' : ''}, {latency!.toFixed(0)} ms
      </div>
      <div>{location.host}</div>
      <div>{health!.version}</div>
    </>
  );
}

export const Rail = () => (
  <nav class="rail" aria-label="Main">
    <a class="brand" href="#/runs">
      <Eye />
      <span>fedsight</span>
    </a>
    <h2>Insight</h2>
    <a class="nav" href="#/runs" title="Runs" aria-current={current()}>
      <RunsIcon />
      <span>Runs</span>
      {liveRuns.value > 0 && <span class="count">{liveRuns.value} live</span>}
    </a>
    <footer>
      <CollectorLine />
    </footer>
  </nav>
);

export const Tabs = () => (
  <nav class="tabs" aria-label="Main">
    <a href="#/runs" aria-current={current()}>
      <RunsIcon />
      Runs
    </a>
    <button onClick={() => (dialog.value = 'jump')}>
      <JumpIcon />
      Jump to
    </button>
  </nav>
);
