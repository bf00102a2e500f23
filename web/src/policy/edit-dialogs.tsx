// Questions of the Policies tab: apply, go back, compare, a new file, a login.
import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { Ask, Command } from '../fl/ask';
import { session } from '../fl/server';
import { plural } from '../format';
import { Glyph } from '../parts';
import { wholeNumber } from '../route';
import { failed, lockedOut } from './checks';
import { difference } from './diff';
import { DiffView } from './diff-view';
import type { Files, Version } from './edit-contract';
import { apply, current, discard, files, filesOf, goBack, locked, set, versions, write, writer } from './edit-store';

export type Question =
  | { kind: 'apply' | 'discard' | 'file' | 'login' | 'draft' }
  | { kind: 'back' | 'compare'; version: Version };

interface WideProps {
  title: string;
  children: ComponentChildren;
  onClose: () => void;
  go?: [string, () => void];
  danger?: boolean;
}

/** As `Ask`, wide enough for a difference. */
function Wide({ title, children, onClose, go, danger }: WideProps) {
  const box = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => box.current!.showModal(), []);
  return (
    <dialog ref={box} class="ask policy-ask" aria-label={title} onClose={onClose}>
      <h2>{title}</h2>
      {children}
      <div class="row">
        <span class="grow" />
        <button class="button" onClick={onClose}>
          {go ? 'Cancel' : 'Close'}
        </button>
        {go && (
          <button class={`button ${danger ? 'danger' : 'primary'}`} onClick={go[1]}>
            {go[0]}
          </button>
        )}
      </div>
    </dialog>
  );
}

interface NoteProps {
  note: { value: string };
  by: { value: string };
}

const NoteFields = ({ note, by }: NoteProps) => (
  <div class="note-fields">
    <label class="field grow">
      <input autofocus maxLength={1000} placeholder="Why? The note stands beside the version" aria-label="Note" value={note.value} onInput={event => (note.value = event.currentTarget.value)} />
    </label>
    <label class="field">
      <input maxLength={200} placeholder="Your name" aria-label="Your name" value={by.value} onInput={event => (by.value = event.currentTarget.value)} />
    </label>
  </div>
);

const Warning = ({ children }: { children: ComponentChildren }) => (
  <p class="row warn">
    <Glyph name="triangle" tone="warn" /> <span>{children}</span>
  </p>
);

function Apply({ onClose }: { onClose: () => void }) {
  const [note, by] = [useSignal(''), useSignal(writer())];
  const now = set.value!;
  const diff = useMemo(() => difference(now.files, files.value), [now, files.value]);
  const tried = current.value?.tried ?? null;
  const bad = failed(tried);
  const danger = bad.length > 0 || !!tried?.warnings.length || !!tried?.change_refused;
  const go = () => {
    onClose();
    void apply(note.value.trim(), by.value);
  };
  return (
    <Wide title="Put this draft in force?" onClose={onClose} go={[danger ? 'Apply all the same' : 'Apply', go]} danger={danger}>
      <p class="muted">Each answer from then on is by it. It becomes a version, so that one can go back.</p>
      {tried?.warnings.map(warning => <Warning key={warning}>{warning}</Warning>)}
      {tried?.change_refused && <Warning>{lockedOut(tried.change_refused)}</Warning>}
      {bad.length > 0 && <Warning>{bad.length === 1 ? `The test “${bad[0]!.name}” fails.` : `${plural(bad.length, 'test')} fail.`}</Warning>}
      {now.fault && <Warning>What lies in the folder now, and is not in force, is replaced: {now.fault}</Warning>}
      <DiffView diff={diff} />
      <NoteFields note={note} by={by} />
    </Wide>
  );
}

/** The files of a version, once they are there. */
function useVersion(number: number): Files | null | string {
  const found = useSignal<Files | null | string>(null);
  useEffect(() => {
    filesOf(number).then(
      files => (found.value = files),
      (error: Error) => (found.value = error.message),
    );
  }, [number]);
  return found.value;
}

function Between({ number, to }: { number: number; to: 'back' | 'now' }) {
  const then = useVersion(number);
  const now = set.value!.files;
  if (then === null) return <p class="muted">Being read…</p>;
  if (typeof then === 'string') return <p class="bad">{then}</p>;
  return <DiffView diff={to === 'now' ? difference(then, now) : difference(now, then)} />;
}

function Back({ version, onClose }: { version: Version; onClose: () => void }) {
  const [note, by] = [useSignal(''), useSignal(writer())];
  const go = () => {
    onClose();
    void goBack(version.number, note.value.trim(), by.value);
  };
  return (
    <Wide title={`Go back to version ${version.number}?`} onClose={onClose} go={['Go back', go]} danger>
      <p class="muted">
        Its files are in force again, as a new version. Of what is in force now, this changes:
      </p>
      <Between number={version.number} to="back" />
      <NoteFields note={note} by={by} />
    </Wide>
  );
}

function Two({ from, to }: { from: number; to: number }) {
  const [then, later] = [useVersion(from), useVersion(to)];
  const wrong = [then, later].find(found => typeof found === 'string');
  if (wrong) return <p class="bad">{wrong as string}</p>;
  if (!then || !later) return <p class="muted">Being read…</p>;
  return <DiffView diff={difference(then as Files, later as Files)} />;
}

function Compare({ version, onClose }: { version: Version; onClose: () => void }) {
  const other = useSignal('');
  const number = wholeNumber(other.value);
  return (
    <Wide title={`From version ${version.number} to ${number === null ? 'what is in force' : `version ${number}`}`} onClose={onClose}>
      <p class="muted">
        Version {version.number} is by {version.author}: {version.note || 'no note'}
      </p>
      <label class="row">
        <span class="faint">to</span>
        <select class="pick" aria-label="Compared with" value={other.value} onChange={event => (other.value = event.currentTarget.value)}>
          <option value="">what is in force</option>
          {versions.value.versions
            .filter(one => one.number !== version.number && one.number !== set.value!.number)
            .map(one => (
              <option key={one.number} value={one.number}>
                version {one.number}, {one.author}
              </option>
            ))}
        </select>
      </label>
      {number === null ? <Between number={version.number} to="now" /> : <Two key={number} from={version.number} to={number} />}
    </Wide>
  );
}

const ofSet = (name: string): string =>
  name.endsWith('.cedar') || name.endsWith('.test.toml') ? name : `${name}.cedar`;

const NAMED = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

function NewFile({ onClose, onMade }: { onClose: () => void; onMade: (name: string) => void }) {
  const name = useSignal('');
  const full = ofSet(name.value.trim());
  const why = !name.value.trim() ? '' : !NAMED.test(full) ? 'Letters, digits, “.”, “_” and “-”.' : files.value[full] !== undefined ? 'There is such a file.' : '';
  const go = () => {
    if (why || !name.value.trim()) return;
    onClose();
    write(full, full.endsWith('.toml') ? '' : '// What these rules are for.\n');
    onMade(full);
  };
  return (
    <Ask title="A new file of the set" onClose={onClose} go={['Add', go]}>
      <p class="muted">
        Rules end in <span class="mono">.cedar</span>, tests in <span class="mono">.test.toml</span>.
      </p>
      <label class="field">
        <input autofocus aria-label="Name of the file" placeholder="more.cedar" value={name.value} onInput={event => (name.value = event.currentTarget.value)} />
      </label>
      <p class="bad" role="status">{why}</p>
    </Ask>
  );
}

const Login = ({ onClose }: { onClose: () => void }) => (
  <Ask title="Log in to change the policy" onClose={onClose}>
    <p class="muted">{locked.value ?? 'This browser is logged in.'} In a terminal on the collector’s machine, type</p>
    <Command text={session.value?.command ?? 'fedsight login'} />
    <p class="faint">and open the address that it prints in this browser.</p>
  </Ask>
);

const Mine = ({ onClose }: { onClose: () => void }) => (
  <Wide title="From what is in force to this draft" onClose={onClose}>
    <DiffView diff={difference(set.value!.files, files.value)} />
  </Wide>
);

const Discard = ({ onClose }: { onClose: () => void }) => (
  <Ask title="Discard this draft?" onClose={onClose} danger go={['Discard', () => (onClose(), discard())]}>
    <p class="muted">What you wrote here is gone then; what is in force stays as it is.</p>
  </Ask>
);

interface DialogProps {
  question: Question;
  onClose: () => void;
  onMade: (name: string) => void;
}

export function Dialog({ question, onClose, onMade }: DialogProps) {
  if (question.kind === 'back') return <Back version={question.version} onClose={onClose} />;
  if (question.kind === 'compare') return <Compare version={question.version} onClose={onClose} />;
  if (question.kind === 'apply') return <Apply onClose={onClose} />;
  if (question.kind === 'draft') return <Mine onClose={onClose} />;
  if (question.kind === 'discard') return <Discard onClose={onClose} />;
  if (question.kind === 'file') return <NewFile onClose={onClose} onMade={onMade} />;
  return <Login onClose={onClose} />;
}
