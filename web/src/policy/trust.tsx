// Trust of clients: how it came to be, what moved it, and the threshold below which rules refuse.
import '../chart/shared';
import './shared';
import { useEffect, useMemo } from 'preact/hooks';
import { Chart, type Curve } from '../chart/chart';
import type { ApiError } from '../data/api';
import { now as wall, serverNow } from '../data/collector';
import { Command } from '../fl/ask';
import { ago, clock, duration, fixed, plural, signed } from '../format';
import { Figure, Panel, Unknown } from '../parts';
import { parseRange, formatRange } from '../route';
import { Problem, Skeleton } from '../states';
import { hoverRound, phone, query, runHref, setQuery } from '../view';
import type { Change, TrustCurve, TrustCurves } from './contract';
import { tabHref } from './links';
import { useAgain } from './looking';
import { ask } from './service';
import { highlighted, trustLines, type TrustLines } from './trust-lines';
import { causeText } from './words';

const CLIENTS = 60;
const COLOURED = 4;
const score = fixed(2);

/** The scores, read again and again. */
function useCurves(): [TrustCurves | null, ApiError | null] {
  return useAgain('', () => ask<TrustCurves>('api/v1/trust/history', { limit: CLIENTS }));
}

const where = ({ run, round }: { run: string | null; round: number | null }): string =>
  run === null ? 'by hand' : `${run}${round === null ? '' : `, round ${round}`}`;

const moment = (time: number): string => {
  const at = new Date(time / 1e6);
  return `${at.toISOString().slice(0, 10)} ${clock(at.getTime())} UTC`;
};

/** What the pointer is at: who changed there, and why. */
function ReadOut({ lines, shown }: { lines: TrustLines; shown: string[] }) {
  const at = hoverRound.value === null ? null : hoverRound.value - 1;
  const found = at === null ? undefined : lines.moments[at];
  if (!found) return <p class="trust-read faint">Point at the curves: what moved each of them stands here.</p>;
  const changed = shown.flatMap(client => (lines.changes.get(client)!.get(at!) ?? []).map(change => ({ client, change })));
  return (
    <div class="trust-read">
      <b>{where(found)}</b> <span class="faint">{moment(found.time)}</span>
      {changed.map(({ client, change }, place) => (
        <span key={place} class="pair">
          <b>{client}</b> {score(change.before)} → {score(change.after)}{' '}
          <span class={change.weight < 0 ? 'bad' : 'muted'}>
            {causeText(change.cause)} {change.weight !== 0 && `(${signed(2)(change.weight)})`}
          </span>
        </span>
      ))}
      {!changed.length && <span class="faint">none of the coloured ones changed</span>}
    </div>
  );
}

function curvesOf({ clients, min_trust: floor }: TrustCurves, lines: TrustLines, shown: string[]): Curve[] {
  const others = clients.filter(({ client }) => !shown.includes(client));
  return [
    ...others.map(({ client }) => ({ label: client, values: lines.lines.get(client)!, colour: 'faint', width: 1, alpha: 0.35, stepped: true })),
    ...shown.map((client, at) => ({ label: client, values: lines.lines.get(client)!, colour: `s${at + 1}`, width: 1.8, stepped: true })),
    ...(floor === null ? [] : [{ label: 'threshold', values: lines.moments.map(() => floor), colour: 'warn-mark', width: 1.2, dash: [5, 4] }]),
  ];
}

interface CurvesProps {
  found: TrustCurves;
  lines: TrustLines;
  shown: string[];
}

function Curves({ found, lines, shown }: CurvesProps) {
  const curves = useMemo(() => curvesOf(found, lines, shown), [found, lines, shown.join()]);
  const places = useMemo(() => lines.moments.map((_, at) => at + 1), [lines]);
  const zoom = parseRange(query('zoom'));
  const pick = (place: number) => setQuery({ at: place === Number(query('at')) ? null : place }, 'replace');
  return (
    <div class="body">
      <Chart
        label={`Trust of ${plural(found.clients.length, 'client')} over ${plural(places.length, 'moment')} at which any of them changed`}
        rounds={places}
        curves={curves}
        height={phone.value ? 210 : 280}
        low={0}
        high={1}
        tick={value => score(value)}
        zoom={zoom}
        pinned={Number(query('at')) || null}
        onPin={pick}
        onZoom={range => setQuery({ zoom: range && formatRange(range) }, 'replace')}
      />
      <ReadOut lines={lines} shown={shown} />
      <div class="legend">
        {shown.map((client, at) => (
          <span key={client}>
            <i class={`back-s${at + 1}`} />
            {client}
          </span>
        ))}
        {found.clients.length > shown.length && (
          <span>
            <i class="trust-others" />
            others
          </span>
        )}
        {found.min_trust !== null && (
          <span>
            <i class="trust-floor" />
            min_trust {score(found.min_trust)}
          </span>
        )}
      </div>
    </div>
  );
}

function Clients({ found, picked }: { found: TrustCurves; picked: string | null }) {
  const floor = found.min_trust;
  return (
    <div class="sideways trust-clients" tabIndex={0} role="group" aria-label="Trust of each client">
      <table>
        <thead>
          <tr>
            <th>Client</th>
            <th class="right">Trust</th>
            <th>Last cause</th>
            <th class="right wide-only">When</th>
          </tr>
        </thead>
        <tbody>
          {found.clients.map(({ client, score: now, changes }) => {
            const last = changes.at(-1);
            const below = floor !== null && now < floor;
            return (
              <tr key={client} class={client === picked ? 'chosen' : ''}>
                <td>
                  <a href={tabHref('trust', { client: client === picked ? null : client })} aria-current={client === picked ? 'true' : undefined}>
                    <b>{client}</b>
                  </a>
                </td>
                <td class={`right ${below ? 'bad' : ''}`} title={below ? 'below the threshold' : undefined}>
                  {score(now)}
                  {below && <span class="unseen"> below the threshold</span>}
                </td>
                <td class="muted">{last ? causeText(last.cause) : <Unknown why="Its changes are not kept any more" />}</td>
                <td class="right faint wide-only">{last && ago(serverNow() / 1000 - last.time / 1e9)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

const ROWS = 100;

const ChangeRow = ({ change }: { change: Change }) => (
  <tr>
    <td class="faint" title={moment(change.time)}>
      {ago(serverNow() / 1000 - change.time / 1e9)}
    </td>
    <td>{change.run ? <a href={`${runHref(change.run)}${change.round === null ? '' : `?round=${change.round}`}`}>{where(change)}</a> : where(change)}</td>
    <td class={change.weight < 0 ? 'bad' : ''}>
      {causeText(change.cause)}
      {change.note && <span class="faint"> {change.note}</span>}
    </td>
    <td class="right">{change.weight === 0 ? '' : signed(2)(change.weight)}</td>
    <td class="right">
      {score(change.before)} → {score(change.after)}
    </td>
  </tr>
);

/** How one client's score came to be, and how it is reset. */
function Story({ one }: { one: TrustCurve }) {
  const shown = one.changes.slice(-ROWS).reverse();
  return (
    <Panel
      title={one.client}
      sub={`${plural(one.changes.length, 'change')}, newest first`}
      right={
        <a class="button" href={tabHref('decisions', { client: one.client })}>
          Its decisions
        </a>
      }
    >
      <div class="sideways trust-story" tabIndex={0} role="group" aria-label={`Changes of the trust of ${one.client}`}>
        <table>
          <thead>
            <tr>
              <th>When</th>
              <th>Where</th>
              <th>Cause</th>
              <th class="right">Weight</th>
              <th class="right">Trust</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((change, at) => (
              <ChangeRow key={at} change={change} />
            ))}
          </tbody>
        </table>
      </div>
      <div class="body trust-reset">
        <p class="muted">An administrator sets it back to knowing nothing, where the policy lets him; it is a change with his name:</p>
        <Command text={`fedsight policy trust reset ${/^[\w.-]+$/.test(one.client) ? one.client : `'${one.client.replaceAll("'", "'\\''")}'`} --reason "…"`} />
      </div>
    </Panel>
  );
}

export function Trust() {
  const [found, error] = useCurves();
  const lines = useMemo(() => (found ? trustLines(found.clients) : null), [found]);
  void wall.value; // ages grow
  useEffect(() => () => void (hoverRound.value = null), []);
  if (!found || !lines) {
    if (!error) return <Skeleton rows={8} />;
    return (
      <Problem title="The trust of clients could not be read" error={error} action={<a class="button" href={tabHref('decisions')}>Decisions</a>}>
        Nothing is lost: it is in the data directory of the policy service.
      </Problem>
    );
  }
  if (!found.clients.length) {
    return (
      <Panel title="Trust" sub={`everybody begins at ${score(found.initial)}`}>
        <div class="policy-empty">
          <p>Nothing is known of any client yet.</p>
          <p class="muted">
            Rounds of a governed run are the evidence: <span class="mono">fedsight run --policy policy</span>
          </p>
        </div>
      </Panel>
    );
  }
  const picked = found.clients.find(({ client }) => client === query('client')) ?? null;
  const shown = highlighted(found.clients, picked?.client ?? null, COLOURED);
  const part = found.clients.length < found.total ? `the lowest ${found.clients.length} of ${found.total}` : plural(found.total, 'client');
  const floor = <Figure value={found.min_trust} format={value => `threshold ${score(value)}`} why="The policy set has no min_trust" />;
  return (
    <div class="trust-page">
      <Panel title="Trust" sub={<>{floor}, evidence halves every {duration(found.half_life_seconds)}</>}>
        {lines.moments.length ? <Curves found={found} lines={lines} shown={shown} /> : <p class="body muted">No change is kept.</p>}
      </Panel>
      <Panel title="Clients" sub={part}>
        <Clients found={found} picked={picked?.client ?? null} />
      </Panel>
      {picked && <Story one={picked} />}
    </div>
  );
}
