// Steering a run: the buttons in its header, and the sentence that says what it does now.
import '../fl/shared';
import { signal, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { ApiError } from '../data/api';
import { now, serverNow } from '../data/collector';
import type { Run } from '../data/contract';
import { Ask, Command } from '../fl/ask';
import { NO_LOGIN, offers, type Action, type Offer } from '../fl/actions';
import { moment } from '../fl/moment';
import { server, session, tell, useServer } from '../fl/server';
import { Glyph, type GlyphName } from '../parts';
import { runName } from '../runs/filter';
import { runs } from '../runs/store';
import { goRun } from '../view';
import { Governed } from './governed';

export { RunNote } from './note';

const WORDS: Record<Action, [string, GlyphName, string]> = {
  start: ['Start', 'play', 'Starts a new run with the FL server’s own settings.'],
  pause: ['Pause', 'pause', 'The running round ends; no further one begins.'],
  resume: ['Resume', 'play', 'Rounds go on.'],
  stop: ['Stop', 'stop', 'The run ends after the round that is running. fedsight run --resume goes on with it.'],
  restart: ['Restart', 'again', 'This run ends, and the same plan begins anew as another run.'],
};
const SURE: readonly Action[] = ['start', 'stop', 'restart'];

/** What was answered to the last thing asked for, and until when that stands (ms). */
const said = signal<{ text: string; bad: boolean; until: number } | null>(null);
const SAID_MS = 6000;
const REFUSED_MS = 20_000;
const asked = signal<Action | null>(null);
/** A run that was asked for: its page opens once there is something to show. */
const begun = signal<string | null>(null);

function useBegun(): void {
  const id = begun.value;
  const there = id !== null && runs.value.some(run => run.id === id);
  useEffect(() => {
    if (!there) return;
    begun.value = null;
    goRun(id);
  }, [there]);
}

async function perform(action: Action, id: string): Promise<void> {
  asked.value = action;
  try {
    const done = await tell(action);
    said.value = { text: done.message, bad: false, until: Date.now() + SAID_MS };
    if (done.run !== id) begun.value = done.run;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    said.value = { text: error.message, bad: true, until: Date.now() + REFUSED_MS };
  }
  asked.value = null;
}

function Reason({ why, onClose }: { why: string; onClose: () => void }) {
  const login = why === NO_LOGIN;
  return (
    <Ask title={login ? 'Log in to steer runs' : 'Not from here'} onClose={onClose}>
      <p class="muted">{why}</p>
      {login && <p class="muted">In a terminal on the collector’s machine, type</p>}
      {login && <Command text={session.value?.command ?? 'fedsight login'} />}
      {login && <p class="faint">and open the address that it prints in this browser.</p>}
    </Ask>
  );
}

function Sure({ action, run, onClose }: { action: Action; run: Run; onClose: () => void }) {
  const [word, , effect] = WORDS[action];
  const go = () => {
    onClose();
    void perform(action, run.id);
  };
  const what = action === 'start' ? 'a new run' : runName(run);
  return (
    <Ask title={`${word} ${what}?`} onClose={onClose} go={[word, go]} danger={action !== 'start'}>
      <p class="muted">{effect}</p>
    </Ask>
  );
}

export function Controls({ run }: { run: Run }) {
  useServer();
  useBegun();
  const open = useSignal<Offer | null>(null);
  const { status, error } = server.value;
  const close = () => (open.value = null);
  const all = offers(run, { status, error: error?.message ?? null, session: session.value });
  const pick = (offer: Offer) => {
    if (offer.why || SURE.includes(offer.action)) open.value = offer;
    else void perform(offer.action, run.id);
  };
  return (
    <>
      <Governed run={run} />
      {all.map(offer => {
        const [word, glyph] = WORDS[offer.action];
        return (
          <button
            key={offer.action}
            class={`button ${offer.action === 'stop' ? 'danger' : ''}`}
            aria-disabled={offer.why !== null || asked.value !== null}
            title={offer.why ?? WORDS[offer.action][2]}
            onClick={() => asked.value === null && pick(offer)}
          >
            <Glyph name={glyph} /> {word}
          </button>
        );
      })}
      {open.value?.why && <Reason why={open.value.why} onClose={close} />}
      {open.value && !open.value.why && (
        <Sure action={open.value.action} run={run} onClose={close} />
      )}
    </>
  );
}

/** One line beneath the header. */
export function Moment({ run }: { run: Run }) {
  useServer();
  const answer = said.value && said.value.until > now.value ? said.value : null;
  const text = answer?.text ?? moment(run, server.value.status, serverNow());
  const driven = server.value.status?.run === run.id;
  if (!text && !driven) return null; // a line that comes and goes would move the page
  return (
    <p class={`moment ${answer?.bad ? 'bad' : 'muted'}`} role="status">
      {text}
    </p>
  );
}
