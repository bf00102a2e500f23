// Addresses of the policy page's tabs, for whoever links there. Pure.
import { changed, formatHash, type Changes } from '../route';

export type Tab = 'decisions' | 'refusals' | 'trust' | 'audit' | 'policies' | 'replay';

/** The address of a tab, with what it is to show. */
export const tabHref = (tab: Tab, shown: Changes = {}): string =>
  formatHash(
    changed({ page: 'policy', run: '', query: {} }, { tab: tab === 'decisions' ? null : tab, ...shown }),
  );
