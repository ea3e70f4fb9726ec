/** A shape for each state: what colour says, the shape says too. */
import * as React from 'react';
import { State } from './types';

/** 16 px square shapes, drawn around the middle (8, 8). */
const SHAPES: Record<State, JSX.Element> = {
  never: <circle className="mlops-line" cx="8" cy="8" r="5.5" />,
  queued: (
    <>
      <circle className="mlops-line" cx="8" cy="8" r="6" />
      <path className="mlops-line" d="M8 4.6V8l2.4 1.6" />
    </>
  ),
  running: (
    <>
      <circle className="mlops-track" cx="8" cy="8" r="6" />
      <path className="mlops-line mlops-spin" d="M8 2a6 6 0 0 1 6 6" />
    </>
  ),
  finished: (
    <>
      <circle className="mlops-fill" cx="8" cy="8" r="7" />
      <path className="mlops-mark" d="M4.9 8.3l2.2 2.2 4-4.6" />
    </>
  ),
  failed: (
    <>
      <path className="mlops-fill" d="M5.1 1h5.8L15 5.1v5.8L10.9 15H5.1L1 10.9V5.1z" />
      <path className="mlops-mark" d="M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8" />
    </>
  ),
  reused: (
    <>
      <circle className="mlops-line" cx="8" cy="8" r="6" />
      <path className="mlops-tick" d="M4.9 8.3l2.2 2.2 4-4.6" />
    </>
  ),
  stale: (
    <>
      <path className="mlops-fill" d="M8 .8L15.2 8 8 15.2.8 8z" />
      <path className="mlops-mark" d="M5.8 10.2l.3-1.6 3.1-3.1 1.3 1.3-3.1 3.1z" />
    </>
  )
};

/** The shape of `state`, for use inside an SVG. */
export function Glyph(props: { state: State; x?: number; y?: number }): JSX.Element {
  return (
    <g
      className="mlops-glyph"
      data-glyph={props.state}
      transform={`translate(${props.x ?? 0} ${props.y ?? 0})`}
      aria-hidden="true"
    >
      {SHAPES[props.state]}
    </g>
  );
}
