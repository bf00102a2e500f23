// The versions that were in force: by whom, when, why; compared with what is, and gone back to.
import { serverNow } from '../data/collector';
import { ago, plural } from '../format';
import { Panel } from '../parts';
import type { Version } from './edit-contract';
import { moreVersions, versions } from './edit-store';

interface RowProps {
  version: Version;
  current: boolean;
  locked: string | null;
  onCompare: () => void;
  onBack: () => void;
}

const Row = ({ version, current, locked, onCompare, onBack }: RowProps) => (
  <li class="version-row">
    <b class="right">{version.number}</b>
    <span>
      {version.author} <span class="faint nowrap" title={version.time}>{ago((serverNow() - Date.parse(version.time)) / 1000)}</span>
    </span>
    <span class="row tight">
      {current ? (
        <span class="accent nowrap">in force</span>
      ) : (
        <>
          <button class="button ghost" aria-label={`Compare version ${version.number}`} onClick={onCompare}>
            Compare
          </button>
          <button class="button ghost" aria-label={`Go back to version ${version.number}`} aria-disabled={locked !== null} title={locked ?? undefined} onClick={onBack}>
            Go back
          </button>
        </>
      )}
    </span>
    <span class="muted note" title={version.version}>{version.note || 'no note'}</span>
  </li>
);

interface PanelProps {
  number: number | null;
  locked: string | null;
  onCompare: (version: Version) => void;
  onBack: (version: Version) => void;
}

export function VersionsPanel({ number, locked, onCompare, onBack }: PanelProps) {
  const { versions: all, total } = versions.value;
  return (
    <Panel title="Versions" sub={plural(total, 'version')}>
      {all.length ? (
        <ul class="version-list">
          {all.map(version => (
            <Row key={version.number} version={version} current={version.number === number} locked={locked} onCompare={() => onCompare(version)} onBack={() => onBack(version)} />
          ))}
          {all.length < total && (
            <li>
              <button class="button ghost" onClick={() => void moreVersions()}>
                Show more
              </button>
            </li>
          )}
        </ul>
      ) : (
        <p class="body muted">None is kept: the folder of the set cannot be written to.</p>
      )}
    </Panel>
  );
}
