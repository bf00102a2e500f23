// The list of alerts: newest first, what each saw and what was expected.
import { serverNow } from '../data/collector';
import { ago } from '../format';
import { Glyph, type GlyphName } from '../parts';
import type { Alert, Severity } from './contract';
import { expected, saw, where } from './words';

const MARKS: Record<Severity, [GlyphName, string]> = {
  critical: ['diamond', 'bad'],
  warning: ['triangle', 'warn'],
  info: ['dot', 'info'],
};

/** How grave it is, by shape and, while it lasts, by colour. */
export function Mark({ alert }: { alert: Alert }) {
  const [glyph, tone] = MARKS[alert.severity];
  return (
    <>
      <Glyph name={glyph} tone={alert.state === 'resolved' ? 'faint' : tone} />
      <span class="unseen">{alert.severity}</span>
    </>
  );
}

function standing(alert: Alert): string {
  if (alert.state === 'resolved') return 'resolved';
  const more = [alert.acknowledged && 'acknowledged', alert.silence !== null && 'silenced'];
  return [alert.state, ...more].filter(Boolean).join(', ');
}

interface RowProps {
  alert: Alert;
  current: boolean;
  onPick: () => void;
}

function Row({ alert, current, onPick }: RowProps) {
  const [value, wanted, place] = [saw(alert), expected(alert), where(alert)];
  return (
    <li>
      <button class="alert" aria-current={current} onClick={onPick}>
        <Mark alert={alert} />
        <span class="mono ellipsis">{alert.type}</span>
        <span class="faint right" title={alert.timestamp}>
          {ago((serverNow() - Date.parse(alert.timestamp)) / 1000)}
        </span>
        <span class="message">{alert.message}</span>
        <span class="muted ellipsis">
          {[place, value && `saw ${value}`, wanted && `expected ${wanted}`].filter(Boolean).join(', ')}
        </span>
        <span class={`right ${alert.state === 'firing' ? 'text' : 'faint'}`}>{standing(alert)}</span>
      </button>
    </li>
  );
}

interface ListProps {
  alerts: readonly Alert[];
  current: number | null;
  onPick: (id: number) => void;
}

export const AlertList = ({ alerts, current, onPick }: ListProps) => (
  <ul class="alert-list">
    {alerts.map(alert => (
      <Row key={alert.id} alert={alert} current={alert.id === current} onPick={() => onPick(alert.id)} />
    ))}
  </ul>
);
