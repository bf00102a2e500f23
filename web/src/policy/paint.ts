// The words of a line of Cedar or TOML, for colours. Pure.
export interface Word {
  kind: '' | 'comment' | 'string' | 'key' | 'mark' | 'number';
  text: string;
}

const KINDS = ['comment', 'string', 'mark', 'key', 'number'] as const;
const STRING = '"(?:\\\\.|[^"\\\\])*"?';
const KEYS =
  'permit|forbid|when|unless|if|then|else|in|is|has|like|true|false|namespace|entity|action|type|appliesTo|enum';
const CEDAR = new RegExp(`(//.*)|(${STRING})|(@\\w+)|\\b(${KEYS})\\b|\\b(\\d[\\d_.]*)\\b`, 'g');
const TOML = new RegExp(
  `(#.*)|(${STRING}|'[^']*'?)|(^\\s*\\[{1,2}[^\\]]*\\]{1,2})|\\b(true|false)\\b|(?<![\\w.])([-+]?\\d[\\d_.:TZ-]*)`,
  'g',
);

export function words(line: string, file: string): Word[] {
  const found: Word[] = [];
  let from = 0;
  for (const match of line.matchAll(file.endsWith('.toml') ? TOML : CEDAR)) {
    if (match.index > from) found.push({ kind: '', text: line.slice(from, match.index) });
    const kind = KINDS[match.slice(1).findIndex(part => part !== undefined)]!;
    found.push({ kind, text: match[0] });
    from = match.index + match[0].length;
  }
  if (from < line.length || !found.length) found.push({ kind: '', text: line.slice(from) });
  return found;
}

/** Where the word at a column ends, so that it can be underlined: columns count from 1. */
export function wordAt(line: string, column: number): [number, number] {
  const from = Math.min(Math.max(0, column - 1), Math.max(0, line.length - 1));
  const rest = /^(?:\w+|"(?:\\.|[^"\\])*"?|\S|\s)/.exec(line.slice(from));
  return [from, from + (rest?.[0].length ?? 1)];
}
