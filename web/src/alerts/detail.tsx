// One alert: what was seen, the evidence, and what can be done about it.
import type { ComponentChildren } from 'preact';
import { clock } from '../format';
import { Panel } from '../parts';
import { runHref } from '../view';
import type { Alert } from './contract';
import { Mark } from './list';
import { RunCurves } from './run-curves';
import { evidenceText, expected, saw } from './words';

const moment = (text: string) => (
  <span title={text}>{`${text.slice(0, 10)} ${clock(Date.parse(text))} UTC`}</span>
);

const roundHref = (alert: Alert) =>
  runHref(alert.run!) + (alert.round === null ? '' : `?round=${alert.round}`);

function Facts({ alert }: { alert: Alert }) {
  const { acknowledged: seen } = alert;
  const facts: [string, ComponentChildren][] = [
    ['Saw', saw(alert)],
    ['Expected', expected(alert)],
    ['Run', alert.run && <a class="mono" href={roundHref(alert)}>{alert.run}{alert.round !== null && `, round ${alert.round}`}</a>],
    ['Node', alert.node],
    ...Object.entries(alert.labels).filter(([name]) => name !== 'run' && name !== 'node'),
    ['First seen', moment(alert.started)],
    ['Fired', alert.fired && moment(alert.fired)],
    ['Last seen', moment(alert.timestamp)],
    ['Resolved', alert.resolved && moment(alert.resolved)],
    ['Found', `${alert.count} ${alert.count === 1 ? 'time' : 'times'}`],
    ['Acknowledged', seen && <>{seen.by}, {moment(seen.at)}{seen.comment && `: ${seen.comment}`}</>],
    ...Object.entries(alert.evidence).map(([name, value]): [string, string] => [name.replaceAll('_', ' '), evidenceText(value)]),
  ];
  return (
    <dl class="facts alert-facts">
      {facts.map(([name, what], at) =>
        what ? (
          <div key={at}>
            <dt>{name}</dt>
            <dd>{what}</dd>
          </div>
        ) : null,
      )}
    </dl>
  );
}

interface DetailProps {
  alert: Alert;
  onAcknowledge: () => void;
  onSilence: () => void;
}

export const Detail = ({ alert, onAcknowledge, onSilence }: DetailProps) => (
  <Panel
    title={
      <span class="row">
        <Mark alert={alert} /> <span class="mono">{alert.type}</span>
      </span>
    }
    sub={alert.state}
    right={
      alert.state !== 'resolved' && (
        <>
          <button class="button" onClick={onAcknowledge}>
            {alert.acknowledged ? 'Acknowledge again' : 'Acknowledge'}
          </button>
          <button class="button" onClick={onSilence}>
            Silence
          </button>
        </>
      )
    }
  >
    <p class="body">{alert.message}</p>
    {alert.run && <RunCurves alert={alert} />}
    <Facts alert={alert} />
  </Panel>
);
