// Replay: what a draft, or a version, would have answered to what was asked already.
import './edit-shared';
import { useEffect } from 'preact/hooks';
import { serverNow } from '../data/collector';
import { Command } from '../fl/ask';
import { session, useServer } from '../fl/server';
import { percent, plural, seconds } from '../format';
import { Choice, Glyph, Panel } from '../parts';
import { wholeNumber } from '../route';
import { Skeleton } from '../states';
import { query, setQuery } from '../view';
import { edits } from './draft-kept';
import type { PolicySet } from './edit-contract';
import { failure, files, NO_LOGIN, set, versions, watched } from './edit-store';
import { Denied, Unread } from './edit-states';
import { tabHref } from './links';
import { begin, replay, stop, type Replay } from './replay-store';
import { Examples, Flips, Summary } from './replay-view';

const RANGES = [
  ['1h', '1 h', 3600, 'the last hour'],
  ['24h', '24 h', 86_400, 'the last 24 hours'],
  ['7d', '7 d', 7 * 86_400, 'the last 7 days'],
  ['all', 'All', 0, 'all time'],
] as const;
type Range = (typeof RANGES)[number][0];

const since = (length: number): string | null =>
  length ? new Date(serverNow() - length * 1000).toISOString() : null;

interface Chosen {
  number: number | null;
  name: string;
  range: (typeof RANGES)[number];
}

/** The draft where there is one, else the version that the URL names, else the newest before this one. */
function chosen(now: PolicySet): Chosen {
  const range = RANGES.find(([key]) => key === query('range')) ?? RANGES[1];
  const asked = wholeNumber(query('by'));
  const known = versions.value.versions.map(({ number }) => number);
  if (asked === null && edits.value.length) return { number: null, name: 'the draft', range };
  const number = asked ?? known.find(one => one !== now.number) ?? now.number ?? 1;
  return { number, name: `version ${number}`, range };
}

function Candidate({ now, value }: { now: PolicySet; value: number | null }) {
  const all = versions.value.versions;
  return (
    <label class="row">
      <span class="faint">By</span>
      <select
        class="pick candidate"
        aria-label="Judged by"
        value={value === null ? 'draft' : String(value)}
        onChange={event => setQuery({ by: event.currentTarget.value === 'draft' ? null : event.currentTarget.value }, 'replace')}
      >
        {edits.value.length > 0 && <option value="draft">the draft, {plural(edits.value.length, 'file')} edited</option>}
        {value !== null && !all.some(({ number }) => number === value) && <option value={value}>version {value}</option>}
        {all.map(({ number, author, note }) => (
          <option key={number} value={number}>
            version {number}
            {number === now.number ? ', in force' : ''}, {author}
            {note ? `: ${note.slice(0, 60)}` : ''}
          </option>
        ))}
      </select>
    </label>
  );
}

function Progress({ state }: { state: Replay }) {
  const share = state.state?.share ?? 0;
  return (
    <div class="replay-progress" role="status">
      <progress max={1} value={share} aria-label="Share of the trail that was read" />
      <span class="muted">
        {state.state ? `${percent(share)} % of the trail, ${seconds(state.state.seconds)}` : 'It is being begun…'}
      </span>
    </div>
  );
}

function Outcome({ now }: { now: Replay }) {
  const { state, wanted, error } = now;
  if (error || state?.error) {
    const stopped = state?.state === 'stopped';
    return (
      <p class={`banner ${stopped ? 'mild' : ''}`} role="alert">
        <Glyph name={stopped ? 'stop' : 'cross'} tone={stopped ? 'warn' : 'bad'} />
        <span>{stopped ? 'The replay was stopped.' : (error ?? state?.error)}</span>
      </p>
    );
  }
  if (!state?.found) return null;
  const { found } = state;
  const stale = wanted.files && wanted.files !== files.value;
  return (
    <>
      {stale && (
        <p class="banner mild" role="status">
          <Glyph name="triangle" tone="warn" />
          <span>The draft was edited after this replay: run it again.</span>
        </p>
      )}
      <Summary found={found} took={state.seconds} range={wanted.range} />
      {found.refused + found.allowed > 0 && (
        <div class="flips">
          <div class="flip-tables">
            <Flips title="By rule" head="rule" refused={found.refused_by_rule} allowed={found.allowed_by_rule} />
            <Flips title="By client" head="client" refused={found.refused_by_client} allowed={found.allowed_by_client} />
          </div>
          <Examples found={found} />
        </div>
      )}
    </>
  );
}

/** Why nothing can be replayed; null where it can. */
function obstacle(now: PolicySet): string | null {
  if (!session.value?.may_write) return NO_LOGIN;
  return now.replay_refused && `The set in force does not let you read the trail: ${now.replay_refused}.`;
}

function Page({ now }: { now: PolicySet }) {
  const { number, name, range } = chosen(now);
  const [key, , length, words] = range;
  const why = obstacle(now);
  const under = replay.value && (replay.value.state?.state ?? (replay.value.error ? 'failed' : 'running')) === 'running';
  const run = () => {
    if (why || under) return;
    const wanted = { files: number === null ? files.value : null, number, name, range: words, since: since(length) };
    void begin(wanted);
  };
  return (
    <div class="replay-page">
      <Panel title="Replay">
        <div class="replay-bar">
          <Candidate now={now} value={number} />
          <Choice<Range>
            label="Which decisions"
            value={key}
            options={RANGES.map(([key, text]) => [key, text] as const)}
            onChange={next => setQuery({ range: next === '24h' ? null : next }, 'replace')}
          />
          {under ? (
            <button class="button" onClick={() => void stop()}>
              Stop
            </button>
          ) : (
            <button class="button" aria-disabled={why !== null} title={why ?? undefined} onClick={run}>
              Replay
            </button>
          )}
          {under && <Progress state={replay.value!} />}
        </div>
        {why && (
          <div class="body replay-why">
            <p class="muted">{why}</p>
            {why === NO_LOGIN && <Command text={session.value?.command ?? 'fedsight login'} />}
          </div>
        )}
        <p class="body faint">
          Each recorded decision of the range is judged anew by {name}, and set beside what was answered then.{' '}
          {!edits.value.length && (
            <>
              What is edited under <a class="accent" href={tabHref('policies')}>Policies</a> can be replayed before it is
              applied.
            </>
          )}
        </p>
      </Panel>
      {replay.value && <Outcome now={replay.value} />}
    </div>
  );
}

export function ReplayTab() {
  useServer();
  useEffect(watched, []);
  if (failure.value?.status === 403) return <Denied error={failure.value} />;
  if (set.value) return <Page now={set.value} />;
  return failure.value ? <Unread error={failure.value} /> : <Skeleton rows={6} />;
}
