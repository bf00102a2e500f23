// Model versions: what each round left, which one is in production, and two of them compared.
import '../fl/shared';
import { useSignal } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import type { ApiError } from '../data/api';
import { serverNow } from '../data/collector';
import { NO_LOGIN } from '../fl/actions';
import { Ask, Command } from '../fl/ask';
import type { Model } from '../fl/contract';
import { server, session, useServer } from '../fl/server';
import { ago, bytes, fixed, percent } from '../format';
import { Figure, Glyph, Panel } from '../parts';
import { Problem, Skeleton } from '../states';
import { query, runHref, setQuery } from '../view';
import { Compare } from './compare';
import { ModelStore, promotePath, tagPath } from './store';

const NO_EVALUATION = 'It was not evaluated';

type Question =
  | { kind: 'promote'; model: Model }
  | { kind: 'tag'; model: Model }
  | { kind: 'get'; model: Model }
  | { kind: 'rollback' | 'login' };

const age = (created: string) => ago((serverNow() - Date.parse(created)) / 1000);

interface RowProps {
  model: Model;
  /** A, B, or neither. */
  mark: string;
  onPick: () => void;
  onAsk: (question: Question) => void;
}

function Row({ model, mark, onPick, onAsk }: RowProps) {
  const { version, run, round, created, metrics, size, tags } = model;
  return (
    <tr class={mark ? 'lit' : ''}>
      <td>
        <label class="pick-version">
          <input type="checkbox" checked={mark !== ''} aria-label={`Compare ${version}`} onChange={onPick} />
          <b>{mark}</b>
        </label>
      </td>
      <td>
        <a class="mono" href={runHref(run)} title={run}>
          {version}
        </a>{' '}
        {tags.map(tag => (
          <span key={tag} class={`tag ${tag === 'production' ? 'strong' : ''}`}>
            {tag}
          </span>
        ))}
      </td>
      <td class="right wide-only">{round}</td>
      <td class="right">
        <Figure value={metrics.accuracy} format={percent} why="No accuracy was measured" />
      </td>
      <td class="right">
        <Figure value={metrics.loss} format={fixed(3)} why={NO_EVALUATION} />
      </td>
      <td class="right wide-only muted">{bytes(size)}</td>
      <td class="right wide-only faint" title={created}>
        {age(created)}
      </td>
      <td class="right wide-only">
        {(['get', 'tag', 'promote'] as const).map(kind => (
          <button key={kind} class="button ghost" aria-label={`${WORDS[kind]} ${version}`} onClick={() => onAsk({ kind, model } as Question)}>
            {WORDS[kind]}
          </button>
        ))}
      </td>
    </tr>
  );
}

const WORDS = { get: 'Get', tag: 'Tag', promote: 'Promote' };

const Login = ({ onClose }: { onClose: () => void }) => (
  <Ask title="Log in to change models" onClose={onClose}>
    <p class="muted">{NO_LOGIN} In a terminal on the collector’s machine, type</p>
    <Command text={session.value?.command ?? 'fedsight login'} />
    <p class="faint">and open the address that it prints in this browser.</p>
  </Ask>
);

const Get = ({ model, onClose }: { model: Model; onClose: () => void }) => (
  <Ask title={`Get ${model.version}`} onClose={onClose}>
    <p class="muted">A model is copied on the machine that has it, once it is seen to be whole:</p>
    <Command text={`fedsight models get ${model.version} --output model.safetensors`} />
    <dl class="facts">
      <dt>SHA-256</dt>
      <dd class="mono">{model.sha256.slice(0, 24)}…</dd>
    </dl>
  </Ask>
);

interface DialogProps {
  store: ModelStore;
  onClose: () => void;
}

function Tag({ store, model, onClose }: DialogProps & { model: Model }) {
  const name = useSignal('');
  const move = useSignal(false);
  const go = () => {
    onClose();
    const body = { tag: name.value.trim(), move: move.value };
    void store.change(tagPath(model), body, `Tag ${body.tag}`);
  };
  return (
    <Ask title={`Tag ${model.version}`} onClose={onClose} go={['Tag', go]}>
      <p class="muted">1 to 64 letters, digits, “.”, “_” and “-”. What has a tag is never pruned.</p>
      <label class="field">
        <input autofocus aria-label="Tag" maxLength={64} value={name.value} onInput={event => (name.value = event.currentTarget.value)} />
      </label>
      <label class="row">
        <input type="checkbox" checked={move.value} onChange={() => (move.value = !move.value)} />
        Move it if another version has it
      </label>
    </Ask>
  );
}

function Dialog({ store, question, onClose }: DialogProps & { question: Question }) {
  if (question.kind === 'login') return <Login onClose={onClose} />;
  if (question.kind === 'get') return <Get model={question.model} onClose={onClose} />;
  if (question.kind === 'tag') return <Tag store={store} model={question.model} onClose={onClose} />;
  const promoted = question.kind === 'promote' ? question.model : null;
  const path = promoted ? promotePath(promoted) : 'models/rollback';
  const go = () => {
    onClose();
    void store.change(path, {}, 'Production');
  };
  const title = promoted ? `Promote ${promoted.version}?` : 'Roll production back?';
  return (
    <Ask title={title} onClose={onClose} go={[promoted ? 'Promote' : 'Roll back', go]}>
      <p class="muted">
        {promoted
          ? 'It gets the tag “production”, once it is seen to be whole. Rolling back undoes it.'
          : `Production becomes the version that it was before ${store.list.value!.production}.`}
      </p>
    </Ask>
  );
}

const chosen = (): string[] => (query('compare') ?? '').split(',').filter(Boolean).slice(0, 2);

function pick(version: string): void {
  const now = chosen();
  const next = now.includes(version) ? now.filter(one => one !== version) : [...now.slice(-1), version];
  setQuery({ compare: next.join(',') }, 'replace');
}

function Away({ store, error }: { store: ModelStore; error: ApiError }) {
  return (
    <Problem
      title="The model versions could not be read"
      error={error}
      action={<Command text={`fedsight models list${store.run && ` --run ${store.run}`}`} />}
    >
      The FL server lists them. In a terminal they can be had without it:
    </Problem>
  );
}

const Table = ({ store, onAsk }: { store: ModelStore; onAsk: (question: Question) => void }) => (
  <div class="sideways" tabIndex={0} role="group" aria-label="Table of model versions">
    <table class="nodes">
      <thead>
        <tr>
          <th>A, B</th>
          <th>Version</th>
          <th class="right wide-only">Round</th>
          <th class="right">Accuracy, %</th>
          <th class="right">Loss</th>
          <th class="right wide-only">Size</th>
          <th class="right wide-only">Made</th>
          <th class="wide-only">
            <span class="unseen">What can be done</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {store.list.value!.models.map(model => {
          const mark = 'AB'[chosen().indexOf(model.version)] ?? '';
          const take = () => pick(model.version);
          return <Row key={model.version} model={model} mark={mark} onPick={take} onAsk={onAsk} />;
        })}
      </tbody>
    </table>
  </div>
);

function Notes({ store }: { store: ModelStore }) {
  const said = store.said.value;
  const { damaged } = store.list.value!;
  return (
    <>
      {said && (
        <p class={`banner ${said.bad ? '' : 'mild'} run-note`} role="status">
          <Glyph name={said.bad ? 'cross' : 'check'} tone={said.bad ? 'bad' : 'ok'} />
          <span>{said.text}</span>
        </p>
      )}
      {damaged.map(({ version, reason }) => (
        <p key={version} class="banner run-note" role="alert">
          <Glyph name="cross" tone="bad" />
          <span>
            <b class="mono">{version}</b> is damaged: {reason}. It is refused wherever it is asked for.
          </span>
        </p>
      ))}
    </>
  );
}

export function ModelsPage({ id }: { id: string }) {
  document.title = 'Models · fedsight';
  const store = useMemo(() => new ModelStore(id), [id]);
  const open = useSignal<Question | null>(null);
  useEffect(() => () => store.close(), [store]);
  useServer();
  const marks = chosen();
  const key = marks.join(',');
  useEffect(() => {
    if (marks[1]) void store.compare(marks[0]!, marks[1]);
  }, [store, key]);
  const list = store.list.value;
  const error = store.error.value ?? server.value.error;
  if (!list) return error ? <Away store={store} error={error} /> : <Skeleton rows={8} />;
  const onAsk = (question: Question) => {
    const may = session.value?.may_write || question.kind === 'get';
    open.value = may ? question : { kind: 'login' };
  };
  return (
    <div class="nodes-page models-page">
      <Notes store={store} />
      <Panel
        title="Model versions"
        sub={`${list.models.length} of ${list.total}${id && `, run ${id}`}`}
        right={
          <>
            <span class="faint wide-only">production {list.production ?? 'none'}</span>
            <button class="button" disabled={!list.production} onClick={() => onAsk({ kind: 'rollback' })}>
              Roll back
            </button>
          </>
        }
      >
        {list.total ? (
          <Table store={store} onAsk={onAsk} />
        ) : (
          <p class="body muted">No version yet: each round of a run leaves one.</p>
        )}
        {list.models.length < list.total && (
          <button class="button ghost" onClick={() => store.more()}>
            Show more
          </button>
        )}
      </Panel>
      <Compare store={store} chosen={marks} />
      {open.value && <Dialog store={store} question={open.value} onClose={() => (open.value = null)} />}
    </div>
  );
}
