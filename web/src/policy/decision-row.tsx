// One decision: verdict, who, what, and every rule with its reason; opened, all that was judged.
import type { ComponentChildren } from 'preact';
import { serverNow } from '../data/collector';
import { clock } from '../format';
import { Glyph, Unknown, type GlyphName } from '../parts';
import { runHref, setQuery } from '../view';
import type { Decision } from './contract';
import { tabHref } from './links';
import { attributesOf, reasonsOf, valueText, verdictOf, whoOf, type Verdict } from './words';

const VERDICTS: Record<Verdict, [GlyphName, string, string]> = {
  allowed: ['check', 'ok', 'Allowed'],
  denied: ['cross', 'bad', 'Denied'],
  observed: ['triangle', 'warn', 'Observed'],
};

export function VerdictMark({ one }: { one: Decision }) {
  const [glyph, tone, word] = VERDICTS[verdictOf(one)];
  return (
    <span class={`status ${tone}`} title={one.observed ? 'It would have been denied: the engine only observes' : undefined}>
      <Glyph name={glyph} />
      {word}
    </span>
  );
}

/** Today's times as a clock, others with their day. */
function When({ time }: { time: string }) {
  const at = Date.parse(time);
  const today = new Date(serverNow()).toISOString().slice(0, 10) === time.slice(0, 10);
  return (
    <time dateTime={time} title={`${time.slice(0, 10)} ${clock(at)} UTC`} class="faint right">
      {today ? clock(at) : `${time.slice(5, 10)} ${clock(at).slice(0, 5)}`}
    </time>
  );
}

const Reasons = ({ one }: { one: Decision }) => (
  <span class="decision-reasons">
    {reasonsOf(one).map(({ rule, text, bad }, at) => (
      <span key={at} class="decision-reason">
        {rule && <span class={`mono ${bad ? 'bad' : 'faint'}`}>{rule}</span>}
        <span class="muted">{text}</span>
      </span>
    ))}
  </span>
);

const Pairs = ({ pairs }: { pairs: [string, string][] }) => (
  <>
    {pairs.map(([name, value]) => (
      <span key={name} class="pair">
        <span class="faint">{name}</span> {value}
      </span>
    ))}
  </>
);

const Line = ({ name, children }: { name: string; children: ComponentChildren }) => (
  <div>
    <dt>{name}</dt>
    <dd>{children}</dd>
  </div>
);

const narrow = (changes: Record<string, string>) => () => setQuery({ ...changes, decision: null });

/** Ways on: what else is known of the client, and what else its rules decided. */
function Links({ one }: { one: Decision }) {
  return (
    <div class="decision-links">
      {one.client_id && (
        <button class="button" onClick={narrow({ client: one.client_id })}>
          Only {one.client_id}
        </button>
      )}
      {one.because.map(({ id }) => (
        <button key={id} class="button" onClick={narrow({ rule: id })}>
          Only {id}
        </button>
      ))}
      {one.client_id && (
        <a class="button" href={tabHref('trust', { client: one.client_id })}>
          Its trust
        </a>
      )}
    </div>
  );
}

/** All that the decision rests on. */
function Inputs({ one }: { one: Decision }) {
  const { principal, resource, context, left_out_bytes: large } = one.request;
  const asked = Object.entries(context ?? {}).map(([name, value]): [string, string] => [name, valueText(value)]);
  return (
    <dl class="decision-inputs mono">
      <Line name="principal">
        <span class="pair text">
          {principal.type}::"{principal.id}"
        </span>
        <Pairs pairs={attributesOf(principal)} />
      </Line>
      {resource && (
        <Line name="resource">
          <span class="pair text">
            {resource.type}::"{resource.id}"
          </span>
          <Pairs pairs={attributesOf(resource)} />
        </Line>
      )}
      {asked.length > 0 && (
        <Line name="context">
          <Pairs pairs={asked} />
        </Line>
      )}
      {large !== undefined && (
        <Line name="left out">
          <span class="pair text">attributes of a request of {large.toLocaleString()} bytes; the trail has them</span>
        </Line>
      )}
      {one.run && (
        <Line name="run">
          <a class="pair" href={one.round === null ? runHref(one.run) : `${runHref(one.run)}?round=${one.round}`}>
            {one.run}
            {one.round !== null && `, round ${one.round}`}
          </a>
        </Line>
      )}
      {one.errors.length > 0 && (
        <Line name="errors">
          {one.errors.map(text => (
            <span key={text} class="pair bad">
              {text}
            </span>
          ))}
        </Line>
      )}
      {one.obligations.length > 0 && (
        <Line name="obliges">
          {one.obligations.map(text => (
            <span key={text} class="pair">
              {text}
            </span>
          ))}
        </Line>
      )}
      <Line name="policy">
        {one.policy_version ? (
          <a class="pair" href={tabHref('policies', { version: one.policy_version })}>
            {one.policy_version}
          </a>
        ) : (
          <Unknown why="No policy set answered" />
        )}
        <span class="pair">record {one.decision_id}</span>
        <span class="pair" title={`SHA-256 of all that was judged: ${one.inputs}`}>
          <span class="faint">inputs</span> {one.inputs ? `${one.inputs.slice(0, 12)}…` : '—'}
        </span>
      </Line>
    </dl>
  );
}

interface RowProps {
  one: Decision;
  /** Its place among all, from 1. */
  place: number;
  total: number;
  current: boolean;
  open: boolean;
  onToggle: () => void;
}

export const DecisionRow = ({ one, place, total, current, open, onToggle }: RowProps) => (
  <article
    class={`decision ${current ? 'current' : ''} ${open ? 'open' : ''}`}
    data-decision={one.decision_id}
    aria-posinset={place}
    aria-setsize={total}
    aria-label={`Decision ${one.decision_id}`}
  >
    <button class="decision-head" aria-expanded={open} onClick={onToggle}>
      <VerdictMark one={one} />
      <b class="ellipsis">{whoOf(one)}</b>
      <span class="muted ellipsis">{one.action}</span>
      <span class="faint ellipsis wide-only">
        {one.run && `${one.run}${one.round === null ? '' : `, round ${one.round}`}`}
      </span>
      <When time={one.timestamp} />
      <Reasons one={one} />
    </button>
    {open && <Inputs one={one} />}
    {open && <Links one={one} />}
  </article>
);
