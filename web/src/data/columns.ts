// `layout=columns`: one list a field, text fields dictionary encoded.

export type Value = number | string | boolean | null;
export interface TextColumn {
  dictionary: string[];
  index: (number | null)[];
}
export type Column = Value[] | TextColumn;
export interface ColumnsAnswer {
  count: number;
  total: number;
  columns: Record<string, Column>;
}

const isText = (column: Column): column is TextColumn => !Array.isArray(column);

export function valueAt(column: Column | undefined, row: number): Value {
  if (!column) return null;
  if (!isText(column)) return column[row] ?? null;
  const at = column.index[row];
  return at === null || at === undefined ? null : (column.dictionary[at] ?? null);
}

/** A column as numbers; what is not a number stays null. */
export function numberColumn(answer: ColumnsAnswer, name: string): (number | null)[] {
  const column = answer.columns[name];
  return column && !isText(column) ? (column as (number | null)[]) : [];
}

/** A text column as dictionary and index, whichever way it came. */
export function textColumn(answer: ColumnsAnswer, name: string): TextColumn {
  const column = answer.columns[name] ?? [];
  if (isText(column)) return column;
  const dictionary = [...new Set(column.filter(value => typeof value === 'string'))] as string[];
  const at = new Map(dictionary.map((text, index) => [text, index]));
  return { dictionary, index: column.map(value => at.get(value as string) ?? null) };
}

/** Columns as rows, for answers that are small enough to be read one by one. */
export function readColumns<Row>(answer: ColumnsAnswer): Row[] {
  const names = Object.keys(answer.columns);
  return Array.from({ length: answer.count }, (_, row) => {
    const pairs = names.map(name => [name, valueAt(answer.columns[name], row)]);
    return Object.fromEntries(pairs) as Row;
  });
}
