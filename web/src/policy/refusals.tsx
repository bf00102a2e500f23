// Who was refused by which rule, how often, and when. A click goes to the decisions.
import './shared';
import type { ApiError } from '../data/api';
import { serverNow } from '../data/collector';
import { ago, clock, count, duration, percent, plural } from '../format';
import { Panel } from '../parts';
import { Problem, Skeleton } from '../states';
import { phone } from '../view';
import type { RefusalRow, RefusalTable } from './contract';
import { FilterBar, filtersOfUrl } from './decisions';
import { tabHref } from './links';
import { useAgain } from './looking';
import { ask } from './service';
import { askedFor, type Filters } from './words';

/** What is said where nothing permitted a request: no rule that one could filter by. */
const NO_PERMIT = 'no rule permits it';
const COLUMNS = 12;
const COLUMNS_PHONE = 3;

/** The table for these filters, read again and again. */
function useTable(filters: Filters): [RefusalTable | null, ApiError | null] {
  return useAgain(JSON.stringify(filters), () =>
    ask<RefusalTable>('api/v1/refusals', askedFor(filters, serverNow())),
  );
}

const nameOf = ({ rule, reason }: RefusalRow): string => rule ?? reason;

/** Decisions that were refused for this, by this client; kept: what was filtered already. */
const decisionsOf = (row: RefusalRow, filters: Filters, client?: string): string =>
  tabHref('decisions', {
    ...filters,
    verdict: 'denied',
    rule: row.rule,
    text: row.rule || row.reason !== NO_PERMIT ? (filters.text ?? null) : NO_PERMIT,
    ...(client ? { client } : {}),
  });

const tint = (value: number, most: number): string => (value ? `heat-${1 + Math.min(3, Math.floor((4 * value) / (most + 1)))}` : '');

function Matrix({ table, filters }: { table: RefusalTable; filters: Filters }) {
  const shown = table.clients.slice(0, phone.value ? COLUMNS_PHONE : COLUMNS);
  const most = Math.max(1, ...table.rules.flatMap(row => Object.values(row.clients)));
  const more = table.clients.length + table.clients_left_out - shown.length;
  return (
    <div class="sideways" tabIndex={0} role="group" aria-label="Refusals by rule and client">
      <table class="refusals">
        <thead>
          <tr>
            <th>Rule</th>
            <th class="right">All</th>
            {shown.map(({ client }) => (
              <th key={client} class="right ellipsis" title={client}>
                {client}
              </th>
            ))}
            {more > 0 && <th class="right">{count(more)} more</th>}
            <th class="right wide-only">Last</th>
          </tr>
        </thead>
        <tbody>
          {table.rules.map(row => (
            <tr key={nameOf(row)}>
              <td class="refusal-rule">
                <a class={row.rule ? 'mono' : ''} href={decisionsOf(row, filters)}>
                  {nameOf(row)}
                </a>
                {row.rule && <span class="faint">{row.reason}</span>}
              </td>
              <td class="right">
                <b>{count(row.count)}</b>
              </td>
              {shown.map(({ client }) => {
                const value = row.clients[client] ?? 0;
                return (
                  <td key={client} class={`right refusal-cell ${tint(value, most)}`}>
                    {value > 0 && (
                      <a href={decisionsOf(row, filters, client)} aria-label={`${value} refusals of ${client} by ${nameOf(row)}`}>
                        {count(value)}
                      </a>
                    )}
                  </td>
                );
              })}
              {more > 0 && (
                <td class="right faint">
                  {count(row.count - shown.reduce((sum, { client }) => sum + (row.clients[client] ?? 0), 0)) || ''}
                </td>
              )}
              <td class="right faint wide-only" title={row.last}>
                {ago((serverNow() - Date.parse(row.last)) / 1000)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A bar is at most so many pixels wide. */
const WIDEST = 48;
/** The chart is at least so wide, for the times beneath it. */
const NARROWEST = 300;
const WIDE = 1000;
const HIGH = 100;

/** Refusals in each step of time, one band a rule: bars of counts that begin at 0. */
function OverTime({ table }: { table: RefusalTable }) {
  const steps = table.rules[0]?.steps.length ?? 0;
  const rules = table.rules.slice(0, 6);
  const sums = Array.from({ length: steps }, (_, at) => rules.reduce((sum, row) => sum + row.steps[at]!, 0));
  const most = Math.max(1, ...sums);
  const wide = WIDE / steps;
  const widest = (WIDE * WIDEST) / Math.max(NARROWEST, steps * WIDEST);
  const start = Date.parse(table.start!);
  const end = start + steps * table.step_seconds * 1000;
  const at = (time: number) => `${new Date(time).toISOString().slice(5, 10)} ${clock(time)}`;
  return (
    <div class="body" style={{ maxWidth: `${Math.max(NARROWEST, steps * WIDEST)}px` }}>
      <div class="refusal-time">
        <span class="faint right">{count(most)}</span>
        <svg viewBox={`0 0 ${WIDE} ${HIGH}`} preserveAspectRatio="none" role="img" aria-label={`Refusals over time: at most ${most} in ${duration(table.step_seconds)}, from ${at(start)} to ${at(end)} UTC`}>
          {sums.map((_, step) => {
            let top = HIGH;
            return rules.map((row, rule) => {
              const high = (row.steps[step]! / most) * HIGH;
              top -= high;
              return high ? <rect key={`${step} ${rule}`} class={`fill-s${rule + 1}`} x={step * wide} y={top} width={Math.max(1, Math.min(wide, widest) - (steps > 40 ? 2 : 4))} height={high} /> : null;
            });
          })}
        </svg>
      </div>
      <div class="refusal-ends faint">
        <span>{at(start)}</span>
        <span>a bar is {duration(table.step_seconds)}</span>
        <span>{at(end)} UTC</span>
      </div>
      <div class="legend">
        {rules.map((row, rule) => (
          <span key={nameOf(row)}>
            <i class={`back-s${rule + 1}`} />
            {nameOf(row)}
          </span>
        ))}
        {table.rules.length > rules.length && <span class="faint">{plural(table.rules.length - rules.length, 'rule')} more are not drawn</span>}
      </div>
    </div>
  );
}

function said({ refused, decisions }: RefusalTable): string {
  if (!decisions) return 'no decision fits';
  return `${count(refused)} of ${plural(decisions, 'decision')} refused, ${percent(refused / decisions)} %`;
}

export function Refusals() {
  const filters = filtersOfUrl();
  const [table, error] = useTable(filters);
  if (!table) {
    if (!error) return <Skeleton rows={8} />;
    return (
      <Problem title="The refusals could not be read" error={error} action={<a class="button" href={tabHref('decisions')}>Decisions</a>}>
        Nothing is lost: they are in the audit trail.
      </Problem>
    );
  }
  const since = table.since ? `kept since ${table.since.slice(0, 16).replace('T', ' ')} UTC` : 'none are kept yet';
  return (
    <div class="policy-stack">
      <FilterBar filters={filters} />
      <Panel title="Refusals by rule and client" sub={said(table)} right={<span class="faint wide-only">decisions {since}</span>}>
        {table.rules.length ? (
          <Matrix table={table} filters={filters} />
        ) : (
          <p class="body muted">{table.decisions ? 'Nobody was refused.' : 'Nothing was decided.'}</p>
        )}
        {table.rules_left_out > 0 && <p class="body faint">{plural(table.rules_left_out, 'rule')} with fewer refusals are not shown.</p>}
      </Panel>
      {table.rules.length > 0 && (
        <Panel title="Over time" sub="a refusal by several rules counts for each">
          <OverTime table={table} />
        </Panel>
      )}
    </div>
  );
}
