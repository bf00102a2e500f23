// One round as a waterfall, in a panel.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { useSignalEffect } from '@preact/signals';
import { plural, seconds } from '../format';
import { Glyph, Panel } from '../parts';
import { hideTip, showTip } from '../tip';
import { hoverNode, phone, shade } from '../view';
import { useWidth } from './box';
import { figureAt } from './rounds';
import type { RunStore } from './store';
import { longCause } from './straggler';
import { inspect, step } from './view';
import { drawWaterfall, frame, HEAD, LANE, rowHeight } from './waterfall-draw';
import { replies, waterfall, type Row, type Waterfall } from './waterfall-rows';

const LEFT = 74;
const LEFT_PHONE = 66;
const PHASES = ['queued', 'download', 'train', 'upload', 'aggregate', 'evaluate'] as const;

const RowTip = ({ row }: { row: Row }) => (
  <>
    <b>{row.node}</b>
    {row.bars.map(bar => (
      <div key={bar.phase}>
        <span class="faint">{bar.phase}</span> {seconds(bar.seconds)}
      </div>
    ))}
    {!row.bars.length && <div class="faint">no phase was recorded</div>}
    {row.status === null && <div class="faint">outcome unknown</div>}
    {row.status !== null && row.status !== 'trained' && (
      <div class="bad">
        {row.status.replace('_', ' ')}
        {row.reason && `: ${row.reason}`}
      </div>
    )}
    {row.cause && <div class="warn">{longCause(row.cause)}</div>}
  </>
);

interface CanvasProps {
  fall: Waterfall;
  round: number;
  height: number;
}

function WaterfallCanvas({ fall, round, height }: CanvasProps) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const wide = useWidth(box);
  const [scroll, setScroll] = useState(0);
  const left = phone.value ? LEFT_PHONE : LEFT;
  const tall = fall.rows.length * rowHeight(height, fall.rows.length) + HEAD + LANE;
  const at = frame(fall, wide, height, left, Math.min(scroll, Math.max(0, tall - height)));
  const draw = (lit: string | null) => {
    if (wide) drawWaterfall(canvas.current!, at, fall, lit);
  };
  useEffect(() => draw(hoverNode.peek()), [fall, wide, height, scroll, shade.value]);
  useSignalEffect(() => draw(hoverNode.value));

  const leave = () => {
    hoverNode.value = null;
    hideTip();
  };
  const onPointerMove = (event: PointerEvent) => {
    const y = event.clientY - box.current!.getBoundingClientRect().top;
    const row = fall.rows[Math.floor((y - HEAD + scroll) / at.rowHeight)];
    if (!row || y < HEAD || y > height - LANE) return leave();
    hoverNode.value = row.node;
    showTip(event.clientX, event.clientY, <RowTip row={row} />);
  };
  const last = fall.rows[0];
  const label = `Waterfall of round ${round}: ${plural(fall.rows.length, 'client')}${
    last?.finish != null ? `, last reply from ${last.node} after ${seconds(last.finish)}` : ''
  }. The inspector lists the same figures.`;
  return (
    <div
      ref={box}
      class="canvas-box waterfall"
      style={{ height: `${height}px` }}
      role="img"
      tabIndex={tall > height ? 0 : undefined}
      aria-label={label}
      onScroll={event => setScroll(event.currentTarget.scrollTop)}
      onPointerMove={onPointerMove}
      onPointerLeave={leave}
      onClick={() => inspect(round)}
    >
      <div style={{ height: `${Math.max(height, tall)}px` }}>
        <canvas ref={canvas} />
      </div>
    </div>
  );
}

function summary(fall: Waterfall, time: number | null): string {
  const slow = fall.judgement.causes.size;
  const took = time === null ? '' : `${seconds(time)} · `;
  const back = `${replies(fall).length} of ${fall.rows.length} replied`;
  return `${took}${back} · ${slow ? plural(slow, 'straggler') : 'no stragglers'}`;
}

const Legend = ({ fall }: { fall: Waterfall }) => {
  const bars = fall.rows.flatMap(row => row.bars).concat(fall.server);
  const seen = new Set(bars.map(bar => bar.phase));
  return (
    <div class="legend">
      {PHASES.filter(phase => seen.has(phase)).map(phase => (
        <span key={phase}>
          <i class={`ph-${phase}`} />
          {phase}
        </span>
      ))}
      {fall.judgement.causes.size > 0 && (
        <span class="warn" title="Own time beyond median + 3 MAD; waiting in the queue does not count">
          <Glyph name="triangle" />
          straggler
        </span>
      )}
    </div>
  );
};

interface PanelProps {
  store: RunStore;
  round: number | null;
  height: number;
}

const Empty = ({ height, children }: { height: number; children?: string }) => (
  <div class="canvas-empty" style={{ height: `${height}px` }}>
    {children}
  </div>
);

export function WaterfallPanel({ store, round, height }: PanelProps) {
  const table = store.rounds.value;
  const detail = round === null ? null : store.detail(round);
  const shown = useRef<{ round: number; fall: Waterfall } | null>(null);
  const fall = useMemo(() => detail && waterfall(detail.clients, detail.spans), [detail]);
  // While a round is on its way the one before stays: a page that blinks is hard to read.
  if (fall && round !== null) shown.current = { round, fall };
  const now = shown.current;
  if (round === null || !now) {
    return (
      <Panel title={round === null ? 'Round' : `Round ${round}`}>
        <div class="body">
          <Empty height={height}>{round === null ? 'The first round is not over yet.' : ''}</Empty>
        </div>
      </Panel>
    );
  }
  const buttons = (
    <div class="row tight">
      <button class="button ghost" aria-label="Previous round" onClick={() => step(-1, table)}>
        ‹
      </button>
      <button class="button ghost" aria-label="Next round" onClick={() => step(1, table)}>
        ›
      </button>
      <button class="button ghost" onClick={() => inspect(now.round)}>
        Inspect
      </button>
    </div>
  );
  const sub = summary(now.fall, figureAt(table, 'seconds', now.round));
  return (
    <Panel title={`Round ${now.round}`} sub={sub} right={buttons}>
      <div class="body">
        {now.fall.rows.length || now.fall.server.length ? (
          <WaterfallCanvas fall={now.fall} round={now.round} height={height} />
        ) : (
          <Empty height={height}>No client and no phase of this round was recorded.</Empty>
        )}
        <Legend fall={now.fall} />
      </div>
    </Panel>
  );
}
