// A difference as a reader sees it: file by file, unified, with the numbers of both sides.
import { plural } from '../format';
import type { FileDiff, Hunk, Line } from './diff';

const MOST_LINES = 1500;

const side = ({ before, after }: Line): 'gone' | 'come' | '' =>
  before === null ? 'come' : after === null ? 'gone' : '';
const SIGNS = { gone: ['−', 'removed'], come: ['+', 'added'], '': [' ', ''] } as const;

function Row({ line }: { line: Line }) {
  const kind = side(line);
  const [sign, word] = SIGNS[kind];
  return (
    <div class={`line ${kind}`}>
      <i>{line.before ?? ''}</i>
      <i>{line.after ?? ''}</i>
      <b aria-hidden="true">{sign}</b>
      <span>
        {word && <span class="unseen">{word}: </span>}
        {line.text || ' '}
      </span>
    </div>
  );
}

const Part = ({ hunk }: { hunk: Hunk }) => (
  <>
    {hunk.skipped > 0 && <div class="skipped">{plural(hunk.skipped, 'line')} alike</div>}
    {hunk.lines.map((line, at) => (
      <Row key={at} line={line} />
    ))}
  </>
);

const WORDS = { new: 'new file', gone: 'file removed', changed: '' };

function cut(hunks: Hunk[]): { shown: Hunk[]; left: number } {
  const shown: Hunk[] = [];
  let room = MOST_LINES;
  for (const hunk of hunks) {
    if (room > 0) shown.push({ ...hunk, lines: hunk.lines.slice(0, room) });
    room -= hunk.lines.length;
  }
  return { shown, left: Math.max(0, -room) };
}

function OneFile({ file }: { file: FileDiff }) {
  const { shown, left } = cut(file.hunks);
  return (
    <section class="diff-file">
      <h3>
        <span class="mono">{file.name}</span>
        {WORDS[file.state] && <span class="faint">{WORDS[file.state]}</span>}
        <span class="grow" />
        <span class="ok">+{file.added}</span> <span class="bad">−{file.removed}</span>
      </h3>
      <div class="diff-lines" tabIndex={0} role="group" aria-label={`Changes of ${file.name}`}>
        <div>
          {shown.map((hunk, at) => (
            <Part key={at} hunk={hunk} />
          ))}
        </div>
      </div>
      {left > 0 && <p class="faint">and {plural(left, 'line')} more</p>}
    </section>
  );
}

export const DiffView = ({ diff }: { diff: FileDiff[] }) =>
  diff.length ? (
    <div class="diff">
      {diff.map(file => (
        <OneFile key={file.name} file={file} />
      ))}
    </div>
  ) : (
    <p class="muted">There is no difference.</p>
  );
