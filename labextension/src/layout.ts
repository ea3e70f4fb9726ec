/** Places the boxes and edges of a pipeline, from top to bottom. */
import { Graph, layout } from '@dagrejs/dagre';
import { Edge, IStep } from './types';

export interface IBox {
  readonly step: IStep;
  readonly label: string;
  readonly detail: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface IArrow {
  readonly from: string;
  readonly to: string;
  readonly names: readonly string[];
  readonly path: string;
}

export interface IDrawing {
  readonly width: number;
  readonly height: number;
  readonly boxes: readonly IBox[];
  readonly arrows: readonly IArrow[];
}

interface IPoint {
  readonly x: number;
  readonly y: number;
}

/** px: the room for the state's mark on the left and the edge on the right. */
const GLYPH_ROOM = 40;
/** px: how wide a box's text may be; narrower where the graph is broad. */
const TEXT_MOST = [140, 116, 92, 72] as const;
const TEXT_LEAST = 44;
/** How far a drawing may shrink before it scrolls. */
const SHRINK = 0.85;

/** px: how near to a box's corner an edge may end. */
const CORNER = 12;

type Measure = (text: string, small: boolean) => number;

/**
 * Lay out `steps` and `edges`, in `room` px of width if shorter texts can do it.
 *
 * `measure` answers a text's width in px.
 */
export function arrange(
  steps: readonly IStep[],
  edges: readonly Edge[],
  room: number,
  measure: Measure
): IDrawing {
  let drawing = draw(steps, edges, TEXT_MOST[0], measure);
  for (const most of TEXT_MOST.slice(1)) {
    if (drawing.width * SHRINK <= room) {
      break;
    }
    drawing = draw(steps, edges, most, measure);
  }
  return drawing;
}

function draw(
  steps: readonly IStep[],
  edges: readonly Edge[],
  most: number,
  measure: Measure
): IDrawing {
  const graph = new Graph();
  graph.setGraph({ nodesep: 14, ranksep: 26, edgesep: 10, marginx: 6, marginy: 6 });
  graph.setDefaultEdgeLabel(() => ({}));
  const texts = new Map(
    steps.map(step => [step.name, textsOf(step, handedOn(step, edges), most, measure)])
  );
  for (const step of steps) {
    const { width, detail } = texts.get(step.name)!;
    graph.setNode(step.name, { width, height: detail ? 42 : 32 });
  }
  const drawn = edges.filter(([from, to]) => texts.has(from) && texts.has(to));
  drawn.forEach(([from, to]) => graph.setEdge(from, to));
  layout(graph);
  const boxes = steps.map(step => ({
    step,
    ...texts.get(step.name)!,
    ...place(graph.node(step.name) as unknown as IBox)
  }));
  const boxOf = new Map(boxes.map(box => [box.step.name, box]));
  const { width = 0, height = 0 } = graph.graph() as Partial<IBox>;
  return {
    width: Math.ceil(width),
    height: Math.ceil(height),
    boxes,
    arrows: routes(graph, drawn, boxOf)
  };
}

function place({ x, y, width, height }: IBox): Omit<IBox, 'step' | 'label' | 'detail'> {
  return { x: x - width / 2, y: y - height / 2, width, height };
}

/** What a step makes for others; for a last step, all that it makes. */
function handedOn(step: IStep, edges: readonly Edge[]): readonly string[] {
  const names = edges.filter(([from]) => from === step.name).flatMap(edge => edge[2]);
  return names.length > 0 ? [...new Set(names)] : step.makes;
}

function textsOf(
  step: IStep,
  names: readonly string[],
  most: number,
  measure: Measure
): { label: string; detail: string; width: number } {
  const label = shorten(step.title || step.name, most, text => measure(text, false));
  const detail = shorten(names.join(', '), most, text => measure(text, true));
  const text = Math.max(TEXT_LEAST, measure(label, false), measure(detail, true));
  return { label, detail, width: Math.ceil(text) + GLYPH_ROOM };
}

function shorten(text: string, most: number, measure: (text: string) => number): string {
  if (measure(text) <= most) {
    return text;
  }
  let length = text.length;
  while (length > 1 && measure(`${text.slice(0, length)}…`) > most) {
    length -= 1;
  }
  return `${text.slice(0, length).trimEnd()}…`;
}

/** Lines from the lower edge of a box to the upper edge of another. */
function routes(
  graph: Graph,
  edges: readonly Edge[],
  boxes: ReadonlyMap<string, IBox>
): IArrow[] {
  const lines = edges.map(([from, to, names]) => {
    const { points } = graph.edge(from, to) as { points: IPoint[] };
    const [above, below] = [boxes.get(from)!, boxes.get(to)!];
    const end = { x: within(points[points.length - 1]!.x, below), y: below.y };
    // dagre's second and last but one lie just off the boxes and would only bend the line
    const way = [...points.slice(2, -2), end];
    const start = { x: within(points[0]!.x, above), y: above.y + above.height };
    return { from, to, names, start, way };
  });
  return lines.map(line => {
    const beside = lines.filter(other => other.from === line.from);
    const starts = beside.map(other => other.start.x).sort((a, b) => a - b);
    const rank = beside.sort((a, b) => a.way[0]!.x - b.way[0]!.x).indexOf(line);
    const start = { x: starts[rank]!, y: line.start.y }; // lines of one box do not cross
    const { from, to, names, way } = line;
    return { from, to, names, path: curve([start, ...way]) };
  });
}

/** Keep an end of an edge off the box's corners. */
function within(x: number, box: IBox): number {
  return Math.min(Math.max(x, box.x + CORNER), box.x + box.width - CORNER);
}

/** A path that leaves and enters every point vertically. */
function curve(points: readonly IPoint[]): string {
  const [first, ...rest] = points.map(({ x, y }) => ({
    x: Math.round(x * 10) / 10,
    y: Math.round(y * 10) / 10
  }));
  let path = `M${first!.x} ${first!.y}`;
  let from = first!;
  for (const to of rest) {
    const middle = (from.y + to.y) / 2;
    path += `C${from.x} ${middle} ${to.x} ${middle} ${to.x} ${to.y}`;
    from = to;
  }
  return path;
}
