// Policies: the rules in force, an editor for a draft of the set, what is said of it, and versions.
import './edit-shared';
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { useServer } from '../fl/server';
import { plural } from '../format';
import { Glyph, Panel } from '../parts';
import { wholeNumber } from '../route';
import { Skeleton } from '../states';
import { query, setQuery } from '../view';
import { Checks } from './checks';
import { draft, edits, kept } from './draft-kept';
import { Dialog, type Question } from './edit-dialogs';
import type { PolicySet, Version } from './edit-contract';
import { behind, clash, current, failure, files, locked, rebase, remove, said, set, watched, write } from './edit-store';
import { Denied, Unread } from './edit-states';
import { Editor } from './editor';
import { tabHref } from './links';
import { RulesPanel } from './rules-panel';
import { VersionsPanel } from './versions-panel';

const FIXED = new Set(['federation.toml', 'fedsight.cedarschema']);

/** Why the draft cannot be applied; null where it can. */
function obstacle(): string | null {
  if (locked.value) return locked.value;
  if (!edits.value.length) return 'Nothing was edited.';
  if (behind.value) return 'The set was changed meanwhile: put the draft on it first.';
  const looked = current.value;
  if (!looked) return 'It is being looked at.';
  if (!looked.tried) return looked.error;
  return looked.tried.ok ? null : 'Mend what is wrong first.';
}

function Notes({ now, onAsk }: { now: PolicySet; onAsk: (question: Question) => void }) {
  return (
    <>
      {now.fault && (
        <p class="banner" role="alert">
          <Glyph name="triangle" tone="bad" />
          <span>
            <b>The folder’s set is not in force</b>: {now.fault}. Version {now.number ?? now.version} stays in force; what is
            applied here replaces what lies in the folder.
          </span>
        </p>
      )}
      {now.observe && (
        <p class="banner mild" role="status">
          <Glyph name="triangle" tone="warn" />
          <span>The service only observes: it allows everything, and records what it would have refused.</span>
        </p>
      )}
      {behind.value && (
        <p class="banner mild" role="alert">
          <Glyph name="triangle" tone="warn" />
          <span>
            <b>Somebody changed the set after this draft began.</b> Version {now.number} is in force; the draft is of version{' '}
            {draft.value!.number}.
          </span>
          <span class="grow" />
          <button class="button" onClick={() => onAsk({ kind: 'draft' })}>
            Compare
          </button>
          <button class="button" onClick={rebase}>
            Put the draft on it
          </button>
        </p>
      )}
      {clash.value.length > 0 && (
        <p class="banner mild" role="alert">
          <Glyph name="triangle" tone="warn" />
          <span>
            <b>Changed by both: {clash.value.join(', ')}.</b> The draft has yours; look at the difference before you apply it.
          </span>
          <span class="grow" />
          <button class="button" onClick={() => onAsk({ kind: 'draft' })}>
            Compare
          </button>
        </p>
      )}
      {!kept.value && (
        <p class="banner mild" role="alert">
          <Glyph name="triangle" tone="warn" />
          <span>The draft is too large for this browser to keep: a reload would lose it.</span>
        </p>
      )}
      {said.value && (
        <p class={`banner ${said.value.bad ? '' : 'good'}`} role="status">
          <Glyph name={said.value.bad ? 'cross' : 'check'} tone={said.value.bad ? 'bad' : 'ok'} />
          <span>{said.value.text}</span>
        </p>
      )}
    </>
  );
}

interface BarProps {
  now: PolicySet;
  file: string;
  onFile: (name: string) => void;
  onAsk: (question: Question) => void;
}

function FileBar({ now, file, onFile, onAsk }: BarProps) {
  const wrong = new Set(current.value?.tried?.faults.map(fault => fault.file));
  const names = [...new Set([...Object.keys(files.value), ...Object.keys(now.files)])].sort();
  return (
    <nav class="file-bar" aria-label="Files of the set">
      {names.map(name => {
        const gone = files.value[name] === undefined;
        return (
          <button key={name} class={`mono ${gone ? 'gone' : ''}`} aria-current={name === file} onClick={() => onFile(name)}>
            {wrong.has(name) && <Glyph name="cross" tone="bad" />}
            {name}
            {edits.value.includes(name) && (
              <span class="accent">
                •<span class="unseen"> edited</span>
              </span>
            )}
          </button>
        );
      })}
      {!locked.value && (
        <button class="accent" onClick={() => onAsk({ kind: 'file' })}>
          + file
        </button>
      )}
      {!locked.value && files.value[file] !== undefined && !FIXED.has(file) && (
        <button onClick={() => remove(file)}>
          − file <span class="unseen">{file}</span>
        </button>
      )}
    </nav>
  );
}

const started = (): string =>
  edits.value.length ? `draft, ${plural(edits.value.length, 'file')} edited` : 'as it is in force';

function Actions({ onAsk }: { onAsk: (question: Question) => void }) {
  const why = obstacle();
  const any = edits.value.length > 0;
  const go = () => {
    if (!why) onAsk({ kind: 'apply' });
    else if (locked.value) onAsk({ kind: 'login' });
  };
  return (
    <>
      {any && (
        <>
          <a class="button ghost" href={tabHref('replay')}>
            Replay
          </a>
          <button class="button ghost" onClick={() => onAsk({ kind: 'discard' })}>
            Discard
          </button>
        </>
      )}
      <button class="button" aria-disabled={why !== null} title={why ?? undefined} onClick={go}>
        Apply
      </button>
    </>
  );
}

/** A file of the draft that is not there, or the text. */
function Text({ now, file, line, turn }: { now: PolicySet; file: string; line: number | null; turn: number }) {
  const text = files.value[file];
  if (text === undefined) {
    return (
      <div class="editor-gone muted">
        <p>The draft does not have {file}.</p>
        {now.files[file] !== undefined && (
          <button class="button" onClick={() => write(file, now.files[file]!)}>
            Put it back
          </button>
        )}
      </div>
    );
  }
  const faults = current.value?.tried?.faults.filter(fault => fault.file === file) ?? [];
  return (
    <Editor
      key={file}
      name={file}
      text={text}
      before={now.files[file]}
      faults={faults}
      line={line}
      turn={turn}
      readOnly={locked.value !== null}
      describedBy="policy-checks"
      onChange={next => write(file, next)}
    />
  );
}

function Page({ now }: { now: PolicySet }) {
  const open = useSignal<Question | null>(null);
  const turn = useSignal(0);
  const names = Object.keys(files.value).sort();
  const named = query('file');
  const file = named !== undefined && (files.value[named] !== undefined || now.files[named] !== undefined) ? named : (names[0] ?? '');
  const line = wholeNumber(query('line'));
  const onAsk = (question: Question) => void (open.value = question);
  const show = (name: string, at: number | null) => {
    setQuery({ file: name, line: at }, 'replace');
    turn.value++;
  };
  const onBack = (version: Version) => onAsk(locked.value ? { kind: 'login' } : { kind: 'back', version });
  return (
    <div class="edit-page">
      <Notes now={now} onAsk={onAsk} />
      <div class="edit-side">
        <RulesPanel set={now} file={file} line={line} onPick={rule => show(rule.file, rule.line)} />
        <VersionsPanel number={now.number} locked={locked.value} onCompare={version => onAsk({ kind: 'compare', version })} onBack={onBack} />
      </div>
      <Panel title="Set" sub={started()} right={<Actions onAsk={onAsk} />}>
        <FileBar now={now} file={file} onFile={name => setQuery({ file: name, line: null }, 'replace')} onAsk={onAsk} />
        {locked.value && (
          <p class="edit-locked">
            <span class="muted">{locked.value}</span>
            {!now.change_refused && (
              <button class="button" onClick={() => onAsk({ kind: 'login' })}>
                How?
              </button>
            )}
          </p>
        )}
        {file ? <Text now={now} file={file} line={line} turn={turn.value} /> : <p class="body muted">The set has no file.</p>}
        <Checks looked={current.value} locked={locked.value !== null} onShow={show} />
      </Panel>
      {open.value && <Dialog question={open.value} onClose={() => (open.value = null)} onMade={name => show(name, null)} />}
    </div>
  );
}

export function EditTab() {
  useServer();
  useEffect(watched, []);
  if (failure.value?.status === 403) return <Denied error={failure.value} />;
  if (set.value) return <Page now={set.value} />;
  return failure.value ? <Unread error={failure.value} /> : <Skeleton rows={10} />;
}
