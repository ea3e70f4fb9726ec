/** Shows, under the cell that makes a metric, what the last run of its job made of it. */
import { NotebookPanel } from '@jupyterlab/notebook';
import { figure, statusWord, text, zoned } from './text';
import { IJob, IPipelineState } from './types';

const CLASS = 'mlops-production';

/** Put a line under the cells of a notebook that make the metrics of its jobs. */
export function showProduction(
  panel: NotebookPanel,
  state: IPipelineState,
  jobs: readonly IJob[],
  openRun: (run: string) => void
): void {
  const wanted = new Map<string, HTMLElement>();
  for (const job of jobs) {
    for (const [metric, value] of Object.entries(job.last?.metrics ?? {})) {
      const id = cellOf(state, metric);
      if (id !== undefined) {
        const line = lineOf(job, metric, value, state.values?.[metric], openRun);
        const box = wanted.get(id) ?? document.createElement('div');
        box.className = CLASS;
        box.append(line);
        wanted.set(id, box);
      }
    }
  }
  for (const cell of panel.content.widgets) {
    const before = cell.node.querySelector(`:scope > .${CLASS}`);
    const now = wanted.get(cell.model.id);
    if (before?.textContent !== now?.textContent) {
      before?.remove();
      if (now) {
        cell.node.append(now);
      }
    }
  }
}

/** The last cell of the step that makes a metric. */
function cellOf(state: IPipelineState, metric: string): string | undefined {
  const step = state.graph.steps.find(({ makes }) => makes.includes(metric));
  const ids = step ? state.steps[step.name]?.ids : undefined;
  return ids?.[ids.length - 1];
}

function lineOf(
  job: IJob,
  metric: string,
  value: number,
  own: number | undefined,
  openRun: (run: string) => void
): HTMLElement {
  const { trans } = text;
  const { last } = job;
  const verdict =
    last?.model_version !== null && last?.model_version !== undefined
      ? trans.__('version %1', last.model_version)
      : statusWord(last?.status ?? '');
  const here = own === undefined ? '' : trans.__(' (here %1)', figure(own));
  const at = last?.started ? zoned(last.started) : '';
  const line = document.createElement('div');
  line.dataset.production = job.job;
  line.append(
    trans.__('job %1, %2: %3 %4%5 · %6 ', job.job, at, metric, figure(value), here, verdict)
  );
  const open = document.createElement('button');
  open.type = 'button';
  open.textContent = trans.__('Open that run');
  open.dataset.action = 'open';
  open.onclick = () => openRun(last?.run ?? '');
  line.append(open);
  return line;
}
