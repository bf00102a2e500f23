// No policy service is reached: which command starts one, and what the collector itself knows of
// refusals, from the counters of governed runs.
import './shared';
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { ApiError, get } from '../data/api';
import { serverNow } from '../data/collector';
import { Command } from '../fl/ask';
import { count, plural } from '../format';
import { Panel } from '../parts';
import type { Samples } from '../telemetry/contract';
import { runHref } from '../view';
import { countedRefusals, type Counted } from './counted';

const DAYS = 30;
const ROWS = 100;

const START = [
  ['A set of rules, where there is none yet', 'fedsight policy init'],
  ['The service that decides by it, and records', 'fedsight serve policy'],
  ['A run that it governs', 'fedsight run --policy http://127.0.0.1:5000'],
] as const;

/** Refusals that runs have counted; null before the answer. */
function useCounted(): Counted[] | null {
  const found = useSignal<Counted[] | null>(null);
  useEffect(() => {
    const now = serverNow() / 1000;
    const range = { from: (now - DAYS * 86_400).toFixed(0), to: (now + 60).toFixed(0) };
    // One value of each series is enough: it is a counter.
    const last = { step: DAYS * 86_400, aggregation: 'last' };
    get<Samples>('/api/v1/query', { name: 'fl_policy_refusals_total', ...range, ...last }).then(
      answer => (found.value = countedRefusals(answer.series)),
      error => {
        if (!(error instanceof ApiError)) throw error;
        found.value = [];
      },
    );
  }, []);
  return found.value;
}

function Known({ rows }: { rows: Counted[] }) {
  const shown = rows.slice(0, ROWS);
  const sum = rows.reduce((total, row) => total + row.count, 0);
  return (
    <Panel title="Refusals that runs counted" sub={`${count(sum)} in the last ${DAYS} days, from the collector's own figures`}>
      <div class="sideways" tabIndex={0} role="group" aria-label="Refusals that runs counted">
        <table class="refusals">
          <thead>
            <tr>
              <th>Run</th>
              <th>Client</th>
              <th>Action</th>
              <th>Rule</th>
              <th class="right">Refused</th>
            </tr>
          </thead>
          <tbody>
            {shown.map(row => (
              <tr key={`${row.run} ${row.node} ${row.action} ${row.rule}`}>
                <td>
                  <a class="mono" href={runHref(row.run)}>
                    {row.run}
                  </a>
                </td>
                <td>{row.node ?? <span class="faint">the run</span>}</td>
                <td class="muted">{row.action}</td>
                <td class="mono">{row.rule}</td>
                <td class="right">{count(row.count)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length > shown.length && <p class="body faint">{plural(rows.length - shown.length, 'row')} more are not shown.</p>}
    </Panel>
  );
}

export function Away({ why }: { why: string }) {
  const rows = useCounted();
  return (
    <div class="policy-stack">
      <Panel title="No policy service" sub={why.split(';')[0]}>
        <div class="body">
          <ol class="policy-steps">
            {START.map(([what, command]) => (
              <li key={command}>
                <span class="muted">{what}</span>
                <Command text={command} />
              </li>
            ))}
          </ol>
        </div>
      </Panel>
      {rows !== null && rows.length > 0 && <Known rows={rows} />}
      {rows !== null && rows.length === 0 && <p class="muted policy-note">The collector has no refusal of a governed run of the last {DAYS} days.</p>}
    </div>
  );
}
