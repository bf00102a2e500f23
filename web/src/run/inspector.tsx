// One round told in words and figures, beside the page that draws it.
import '../shared';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import type { Event, Phase } from '../data/contract';
import { bytes, clock, count, fixed, percent, plural, seconds, signed } from '../format';
import { Figure, Glyph, Unknown } from '../parts';
import { hoverNode, setQuery } from '../view';
import { figureAt, median, payload, type RoundTable } from './rounds';
import { sentence } from './sentence';
import type { RunStore } from './store';
import { shortCause } from './straggler';
import { step } from './view';
import { replies, waterfall, type Row, type Waterfall } from './waterfall-rows';

const PHASES: Phase[] = ['queued', 'download', 'train', 'upload'];
const SERVER_PHASES: Phase[] = ['aggregate', 'evaluate'];
const TROUBLE = ['CLIENT_FAILED', 'UPDATE_REJECTED', 'CLIENT_SILENT', 'ROUND_FAILED', 'JOURNAL_GAP'];

function Difference({ now, before, format }: {
  now: number | null;
  before: number | null;
  format: (value: number) => string;
}) {
  if (now === null || before === null) return null;
  return (
    <span class="faint" title="Against the round before">
      {' '}
      {format(now - before)}
    </span>
  );
}

const signedBytes = (value: number) => (value < 0 ? '−' : '+') + bytes(Math.abs(value));

function Results({ table, round }: { table: RoundTable; round: number }) {
  const at = (figure: Parameters<typeof figureAt>[1], of = round) => figureAt(table, figure, of);
  const sent = payload(table);
  const [now, before] = [sent[round - table.first] ?? null, sent[round - 1 - table.first] ?? null];
  const evaluated = 'This round was not evaluated';
  return (
    <dl class="facts">
      <dt>Accuracy</dt>
      <dd>
        <Figure value={at('accuracy')} format={percent} unit="%" why="No accuracy was measured" />
        <Difference
          now={at('accuracy')}
          before={at('accuracy', round - 1)}
          format={value => signed(1)(100 * value)}
        />
      </dd>
      <dt>Loss</dt>
      <dd>
        <Figure value={at('loss')} format={fixed(3)} why={evaluated} />
        <Difference now={at('loss')} before={at('loss', round - 1)} format={signed(3)} />
      </dd>
      <dt>Training loss</dt>
      <dd>
        <Figure value={at('train_loss')} format={fixed(3)} why="No client reported one" />
        <Difference now={at('train_loss')} before={at('train_loss', round - 1)} format={signed(3)} />
      </dd>
      <dt>Participants</dt>
      <dd>
        <Figure value={at('participants')} format={count} why="Not recorded" />
        <Figure value={at('selected')} format={value => ` of ${count(value)} selected`} why="Not recorded" />
      </dd>
      <dt>Samples</dt>
      <dd>
        <Figure value={at('samples')} format={count} why="No client reported them" />
      </dd>
      <dt>Payload, down and up</dt>
      <dd>
        <Figure value={now} format={bytes} why="The payload was not counted" />
        {now !== before && <Difference now={now} before={before} format={signedBytes} />}
      </dd>
    </dl>
  );
}

function times(rows: readonly Row[], phase: Phase): number[] {
  return rows.flatMap(row => row.bars.filter(bar => bar.phase === phase).map(bar => bar.seconds));
}

interface PhaseProps {
  phase: Phase;
  middle: number;
  longest: number;
  of: number;
}

const PhaseRow = ({ phase, middle, longest, of }: PhaseProps) => (
  <>
    <span class="muted">{phase}</span>
    <span class="phase-bar">
      <i class={`ph-${phase}`} style={{ width: `${(longest / of) * 100}%` }} />
      <b style={{ left: `${(middle / of) * 100}%` }} />
    </span>
    <span class="right">{seconds(middle)}</span>
    {SERVER_PHASES.includes(phase) ? (
      <span class="right faint">server</span>
    ) : (
      <span class="right muted">{seconds(longest)}</span>
    )}
  </>
);

function Phases({ fall }: { fall: Waterfall }) {
  const back = replies(fall);
  const server = SERVER_PHASES.flatMap(phase => {
    const spans = fall.server.filter(bar => bar.phase === phase);
    return spans.length ? [{ phase, all: spans.map(bar => bar.seconds) }] : [];
  });
  const clients = PHASES.map(phase => ({ phase, all: times(back, phase) }));
  const known = clients.concat(server).filter(({ all }) => all.length);
  if (!known.length) return <p class="muted">No phase of this round was recorded.</p>;
  const of = Math.max(...known.flatMap(({ all }) => all)) || 1;
  return (
    <div class="phases">
      {known.map(({ phase, all }) => (
        <PhaseRow key={phase} phase={phase} middle={median(all)!} longest={Math.max(...all)} of={of} />
      ))}
    </div>
  );
}

const Events = ({ events }: { events: Event[] }) => (
  <ul class="events">
    {events.map(event => (
      <li key={event.id}>
        <Glyph name="triangle" tone={event.kind === 'UPDATE_REJECTED' ? 'warn' : 'bad'} />
        <span>
          {event.node && <b>{event.node} </b>}
          <span class="mono">{event.kind}</span>{' '}
          <span class="muted">{String(event.details.message ?? '')}</span>
        </span>
      </li>
    ))}
  </ul>
);

function ClientCells({ row }: { row: Row }) {
  if (row.status === 'failed' || row.status === 'no_reply') {
    const word = row.status === 'failed' ? 'failed' : 'no reply';
    return (
      <td colSpan={4} class="bad message">
        {word}
        {row.reason && `: ${row.reason}`}
      </td>
    );
  }
  const { train_seconds, samples, train_loss, train_accuracy } = row.client;
  return (
    <>
      <td class="right">
        <Figure value={train_seconds} format={seconds} why="The client did not report it" />
      </td>
      <td class="right">
        <Figure value={samples} format={count} why="The client did not report them" />
      </td>
      <td class="right">
        <Figure value={train_loss} format={fixed(3)} why="The client did not report it" />
      </td>
      <td class="right">
        <Figure value={train_accuracy} format={percent} why="The client did not report it" />
      </td>
    </>
  );
}

const Clients = ({ fall }: { fall: Waterfall }) => (
  <table onPointerLeave={() => (hoverNode.value = null)}>
    <thead>
      <tr>
        <th>Client</th>
        <th class="right">Train</th>
        <th class="right">Samples</th>
        <th class="right">Loss</th>
        <th class="right">Acc., %</th>
      </tr>
    </thead>
    <tbody>
      {fall.rows.map(row => (
        <tr key={row.node} onPointerEnter={() => (hoverNode.value = row.node)}>
          <td class={row.cause ? 'warn' : ''} title={row.cause ? shortCause(row.cause) : undefined}>
            {row.cause && <Glyph name="triangle" />}
            {row.status === 'rejected' && <Glyph name="cross" tone="warn" />} {row.node}
            {row.status === 'rejected' && <span class="warn"> rejected</span>}
          </td>
          <ClientCells row={row} />
        </tr>
      ))}
    </tbody>
  </table>
);

function Head({ table, round }: { table: RoundTable; round: number }) {
  const start = Date.parse(table.started[round - table.first] ?? '');
  const took = figureAt(table, 'seconds', round);
  const end = took === null ? NaN : start + took * 1000;
  const close = () => setQuery({ inspect: null });
  return (
    <header>
      <h2>Round {round}</h2>
      <span class="faint ellipsis">
        {Number.isNaN(start) ? <Unknown why="When it began was not recorded" /> : clock(start)}
        {!Number.isNaN(end) && ` to ${clock(end)}`} UTC
      </span>
      <span class="grow" />
      <button class="button ghost" aria-label="Previous round" onClick={() => step(-1, table)}>
        <kbd>[</kbd>
      </button>
      <button class="button ghost" aria-label="Next round" onClick={() => step(1, table)}>
        <kbd>]</kbd>
      </button>
      <button class="button ghost" aria-label="Close the inspector" onClick={close}>
        <Glyph name="cross" />
      </button>
    </header>
  );
}

export function Inspector({ store, round }: { store: RunStore; round: number }) {
  const table = store.rounds.value;
  const detail = store.detail(round);
  const fall = useMemo(() => detail && waterfall(detail.clients, detail.spans), [detail]);
  const body = useRef<HTMLDivElement>(null);
  useEffect(() => void (body.current!.scrollTop = 0), [round]);
  const said = fall && sentence(figureAt(table, 'seconds', round), fall);
  const trouble = detail?.events.filter(event => TROUBLE.includes(event.kind)) ?? [];
  return (
    <aside class="inspector" aria-label={`Round ${round}`}>
      <Head table={table} round={round} />
      <div ref={body} tabIndex={0} role="region" aria-label={`Figures of round ${round}`}>
        {said && <p class={`why ${said.warns ? 'warns' : ''}`}>{said.text}</p>}
        {trouble.length > 0 && <Events events={trouble} />}
        <h3>Result</h3>
        <Results table={table} round={round} />
        {fall && (
          <>
            <h3>Phases, median and longest</h3>
            <Phases fall={fall} />
            <h3>{plural(fall.rows.length, 'client')}</h3>
            <Clients fall={fall} />
          </>
        )}
      </div>
    </aside>
  );
}
