// What canvases share: size, colours of the theme, text.
import { token } from '../view';

export const FONT = '10.5px Inter, system-ui, sans-serif';

/** Fit a canvas to a box in CSS pixels; drawing is in CSS pixels from then on. */
export function fit(canvas: HTMLCanvasElement, width: number, height: number) {
  const ratio = devicePixelRatio;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const pen = canvas.getContext('2d')!;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = FONT;
  pen.textBaseline = 'middle';
  return pen;
}

/** `#rrggbb` with an opacity. */
export const faded = (colour: string, alpha: number): string =>
  alpha >= 1 ? colour : colour + Math.round(alpha * 255).toString(16).padStart(2, '0');

const channels = (colour: string): number[] =>
  [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16));

/** A colour as a little-endian RGBA pixel. */
export function pixel(colour: string): number {
  const [red, green, blue] = channels(colour) as [number, number, number];
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/** The heat ramp of the theme as 256 pixels, from little to much. */
export function ramp(): Uint32Array {
  const stops = [0, 1, 2, 3, 4].map(at => channels(token(`h${at}`)));
  return Uint32Array.from({ length: 256 }, (_, at) => {
    const place = (at / 255) * 4;
    const stop = Math.min(3, Math.floor(place));
    const mixed = [0, 1, 2].map(channel => {
      const [from, to] = [stops[stop]![channel]!, stops[stop + 1]![channel]!];
      return Math.round(from + (to - from) * (place - stop)).toString(16).padStart(2, '0');
    });
    return pixel(`#${mixed.join('')}`);
  });
}

/** A text cut to a width, with an ellipsis. */
export function cut(pen: CanvasRenderingContext2D, text: string, width: number): string {
  if (pen.measureText(text).width <= width) return text;
  let end = text.length;
  while (end > 1 && pen.measureText(`${text.slice(0, end)}…`).width > width) end--;
  return `${text.slice(0, end)}…`;
}

export function triangle(pen: CanvasRenderingContext2D, x: number, y: number): void {
  pen.beginPath();
  pen.moveTo(x, y - 4);
  pen.lineTo(x + 4.5, y + 4);
  pen.lineTo(x - 4.5, y + 4);
  pen.fill();
}

export function cross(pen: CanvasRenderingContext2D, x: number, y: number, reach: number): void {
  pen.beginPath();
  pen.moveTo(x - reach, y - reach);
  pen.lineTo(x + reach, y + reach);
  pen.moveTo(x + reach, y - reach);
  pen.lineTo(x - reach, y + reach);
  pen.stroke();
}

export function slash(pen: CanvasRenderingContext2D, x: number, y: number, reach: number): void {
  pen.beginPath();
  pen.moveTo(x - reach, y + reach);
  pen.lineTo(x + reach, y - reach);
  pen.stroke();
}
