/** Shows, beside each cell of a step, how the step stands. */
import { NotebookPanel } from '@jupyterlab/notebook';
import { SHAPES } from './shapes';
import { wordOf } from './text';
import { IStepState } from './types';

const CLASS = 'mlops-cell-mark';
const SVG = 'http://www.w3.org/2000/svg';

/** A step's name, and how it stands. */
export interface IMark {
  readonly step: string;
  readonly standing: IStepState;
}

/** Put a mark beside each cell of `marks`, by the cell's id, and remove all others. */
export function showMarks(panel: NotebookPanel, marks: ReadonlyMap<string, IMark>): void {
  for (const cell of panel.content.widgets) {
    const before = cell.node.querySelector<HTMLElement>(`:scope > .${CLASS}`);
    const mark = marks.get(cell.model.id);
    if (!mark) {
      before?.remove();
      continue;
    }
    const node = before ?? document.createElement('div');
    const { step, standing } = mark;
    const label = `${step}: ${wordOf(standing.state)}`;
    if (node.getAttribute('aria-label') !== label) {
      node.className = CLASS;
      node.dataset.mark = step;
      node.dataset.state = standing.state;
      node.setAttribute('role', 'img');
      node.setAttribute('aria-label', label);
      node.replaceChildren(shapeOf(standing), wordOf(standing.state));
    }
    node.title = standing.because ? `${label}\n${standing.because}` : label;
    if (!before) {
      cell.node.append(node);
    }
  }
}

function shapeOf({ state }: IStepState): SVGElement {
  const drawing = document.createElementNS(SVG, 'svg');
  drawing.setAttribute('viewBox', '0 0 16 16');
  drawing.setAttribute('data-glyph', state);
  for (const [tag, className, attributes] of SHAPES[state]) {
    const shape = document.createElementNS(SVG, tag);
    shape.setAttribute('class', className);
    Object.entries(attributes).forEach(([name, value]) => shape.setAttribute(name, String(value)));
    drawing.append(shape);
  }
  return drawing;
}
