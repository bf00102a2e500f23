// The run that an alert is about, around the round that it names.
import { useEffect, useMemo } from 'preact/hooks';
import { Chart, type Curve } from '../chart/chart';
import { digits } from '../chart/ticks';
import { CompareStore } from '../compare/store';
import { fixed, timeScale } from '../format';
import type { Line } from '../run/rounds';
import type { Alert } from './contract';

const HEIGHT = 128;

const measured = (line: Line) => line.some(value => value !== null);

const plain = (value: number, step: number) => fixed(digits(step))(value);

export function RunCurves({ alert }: { alert: Alert }) {
  const run = alert.run!;
  const store = useMemo(() => new CompareStore(), [run]);
  useEffect(() => () => store.close(), [store]);
  useEffect(() => store.want([run]), [store, run]);
  const table = store.tables.value.get(run);
  if (store.error.value) return <p class="body muted">The run’s rounds could not be read: {store.error.value.message}</p>;
  if (!table?.round.length) return null;
  const { accuracy, seconds } = table.figures;
  const longest = seconds.reduce<number>((a, b) => Math.max(a, b ?? 0), 0);
  const { unit, per } = timeScale(longest);
  const shared = { rounds: table.round, height: HEIGHT, low: 0, zoom: null, pinned: alert.round, onPin: () => undefined, onZoom: () => undefined };
  const share: Curve[] = [{ label: 'accuracy', values: accuracy, colour: 's1', width: 1.7 }];
  const time: Curve[] = [{ label: 'seconds', values: seconds.map(value => (value === null ? null : value / per)), colour: 's4', stepped: true }];
  return (
    <div class="alert-curves">
      {measured(accuracy) && (
        <>
          <h3>Accuracy, %</h3>
          <Chart {...shared} label="Accuracy by round" curves={share} high={1} tick={value => fixed(0)(100 * value)} />
        </>
      )}
      {measured(seconds) && (
        <>
          <h3>Round time, {unit}</h3>
          <Chart {...shared} label={`Round time by round, ${unit}`} curves={time} tick={plain} />
        </>
      )}
    </div>
  );
}
