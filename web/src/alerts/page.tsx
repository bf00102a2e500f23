// Alerts: what is wrong now, what was, by which rules, and who is told.
import '../chart/shared';
import '../fl/shared';
import { useSignal } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { serverNow } from '../data/collector';
import { session, useServer } from '../fl/server';
import { count, plural } from '../format';
import { Choice, Glyph, Panel } from '../parts';
import { wholeNumber } from '../route';
import { Problem, Skeleton } from '../states';
import { query, setQuery } from '../view';
import type { Alert, Rules } from './contract';
import { Detail } from './detail';
import { AcknowledgeDialog, Login, SilenceDialog } from './dialogs';
import { AlertList } from './list';
import { AlertStore } from './store';
import { covers } from './words';

type Show = 'open' | 'resolved' | 'all';
type Question = { kind: 'acknowledge' | 'silence'; alert: Alert } | { kind: 'login' };

const shown = (store: AlertStore, show: Show): Alert[] => {
  if (show === 'open') return store.open.value;
  return show === 'all' ? store.all.value : (store.pages.value?.resolved.alerts ?? []);
};

function toldTo({ webhooks, alertmanager, waiting }: Rules['notifiers']): string {
  const who = [webhooks > 0 && plural(webhooks, 'webhook'), alertmanager && 'Alertmanager'].filter(Boolean);
  if (!who.length) return 'sent to nobody: docs/alerts.md says how';
  return `sent to ${who.join(' and ')}${waiting ? `, ${waiting} waiting` : ''}`;
}

const RulesPanel = ({ rules }: { rules: Rules }) => (
  <Panel title="Rules" sub="last 30 days" right={<span class="faint">{toldTo(rules.notifiers)}</span>}>
    {rules.notifiers.error && (
      <p class="body warn">
        <Glyph name="triangle" tone="warn" /> {rules.notifiers.error}
      </p>
    )}
    <div class="sideways" tabIndex={0} role="group" aria-label="Table of rules">
      <table class="rules">
        <thead>
          <tr>
            <th>Rule</th>
            <th class="wide-only">Fires when</th>
            <th class="right">Fired</th>
            <th class="right">Acknowledged</th>
          </tr>
        </thead>
        <tbody>
          {rules.rules.map(rule => (
            <tr key={rule.type}>
              <td class="mono">{rule.type}</td>
              <td class="wide-only muted" title={rule.fires_when}>
                {rule.fires_when}
              </td>
              <td class="right">{rule.fired}</td>
              <td class="right">{rule.acknowledged}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  </Panel>
);

function Silences({ store, onEnd }: { store: AlertStore; onEnd: (end: () => void) => void }) {
  const standing = store.silences.value.filter(({ ends }) => Date.parse(ends) > serverNow());
  if (!standing.length) return null;
  return (
    <Panel title="Silences" sub={plural(standing.length, 'silence')}>
      <ul class="silences">
        {standing.map(silence => (
          <li key={silence.id} class="row">
            <span class="mono ellipsis grow">{covers(silence)}</span>
            <span class="faint" title={silence.comment}>
              {silence.by || 'somebody'}, until {silence.ends.slice(0, 16).replace('T', ' ')} UTC
            </span>
            <button
              class="button"
              aria-label={`End the silence of ${covers(silence)}`}
              onClick={() => onEnd(() => void store.unsilence(silence))}
            >
              End
            </button>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

const EMPTY: Record<Show, string> = {
  open: 'Nothing is wrong that a rule would know of.',
  resolved: 'No alert was resolved yet.',
  all: 'No alert yet: the rules beside say what makes one.',
};

function Said({ store }: { store: AlertStore }) {
  const said = store.said.value;
  if (!said) return null;
  return (
    <p class={`banner ${said.bad ? '' : 'mild'}`} role="status">
      <Glyph name={said.bad ? 'cross' : 'check'} tone={said.bad ? 'bad' : 'ok'} />
      <span class="grow">{said.text}</span>
      <button class="button ghost" aria-label="Dismiss" onClick={() => (store.said.value = null)}>
        <Glyph name="cross" />
      </button>
    </p>
  );
}

/** What stands here is what was last read: it may be over. */
function Stale({ store }: { store: AlertStore }) {
  const error = store.error.value;
  if (!error) return null;
  return (
    <p class="banner" role="alert">
      <Glyph name="cross" tone="bad" />
      <span class="grow">These alerts may be over: they could not be read again. {error.message}</span>
      <button class="button" onClick={() => store.retry()}>
        Try again
      </button>
    </p>
  );
}

/** That a list is longer than what is shown of it. */
function Rest({ store, shown, total }: { store: AlertStore; shown: number; total: number }) {
  if (total <= shown) return null;
  return (
    <p class="body row muted">
      <span class="grow">
        The newest {count(shown)} of {count(total)} are shown.
      </span>
      {store.canListMore ? (
        <button class="button" onClick={() => store.more()}>
          Show more
        </button>
      ) : (
        <span>The others: fedsight alerts list</span>
      )}
    </p>
  );
}

interface DialogProps {
  store: AlertStore;
  question: Question;
  onClose: () => void;
}

function Dialog({ store, question, onClose }: DialogProps) {
  if (question.kind === 'login') return <Login onClose={onClose} />;
  const { alert } = question;
  if (question.kind === 'silence') return <SilenceDialog store={store} alert={alert} onClose={onClose} />;
  return <AcknowledgeDialog store={store} alert={alert} onClose={onClose} />;
}

export function AlertsPage() {
  document.title = 'Alerts · fedsight';
  const store = useMemo(() => new AlertStore(), []);
  const open = useSignal<Question | null>(null);
  const held = useRef<number | null>(null);
  const id = wholeNumber(query('alert'));
  useEffect(() => () => store.close(), [store]);
  useEffect(() => store.want(id), [store, id]);
  useServer();
  const pages = store.pages.value;
  if (!pages) {
    if (!store.error.value) return <Skeleton rows={8} />;
    const again = (
      <button class="button" onClick={() => store.retry()}>
        Try again
      </button>
    );
    return (
      <Problem title="The alerts could not be read" error={store.error.value} action={again}>
        Nothing is lost: the collector holds them.
      </Problem>
    );
  }
  const asked = query('show');
  const show: Show = asked === 'resolved' || asked === 'all' ? asked : 'open';
  const counts = [
    ['open', `Open ${count(pages.firing.total + pages.pending.total)}`],
    ['resolved', 'Resolved'],
    ['all', 'All'],
  ] as const;
  const alerts = shown(store, show);
  // What is looked at stays, though a newer one comes to stand above it.
  const current = id === null ? (alerts.find(alert => alert.id === held.current) ?? alerts[0]) : store.find(id);
  held.current = current?.id ?? null;
  const totals = [pages.firing.total, pages.pending.total, pages.resolved.total];
  const total = { open: totals[0]! + totals[1]!, resolved: totals[2]!, all: totals[0]! + totals[1]! + totals[2]! }[show];
  const may = (then: () => void) => {
    if (session.value?.may_write) then();
    else open.value = { kind: 'login' };
  };
  const onAsk = (kind: 'acknowledge' | 'silence') =>
    may(() => (open.value = { kind, alert: current! }));
  return (
    <div class="alerts-page">
      <Stale store={store} />
      <Said store={store} />
      <Panel
        title="Alerts"
        right={
          <Choice
            label="Which alerts"
            value={show}
            options={counts}
            onChange={key => setQuery({ show: key === 'open' ? null : key, alert: null })}
          />
        }
      >
        {alerts.length ? (
          <AlertList alerts={alerts} current={current?.id ?? null} onPick={alert => setQuery({ alert }, 'replace')} />
        ) : (
          <p class="body muted">{EMPTY[show]}</p>
        )}
        <Rest store={store} shown={alerts.length} total={total} />
      </Panel>
      <div class="alerts-side">
        {current === null && (
          <p class="banner mild" role="status">
            <Glyph name="triangle" tone="warn" /> There is no alert {id}, or no longer.
          </p>
        )}
        {current && (
          <Detail
            key={current.id}
            alert={current}
            onAcknowledge={() => onAsk('acknowledge')}
            onSilence={() => onAsk('silence')}
          />
        )}
        {store.rules.value && <RulesPanel rules={store.rules.value} />}
        <Silences store={store} onEnd={may} />
      </div>
      {open.value && <Dialog store={store} question={open.value} onClose={() => (open.value = null)} />}
    </div>
  );
}
