// The rules in force: what each refuses and how often it did; a click shows where it stands.
import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { count, plural } from '../format';
import { Glyph, Panel } from '../parts';
import { usePageKeys } from '../shell/keys';
import type { PolicySet, RuleRow } from './edit-contract';

const MOST = 300;

const about = ({ actions }: RuleRow): string => actions.join(', ') || 'any action';

interface RowProps {
  rule: RuleRow;
  current: boolean;
  onPick: () => void;
}

const Row = ({ rule, current, onPick }: RowProps) => (
  <li>
    <button class="rule-row" aria-current={current} onClick={onPick}>
      <Glyph name={rule.effect === 'permit' ? 'check' : 'cross'} tone={rule.effect === 'permit' ? 'ok' : 'bad'} />
      <span class="mono ellipsis">
        <span class="unseen">{rule.effect} </span>
        {rule.id}
      </span>
      <span class={`right ${rule.refused ? '' : 'faint'}`}>
        {rule.effect === 'forbid' || rule.refused ? count(rule.refused) : ''}
        <span class="unseen"> refusals</span>
      </span>
      <span class="muted reason">{rule.reason}</span>
      <span class="faint ellipsis where">
        {about(rule)} · {rule.file}:{rule.line}
      </span>
    </button>
  </li>
);

interface PanelProps {
  set: PolicySet;
  file: string;
  line: number | null;
  onPick: (rule: RuleRow) => void;
}

export function RulesPanel({ set, file, line, onPick }: PanelProps) {
  const wanted = useSignal('');
  const search = useRef<HTMLInputElement>(null);
  usePageKeys({
    '/': event => {
      event.preventDefault();
      search.current?.focus();
    },
  });
  const text = wanted.value.trim().toLowerCase();
  const all = set.policies.filter(rule =>
    `${rule.id} ${rule.reason} ${about(rule)} ${rule.file}`.toLowerCase().includes(text),
  );
  const since = new Date(set.refused_since);
  return (
    <Panel
      title="Rules"
      sub={`${count(set.policies.length)} in force`}
      right={
        <>
          <label class="field rule-search">
            <input ref={search} type="search" placeholder="Find" aria-label="Find a rule" value={wanted.value} onInput={event => (wanted.value = event.currentTarget.value)} />
          </label>
          <span class="faint nowrap" title={`since ${since.toISOString()}, as far as decisions are kept`}>
            refused, 24 h
          </span>
        </>
      }
    >
      {all.length ? (
        <ul class="rule-list">
          {all.slice(0, MOST).map(rule => (
            <Row key={rule.id} rule={rule} current={rule.file === file && rule.line === line} onPick={() => onPick(rule)} />
          ))}
          {all.length > MOST && <li class="body faint">and {plural(all.length - MOST, 'rule')} more: search for them</li>}
        </ul>
      ) : (
        <p class="body muted">{set.policies.length ? 'No rule has these words.' : 'No rule: everything is refused.'}</p>
      )}
    </Panel>
  );
}
