// Policy: what was decided and why, who is trusted, whether the trail is whole, and the rules.
// The frame: each tab is a part of its own, named by the URL.
import './shared';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { lazy } from '../lazy';
import { Skeleton } from '../states';
import { query } from '../view';
import { tabHref } from './links';
import { away, lookForService } from './service';

const Decisions = lazy(() => import('./decisions').then(part => part.Decisions));
const Refusals = lazy(() => import('./refusals').then(part => part.Refusals));
const Trust = lazy(() => import('./trust').then(part => part.Trust));
const Audit = lazy(() => import('./audit').then(part => part.Audit));
const Policies = lazy(() => import('./edit-tab').then(part => part.EditTab));
const Replay = lazy(() => import('./replay-tab').then(part => part.ReplayTab));
const Away = lazy(() => import('./away').then(part => part.Away));

const LOOK_MS = 3000;

const TABS = [
  ['decisions', 'Decisions', Decisions],
  ['refusals', 'Refusals', Refusals],
  ['trust', 'Trust', Trust],
  ['audit', 'Audit', Audit],
  ['policies', 'Policies', Policies],
  ['replay', 'Replay', Replay],
] as const;

/** Look for the service once, and again as long as it is away: the tabs notice when it goes. */
function useService(): void {
  const why = away.value;
  useEffect(() => void lookForService(), []);
  useEffect(() => {
    if (typeof why !== 'string') return;
    const timer = setInterval(() => void lookForService(), LOOK_MS);
    return () => clearInterval(timer);
  }, [why]);
}

/** On a narrow screen the bar scrolls sideways: the tab that is shown comes to its middle. */
function intoSight(bar: HTMLElement | null): void {
  const at = bar?.querySelector<HTMLElement>('[aria-current]');
  if (!bar || !at) return;
  const left = at.getBoundingClientRect().left - bar.getBoundingClientRect().left;
  bar.scrollLeft += left - (bar.clientWidth - at.offsetWidth) / 2;
}

export function PolicyPage() {
  useService();
  const bar = useRef<HTMLElement>(null);
  const [tab, name, Shown] = TABS.find(([key]) => key === query('tab')) ?? TABS[0];
  document.title = `${name} · Policy · fedsight`;
  const why = away.value;
  useLayoutEffect(() => intoSight(bar.current), [tab]);
  return (
    <div class="policy-page">
      <nav ref={bar} class="policy-tabs" aria-label="Policy">
        {TABS.map(([key, text]) => (
          <a key={key} href={tabHref(key)} aria-current={key === tab ? 'page' : undefined}>
            {text}
          </a>
        ))}
      </nav>
      {why === undefined ? <Skeleton rows={8} /> : why === null ? <Shown /> : <Away why={why} />}
    </div>
  );
}
