/** Draws the pipeline as an SVG: steps as buttons, edges that say what they carry. */
import * as React from 'react';
import { Canvas } from './canvas';
import { Glyph } from './glyphs';
import { arrange, IArrow, IBox } from './layout';
import { text, wordOf } from './text';
import { IGraph, IStep, IStepState } from './types';

export interface IGraphProps {
  readonly graph: IGraph;
  readonly standings: ReadonlyMap<string, IStepState>;
  readonly activeStep: string | null;
  readonly label: string;
  /** px: how wide the drawing may be before its texts are cut. */
  readonly room: number;
  /** The steps that were looked for, null if none were. */
  readonly found: ReadonlySet<string> | null;
  readonly onPick: (step: string) => void;
}

const UNKNOWN: IStepState = { state: 'never', because: '', seconds: null, ids: [] };

export function Graph(props: IGraphProps): JSX.Element {
  const { graph, room } = props;
  const [lit, light] = React.useState<string | null>(null);
  const drawing = React.useMemo(
    () => arrange(graph.steps, graph.edges, room, measure),
    [graph, room]
  );
  const related = React.useMemo(() => relatives(graph, lit), [graph, lit]);
  return (
    <Canvas
      className={`mlops-graph${related ? ' mlops-lit' : ''}`}
      drawing={drawing}
      label={props.label}
      width={room}
    >
      {show => (
        <>
          <Arrowhead />
          {drawing.arrows.map(arrow => (
            <Arrow
              key={`${arrow.from} ${arrow.to}`}
              arrow={arrow}
              isRelated={!!related?.has(arrow.from) && related.has(arrow.to)}
            />
          ))}
          {drawing.boxes.map(box => (
            <Box
              key={box.step.name}
              box={box}
              standing={props.standings.get(box.step.name) ?? UNKNOWN}
              isActive={box.step.name === props.activeStep}
              isRelated={!!related?.has(box.step.name)}
              isMissed={props.found?.has(box.step.name) === false}
              onPick={props.onPick}
              onLight={light}
              onFocus={() => show(box)}
            />
          ))}
        </>
      )}
    </Canvas>
  );
}

function Arrowhead(): JSX.Element {
  return (
    <defs>
      <marker
        id="mlops-arrowhead"
        viewBox="0 0 8 8"
        refX="7"
        refY="4"
        markerWidth="8"
        markerHeight="8"
        markerUnits="userSpaceOnUse"
        orient="auto"
      >
        <path d="M0 .5L8 4 0 7.5z" />
      </marker>
    </defs>
  );
}

function Arrow(props: { arrow: IArrow; isRelated: boolean }): JSX.Element {
  const { from, to, names, path } = props.arrow;
  return (
    <g
      className="mlops-edge"
      data-edge={`${from} ${to}`}
      data-related={props.isRelated || undefined}
    >
      <title>{`${from} → ${to}: ${names.join(', ') || text.trans.__('order only')}`}</title>
      <path className="mlops-edge-reach" d={path} />
      <path className="mlops-edge-line" d={path} markerEnd="url(#mlops-arrowhead)" />
    </g>
  );
}

interface IBoxProps {
  readonly box: IBox;
  readonly standing: IStepState;
  readonly isActive: boolean;
  readonly isRelated: boolean;
  readonly isMissed: boolean;
  readonly onPick: (step: string) => void;
  readonly onLight: (step: string | null) => void;
  readonly onFocus: () => void;
}

function Box(props: IBoxProps): JSX.Element {
  const { box, standing, onPick, onLight } = props;
  const name = box.step.name;
  const { state } = standing;
  const middle = box.height / 2;
  return (
    <g
      className="mlops-step"
      transform={`translate(${box.x} ${box.y})`}
      role="button"
      tabIndex={0}
      data-step={name}
      data-state={state}
      data-related={props.isRelated || undefined}
      data-missed={props.isMissed || undefined}
      aria-label={`${name}: ${wordOf(state)}`}
      aria-current={props.isActive ? 'step' : undefined}
      onClick={() => onPick(name)}
      onKeyDown={event => {
        if (event.key === 'Enter' || event.key === ' ') {
          event.preventDefault();
          onPick(name);
        }
      }}
      onMouseEnter={() => onLight(name)}
      onMouseLeave={() => onLight(null)}
      onFocus={() => {
        onLight(name);
        props.onFocus();
      }}
      onBlur={() => onLight(null)}
    >
      <title>{tooltip(box.step, standing)}</title>
      <rect width={box.width} height={box.height} rx={5} />
      <Glyph state={state} x={9} y={middle - 8} />
      <text className="mlops-title" x={33} y={box.detail ? middle - 3 : middle + 4}>
        {box.label}
      </text>
      {box.detail && (
        <text className="mlops-detail" x={33} y={middle + 12}>
          {box.detail}
        </text>
      )}
    </g>
  );
}

function tooltip(step: IStep, standing: IStepState): string {
  const { trans } = text;
  const lines = [`${step.name}: ${wordOf(standing.state)}`];
  if (standing.because) {
    lines.push(standing.because);
  }
  const words = {
    uses: (names: string) => trans.__('uses %1', names),
    makes: (names: string) => trans.__('makes %1', names),
    parameters: (names: string) => trans.__('parameters %1', names),
    after: (names: string) => trans.__('after %1', names)
  };
  for (const [what, names] of [
    ['uses', step.uses],
    ['makes', step.makes],
    ['parameters', step.parameters],
    ['after', step.after]
  ] as const) {
    if (names.length > 0) {
      lines.push(words[what](names.join(', ')));
    }
  }
  return lines.join('\n');
}

/** A step with all that it depends on and all that depends on it. */
export function relatives(graph: IGraph, step: string | null): ReadonlySet<string> | null {
  if (step === null) {
    return null;
  }
  const up = reach(step, graph.edges.map(([from, to]) => [to, from] as const));
  const down = reach(step, graph.edges.map(([from, to]) => [from, to] as const));
  return new Set([...up, ...down]);
}

function reach(start: string, links: readonly (readonly [string, string])[]): Set<string> {
  const found = new Set([start]);
  for (const name of found) {
    links.filter(([from]) => from === name).forEach(([, to]) => found.add(to));
  }
  return found;
}

const pen = document.createElement('canvas').getContext('2d');

/** A text's width in px, in the font that JupyterLab's interface is set in. */
function measure(text: string, small: boolean): number {
  if (!pen) {
    return text.length * 7;
  }
  const family = getComputedStyle(document.body).getPropertyValue('--jp-ui-font-family');
  pen.font = `${small ? '400 11px' : '600 13px'} ${family || 'sans-serif'}`;
  return pen.measureText(text).width;
}
