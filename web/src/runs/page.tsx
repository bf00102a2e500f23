// The runs: a list that filters, or the first page where there are none yet.
import '../shared';
import { useRef } from 'preact/hooks';
import { Choice } from '../parts';
import { Problem, Skeleton } from '../states';
import { phone, query, setQuery } from '../view';
import { plural } from '../format';
import { lazy } from '../lazy';
import { chosen, compare } from '../compare/chosen';
import { filtered, grouped, type Grouping, type StateFilter } from './filter';
import { retryRuns, runs, runsError, total } from './store';
import { RunTable } from './table';

const FirstRun = lazy(() => import('./first').then(part => part.FirstRun));

const STATES = [
  ['all', 'All'],
  ['live', 'Live'],
  ['ended', 'Ended'],
  ['failed', 'Failed'],
] as const;
const GROUPS = [
  ['state', 'State'],
  ['task', 'Task'],
  ['none', 'None'],
] as const;

const oneOf = <Key extends string>(options: readonly (readonly [Key, string])[], text?: string) =>
  options.find(([key]) => key === text)?.[0] ?? options[0]![0];

function Search() {
  const input = useRef<HTMLInputElement>(null);
  return (
    <label class="field search">
      <svg width="13" height="13" viewBox="0 0 14 14" aria-hidden="true">
        <path d="M6 1.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM9.5 9.5 13 13" />
      </svg>
      <input
        ref={input}
        type="search"
        placeholder="Task, setting, state or id"
        aria-label="Search runs"
        value={query('q') ?? ''}
        onInput={event => setQuery({ q: event.currentTarget.value }, 'replace')}
        onKeyDown={event => event.key === 'Escape' && input.current!.blur()}
      />
      <kbd class="wide-only">/</kbd>
    </label>
  );
}

interface BarProps {
  state: StateFilter;
  group: Grouping;
  shown: number;
}

const FilterBar = ({ state, group, shown }: BarProps) => (
  <div class="filter-bar">
    <Search />
    <Choice
      label="State"
      value={state}
      options={STATES}
      onChange={key => setQuery({ state: key === 'all' ? null : key })}
    />
    <span class="row wide-only">
      <span class="faint">Group</span>
      <Choice
        label="Group"
        value={group}
        options={GROUPS}
        onChange={key => setQuery({ group: key === 'state' ? null : key })}
      />
    </span>
    <span class="grow" />
    {chosen().length > 0 && (
      <span class="row wide-only">
        <button class="button" onClick={compare}>
          Compare {chosen().length} <kbd>c</kbd>
        </button>
        <button class="button ghost" onClick={() => setQuery({ runs: null }, 'replace')}>
          Clear
        </button>
      </span>
    )}
    <span class="faint wide-only" role="status">
      {shown === runs.value.length
        ? plural(total.value ?? shown, 'run')
        : `${shown} of ${plural(runs.value.length, 'run')}`}
    </span>
  </div>
);

const NoMatch = () => (
  <div class="no-match muted">
    <p>{query('q') ? `No run matches “${query('q')}”.` : 'No run is in this state.'}</p>
    <button class="button" onClick={() => setQuery({ q: null, state: null })}>
      Show all runs
    </button>
  </div>
);

export function RunsPage() {
  document.title = 'Runs · fedsight';
  if (runsError.value) {
    return (
      <Problem
        title="The runs could not be read"
        error={runsError.value}
        action={
          <button class="button" onClick={retryRuns}>
            Try again
          </button>
        }
      >
        Nothing is lost: the collector holds them.
      </Problem>
    );
  }
  if (total.value === null) return <Skeleton rows={8} />;
  if (total.value === 0) return <FirstRun />;
  const state = oneOf<StateFilter>(STATES, query('state'));
  const group = oneOf<Grouping>(GROUPS, query('group'));
  const found = filtered(runs.value, query('q') ?? '', state);
  const grouping = phone.value ? 'state' : group;
  return (
    <div class="runs-page">
      <FilterBar state={state} group={group} shown={found.length} />
      <RunTable items={grouped(found, grouping)} />
      {!found.length && <NoMatch />}
    </div>
  );
}
