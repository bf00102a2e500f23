// The audit trail: whether it is whole, up to where that is signed and witnessed, and a copy of it.
import './shared';
import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { ApiError } from '../data/api';
import { now as wall, serverNow } from '../data/collector';
import { Command } from '../fl/ask';
import { ago, bytes, clock, count, plural, seconds } from '../format';
import { Figure, Glyph, Panel, Unknown } from '../parts';
import { Problem, Skeleton } from '../states';
import { barsOf } from './chain';
import type { AuditState, Proven } from './contract';
import { tabHref } from './links';
import { ask } from './service';
import { shortHash } from './words';

const LOOK_MS = 3000;
const BARS = 37;
/** What a browser takes in at once; of more, the command writes a file. */
const MOST_RECORDS = 200_000;

interface Asked {
  state: AuditState | null;
  error: ApiError | null;
}

function useAudit() {
  const found = useSignal<Asked>({ state: null, error: null });
  const read = async () => {
    try {
      found.value = { state: await ask<AuditState>('api/v1/audit'), error: null };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (!error.unreachable) found.value = { ...found.value, error };
    }
  };
  useEffect(() => {
    let [closed, timer] = [false, 0];
    const look = async () => {
      await read();
      if (!closed) timer = window.setTimeout(() => void look(), LOOK_MS);
    };
    void look();
    return () => {
      closed = true;
      clearTimeout(timer);
    };
  }, []);
  return { ...found.value, read };
}

/** The chain as bars: proven, not proven yet, the first that is wrong, and all that it makes doubtful. */
function Chain({ state }: { state: AuditState }) {
  const bars = barsOf(state, BARS);
  const each = Math.ceil((state.records - state.first + 1) / Math.max(1, bars.length));
  return (
    <div class="chain" role="img" aria-label={said(state)} title={`One bar is ${plural(each, 'record')}`}>
      {bars.map((kind, at) => (
        <i key={at} class={`chain-${kind}`} />
      ))}
    </div>
  );
}

function said({ verified, records }: AuditState): string {
  if (!verified) return `${plural(records, 'record')}, not verified since the service began`;
  if (verified.ok) return `whole up to record ${verified.last}`;
  return `broken at record ${verified.seq}`;
}

function Standing({ verified }: AuditState) {
  if (!verified) {
    return (
      <span class="status muted">
        <Glyph name="dashes" />
        Not verified yet
      </span>
    );
  }
  return verified.ok ? (
    <span class="status ok">
      <Glyph name="check" />
      Whole
    </span>
  ) : (
    <span class="status bad">
      <Glyph name="cross" />
      Broken at {count(verified.seq ?? 0)}
    </span>
  );
}

/** What is wrong, and what follows from it. */
function Broken({ state, proven }: { state: AuditState; proven: Proven }) {
  const after = Math.max(0, state.records - (proven.seq ?? 0));
  return (
    <div class="audit-broken" role="alert">
      <p>
        <b>
          Record {count(proven.seq ?? 0)} {proven.what}.
        </b>{' '}
        {count(proven.records)} before it are right
        {after > 0 && `; ${plural(after, 'record')} after it prove nothing any more`}.
      </p>
      <p class="muted">
        Keep the folder as it is. An earlier export, and the heads that the collector witnessed, say what stood there.
      </p>
    </div>
  );
}

/** Why no record is known to be witnessed. */
function unwitnessed(verified: AuditState['verified']): string {
  if (!verified) return 'Verifying asks the witness';
  if (verified.anchors === 'none') return 'The collector has no signed head of this trail yet';
  return `The witness was not reached: ${verified.anchors_why ?? 'it is not known why'}`;
}

const Fact = ({ name, children }: { name: string; children: ComponentChildren }) => (
  <div>
    <dt>{name}</dt>
    <dd>{children}</dd>
  </div>
);

function Facts({ state }: { state: AuditState }) {
  const { head, verified } = state;
  const lost = verified && !verified.ok;
  return (
    <dl class="facts audit-facts">
      <Fact name="Records">
        {count(state.records)}
        {state.first > 1 && <span class="faint">, those before {count(state.first)} are retired</span>}
        {verified?.ok && <span class="faint">, none missing up to {count(verified.last)}</span>}
      </Fact>
      <Fact name="Verified">
        {verified ? (
          <>
            {ago((serverNow() - Date.parse(verified.time)) / 1000)} <span class="faint">at {clock(Date.parse(verified.time))} UTC, in {seconds(verified.seconds)}</span>
          </>
        ) : (
          <Unknown why="Nobody has asked for it since the service began" />
        )}
      </Fact>
      <Fact name="Signed up to">
        {verified && !lost ? count(verified.signed) : head ? count(head.seq - 1) : <Unknown why="No head was signed yet" />}
        {head && (
          <span class="faint">
            {' '}
            of {count(state.records)}, {ago((serverNow() - Date.parse(head.time)) / 1000)}
          </span>
        )}
      </Fact>
      <Fact name="Head">
        {head ? (
          <span class="mono" title={head.hash}>
            {shortHash(head.hash)}
          </span>
        ) : (
          <Unknown why="No head was signed yet" />
        )}
      </Fact>
      <Fact name="Key">
        <span class="mono" title={`Ed25519 public key ${state.key}`}>
          {state.fingerprint.replace(/(.{4})(?=.)/g, '$1 ')}
        </span>
      </Fact>
      <Fact name="Witnessed up to">
        <Figure value={verified?.anchored} format={count} why={unwitnessed(verified)} />
        {verified?.anchored != null && <span class="faint"> by the collector</span>}
      </Fact>
      <Fact name="Files">
        {plural(state.files, 'file')} <span class="faint">{bytes(state.bytes)}</span>
      </Fact>
    </dl>
  );
}

async function allRecords(told: (done: number) => void): Promise<Blob> {
  const parts: string[] = [];
  let total = 0;
  for (let after: number | null = 0; after !== null; ) {
    const page: { lines: string[]; next: number | null } = await ask('api/v1/audit/records', { after, limit: 5000 });
    parts.push(...page.lines.map(line => `${line}\n`));
    total += page.lines.length;
    after = page.next;
    told(total);
  }
  return new Blob(parts, { type: 'application/x-ndjson' });
}

function save(blob: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

interface ButtonsProps {
  state: AuditState;
  read: () => Promise<void>;
}

function Buttons({ state, read }: ButtonsProps) {
  const busy = useSignal<string | null>(null);
  const failed = useSignal<string | null>(null);
  const during = async (what: string, work: () => Promise<void>) => {
    busy.value = what;
    failed.value = null;
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      failed.value = error.message;
    }
    busy.value = null;
  };
  const verify = () =>
    during('Verifying', async () => {
      await ask('api/v1/audit/verify');
      await read();
    });
  const take = () =>
    during('Exporting', async () => {
      const blob = await allRecords(done => (busy.value = `${count(done)} records`));
      save(blob, `audit-${state.head?.log.slice(0, 8) ?? 'trail'}-${state.records}.jsonl`);
    });
  const many = state.records - state.first + 1 > MOST_RECORDS;
  return (
    <>
      <div class="row audit-buttons">
        <button class="button" disabled={busy.value !== null} onClick={() => void verify()}>
          Verify
        </button>
        {!many && (
          <button class="button" disabled={busy.value !== null} onClick={() => void take()}>
            Export JSON lines
          </button>
        )}
        <span class="faint" role="status">
          {busy.value && `${busy.value}…`}
        </span>
      </div>
      {many && (
        <div class="audit-many">
          <p class="muted">More records than a browser should hold; where the service is, this writes them:</p>
          <Command text="fedsight policy audit export trail.jsonl" />
        </div>
      )}
      {failed.value && (
        <p class="bad">
          <Glyph name="cross" tone="bad" /> {failed.value}
        </p>
      )}
    </>
  );
}

export function Audit() {
  const { state, error, read } = useAudit();
  void wall.value; // ages grow
  if (!state) {
    if (!error) return <Skeleton rows={6} />;
    return (
      <Problem title="The audit trail could not be read" error={error} action={<a class="button" href={tabHref('decisions')}>Decisions</a>}>
        The trail itself is untouched.
      </Problem>
    );
  }
  const { verified } = state;
  return (
    <div class="audit-page">
      <Panel title="Audit chain" sub={plural(state.records, 'record')} right={<Standing {...state} />}>
        <div class="body">
          <Chain state={state} />
          {verified && !verified.ok && <Broken state={state} proven={verified} />}
          {state.fault && (
            <p class="bad">
              <Glyph name="cross" tone="bad" /> It cannot be written: {state.fault}. Decisions are refused until it can be.
            </p>
          )}
          <Facts state={state} />
          <Buttons state={state} read={read} />
        </div>
      </Panel>
      <Panel title="What this proves">
        <div class="body audit-prove muted">
          <p>
            Each record holds the hash of the one before it. Whoever changes, removes, inserts or moves one is found at that record.
          </p>
          <p>
            What comes after the last <b>signed</b> head could be hashed anew by whoever can write the files. What comes after the
            last <b>witnessed</b> one could be cut off unseen, by whoever has the key too.
          </p>
          <p>Verifying compares the trail with what the collector witnessed, where it is reached. Keep an export elsewhere for the rest.</p>
          <Command text="fedsight policy audit verify" />
        </div>
      </Panel>
    </div>
  );
}
