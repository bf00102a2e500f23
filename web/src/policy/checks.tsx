// What is said of the draft: faults at their places, and what came of its tests.
import { plural } from '../format';
import { Glyph } from '../parts';
import type { Fault, Tested, Tried } from './edit-contract';
import type { Looked } from './edit-store';

export type Show = (file: string, line: number | null) => void;

/** What stands between backticks is code. */
const Said = ({ text }: { text: string }) => (
  <>{text.split('`').map((part, at) => (at % 2 ? <code class="mono">{part}</code> : part))}</>
);

const place = ({ file, line, column }: Fault): string =>
  [file, line, column].filter(part => part !== null).join(':');

const FaultRow = ({ fault, onShow }: { fault: Fault; onShow: Show }) => (
  <li>
    <button class="check" onClick={() => onShow(fault.file, fault.line)}>
      <Glyph name="cross" tone="bad" />
      <span>
        <span class="mono accent">{place(fault)}</span> <Said text={fault.message} />
      </span>
    </button>
  </li>
);

const TestRow = ({ test, onShow }: { test: Tested; onShow: Show }) => (
  <li>
    <button class="check" onClick={() => onShow(test.file, test.line)}>
      <Glyph name={test.wrong ? 'cross' : 'check'} tone={test.wrong ? 'bad' : 'ok'} />
      <span>
        <span class={test.wrong ? 'text' : 'muted'}>{test.name}</span>
        {test.wrong && (
          <span class="expected">
            <span class="faint">expected</span> <span>{test.expected}</span>
            <span class="faint">got</span> <span class="bad">{test.got}</span>
            {test.errors.map(error => (
              <>
                <span class="faint">error</span> <span class="muted">{error}</span>
              </>
            ))}
          </span>
        )}
        {!test.wrong && <span class="faint"> · {[test.got, ...test.errors].join(': ')}</span>}
      </span>
      <span class="unseen">{test.wrong ? ', failed' : ', passed'}</span>
    </button>
  </li>
);

export const lockedOut = (why: string): string =>
  `Once this is in force you cannot change it here any more (${why}): only in its folder.`;

export const failed = (tried: Tried | null): Tested[] => tried?.tests.filter(test => test.wrong) ?? [];

/** How the draft stands, in a few words; the glyph and tone with it. */
export function standing(looked: Looked | null, locked: boolean): [string, 'cross' | 'check' | 'triangle' | 'ring', string] {
  if (locked) return ['not looked at: that needs a login', 'ring', 'faint'];
  if (!looked) return ['being looked at…', 'ring', 'faint'];
  if (!looked.tried) return [looked.error ?? '', 'triangle', 'warn'];
  const { faults, rules, tests } = looked.tried;
  if (faults.length) return [`${plural(faults.length, 'fault')}: not taken so`, 'cross', 'bad'];
  const bad = failed(looked.tried).length;
  const said = `${plural(rules, 'rule')} ${rules === 1 ? 'fits' : 'fit'} the schema`;
  if (bad) return [`${said}, ${bad} of ${plural(tests.length, 'test')} ${bad === 1 ? 'fails' : 'fail'}`, 'triangle', 'warn'];
  return [`${said}, ${tests.length ? `${plural(tests.length, 'test')} ${tests.length === 1 ? 'passes' : 'pass'}` : 'there is no test'}`, 'check', 'ok'];
}

interface ChecksProps {
  looked: Looked | null;
  locked: boolean;
  onShow: Show;
}

export function Checks({ looked, locked, onShow }: ChecksProps) {
  const [text, glyph, tone] = standing(looked, locked);
  const tried = looked?.tried ?? null;
  const tests = tried?.tests ?? [];
  const sorted = [...tests.filter(test => test.wrong), ...tests.filter(test => !test.wrong)];
  return (
    <div class="checks" id="policy-checks">
      <p class="checks-head" role="status">
        <Glyph name={glyph} tone={tone} /> <span>{text}</span>
      </p>
      {tried?.warnings.map(warning => (
        <p key={warning} class="checks-head bad">
          <Glyph name="triangle" tone="bad" /> <b>{warning}</b>
        </p>
      ))}
      {tried?.ok && tried.change_refused && (
        <p class="checks-head warn">
          <Glyph name="triangle" tone="warn" /> <span>{lockedOut(tried.change_refused)}</span>
        </p>
      )}
      {tried && tried.faults.length > 0 && (
        <ul aria-label="Faults">
          {tried.faults.map(fault => (
            <FaultRow key={place(fault) + fault.message} fault={fault} onShow={onShow} />
          ))}
        </ul>
      )}
      {sorted.length > 0 && (
        <ul aria-label="Tests">
          {sorted.map(test => (
            <TestRow key={`${test.file}:${test.line}:${test.name}`} test={test} onShow={onShow} />
          ))}
        </ul>
      )}
    </div>
  );
}
