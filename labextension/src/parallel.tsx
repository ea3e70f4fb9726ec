/** Draws runs as lines over parallel axes: parameters first, then metrics. */
import * as React from 'react';
import { coordinates, IAxis, ILine } from './coordinates';
import { figure, text } from './text';
import { IRun } from './types';

/** px */
const HEIGHT = 190;
const TOP = 30;
const FOOT = 14;
const AXIS = 84;
const LEFT = 52;
const RIGHT = 28;
/** Letters of a name and of a tick. */
const NAME = 14;
const TICK = 8;

export function ParallelCoordinates(props: {
  runs: readonly IRun[];
  nameOf: (run: IRun) => string;
  /** px */
  room: number;
  onPick: (run: string) => void;
}): JSX.Element {
  const { runs } = props;
  const { trans } = text;
  const { axes, lines } = React.useMemo(() => coordinates(runs), [runs]);
  const [lit, light] = React.useState<string | null>(null);
  const [first, setFirst] = React.useState(0);
  const group = React.useRef<SVGGElement>(null);
  const gap = Math.max(AXIS, (props.room - LEFT - RIGHT) / Math.max(1, axes.length - 1));
  const width = LEFT + RIGHT + gap * Math.max(1, axes.length - 1);
  const known = new Map(runs.map(run => [run.run, run]));
  const described = (run: string) => {
    const values = known.get(run)!;
    const shown = axes.map(
      ({ name, kind }) =>
        `${name} ${figure((kind === 'metric' ? values.metrics : values.parameters)[name] ?? '–')}`
    );
    return `${props.nameOf(values)} ${run}: ${shown.join(', ')}`;
  };
  if (axes.length === 0) {
    return <p className="mlops-note">{trans.__('These runs have no metric and differ in no parameter.')}</p>;
  }
  const step = (event: React.KeyboardEvent, run: string, place: number) => {
    const by = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (by !== 0) {
      const next = (place + by + lines.length) % lines.length;
      setFirst(next);
      group.current?.querySelectorAll<SVGElement>('[role="button"]')[next]?.focus();
    } else if (event.key === 'Enter' || event.key === ' ') {
      props.onPick(run);
    } else {
      return;
    }
    event.preventDefault();
  };
  return (
    <figure className="mlops-parallel">
      <div className="mlops-wide-table">
        <svg
          width={width}
          height={HEIGHT}
          role="group"
          aria-label={trans.__('Parallel coordinates of %1 runs', runs.length)}
        >
          {axes.map((axis, place) => (
            <Axis key={`${axis.kind} ${axis.name}`} axis={axis} x={LEFT + gap * place} />
          ))}
          <g ref={group} data-lit={lit ?? undefined}>
            {lines.map((line, place) => (
              <Line
                key={line.run}
                line={line}
                gap={gap}
                label={described(line.run)}
                isLit={line.run === lit}
                tabIndex={place === Math.min(first, lines.length - 1) ? 0 : -1}
                onLight={light}
                onPick={props.onPick}
                onKey={event => step(event, line.run, place)}
              />
            ))}
          </g>
        </svg>
      </div>
      <figcaption className="mlops-note" aria-live="polite">
        {lit !== null && known.has(lit)
          ? described(lit)
          : trans.__('Point at a line, or go along the lines with the arrow keys: Enter shows the run.')}
      </figcaption>
    </figure>
  );
}

function Axis({ axis, x }: { axis: IAxis; x: number }): JSX.Element {
  const { name, kind, ticks } = axis;
  return (
    <g className="mlops-axis" data-axis={name} data-kind={kind}>
      <title>{name}</title>
      <text className="mlops-axis-name" x={x} y={14} textAnchor="middle">
        {cut(name, NAME)}
      </text>
      <line x1={x} x2={x} y1={TOP} y2={HEIGHT - FOOT} />
      {ticks.map(({ value, at }) => (
        <g key={String(at)}>
          <line x1={x - 4} x2={x} y1={height(at)} y2={height(at)} />
          <text x={x - 6} y={height(at) + 3.5} textAnchor="end">
            {cut(figure(value), TICK)}
          </text>
        </g>
      ))}
    </g>
  );
}

function Line(props: {
  line: ILine;
  gap: number;
  label: string;
  isLit: boolean;
  tabIndex: number;
  onLight: (run: string | null) => void;
  onPick: (run: string) => void;
  onKey: (event: React.KeyboardEvent) => void;
}): JSX.Element {
  const { line, gap, onLight } = props;
  const d = pathOf(line, gap);
  return (
    <g
      className="mlops-parallel-run"
      role="button"
      tabIndex={props.tabIndex}
      aria-label={props.label}
      data-line={line.run}
      data-lit={props.isLit || undefined}
      onMouseEnter={() => onLight(line.run)}
      onMouseLeave={() => onLight(null)}
      onFocus={() => onLight(line.run)}
      onBlur={() => onLight(null)}
      onClick={() => props.onPick(line.run)}
      onKeyDown={props.onKey}
    >
      <path className="mlops-edge-reach" d={d} />
      <path className="mlops-parallel-line" d={d} />
      {line.places.map(
        (at, place) =>
          at !== null && <circle key={place} cx={LEFT + gap * place} cy={height(at)} r="2.5" />
      )}
    </g>
  );
}

/** A line through the places that a run has, with a gap where it has none. */
function pathOf({ places }: ILine, gap: number): string {
  let path = '';
  places.forEach((at, place) => {
    if (at !== null) {
      const isNext = place > 0 && places[place - 1] !== null;
      path += `${isNext ? 'L' : 'M'}${(LEFT + gap * place).toFixed(1)} ${height(at).toFixed(1)}`;
    }
  });
  return path || 'M0 0';
}

function height(at: number): number {
  return TOP + (1 - at) * (HEIGHT - TOP - FOOT);
}

function cut(name: string, most: number): string {
  return name.length > most ? `${name.slice(0, most - 1)}…` : name;
}
