// The table of keys that `?` shows.
import { useLayoutEffect, useRef } from 'preact/hooks';
import { dialog, page } from '../view';

const ANYWHERE: [string, string][] = [
  ['Ctrl K', 'jump to a run, a page or a round'],
  ['g r', 'runs; c compare, n nodes, m models, p policy, a alerts, t telemetry'],
  ['?', 'show the keys'],
];
const RUNS: [string, string][] = [
  ['/', 'search'],
  ['j k', 'next and previous run'],
  ['Enter', 'open the run'],
  ['x', 'pick the run, or let it go'],
  ['c', 'compare the picked runs'],
];
const COMPARE: [string, string][] = [['Esc', 'back']];
const NODES: [string, string][] = [['/', 'search']];
const POLICY: [string, string][] = [
  ['j k', 'next and previous decision'],
  ['Enter', 'open the decision, or close it'],
  ['/', 'search'],
];
const RUN: [string, string][] = [
  ['[ ]', 'previous and next round'],
  ['l', 'back to the newest round'],
  ['i', 'inspect the round'],
  ['arrows', 'move in the heat map, once it has the focus'],
  ['Enter', 'open the round of the cell'],
  ['Esc', 'back: inspector, round, zoom'],
];

const Table = ({ title, keys }: { title: string; keys: [string, string][] }) => (
  <>
    <h3>{title}</h3>
    <dl>
      {keys.map(([key, what]) => (
        <div key={key}>
          <dt>
            {key.split(' ').map(part => (
              <kbd key={part}>{part}</kbd>
            ))}
          </dt>
          <dd>{what}</dd>
        </div>
      ))}
    </dl>
  </>
);

export function KeysDialog() {
  const box = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => box.current!.showModal(), []);
  const close = () => (dialog.value = null);
  return (
    <dialog ref={box} class="keys" aria-label="Keys" onClose={close}>
      <header class="row">
        <h2 class="grow">Keys</h2>
        <button class="button ghost" onClick={close}>
          Close
        </button>
      </header>
      <Table title="Anywhere" keys={ANYWHERE} />
      {page.value === 'runs' && <Table title="Runs" keys={RUNS} />}
      {page.value === 'compare' && <Table title="Compare" keys={COMPARE} />}
      {page.value === 'nodes' && <Table title="Nodes" keys={NODES} />}
      {page.value === 'policy' && <Table title="Policy" keys={POLICY} />}
      {page.value === 'run' && <Table title="Run" keys={RUN} />}
    </dialog>
  );
}
