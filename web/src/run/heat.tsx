// Clients x rounds: one figure of every client in every round, in a panel.
import { useEffect, useMemo } from 'preact/hooks';
import { Choice, Panel } from '../parts';
import { phone, setQuery, width } from '../view';
import { HeatCanvas } from './heat-canvas';
import { figureOf, HEAT_FIGURES, spread, type HeatFigure, type Span } from './heat-figures';
import type { Figure } from './matrix';
import type { RunStore } from './store';
import { heatFigure, inspecting } from './view';

function Pick({ store, value }: { store: RunStore; value: Figure }) {
  const version = store.matrixVersion.value;
  const clients = [...store.details.value.values()].flatMap(({ clients }) => clients);
  const exists = (key: Figure) =>
    store.matrix.knows(key) || clients.some(client => client[key] !== null);
  const found = useMemo(
    () => HEAT_FIGURES.filter(({ key }) => key === value || exists(key)),
    [version, store.details.value, value],
  );
  const onChange = (metric: Figure) => setQuery({ metric }, 'replace');
  if (phone.value || inspecting() || width.value < 1380) {
    return (
      <select
        class="pick"
        aria-label="Figure of the heat map"
        value={value}
        onChange={event => onChange(event.currentTarget.value as Figure)}
      >
        {found.map(({ key, long }) => (
          <option key={key} value={key}>
            {long}
          </option>
        ))}
      </select>
    );
  }
  const options = found.map(({ key, short }) => [key, short] as const);
  return <Choice label="Figure of the heat map" value={value} options={options} onChange={onChange} />;
}

const Legend = ({ figure, span }: { figure: HeatFigure; span: Span | null }) => (
  <div class="legend">
    {span && (
      <span>
        {figure.text(span.low)} <i class="ramp" /> {figure.text(span.high)}
        {figure.log && <span class="faint">log</span>}
      </span>
    )}
    <span>
      <i class="blank" />
      not selected
    </span>
    <span>
      <svg width="9" height="9" viewBox="0 0 9 9" class="mark-bad" aria-hidden="true">
        <rect width="9" height="9" rx="2" />
        <path d="m2 2 5 5M7 2 2 7" />
      </svg>
      failed or no reply
    </span>
    <span>
      <svg width="9" height="9" viewBox="0 0 9 9" class="mark-rejected" aria-hidden="true">
        <rect width="9" height="9" rx="2" />
        <path d="m1.5 7.5 6-6" />
      </svg>
      rejected
    </span>
  </div>
);

interface HeatProps {
  store: RunStore;
  height: number;
}

export function Heat({ store, height }: HeatProps) {
  const key = heatFigure();
  const figure = figureOf(key);
  useEffect(() => store.want(key), [store, key]);
  const version = store.matrixVersion.value;
  const span = useMemo(() => {
    const values = store.matrix.figures.get(key);
    return values ? spread(values) : null;
  }, [version, key]);
  const { matrix } = store;
  // Nodes of a deployment are known by their first round.
  const empty = !matrix.nodes.length || (store.loaded.value && !matrix.rounds);
  return (
    <Panel
      title="Clients × rounds"
      sub={`${matrix.nodes.length} × ${matrix.rounds}`}
      right={<Pick store={store} value={key} />}
    >
      <div class="body">
        {empty ? (
          <div class="canvas-empty" style={{ height: `${height}px` }}>
            It fills with the first round.
          </div>
        ) : (
          <HeatCanvas store={store} height={height} figure={figure} span={span} />
        )}
        <Legend figure={figure} span={span} />
      </div>
    </Panel>
  );
}
