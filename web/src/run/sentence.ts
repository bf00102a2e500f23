// The sentence with which a round opens: how long it took, who it waited for, why.
import { plural, seconds } from '../format';
import { longCause } from './straggler';
import { replies, type Row, type Waterfall } from './waterfall-rows';

export interface Sentence {
  text: string;
  /** Whether somebody held the round up. */
  warns: boolean;
}

const took = (time: number | null): string =>
  time === null ? 'How long it took was not recorded.' : `Took ${seconds(time)}.`;

function queuedSeconds(row: Row): number {
  const bar = row.bars.find(({ phase }) => phase === 'queued');
  return bar?.seconds ?? row.client.queued_seconds ?? 0;
}

function lastReply(last: Row): string {
  const queued = queuedSeconds(last);
  const waited = last.finish !== null && queued > last.finish / 2;
  const after = waited ? `, which waited ${seconds(queued)} for its turn in the simulation` : '';
  return `The last reply came from ${last.node}${after}.`;
}

function waitedFor(last: Row, slow: Row[], others: Row[]): string {
  const before = Math.max(0, ...others.map(row => row.finish ?? 0));
  const wait = (last.finish ?? 0) - before;
  const who = `${plural(slow.length, 'straggler')}, last ${last.node}: ${longCause(last.cause!)}.`;
  return `${seconds(wait)} of it was waiting for ${who}`;
}

function slowest(slow: Row[]): string {
  const worst = slow.reduce((a, b) => ((b.own ?? 0) > (a.own ?? 0) ? b : a));
  const many = `${plural(slow.length, 'client')} ${slow.length === 1 ? 'was' : 'were'} slow`;
  return `${many}, most of all ${worst.node}: ${longCause(worst.cause!)}.`;
}

export function sentence(time: number | null, fall: Waterfall): Sentence {
  const back = replies(fall);
  if (!fall.rows.length) return { text: `${took(time)} No client was recorded.`, warns: false };
  if (!back.length) return { text: `${took(time)} No client replied.`, warns: true };
  const slow = back.filter(row => row.cause);
  const last = back[0]!;
  const known = last.finish !== null;
  if (known && last.cause && slow.length < back.length && !queuedSeconds(last)) {
    const others = back.filter(row => !row.cause);
    return { text: `${took(time)} ${waitedFor(last, slow, others)}`, warns: true };
  }
  const end = known ? ` ${lastReply(last)}` : '';
  if (slow.length) return { text: `${took(time)} ${slowest(slow)}${end}`, warns: true };
  const none = fall.judgement.threshold === null ? '' : ' No client was beyond median + 3 MAD.';
  return { text: `${took(time)}${none}${end}`, warns: false };
}
