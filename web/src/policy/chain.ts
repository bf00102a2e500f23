// The audit chain as a row of bars. Pure.
import type { AuditState } from './contract';

export type Bar = 'proven' | 'unproven' | 'newest' | 'broken' | 'lost';

/** Each bar stands for as many records, oldest first. A record that was found wrong makes all that
 *  follow it doubtful; what was recorded after the last verification is not proven yet. */
export function barsOf({ records, first, verified }: Pick<AuditState, 'records' | 'first' | 'verified'>, most: number): Bar[] {
  const many = records - first + 1;
  if (many <= 0) return [];
  const bars = Math.min(most, many);
  return Array.from({ length: bars }, (_, at): Bar => {
    const from = first + Math.floor((at * many) / bars);
    const to = first + Math.floor(((at + 1) * many) / bars) - 1;
    if (!verified) return 'unproven';
    if (verified.ok) return to <= verified.last ? (at === bars - 1 ? 'newest' : 'proven') : 'unproven';
    const wrong = verified.seq ?? first;
    if (to < wrong) return 'proven';
    return from <= wrong ? 'broken' : 'lost';
  });
}
