/** A window on a drawing: zoom by wheel, keys and buttons; pan by dragging and arrow keys. */
import * as React from 'react';
import { text } from './text';
import { first, fitted, IPoint, ISize, IView, moved, showing, zoomed } from './zoom';

/** How much a key or a button zooms, and a px of the wheel. */
const STEP = 1.25;
const WHEEL = 0.0015;
/** px: how far an arrow key moves. */
const ARROW = 60;
const LEAST_HEIGHT = 160;
/** Of the browser's window. */
const MOST_HEIGHT = 0.65;

const ARROWS: { readonly [key: string]: IPoint } = {
  ArrowLeft: { x: ARROW, y: 0 },
  ArrowRight: { x: -ARROW, y: 0 },
  ArrowUp: { x: 0, y: ARROW },
  ArrowDown: { x: 0, y: -ARROW }
};

export interface ICanvasProps {
  readonly drawing: ISize;
  readonly label: string;
  readonly className: string;
  /** px: its width until it is measured. */
  readonly width: number;
  /** Draws; what it is given brings a part of the drawing into view. */
  readonly children: (show: (box: IPoint & ISize) => void) => React.ReactNode;
}

export function Canvas(props: ICanvasProps): JSX.Element {
  const { drawing } = props;
  const node = React.useRef<HTMLDivElement>(null);
  const height = Math.max(LEAST_HEIGHT, Math.min(drawing.height, MOST_HEIGHT * window.innerHeight));
  const [width, setWidth] = React.useState(props.width);
  const [chosen, choose] = React.useState<IView | null>(null);
  const room = { width, height };
  const view = chosen ?? first(drawing, room);
  const { x, y, scale } = view;
  const middle = { x: width / 2, y: height / 2 };
  const change = (next: (view: IView) => IView) =>
    choose(before => next(before ?? first(drawing, room)));
  const zoom = (factor: number, at: IPoint) =>
    change(before => zoomed(before, factor, at, drawing, room));
  const pan = (by: IPoint) => change(before => moved(before, by, drawing, room));
  useWidth(node, setWidth);
  useWheel(node, zoom);
  const drag = useDrag(pan);
  const onKey = (event: React.KeyboardEvent) => {
    const { key } = event;
    if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    if (key in ARROWS) {
      pan(ARROWS[key]);
    } else if (key === '+' || key === '=') {
      zoom(STEP, middle);
    } else if (key === '-' || key === '_') {
      zoom(1 / STEP, middle);
    } else if (key === '0') {
      choose(fitted(drawing, room));
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div
      className="mlops-canvas"
      ref={node}
      style={{ height }}
      tabIndex={0}
      role="group"
      aria-label={props.label}
      data-scale={scale.toFixed(3)}
      onKeyDown={onKey}
      {...drag}
    >
      <svg className={props.className} width={width} height={height}>
        <g transform={`translate(${x} ${y}) scale(${scale})`}>
          {props.children(box => change(before => showing(before, box, room)))}
        </g>
      </svg>
      <Buttons
        onZoom={factor => zoom(factor, middle)}
        onFit={() => choose(fitted(drawing, room))}
      />
    </div>
  );
}

function Buttons(props: { onZoom: (factor: number) => void; onFit: () => void }): JSX.Element {
  const { trans } = text;
  const button = (action: string, sign: string, label: string, press: () => void) => (
    <button
      type="button"
      className="mlops-action"
      data-action={action}
      title={label}
      aria-label={label}
      onClick={press}
    >
      {sign}
    </button>
  );
  return (
    <div className="mlops-zoom" role="toolbar" aria-label={trans.__('Zoom')}>
      {button('zoom-in', '+', trans.__('Zoom in (+)'), () => props.onZoom(STEP))}
      {button('zoom-out', '−', trans.__('Zoom out (-)'), () => props.onZoom(1 / STEP))}
      {button('zoom-fit', '⤢', trans.__('Show all of it (0)'), props.onFit)}
    </div>
  );
}

function useWidth(node: React.RefObject<HTMLElement>, set: (width: number) => void): void {
  React.useLayoutEffect(() => {
    const { current } = node;
    if (!current) {
      return;
    }
    const measure = () => current.clientWidth > 0 && set(current.clientWidth);
    const watcher = new ResizeObserver(measure);
    watcher.observe(current);
    measure();
    return () => watcher.disconnect();
  }, []);
}

/** React listens to wheels passively: the tab would scroll as well. */
function useWheel(
  node: React.RefObject<HTMLElement>,
  zoom: (factor: number, at: IPoint) => void
): void {
  const latest = React.useRef(zoom);
  latest.current = zoom;
  React.useEffect(() => {
    const { current } = node;
    const turn = (event: WheelEvent) => {
      event.preventDefault();
      const box = current!.getBoundingClientRect();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
      const at = { x: event.clientX - box.left, y: event.clientY - box.top };
      latest.current(Math.exp(-event.deltaY * lines * WHEEL), at);
    };
    current?.addEventListener('wheel', turn, { passive: false });
    return () => current?.removeEventListener('wheel', turn);
  }, []);
}

type Drag = Pick<
  React.DOMAttributes<HTMLElement>,
  'onPointerDown' | 'onPointerMove' | 'onPointerUp' | 'onPointerCancel'
>;

/** Dragging anywhere but at a button. */
function useDrag(pan: (by: IPoint) => void): Drag {
  const last = React.useRef<IPoint | null>(null);
  const end = () => {
    last.current = null;
  };
  return {
    onPointerDown: event => {
      if (event.button === 0 && !(event.target as Element).closest('[role="button"], button')) {
        event.currentTarget.setPointerCapture(event.pointerId);
        last.current = { x: event.clientX, y: event.clientY };
      }
    },
    onPointerMove: event => {
      const before = last.current;
      if (before) {
        last.current = { x: event.clientX, y: event.clientY };
        pan({ x: event.clientX - before.x, y: event.clientY - before.y });
      }
    },
    onPointerUp: end,
    onPointerCancel: end
  };
}
