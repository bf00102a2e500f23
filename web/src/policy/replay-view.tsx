// What a replay found: what would have been answered otherwise, by which rule, to whom.
import { count, plural, seconds } from '../format';
import { Glyph, Panel } from '../parts';
import type { Flip, Found } from './edit-contract';
import { tabHref } from './links';

interface Way {
  allowed: boolean;
  word: string;
  tone: string;
  glyph: 'check' | 'cross';
}
const REFUSED: Way = { allowed: false, word: 'now denied', tone: 'bad', glyph: 'cross' };
const ALLOWED: Way = { allowed: true, word: 'now allowed', tone: 'ok', glyph: 'check' };

const Big = ({ value, word, tone }: { value: number; word: string; tone: string }) => (
  <div>
    <div class={`flip-figure ${value ? tone : ''}`}>{count(value)}</div>
    <div class="faint">{word}</div>
  </div>
);

export function Summary({ found, took, range }: { found: Found; took: number; range: string }) {
  const flips = found.refused + found.allowed;
  return (
    <Panel title="What would change" sub={`${plural(found.requests, 'decision')} of ${range} replayed in ${seconds(took)}`}>
      <div class="flip-figures">
        <Big value={found.requests - flips} word="unchanged" tone="" />
        <Big value={found.refused} word="allowed → denied" tone="bad" />
        <Big value={found.allowed} word="denied → allowed" tone="ok" />
        <Big value={found.unjudged} word="could not be judged, so denied" tone="warn" />
      </div>
      <p class="body muted">
        {!found.requests
          ? 'No decision was recorded in this range.'
          : !flips
            ? 'Each would have been answered as it was.'
            : `${plural(flips, 'answer')} would have been another. ${plural(found.judged, 'different request')} ${found.judged === 1 ? 'was' : 'were'} judged.`}
      </p>
      {found.unjudged > 0 && (
        <ul class="why-unjudged" aria-label="Why requests could not be judged">
          {Object.entries(found.why_unjudged)
            .sort((a, b) => b[1] - a[1])
            .map(([why, times]) => (
              <li key={why}>
                <b class="right">{count(times)}</b> <span class="muted">{why}</span>
              </li>
            ))}
        </ul>
      )}
    </Panel>
  );
}

const MOST = 100;

interface Both {
  name: string;
  refused: number;
  allowed: number;
}

function joined(refused: Record<string, number>, allowed: Record<string, number>): Both[] {
  const names = [...new Set([...Object.keys(refused), ...Object.keys(allowed)])];
  return names
    .map(name => ({ name, refused: refused[name] ?? 0, allowed: allowed[name] ?? 0 }))
    .sort((a, b) => b.refused + b.allowed - a.refused - a.allowed || a.name.localeCompare(b.name));
}

interface TableProps {
  title: string;
  head: string;
  refused: Record<string, number>;
  allowed: Record<string, number>;
}

export function Flips({ title, head, refused, allowed }: TableProps) {
  const rows = joined(refused, allowed);
  return (
    <Panel title={title} sub={plural(rows.length, head)}>
      <div class="sideways flip-table" tabIndex={0} role="group" aria-label={title}>
        <table>
          <thead>
            <tr>
              <th>{head[0]!.toUpperCase() + head.slice(1)}</th>
              <th class="right">Now denied</th>
              <th class="right">Now allowed</th>
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, MOST).map(row => (
              <tr key={row.name}>
                <td class="mono">{row.name}</td>
                <td class={`right ${row.refused ? 'bad' : 'faint'}`}>{count(row.refused)}</td>
                <td class={`right ${row.allowed ? 'ok' : 'faint'}`}>{count(row.allowed)}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {rows.length > MOST && <p class="body faint">and {count(rows.length - MOST)} more</p>}
      </div>
    </Panel>
  );
}

const moment = (nanoseconds: number): string =>
  new Date(nanoseconds / 1e6).toISOString().slice(0, 19).replace('T', ' ');

const Example = ({ flip, way }: { flip: Flip; way: Way }) => (
  <li>
    <a class="flip" href={tabHref('decisions', { decision: flip.seq })}>
      <span class={`status ${way.tone}`}>
        <Glyph name={way.glyph} /> {way.word}
      </span>
      <span class="ellipsis">
        <b>{flip.client}</b> <span class="muted">{flip.action}</span>
      </span>
      <span class="faint nowrap when">
        {moment(flip.time)} · {flip.seq}
      </span>
      <span class="mono muted rules">
        {(way.allowed ? flip.before : flip.rules).join(', ') || 'no rule'}
        <span class="faint">{way.allowed ? ' refused it then' : ' would refuse it'}</span>
      </span>
    </a>
  </li>
);

export function Examples({ found }: { found: Found }) {
  const of = (way: Way) => found.examples.filter(flip => flip.allowed === way.allowed);
  return (
    <Panel title="Examples" sub="each opens to its decision">
      <ul class="flip-list">
        {[REFUSED, ALLOWED].flatMap(way => of(way).map(flip => <Example key={flip.seq} flip={flip} way={way} />))}
      </ul>
    </Panel>
  );
}
