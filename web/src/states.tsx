// What a page shows when it has no figures: not yet, not at all, or not any more.
import type { ComponentChildren } from 'preact';
import type { ApiError } from './data/api';
import { gone, now, poll, reach } from './data/collector';
import { clock, duration } from './format';
import { Glyph, useLate } from './parts';

const SKELETON_MS = 150;

export function Skeleton({ rows }: { rows: number }) {
  if (!useLate(SKELETON_MS)) return null;
  return (
    <div class="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => (
        <div key={row}>
          <i />
          <i />
          <i />
        </div>
      ))}
    </div>
  );
}

interface ProblemProps {
  /** What happened, and to what. */
  title: ComponentChildren;
  /** The effect, in one sentence. */
  children: ComponentChildren;
  error?: ApiError;
  /** The next step. */
  action: ComponentChildren;
}

export const Problem = ({ title, children, error, action }: ProblemProps) => (
  <section class="problem" role="alert">
    <h1>
      <Glyph name="cross" tone="bad" /> {title}
    </h1>
    <p class="muted">{children}</p>
    {error && (
      <pre tabIndex={0}>
        {error.status} {error.code}
        {error.field && `\nfield ${error.field}`}
        {`\n${error.message}`}
      </pre>
    )}
    <div class="row">{action}</div>
  </section>
);

/** Says that the collector is gone, since when the figures stand, and what goes on without it. */
export function GoneBanner() {
  if (!gone.value) return null;
  const { goneSince, seen, nextTry } = reach.value;
  const since = duration(Math.max(0, (now.value - (goneSince ?? now.value)) / 1000));
  const next = Math.max(0, Math.ceil(((nextTry ?? now.value) - now.value) / 1000));
  return (
    <div class="banner" role="alert">
      <Glyph name="dashes" tone="bad" />
      <span>
        <b>Collector not reachable</b> at {location.host} for {since}.{' '}
        {seen !== null && `Figures are from ${clock(seen)} UTC. `}
        Training goes on; its journal is kept and sent later.
      </span>
      <span class="grow" />
      <span class="muted nowrap wide-only">next try in {next} s</span>
      <button class="button" onClick={() => void poll()}>
        Try now
      </button>
    </div>
  );
}
