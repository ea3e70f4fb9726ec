/** Draws the shape of a state. */
import * as React from 'react';
import { SHAPES } from './shapes';
import { State } from './types';

/** The shape of `state`, for use inside an SVG. */
export function Glyph(props: { state: State; x?: number; y?: number }): JSX.Element {
  return (
    <g
      className="mlops-glyph"
      data-glyph={props.state}
      transform={`translate(${props.x ?? 0} ${props.y ?? 0})`}
      aria-hidden="true"
    >
      {SHAPES[props.state].map(([tag, className, attributes], place) =>
        React.createElement(tag, { key: place, className, ...attributes })
      )}
    </g>
  );
}
