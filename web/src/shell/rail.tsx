// The rail on the left, or the tabs below on a phone: pages that exist, and the collector's state.
import { Fragment, type JSX } from 'preact';
import { now, reach } from '../data/collector';
import { duration } from '../format';
import { Glyph } from '../parts';
import { lazy } from '../lazy';
import { liveRuns } from '../runs/store';
import { dialog, href, page, PLACES, runId, type Place } from '../view';

const AlertCount = lazy(() => import('../alerts/count').then(part => part.AlertCount), true);

const Icon = ({ d }: { d: string }) => (
  <svg viewBox="0 0 16 16" aria-hidden="true">
    <path d={d} />
  </svg>
);

const JUMP = 'M7 2a5 5 0 1 1 0 10A5 5 0 0 1 7 2zM10.5 10.5 14 14';
const ICONS: Record<Place, string> = {
  runs: 'M2 4h12M2 8h12M2 12h8',
  compare: 'M2 11c3 0 3-7 6-7s3 4 6 4M2 5h3M11 12h3',
  nodes: 'M2.5 2.5h4v4h-4zM9.5 2.5h4v4h-4zM2.5 9.5h4v4h-4zM9.5 9.5h4v4h-4z',
  alerts: 'M8 2 14.5 13.5h-13zM8 6v4M8 11.5v.5',
  telemetry: 'M1.5 8h3L7 3l2.5 10 2-5h3',
  policy: 'M8 1.5 13.5 4v4c0 3-2.5 5.5-5.5 6.5C5 13.5 2.5 11 2.5 8V4zM5.5 8l2 2 3.5-4',
  models: 'M8 1.5 14 5v6l-6 3.5L2 11V5zM2 5l6 3.5L14 5M8 8.5v6',
};

/** Headings, by the place that each stands above. */
const HEADS: Partial<Record<Place, string>> = { runs: 'Insight', policy: 'Oversight', telemetry: 'Foresight' };

const Eye = () => (
  <svg width="20" height="20" viewBox="0 0 20 20" class="eye" aria-hidden="true">
    <path d="M1.5 10C4 5.5 7 4 10 4s6 1.5 8.5 6c-2.5 4.5-5.5 6-8.5 6s-6-1.5-8.5-6z" />
    <circle cx="10" cy="10" r="1.6" class="pupil" />
    <circle cx="10" cy="6.8" r="1" />
    <circle cx="7.2" cy="11.6" r="1" />
    <circle cx="12.8" cy="11.6" r="1" />
  </svg>
);

const current = (place: Place) =>
  place === (page.value === 'run' ? 'runs' : page.value) ? 'page' : undefined;

/** Pages that have a run keep it, from one to the other. */
const target = (place: Place) => href(place, place === 'nodes' || place === 'models' ? runId.value : '');

function Live() {
  const stalled = liveRuns.value.filter(run => run.stalled).length;
  if (stalled) return <span class="count warn">{stalled} stalled</span>;
  return liveRuns.value.length > 0 && <span class="count">{liveRuns.value.length} live</span>;
}

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
    {PLACES.map(([place, name]) => (
      <Fragment key={place}>
        {HEADS[place] && <h2>{HEADS[place]}</h2>}
        <a class="nav" href={target(place)} title={name} aria-current={current(place)}>
          <Icon d={ICONS[place]} />
          <span>{name}</span>
          {place === 'runs' && <Live />}
          {place === 'alerts' && <AlertCount />}
        </a>
      </Fragment>
    ))}
    <footer>
      <CollectorLine />
    </footer>
  </nav>
);

export const Tabs = () => (
  <nav class="tabs" aria-label="Main">
    {PLACES.map(([place, name]) => (
      <a key={place} class={place} href={target(place)} aria-current={current(place)}>
        <Icon d={ICONS[place]} />
        {name}
      </a>
    ))}
    <button onClick={() => (dialog.value = 'jump')}>
      <Icon d={JUMP} />
      Jump to
    </button>
  </nav>
);
