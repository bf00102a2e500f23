// The nodes of a run: one row each, columns of which anything is known.
import type { ComponentChildren } from 'preact';
import { ago, duration, fixed, seconds } from '../format';
import { Figure, Glyph, Meter, Unknown } from '../parts';
import { tipFor } from '../tip';
import { hoverNode } from '../view';
import type { NodeFigures } from './figures';
import type { Now } from './now';
import { tabHref } from '../policy/links';
import { since, type Refusal } from './refusals';

export interface NodeRow {
  figures: NodeFigures;
  now: Now | null;
  online: boolean | null;
  silentFor: number | null;
  kind: string | null;
  partition: number | null;
  tags: string[];
  offers: string | null;
  seen: number | null;
  refused: Refusal | null;
}

interface Column {
  title: string;
  hint?: string;
  right?: boolean;
  wide?: boolean;
  /** Whether anything is known of this node; a column of nothing is not there. */
  has: (row: NodeRow) => boolean;
  cell: (row: NodeRow, rounds: number) => ComponentChildren;
}

const always = () => true;

function Name({ row }: { row: NodeRow }) {
  const gone = row.online === false;
  const tone = gone ? 'bad' : row.online ? 'ok' : 'faint';
  return (
    <span class="row tight">
      <Glyph name={gone ? 'dashes' : row.online ? 'dot' : 'blank'} tone={tone} />
      <b>{row.figures.node}</b>
      {row.tags.map(tag => (
        <span key={tag} class="tag">
          {tag}
        </span>
      ))}
    </span>
  );
}

const NowCell = ({ now, silentFor }: NodeRow) =>
  now ? (
    <span class={now.tone}>
      {now.text}
      {silentFor !== null && ` for ${duration(silentFor)}`}
    </span>
  ) : (
    <Unknown why="No round was recorded yet" />
  );

const few = (value: number) => (value ? String(value) : '');

const COLUMNS: Column[] = [
  { title: 'Node', has: always, cell: row => <Name row={row} /> },
  { title: 'Now', has: always, cell: NowCell },
  {
    title: 'Policy',
    hint: 'The newest that the policy refused it, and why',
    has: row => row.refused !== null,
    cell: ({ refused, figures: { node } }) =>
      refused && (
        <a class="warn" href={tabHref('decisions', { client: node, verdict: 'denied' })}>
          {`${since(refused)}: ${refused.message}`}
        </a>
      ),
  },
  { title: 'Kind', wide: true, has: row => row.kind !== null, cell: row => <span class="faint">{row.kind}</span> },
  {
    title: 'Part',
    hint: 'Its part of the data',
    right: true,
    wide: true,
    has: row => row.partition !== null,
    cell: row => row.partition,
  },
  { title: 'Offers', wide: true, has: row => row.offers !== null, cell: row => <span class="faint">{row.offers}</span> },
  {
    title: 'Seen',
    wide: true,
    has: row => row.seen !== null,
    cell: row => <Figure value={row.seen} format={ago} why="Nobody watches its polls" />,
  },
  {
    title: 'Trained',
    hint: 'Rounds with a usable update, of those it was asked in; the bar: of all rounds',
    has: always,
    cell: ({ figures: { trained, asked } }, rounds) => (
      <span class="row">
        <span class="count">
          {trained}
          <span class="faint">/{asked}</span>
        </span>
        <Meter ratio={rounds ? trained / rounds : 0} tone="wide-only" />
      </span>
    ),
  },
  {
    title: 'Failed',
    hint: 'It raised, or did not reply',
    right: true,
    wide: true,
    has: row => row.figures.failed + row.figures.missed > 0,
    cell: row => <span class="bad">{few(row.figures.failed + row.figures.missed)}</span>,
  },
  {
    title: 'Refused',
    hint: 'Its update was not averaged in',
    right: true,
    wide: true,
    has: row => row.figures.rejected > 0,
    cell: row => <span class="warn">{few(row.figures.rejected)}</span>,
  },
  {
    title: 'Train',
    hint: 'Median of its rounds',
    right: true,
    has: always,
    cell: row => <Figure value={row.figures.train} format={seconds} why="It never told how long it trained" />,
  },
  {
    title: 'Upload',
    hint: 'Median of its rounds',
    right: true,
    wide: true,
    has: row => row.figures.upload !== null,
    cell: row => <Figure value={row.figures.upload} format={seconds} why="It never sent an update" />,
  },
  {
    title: 'Loss',
    hint: 'Training loss of its last round',
    right: true,
    wide: true,
    has: always,
    cell: row => <Figure value={row.figures.loss} format={fixed(3)} why="It never told a loss" />,
  },
  {
    title: 'Data',
    hint: 'Its share of all samples',
    right: true,
    wide: true,
    has: row => row.figures.dataShare !== null,
    cell: ({ figures: { dataShare } }) => (
      <Figure value={dataShare && 100 * dataShare} format={fixed(1)} unit="%" why="It never told how many samples it has" />
    ),
  },
];

interface TableProps {
  rows: readonly NodeRow[];
  /** All of them, of which `rows` are some: they decide which columns there are. */
  all: readonly NodeRow[];
  rounds: number;
}

export function NodeTable({ rows, all, rounds }: TableProps) {
  const columns = COLUMNS.filter(({ has }) => all.some(has));
  const side = ({ right, wide }: Column) => `${right ? 'right' : ''} ${wide ? 'wide-only' : ''}`;
  return (
    <table class="nodes">
      <thead>
        <tr>
          {columns.map(column => (
            <th key={column.title} class={side(column)} {...(column.hint ? tipFor(column.hint) : {})}>
              {column.title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(row => (
          <tr
            key={row.figures.node}
            class={hoverNode.value === row.figures.node ? 'lit' : ''}
            onPointerEnter={() => (hoverNode.value = row.figures.node)}
            onPointerLeave={() => (hoverNode.value = null)}
          >
            {columns.map(column => (
              <td key={column.title} class={side(column)}>
                {column.cell(row, rounds)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
