/** A list of which only the rows in view exist. */
import * as React from 'react';

/** Rows above and below the view that exist as well. */
const SPARE = 10;

export function VirtualList<T>(props: {
  rows: readonly T[];
  /** px */
  height: number;
  keyOf: (row: T) => string;
  draw: (row: T) => JSX.Element;
  label: string;
}): JSX.Element {
  const { rows, height, keyOf, draw } = props;
  const box = React.useRef<HTMLDivElement>(null);
  const [top, setTop] = React.useState(0);
  const [room, setRoom] = React.useState(600);
  React.useLayoutEffect(() => {
    const node = box.current;
    if (!node) {
      return;
    }
    const watcher = new ResizeObserver(() => setRoom(node.clientHeight || 600));
    watcher.observe(node);
    return () => watcher.disconnect();
  }, []);
  const first = Math.max(0, Math.floor(top / height) - SPARE);
  const last = Math.min(rows.length, Math.ceil((top + room) / height) + SPARE);
  return (
    <div
      className="mlops-scroll"
      ref={box}
      tabIndex={0}
      role="region"
      aria-label={props.label}
      onScroll={event => setTop(event.currentTarget.scrollTop)}
    >
      <ul style={{ height: rows.length * height, paddingTop: first * height }}>
        {rows.slice(first, last).map(row => (
          <li key={keyOf(row)} style={{ height }}>
            {draw(row)}
          </li>
        ))}
      </ul>
    </div>
  );
}
