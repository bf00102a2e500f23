// What the runs were told, and what came of it, side by side.
import type { Run } from '../data/contract';
import { Choice, Figure, Panel, Unknown } from '../parts';
import { query, runHref, setQuery } from '../view';
import type { Mark } from './plot';
import { bestOf, OUTCOMES, settingRows, type Outcome, type SettingRow } from './settings';
import { Swatch } from './swatch';

const SHOWN = [
  ['differing', 'Differing'],
  ['all', 'All'],
] as const;

const Setting = ({ row }: { row: SettingRow }) => (
  <tr>
    <th scope="row">{row.name}</th>
    {row.values.map((value, at) => (
      <td key={at} class={`right ${at && value !== row.values[0] ? 'other' : ''}`} title={value ?? undefined}>
        {value ?? <Unknown why="This run does not say" />}
      </td>
    ))}
  </tr>
);

function OutcomeRow({ outcome, runs }: { outcome: Outcome; runs: readonly Run[] }) {
  const values = runs.map(outcome.of);
  const best = bestOf(values, outcome.better);
  const first = values[0];
  return (
    <tr>
      <th scope="row">
        {outcome.name}
        {outcome.unit && `, ${outcome.unit}`}
      </th>
      {values.map((value, at) => {
        const change = at && value !== null && first != null ? value - first : null;
        return (
          <td key={at} class={`right ${best.includes(at) ? 'best' : ''}`}>
            <Figure value={value} format={outcome.format} why={outcome.why} />
            {change !== null && change !== 0 && <small> {outcome.change(change)}</small>}
            {best.includes(at) && <span class="unseen"> (best)</span>}
          </td>
        );
      })}
    </tr>
  );
}

export function SettingsTable({ runs, marks }: { runs: readonly Run[]; marks: readonly Mark[] }) {
  const rows = settingRows(runs);
  const differing = rows.filter(row => row.differs);
  const all = query('settings') === 'all';
  return (
    <Panel
      title="Configuration and outcome"
      sub={`${differing.length} of ${rows.length} settings differ`}
      right={
        <Choice
          label="Settings"
          value={all ? 'all' : 'differing'}
          options={SHOWN}
          onChange={key => setQuery({ settings: key === 'all' ? key : null })}
        />
      }
    >
      <div class="sideways" tabIndex={0} role="group" aria-label="Table of settings and outcomes">
        <table class="settings-table">
          <thead>
            <tr>
              <th>Setting</th>
              {runs.map((run, at) => (
                <th key={run.id} class="right">
                  <Swatch mark={marks[at]!} />{' '}
                  <a class="mono ellipsis" href={runHref(run.id)} title={run.id}>
                    {run.id}
                  </a>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {(all ? rows : differing).map(row => (
              <Setting key={row.name} row={row} />
            ))}
            {OUTCOMES.map(outcome => (
              <OutcomeRow key={outcome.name} outcome={outcome} runs={runs} />
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}
