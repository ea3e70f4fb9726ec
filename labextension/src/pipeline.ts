/** The pipeline of the notebook in focus: asks Python after each change, keeps the states. */
import type * as nbformat from '@jupyterlab/nbformat';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { Contents, ServerConnection } from '@jupyterlab/services';
import { IDisposable } from '@lumino/disposable';
import { Debouncer } from '@lumino/polling';
import { ISignal, Signal } from '@lumino/signaling';
import { Answer, askGraph, ICodeCell, IGraph, IProblem } from './ask';
import { Evidence, isCode, Runs } from './runs';
import { fold, State } from './states';

/** ms without a change before Python is asked. */
const QUIET = 250;

/** The states that say that a cell has run. */
const TELLING: ReadonlySet<State> = new Set(['finished', 'failed', 'edited']);

/** How a step stands: its state, how many of its cells have run, and how we know. */
export interface IStanding {
  readonly state: State;
  readonly ran: number;
  readonly of: number;
  readonly evidence: Evidence;
}

/** What is known of one notebook; the last good graph stays while a new one is asked. */
interface IKnown {
  asked: string;
  graph: IGraph | null;
  /** For each step, the ids of its cells in the notebook's order. */
  cells: Map<string, string[]>;
  problem: IProblem | null;
}

export class Pipeline implements IDisposable {
  constructor(
    private readonly tracker: INotebookTracker,
    private readonly settings: ServerConnection.ISettings,
    private readonly contents: Contents.IManager
  ) {
    tracker.forEach(panel => this.adopt(panel));
    tracker.widgetAdded.connect((_, panel) => this.adopt(panel), this);
    tracker.currentChanged.connect(this.follow, this);
    tracker.activeCellChanged.connect(() => this._changed.emit(), this);
    this.follow();
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this.later.isDisposed;
  }

  dispose(): void {
    if (!this.isDisposed) {
      this.later.dispose();
      Signal.clearData(this);
    }
  }

  /** The notebook's path on the server, or null where none is open. */
  get path(): string | null {
    const path = this.panel?.context.path;
    return path === undefined ? null : this.contents.localPath(path);
  }

  get graph(): IGraph | null {
    return this.known?.graph ?? null;
  }

  get problem(): IProblem | null {
    return this.known?.problem ?? null;
  }

  /** Each step's standing, by the step's name. */
  standings(): Map<string, IStanding> {
    return new Map(
      (this.graph?.steps ?? []).map(step => [step.name, this.standing(step.name)])
    );
  }

  /** The step that holds the active cell, or null. */
  get activeStep(): string | null {
    const id = this.panel?.content.activeCell?.model.id;
    for (const [step, ids] of this.known?.cells ?? []) {
      if (id !== undefined && ids.includes(id)) {
        return step;
      }
    }
    return null;
  }

  /** Scroll to a step's first cell and make it the active one. */
  async reveal(step: string): Promise<NotebookPanel | null> {
    const panel = this.panel;
    const id = this.known?.cells.get(step)?.[0];
    const index = panel?.content.widgets.findIndex(cell => cell.model.id === id) ?? -1;
    if (!panel || index < 0) {
      return null;
    }
    panel.content.mode = 'command';
    panel.content.deselectAll();
    panel.content.activeCellIndex = index;
    await panel.content.scrollToItem(index, 'smart');
    return panel;
  }

  /** Whether anybody looks: while nobody does, Python is not asked. */
  set isWatched(watched: boolean) {
    this.watched = watched;
    if (watched) {
      this.soon();
    }
  }

  private standing(step: string): IStanding {
    const runs = this.panel && this.runs.get(this.panel);
    const ids = this.known?.cells.get(step) ?? [];
    const states: State[] = [];
    const evidence: Evidence[] = [];
    let midway = false;
    for (const cell of this.panel?.content.model?.cells ?? []) {
      if (runs && isCode(cell) && ids.includes(cell.id)) {
        const state = runs.state(cell);
        states.push(state);
        midway ||= runs.ranInBatch(cell.id);
        if (TELLING.has(state)) {
          evidence.push(runs.evidence(cell.id));
        }
      }
    }
    return {
      state: fold(states, midway),
      ran: states.filter(state => state === 'finished').length,
      of: states.length,
      evidence: evidence.find(one => one !== 'seen') ?? 'seen'
    };
  }

  /** Keep the runs of every notebook, also of those out of focus. */
  private adopt(panel: NotebookPanel): void {
    if (!this.runs.has(panel)) {
      const runs = new Runs(panel);
      this.runs.set(panel, runs);
      runs.changed.connect(() => {
        if (panel === this.panel) {
          this._changed.emit();
        }
      });
    }
  }

  private follow(): void {
    const panel = this.tracker.currentWidget;
    if (panel === this.panel) {
      return;
    }
    this.panel?.content.modelContentChanged.disconnect(this.soon, this);
    this.panel = panel;
    if (panel) {
      this.adopt(panel);
      panel.content.modelContentChanged.connect(this.soon, this);
      void panel.context.ready.then(() => this.soon());
    }
    this._changed.emit();
  }

  private soon(): void {
    this._changed.emit(); // an edit shows at once, whatever Python will say
    void this.later.invoke();
  }

  private async ask(): Promise<void> {
    const panel = this.panel;
    const path = this.path;
    if (!this.watched || !panel?.context.isReady || path === null) {
      return;
    }
    const known = this.knownOf(panel);
    const content = withoutOutputs(panel);
    const question = JSON.stringify([path, content]);
    if (question === known.asked) {
      return;
    }
    known.asked = question;
    const ids = panel.content.widgets.map(cell => cell.model.id);
    const answer = await askGraph(this.settings, path, content);
    if (known.asked === question) {
      take(known, answer, ids);
      this._changed.emit();
    }
  }

  private get known(): IKnown | undefined {
    return this.panel ? this.notebooks.get(this.panel) : undefined;
  }

  private knownOf(panel: NotebookPanel): IKnown {
    const known = this.notebooks.get(panel) ?? {
      asked: '',
      graph: null,
      cells: new Map<string, string[]>(),
      problem: null
    };
    this.notebooks.set(panel, known);
    return known;
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly later = new Debouncer(() => this.ask(), QUIET);
  private readonly runs = new WeakMap<NotebookPanel, Runs>();
  private readonly notebooks = new WeakMap<NotebookPanel, IKnown>();
  private panel: NotebookPanel | null = null;
  private watched = false;
}

/** Take in Python's answer; `ids` are the cells as they stood when it was asked. */
function take(known: IKnown, answer: Answer, ids: readonly string[]): void {
  if ('problem' in answer) {
    known.problem = answer.problem;
    known.asked = ''; // the next change asks again, even one that changes back
    return;
  }
  known.problem = null;
  known.graph = answer.graph;
  known.cells = new Map(answer.graph.steps.map(step => [step.name, []]));
  const inOrder = [...answer.graph.cells].sort((a, b) => a.position - b.position);
  for (const cell of inOrder) {
    const id = idOf(cell, ids);
    if (cell.step !== null && id !== undefined) {
      known.cells.get(cell.step)?.push(id);
    }
  }
}

function idOf(cell: ICodeCell, ids: readonly string[]): string | undefined {
  const known = cell.id !== null && ids.includes(cell.id);
  return known ? cell.id! : ids[cell.position];
}

/** The notebook in the editor, without what its cells printed and drew. */
function withoutOutputs(panel: NotebookPanel): nbformat.INotebookContent {
  const content = panel.context.model.toJSON() as nbformat.INotebookContent;
  for (const cell of content.cells) {
    if (cell.cell_type === 'code') {
      cell.outputs = [];
      cell.execution_count = null;
    }
  }
  return content;
}
