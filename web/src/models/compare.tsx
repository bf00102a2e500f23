// Two versions side by side: every difference is B less A.
import type { ComponentChildren } from 'preact';
import { ApiError } from '../data/api';
import type { Comparison } from '../fl/contract';
import { bytes, signed } from '../format';
import { Figure, Panel } from '../parts';
import { differences, type ModelStore } from './store';

const size = (value: number) => (value < 0 ? '−' : '+') + bytes(Math.abs(value));
const points = (value: number) => signed(2)(100 * value);

const Line = ({ name, children }: { name: string; children: ComponentChildren }) => (
  <>
    <dt>{name}</dt>
    <dd>{children}</dd>
  </>
);

const UNKNOWN = 'One of the two was not evaluated';

function Differences({ found, store }: { found: Comparison; store: ModelStore }) {
  const [a, b] = [found.a, found.b].map(version => store.runs.value.get(version.split('/')[0]!));
  const settings = differences(a, b);
  return (
    <div class="body">
      <dl class="facts">
        <Line name="Accuracy, points">
          <Figure value={found.accuracy_diff} format={points} why={UNKNOWN} />
        </Line>
        <Line name="Loss">
          <Figure value={found.loss_diff} format={signed(4)} why={UNKNOWN} />
        </Line>
        <Line name="Size">
          <Figure value={found.size_diff} format={size} why="A size is not known" />
        </Line>
        <Line name="Rounds">
          <Figure value={found.round_diff} format={signed(0)} why="A round is not known" />
        </Line>
      </dl>
      {a && b && (
        <>
          <h3>Settings that differ</h3>
          {settings.length ? (
            <dl class="facts settings">
              {settings.map(([name, first, second]) => (
                <Line key={name} name={name}>
                  <span class="mono">
                    {first || '—'} → {second || '—'}
                  </span>
                </Line>
              ))}
            </dl>
          ) : (
            <p class="faint">{a.id === b.id ? 'None: both are of one run.' : 'None.'}</p>
          )}
        </>
      )}
    </div>
  );
}

export function Compare({ store, chosen }: { store: ModelStore; chosen: readonly string[] }) {
  const found = store.compared.value;
  const [a, b] = chosen;
  return (
    <Panel title="Compare" sub={b ? 'B less A' : ''}>
      {!b && (
        <p class="body muted">
          {a ? `A is ${a}. Tick another version to compare it with.` : 'Tick two versions to compare them.'}
        </p>
      )}
      {b && (
        <p class="body versions">
          <span class="faint">A</span> <span class="mono">{a}</span>
          <span class="faint">B</span> <span class="mono">{b}</span>
        </p>
      )}
      {b && found instanceof ApiError && <p class="body bad">{found.message}</p>}
      {b && found && !(found instanceof ApiError) && <Differences found={found} store={store} />}
    </Panel>
  );
}
