// What was decided: live, filtered by the URL, each with every rule and its reason.
import './shared';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { now as wall, serverNow } from '../data/collector';
import { count, fixed } from '../format';
import { Choice, Glyph, Panel } from '../parts';
import { wholeNumber } from '../route';
import { Problem, Skeleton } from '../states';
import { query, setQuery } from '../view';
import { DecisionList } from './decision-list';
import { DecisionRow } from './decision-row';
import { DecisionStore, type Held } from './decisions-store';
import { pace } from './sight';
import { ACTIONS, FILTERS, SPANS, type Filters } from './words';

const PACE_MINUTES = 5;

const VERDICTS = [
  ['all', 'All'],
  ['denied', 'Denied'],
  ['allowed', 'Allowed'],
] as const;

export const filtersOfUrl = (): Filters =>
  Object.fromEntries(FILTERS.map(name => [name, query(name) ?? '']).filter(([, value]) => value));

/** How many are kept, or fit; and how many there are a minute. */
function told({ rows, total, whole }: Held, filtered: boolean): string {
  if (filtered) return `${count(total)} fit`;
  const times = rows.slice(0, 2000).map(one => Date.parse(one.timestamp));
  const known = pace(times, serverNow(), PACE_MINUTES, whole);
  return `${count(total)} kept${known === null ? '' : `, ${fixed(1)(known)} a minute now`}`;
}

/** Filters that were chosen elsewhere, each with a way out. */
const Chosen = ({ filters }: { filters: Filters }) => (
  <>
    {(['client', 'rule', 'run'] as const).map(name =>
      filters[name] ? (
        <button key={name} class="button chip" onClick={() => setQuery({ [name]: null, decision: null })}>
          <span class="faint">{name}</span> <span class="mono">{filters[name]}</span> <Glyph name="cross" />
          <span class="unseen">any {name}</span>
        </button>
      ) : null,
    )}
  </>
);

export function FilterBar({ filters, search = true }: { filters: Filters; search?: boolean }) {
  const pick = (name: string) => (event: { currentTarget: HTMLSelectElement }) =>
    setQuery({ [name]: event.currentTarget.value, decision: null });
  return (
    <div class="row policy-filters">
      {search && (
        <label class="field search">
          <input
            type="search"
            placeholder="Who, what, rule or reason"
            aria-label="Search decisions"
            value={filters.text ?? ''}
            onInput={event => setQuery({ text: event.currentTarget.value, decision: null }, 'replace')}
          />
          <kbd class="wide-only">/</kbd>
        </label>
      )}
      <select class="pick" aria-label="Action" value={filters.action ?? ''} onChange={pick('action')}>
        <option value="">Any action</option>
        {[...new Set([...ACTIONS, ...(filters.action ? [filters.action] : [])])].map(name => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
      <select class="pick" aria-label="Time" value={filters.time ?? ''} onChange={pick('time')}>
        {SPANS.map(([key, name]) => (
          <option key={key} value={key}>
            {name}
          </option>
        ))}
      </select>
      <Chosen filters={filters} />
    </div>
  );
}

/** The decision that the URL names, where it is not among the rows. */
function Single({ store, id, rows }: { store: DecisionStore; id: number; rows: Held['rows'] }) {
  const among = rows.some(one => one.decision_id === id);
  useEffect(() => {
    if (!among) void store.find(id);
  }, [store, id, among]);
  if (among) return null;
  const one = store.single.value;
  if (one === null) return null;
  return (
    <div class="decision-single">
      {one ? (
        <DecisionRow one={one} place={1} total={1} current={false} open onToggle={() => setQuery({ decision: null })} />
      ) : (
        <p class="muted">
          Decision {id} is not among those that the service keeps at hand; <span class="mono">fedsight policy audit export</span>{' '}
          has it as long as the trail does.
        </p>
      )}
    </div>
  );
}

function Empty({ filtered, filters }: { filtered: boolean; filters: Filters }) {
  if (!filtered) {
    return (
      <div class="policy-empty">
        <p>No decision yet.</p>
        <p class="muted">
          A governed run fills this: <span class="mono">fedsight run --policy http://127.0.0.1:5000</span>
        </p>
      </div>
    );
  }
  const clear = Object.fromEntries(FILTERS.map(name => [name, null]));
  return (
    <div class="policy-empty">
      <p>
        No decision fits{' '}
        {Object.entries(filters).map(([name, value]) => (
          <span key={name} class="mono">
            {name}={value}{' '}
          </span>
        ))}
      </p>
      <button class="button" onClick={() => setQuery({ ...clear, decision: null })}>
        Show all
      </button>
    </div>
  );
}

function useStore(key: string): DecisionStore {
  const old = useRef<DecisionStore | null>(null);
  const store = useMemo(() => {
    old.current?.close();
    return (old.current = new DecisionStore(JSON.parse(key) as Filters));
  }, [key]);
  useEffect(() => () => old.current?.close(), []);
  return store;
}

export function Decisions() {
  const filters = filtersOfUrl();
  const store = useStore(JSON.stringify(filters));
  void wall.value; // the pace changes with time
  const held = store.held.value;
  const error = store.error.value;
  const again = (
    <button class="button" onClick={() => store.retry()}>
      Try again
    </button>
  );
  if (!held && error) {
    return (
      <Problem title="The decisions could not be read" error={error} action={again}>
        Nothing is lost: they are in the audit trail.
      </Problem>
    );
  }
  const filtered = Object.keys(filters).length > 0;
  const open = wholeNumber(query('decision'));
  const verdict = VERDICTS.find(([key]) => key === filters.verdict)?.[0] ?? 'all';
  return (
    <div class="policy-fill">
      <FilterBar filters={filters} />
      <Panel
        title="Decisions"
        sub={held ? told(held, filtered) : null}
        right={
          <>
            {error && (
              <span class="warn nowrap" title={error.message}>
                <Glyph name="triangle" tone="warn" /> not read
              </span>
            )}
            <Choice
              label="Verdict"
              value={verdict}
              options={VERDICTS}
              onChange={key => setQuery({ verdict: key === 'all' ? null : key, decision: null })}
            />
          </>
        }
      >
        {held && open !== null && <Single store={store} id={open} rows={held.rows} />}
        {!held ? (
          <Skeleton rows={8} />
        ) : held.rows.length ? (
          <DecisionList
            rows={held.rows}
            total={held.total}
            open={open}
            onOpen={id => setQuery({ decision: id }, 'replace')}
            onEnd={() => void store.more()}
          />
        ) : (
          <Empty filtered={filtered} filters={filters} />
        )}
      </Panel>
    </div>
  );
}
