// Each node's share of the data against its share of the updates: on the line they are the same.
import { useRef } from 'preact/hooks';
import { percent } from '../format';
import { hideTip, showTip } from '../tip';
import { hoverNode } from '../view';
import type { NodeFigures } from './figures';

const [W, H] = [300, 260];
const LEFT = 40;
const BOTTOM = 22;
const EDGE = 10;
const NEAR = 14;
/** Twice or half its share is worth a name; only so many have room. */
const FAR = 2;
const NAMED = 5;

interface Point {
  node: string;
  data: number;
  updates: number;
}

const STEPS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5];

function ticks(top: number): number[] {
  const step = STEPS.find(each => top / each <= 4) ?? 1;
  return Array.from({ length: Math.floor(top / step + 1e-9) + 1 }, (_, at) => at * step);
}

const label = (share: number) => `${+(share * 100).toFixed(1)} %`;

const apart = ({ data, updates }: Point) =>
  updates && data ? Math.max(updates / data, data / updates) : Infinity;

const dots = (points: readonly Point[], x: (v: number) => number, y: (v: number) => number) =>
  points.map(({ data, updates }) => `M${x(data).toFixed(1)} ${y(updates).toFixed(1)}h0`).join('');

export function Scatter({ nodes }: { nodes: readonly NodeFigures[] }) {
  const box = useRef<SVGSVGElement>(null);
  const points = nodes.flatMap(({ node, dataShare, updateShare }): Point[] =>
    dataShare === null || updateShare === null
      ? []
      : [{ node, data: dataShare, updates: updateShare }],
  );
  const most = (of: (point: Point) => number) =>
    1.1 * points.reduce((high, point) => Math.max(high, of(point)), 0.001);
  const [right, top] = [most(p => p.data), most(p => p.updates)];
  const x = (share: number) => LEFT + (share / right) * (W - LEFT - EDGE);
  const y = (share: number) => H - BOTTOM - (share / top) * (H - BOTTOM - EDGE);
  const far = points.filter(point => apart(point) >= FAR).sort((a, b) => apart(b) - apart(a));
  const named = far.slice(0, NAMED);
  const same = Math.min(right, top);
  const point = (event: PointerEvent) => {
    const area = box.current!.getBoundingClientRect();
    const scale = W / area.width;
    const [px, py] = [(event.clientX - area.left) * scale, (event.clientY - area.top) * scale];
    const distance = (p: Point) => Math.hypot(x(p.data) - px, y(p.updates) - py);
    const hit = points.reduce((a, b) => (distance(b) < distance(a) ? b : a), points[0]!);
    if (distance(hit) > NEAR) return leave();
    hoverNode.value = hit.node;
    const text = `${percent(hit.data)} % of the data, ${percent(hit.updates)} % of the updates`;
    showTip(event.clientX, event.clientY, [<b key="node">{hit.node}</b>, ` ${text}`]);
  };
  const leave = () => {
    hoverNode.value = null;
    hideTip();
  };
  const lit = points.find(({ node }) => node === hoverNode.value);
  return (
    <svg
      ref={box}
      class="scatter"
      viewBox={`0 0 ${W} ${H}`}
      role="img"
      aria-label="Share of the data against share of the updates by node; the table has both"
      onPointerMove={point}
      onPointerLeave={leave}
    >
      {ticks(top).map(share => (
        <g key={share}>
          <path class="grid" d={`M${LEFT} ${y(share)}H${W - EDGE}`} />
          <text x={LEFT - 6} y={y(share) + 3.5} text-anchor="end">
            {label(share)}
          </text>
        </g>
      ))}
      {ticks(right).map(share => (
        <text key={share} x={x(share)} y={H - 6} text-anchor="middle">
          {label(share)}
        </text>
      ))}
      <path class="same" d={`M${x(0)} ${y(0)}L${x(same)} ${y(same)}`} />
      <path class="dots" d={dots(points.filter(p => !far.includes(p)), x, y)} />
      {far.map(p => (
        <path
          key={p.node}
          class="far"
          d={`M${x(p.data)} ${y(p.updates) - 5}l5 5-5 5-5-5z`}
        />
      ))}
      {named.map(p => {
        const before = x(p.data) > W * 0.7;
        return (
          <text
            key={p.node}
            class="name"
            x={x(p.data) + (before ? -9 : 9)}
            y={y(p.updates) + 3.5}
            text-anchor={before ? 'end' : 'start'}
          >
            {p.node}
          </text>
        );
      })}
      {lit && <circle class="lit" cx={x(lit.data)} cy={y(lit.updates)} r="6" />}
    </svg>
  );
}
