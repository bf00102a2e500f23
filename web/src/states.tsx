// What a page shows when it has no figures: not yet, not at all, or not any more.
import type { ComponentChildren } from 'preact';
import type { ApiError } from './data/api';
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
      {error && <Glyph name="cross" tone="bad" />} {title}
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
