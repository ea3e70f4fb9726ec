/** A shape for each state: what colour says, the shape says too. */
import type { State } from './types';

/** An element of SVG: its name, its class and its attributes. */
export type Shape = readonly [
  'circle' | 'path',
  string,
  { readonly [name: string]: string | number }
];

/** 16 px square shapes, drawn around the middle (8, 8). */
export const SHAPES: Record<State, readonly Shape[]> = {
  never: [['circle', 'mlops-line', { cx: 8, cy: 8, r: 5.5 }]],
  queued: [
    ['circle', 'mlops-line', { cx: 8, cy: 8, r: 6 }],
    ['path', 'mlops-line', { d: 'M8 4.6V8l2.4 1.6' }]
  ],
  running: [
    ['circle', 'mlops-track', { cx: 8, cy: 8, r: 6 }],
    ['path', 'mlops-line mlops-spin', { d: 'M8 2a6 6 0 0 1 6 6' }]
  ],
  finished: [
    ['circle', 'mlops-fill', { cx: 8, cy: 8, r: 7 }],
    ['path', 'mlops-mark', { d: 'M4.9 8.3l2.2 2.2 4-4.6' }]
  ],
  failed: [
    ['path', 'mlops-fill', { d: 'M5.1 1h5.8L15 5.1v5.8L10.9 15H5.1L1 10.9V5.1z' }],
    ['path', 'mlops-mark', { d: 'M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8' }]
  ],
  reused: [
    ['circle', 'mlops-line', { cx: 8, cy: 8, r: 6 }],
    ['path', 'mlops-tick', { d: 'M4.9 8.3l2.2 2.2 4-4.6' }]
  ],
  stale: [
    ['path', 'mlops-fill', { d: 'M8 .8L15.2 8 8 15.2.8 8z' }],
    ['path', 'mlops-mark', { d: 'M5.8 10.2l.3-1.6 3.1-3.1 1.3 1.3-3.1 3.1z' }]
  ]
};
