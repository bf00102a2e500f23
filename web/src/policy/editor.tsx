// A text with line numbers and colours that is edited as it stands: a plain text area over its own
// painted copy, so that keys, undo, reading aloud and phones work as the browser has them.
import { Component } from 'preact';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { changedLines } from './diff';
import type { Fault } from './edit-contract';
import { wordAt, words, type Word } from './paint';

const LINE_HEIGHT = 18;
/** Beyond this a text is not painted: it would no longer follow the keys. */
const MOST_LINES = 2000;

interface LineProps {
  text: string;
  file: string;
  changed: boolean;
  lit: boolean;
  column: number | null;
}

/** The words of a line, cut where something is to be underlined. */
function cut(found: Word[], from: number, to: number): (Word & { wrong: boolean })[] {
  let at = 0;
  return found.flatMap(({ kind, text }) => {
    const marks = [0, from - at, to - at, text.length].map(mark => Math.max(0, Math.min(text.length, mark)));
    const parts = [0, 1, 2].map(part => ({ kind, text: text.slice(marks[part], marks[part + 1]), wrong: part === 1 }));
    at += text.length;
    return parts.filter(part => part.text);
  });
}

class Painted extends Component<LineProps> {
  override shouldComponentUpdate(next: LineProps): boolean {
    const { text, file, changed, lit, column } = this.props;
    return text !== next.text || file !== next.file || changed !== next.changed || lit !== next.lit || column !== next.column;
  }

  override render({ text, file, changed, lit, column }: LineProps) {
    const [from, to] = column === null ? [0, 0] : wordAt(text, column);
    return (
      <div class={`${changed ? 'changed' : ''} ${lit ? 'lit' : ''}`}>
        {cut(words(text || ' ', file), from, to).map(({ kind, text, wrong }, at) =>
          kind || wrong ? (
            <span key={at} class={`${kind} ${wrong ? 'wrong' : ''}`}>
              {text}
            </span>
          ) : (
            text
          ),
        )}
      </div>
    );
  }
}

interface EditorProps {
  name: string;
  text: string;
  /** What it was before it was edited; undefined of a new file. */
  before: string | undefined;
  faults: readonly Fault[];
  /** The line to show; `turn` grows with each time that it is asked for. */
  line: number | null;
  turn: number;
  readOnly: boolean;
  describedBy: string;
  onChange: (text: string) => void;
}

const offset = (text: string, line: number): number => {
  let at = 0;
  for (let number = 1; number < line; number++) {
    const next = text.indexOf('\n', at);
    if (next < 0) return at;
    at = next + 1;
  }
  return at;
};

export function Editor({ name, text, before, faults, line, turn, readOnly, describedBy, onChange }: EditorProps) {
  const area = useRef<HTMLTextAreaElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const all = useMemo(() => text.split('\n'), [text]);
  const large = all.length > MOST_LINES;
  const changed = useMemo(
    () => (large || before === text ? new Set<number>() : changedLines(before ?? '', text)),
    [before, text, large],
  );
  const wrong = new Map(faults.filter(fault => fault.line).map(fault => [fault.line!, fault.column ?? 1]));
  useEffect(() => {
    if (!line || !area.current || !box.current) return;
    const at = offset(text, line);
    box.current.scrollTop = Math.max(0, (line - 4) * LINE_HEIGHT);
    box.current.scrollLeft = 0;
    area.current.setSelectionRange(at, at);
    if (turn) area.current.focus({ preventScroll: true });
  }, [name, line, turn]);
  const digits = String(all.length).length;
  return (
    <div class="editor" ref={box}>
      <div class={`editor-sheet digits-${Math.min(5, Math.max(2, digits))}`}>
        <div class="gutter" aria-hidden="true">
          {large
            ? all.map((_, at) => at + 1).join('\n')
            : all.map((_, at) => (
                <div key={at} class={`${wrong.has(at + 1) ? 'bad' : ''} ${changed.has(at + 1) ? 'changed' : ''}`}>
                  {at + 1}
                </div>
              ))}
        </div>
        <pre aria-hidden="true">
          {large
            ? `${text}\n`
            : all.map((one, at) => (
                <Painted key={at} text={one} file={name} changed={changed.has(at + 1)} lit={line === at + 1} column={wrong.get(at + 1) ?? null} />
              ))}
        </pre>
        <textarea
          ref={area}
          aria-label={`Text of ${name}`}
          aria-invalid={faults.length > 0}
          aria-describedby={describedBy}
          value={text}
          readOnly={readOnly}
          spellcheck={false}
          autocapitalize="off"
          autocomplete="off"
          wrap="off"
          onInput={event => onChange(event.currentTarget.value)}
        />
      </div>
    </div>
  );
}
