// What opens over a page on a key.
import '../shared';

export { Jump } from './jump';
export { KeysDialog } from './keys-dialog';
