// Acknowledging and silencing: who, why, and for how long.
import { useSignal } from '@preact/signals';
import { NO_LOGIN } from '../fl/actions';
import { Ask, Command } from '../fl/ask';
import { session } from '../fl/server';
import { Choice } from '../parts';
import type { Alert } from './contract';
import type { AlertStore } from './store';
import { matchersOf } from './words';

const NAME_KEY = 'fedsight-name';
const HOURS = [
  ['1', '1 h'],
  ['8', '8 h'],
  ['24', '1 day'],
  ['168', '1 week'],
] as const;

interface DialogProps {
  store: AlertStore;
  alert: Alert;
  onClose: () => void;
}

export const Login = ({ onClose }: { onClose: () => void }) => (
  <Ask title="Log in to answer alerts" onClose={onClose}>
    <p class="muted">{NO_LOGIN} In a terminal on the collector’s machine, type</p>
    <Command text={session.value?.command ?? 'fedsight login'} />
    <p class="faint">and open the address that it prints in this browser.</p>
  </Ask>
);

/** Who answers, remembered, and what they say; Enter in either field is `go`. */
function useWords(go: () => void) {
  const by = useSignal(localStorage.getItem(NAME_KEY) ?? '');
  const comment = useSignal('');
  const field = (label: string, value: typeof by, most: number) => (
    <label class="field">
      <input
        aria-label={label}
        placeholder={label}
        maxLength={most}
        value={value.value}
        onInput={event => (value.value = event.currentTarget.value)}
        onKeyDown={event => event.key === 'Enter' && go()}
      />
    </label>
  );
  const fields = (
    <>
      {field('Your name', by, 128)}
      {field('Comment', comment, 1000)}
    </>
  );
  const said = () => {
    const name = by.value.trim() || 'somebody';
    localStorage.setItem(NAME_KEY, by.value.trim());
    return [name, comment.value.trim()] as const;
  };
  return { fields, said };
}

export function AcknowledgeDialog({ store, alert, onClose }: DialogProps) {
  const go = () => {
    onClose();
    void store.acknowledge(alert, ...said());
  };
  const { fields, said } = useWords(go);
  return (
    <Ask title="Acknowledge" onClose={onClose} go={['Acknowledge', go]}>
      <p class="muted">{alert.message}. Others see who has it.</p>
      {fields}
    </Ask>
  );
}

export function SilenceDialog({ store, alert, onClose }: DialogProps) {
  const hours = useSignal<(typeof HOURS)[number][0]>('1');
  const matchers = matchersOf(alert);
  const go = () => {
    onClose();
    void store.silence(matchers, Number(hours.value), ...said());
  };
  const { fields, said } = useWords(go);
  return (
    <Ask title="Silence" onClose={onClose} go={['Silence', go]}>
      <p class="muted">Nobody is sent a message about alerts with</p>
      <p class="mono">{matchers.map(({ label, value }) => `${label} = ${value}`).join(', ')}</p>
      <Choice label="For how long" value={hours.value} options={HOURS} onChange={key => (hours.value = key)} />
      {fields}
    </Ask>
  );
}
