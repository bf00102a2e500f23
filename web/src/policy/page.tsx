// Policy: what was decided and why, who is trusted, whether the trail is whole, and the rules.
// The frame: each tab is a part of its own, named by the URL.
import './shared';
import { lazy } from '../lazy';
import { query } from '../view';
import { tabHref } from './links';

const Decisions = lazy(() => import('./decisions').then(part => part.Decisions));
const Refusals = lazy(() => import('./refusals').then(part => part.Refusals));
const Trust = lazy(() => import('./trust').then(part => part.Trust));
const Audit = lazy(() => import('./audit').then(part => part.Audit));
const Policies = lazy(() => import('./edit-tab').then(part => part.EditTab));
const Replay = lazy(() => import('./replay-tab').then(part => part.ReplayTab));

const TABS = [
  ['decisions', 'Decisions', Decisions],
  ['refusals', 'Refusals', Refusals],
  ['trust', 'Trust', Trust],
  ['audit', 'Audit', Audit],
  ['policies', 'Policies', Policies],
  ['replay', 'Replay', Replay],
] as const;

export function PolicyPage() {
  const [tab, name, Shown] = TABS.find(([key]) => key === query('tab')) ?? TABS[0];
  document.title = `${name} · Policy · fedsight`;
  return (
    <div class="policy-page">
      <nav class="policy-tabs" aria-label="Policy">
        {TABS.map(([key, text]) => (
          <a key={key} href={tabHref(key)} aria-current={key === tab ? 'page' : undefined}>
            {text}
          </a>
        ))}
      </nav>
      <Shown />
    </div>
  );
}
