// Which policy set governs a run, as its events tell: the last that decided.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { ApiError, getEvents } from '../data/api';
import type { Run } from '../data/contract';
import { tabHref } from '../policy/links';
import { isLive } from '../runs/filter';

const LOOK_MS = 10_000;

/** The version that decided last; null where no policy told that it did. */
function useVersion(run: Run): string | null {
  const version = useSignal<string | null>(null);
  const live = isLive(run);
  useEffect(() => {
    let [closed, timer, last] = [false, 0, 0];
    const look = async () => {
      try {
        const told = await getEvents(run.id, 'RUN_GOVERNED', last);
        if (closed) return;
        const newest = told.at(-1);
        if (newest) [last, version.value] = [newest.id, String(newest.details.version ?? '') || null];
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
      }
      if (live && !closed) timer = window.setTimeout(() => void look(), LOOK_MS);
    };
    void look();
    return () => {
      closed = true;
      clearTimeout(timer);
    };
  }, [run.id, live]);
  return version.value;
}

export function Governed({ run }: { run: Run }) {
  const version = useVersion(run);
  if (version === null) return null;
  return (
    <a class="button ghost wide-only" href={tabHref('decisions', { run: run.id })} title="What this policy set decided about the run">
      policy <span class="mono">{version}</span>
    </a>
  );
}
