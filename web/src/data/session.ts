// The key with which this browser may change something. A login puts it into the address; it is kept
// in the storage of this origin, which no other port and no other site can read.
const NAME = 'fedsight-write-key';

export const writeKey = (): string => localStorage.getItem(NAME) ?? '';

/** The hash without the key, which is kept and taken out of the address at once. */
export function keepKey(hash: string): string {
  const found = /[?&]write=(\w+)/.exec(hash);
  if (!found) return hash;
  localStorage.setItem(NAME, found[1]!);
  const rest = hash.replace(found[0], '');
  history.replaceState(null, '', rest);
  return rest;
}
