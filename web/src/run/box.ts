// What canvases of the run page share: the room they have.
import { useEffect, useState } from 'preact/hooks';

/** Width of an element in CSS pixels, kept up as it changes; 0 before it is known. */
export function useWidth(box: { current: HTMLElement | null }): number {
  const [size, setSize] = useState(0);
  useEffect(() => {
    const element = box.current!;
    const read = () => setSize(element.clientWidth);
    const observer = new ResizeObserver(read);
    observer.observe(element);
    read();
    return () => observer.disconnect();
  }, []);
  return size;
}
