// The colour of a run, and the dash of those beyond the sixth.
import type { Mark } from './plot';

export const Swatch = ({ mark }: { mark: Mark }) => (
  <svg class="swatch" width="12" height="10" viewBox="0 0 12 10" aria-hidden="true">
    <path d="M0 5h12" class={`line-${mark.colour} ${mark.dashed ? 'dashed' : ''}`} />
  </svg>
);
