// The page as a whole: rail, bar, the page that the URL names, what floats above it.
import { gone } from './data/collector';
import { Problem } from './states';
import { lazy } from './lazy';
import { Rail, Tabs } from './shell/rail';
import { Top } from './shell/top';
import { Tip } from './tip';
import { dialog, page, runId } from './view';

const GoneBanner = lazy(() => import('./gone').then(part => part.GoneBanner), true);
const RunsPage = lazy(() => import('./runs/page').then(part => part.RunsPage), true);
const RunPage = lazy(() => import('./run/page').then(part => part.RunPage), true);
const ComparePage = lazy(() => import('./compare/page').then(part => part.ComparePage));
const NodesPage = lazy(() => import('./nodes/page').then(part => part.NodesPage));
const ModelsPage = lazy(() => import('./models/page').then(part => part.ModelsPage));
const AlertsPage = lazy(() => import('./alerts/page').then(part => part.AlertsPage));
const TelemetryPage = lazy(() => import('./telemetry/page').then(part => part.TelemetryPage));
const PolicyPage = lazy(() => import('./policy/page').then(part => part.PolicyPage), false, 'policy.css');
const Jump = lazy(() => import('./shell/dialogs').then(part => part.Jump));
const KeysDialog = lazy(() => import('./shell/dialogs').then(part => part.KeysDialog));

function Page() {
  if (page.value === 'runs') return <RunsPage />;
  if (page.value === 'run' && runId.value) return <RunPage key={runId.value} id={runId.value} />;
  if (page.value === 'compare') return <ComparePage />;
  if (page.value === 'alerts') return <AlertsPage />;
  if (page.value === 'policy') return <PolicyPage />;
  if (page.value === 'telemetry') return <TelemetryPage />;
  if (page.value === 'nodes') return <NodesPage id={runId.value} />;
  if (page.value === 'models') return <ModelsPage key={runId.value} id={runId.value} />;
  return (
    <Problem
      title={`There is no page “${page.value}”`}
      action={
        <a class="button" href="#/runs">
          All runs
        </a>
      }
    >
      The address in the URL names no page of this dashboard.
    </Problem>
  );
}

export const App = () => (
  <>
    <div class="app">
      <Rail />
      <Top />
      <main>
        {gone.value && <GoneBanner />}
        <Page />
      </main>
      <Tabs />
    </div>
    <Tip />
    {dialog.value === 'jump' && <Jump />}
    {dialog.value === 'keys' && <KeysDialog />}
  </>
);
