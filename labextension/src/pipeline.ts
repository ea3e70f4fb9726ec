/** The notebook in focus: its pipeline, the state of each step, and the runs of its cells. */
import type * as nbformat from '@jupyterlab/nbformat';
import { INotebookTracker, NotebookActions, NotebookPanel } from '@jupyterlab/notebook';
import { Contents } from '@jupyterlab/services';
import { Debouncer } from '@lumino/polling';
import { ISignal, Signal } from '@lumino/signaling';
import { Channel } from './channel';
import { IMark } from './marks';
import { Queue } from './queue';
import { Server } from './server';
import { text } from './text';
import { IFinding, IGraph, IMend, IPipelineState, IProblem, IStepState, State } from './types';

/** ms without a change before Python is asked. */
const QUIET = 200;

/** An open notebook. */
interface IOpened {
  readonly queue: Queue;
  readonly channel: Channel;
  /** What the server answers where no kernel does. */
  state: IPipelineState | null;
  problem: IProblem | null;
  asked: string;
}

export class Pipeline {
  constructor(
    private readonly tracker: INotebookTracker,
    private readonly server: Server,
    private readonly contents: Contents.IManager,
    settled: Promise<unknown>
  ) {
    tracker.forEach(panel => this.open(panel));
    tracker.widgetAdded.connect((_, panel) => this.open(panel));
    tracker.activeCellChanged.connect(() => this._changed.emit());
    // until the layout is restored and the address of the page opened, notebooks come into focus
    // that nobody has chosen
    void settled.then(() =>
      window.setTimeout(() => {
        tracker.currentChanged.connect(this.follow, this);
        this.follow();
      }, QUIET)
    );
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Emitted with a notebook, in focus or not, when one of its steps may stand otherwise. */
  get moved(): ISignal<this, NotebookPanel> {
    return this._moved;
  }

  /** How the steps of a notebook stand, by the ids of their cells; empty if its kernel says nothing. */
  marksOf(panel: NotebookPanel): ReadonlyMap<string, IMark> {
    const opened = this.notebooks.get(panel);
    const marks = new Map<string, IMark>();
    for (const [step, found] of Object.entries(opened?.channel.state?.steps ?? {})) {
      const standing = withQueue(found, opened!.queue);
      found.ids.forEach(id => marks.set(id, { step, standing }));
    }
    return marks;
  }

  /** The notebook's path on the server, "" where none is open. */
  get path(): string {
    const path = this.panel?.context.path;
    return path === undefined ? '' : this.contents.localPath(path);
  }

  get state(): IPipelineState | null {
    const opened = this.opened;
    return opened ? opened.channel.state ?? opened.state : null;
  }

  get graph(): IGraph | null {
    return this.state?.graph ?? null;
  }

  get problem(): IProblem | null {
    const opened = this.opened;
    return opened ? (opened.channel.isOpen ? opened.channel.problem : opened.problem) : null;
  }

  /** Whether there is a kernel that does not report what runs in it. */
  get isUnwatched(): boolean {
    const kernel = this.panel?.sessionContext.session?.kernel;
    return !!kernel && !this.opened?.channel.isOpen;
  }

  /** How a step stands: as Python says, but for what waits or runs. */
  standing(step: string): IStepState {
    const found = this.state?.steps[step];
    const nothing = { state: 'never' as State, because: '', seconds: null, ids: [] };
    return found ? withQueue(found, this.opened?.queue) : nothing;
  }

  /** The ids of the cells of a step and of all that depend on it. */
  onwardIds(step: string): readonly string[] {
    return [step, ...(this.state?.onward[step] ?? [])].flatMap(name => this.standing(name).ids);
  }

  /** The step that holds the active cell, or null. */
  get activeStep(): string | null {
    const id = this.panel?.content.activeCell?.model.id;
    const steps = Object.entries(this.state?.steps ?? {});
    return steps.find(([, { ids }]) => id !== undefined && ids.includes(id))?.[0] ?? null;
  }

  /** Its notebook in the editor, null where none is open. */
  get current(): NotebookPanel | null {
    return this.panel;
  }

  /** Scroll to a cell, and make it the active one. */
  async reveal(id: string | undefined): Promise<NotebookPanel | null> {
    const panel = this.panel;
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

  /** The id of a code cell by its index. */
  cellId(index: number | null): string | undefined {
    const cell = this.graph?.cells.find(one => one.index === index);
    return cell?.id ?? this.panel?.content.widgets[cell?.position ?? -1]?.model.id;
  }

  /** The mend of a finding, null if there is none. */
  mendOf(finding: IFinding): IMend | null {
    const { kind, cell, what } = finding;
    const mends = this.state?.mends ?? [];
    return (
      mends.find(one => one.kind === kind && one.cell === cell && one.what === what) ?? null
    );
  }

  /** Mend a finding in the editor, where it can be undone; return what went wrong, or "". */
  async mend(mend: IMend): Promise<string> {
    const { panel } = this;
    const notebook = panel?.content.model?.sharedModel;
    if (!panel || !notebook) {
      return text.trans.__('the notebook was closed');
    }
    if (mend.edit === 'insert') {
      notebook.insertCell(0, { cell_type: 'code', source: mend.after, metadata: {} });
      return '';
    }
    const id = this.cellId(mend.cell);
    const cell = panel.content.widgets.find(one => one.model.id === id)?.model.sharedModel;
    if (!cell || cell.getSource() !== mend.before) {
      return text.trans.__('the cell has changed: check again');
    }
    if (mend.edit === 'run') {
      await this.runCells([id!]);
    } else if (mend.edit === 'source') {
      cell.setSource(mend.after);
    } else {
      const tags = (cell.getMetadata('tags') as string[] | undefined) ?? [];
      cell.setMetadata('tags', [...tags, mend.tag]);
    }
    void this.reveal(id);
    return '';
  }

  /** Run cells of the notebook in its kernel, in their order. */
  async runCells(ids: readonly string[]): Promise<void> {
    const panel = this.panel;
    if (panel) {
      const cells = panel.content.widgets.filter(cell => ids.includes(cell.model.id));
      await NotebookActions.runCells(panel.content, cells, panel.sessionContext);
    }
  }

  /** Run a line in the kernel that is no part of the notebook; return what went wrong, or "". */
  async runLine(code: string): Promise<string> {
    const kernel = this.panel?.sessionContext.session?.kernel;
    if (!kernel) {
      return text.trans.__('no kernel runs');
    }
    const future = kernel.requestExecute({ code, store_history: false, stop_on_error: false });
    const { content } = await future.done;
    return content.status === 'error' ? content.evalue : '';
  }

  /** Save the notebook if it has changes. */
  async save(): Promise<void> {
    const context = this.panel?.context;
    if (context?.model.dirty) {
      await context.save();
    }
  }

  /** Ask anew. */
  refresh(): void {
    void this.later.invoke();
  }

  /** Keep what runs in every notebook, also of those out of focus. */
  private open(panel: NotebookPanel): void {
    if (this.notebooks.has(panel)) {
      return;
    }
    const opened: IOpened = {
      queue: new Queue(panel),
      channel: new Channel(panel),
      state: null,
      problem: null,
      asked: ''
    };
    this.notebooks.set(panel, opened);
    opened.queue.scheduled.connect(() => opened.channel.report());
    for (const one of [opened.queue.changed, opened.channel.changed]) {
      (one as ISignal<unknown, void>).connect(() => {
        this._moved.emit(panel);
        if (panel === this.panel) {
          this._changed.emit();
          if (!opened.channel.isOpen) {
            this.refresh();
          }
        }
      });
    }
  }

  private follow(): void {
    const panel = this.tracker.currentWidget;
    if (panel === this.panel) {
      return;
    }
    this.panel?.content.modelContentChanged.disconnect(this.refresh, this);
    this.panel?.context.pathChanged.disconnect(this.refresh, this);
    this.panel = panel;
    if (panel) {
      this.open(panel);
      panel.content.modelContentChanged.connect(this.refresh, this);
      panel.context.pathChanged.connect(this.refresh, this);
      void panel.context.ready.then(() => this.refresh());
    }
    this._changed.emit();
  }

  private async ask(): Promise<void> {
    const { panel, path, opened } = this;
    if (!panel?.context.isReady || !opened || path === '') {
      return;
    }
    await opened.channel.settled;
    if (opened.channel.isOpen) {
      opened.channel.report();
      return;
    }
    const content = withoutOutputs(panel);
    const question = JSON.stringify([path, content]);
    if (question === opened.asked) {
      return;
    }
    opened.asked = question;
    const found = await this.server.post<IPipelineState>('pipeline', { path, content });
    if (opened.asked !== question) {
      return;
    }
    if ('problem' in found) {
      opened.problem = found.problem;
      opened.asked = ''; // the next change asks again, even one that changes back
    } else {
      opened.problem = null;
      opened.state = found.answer;
    }
    this._changed.emit();
  }

  private get opened(): IOpened | undefined {
    return this.panel ? this.notebooks.get(this.panel) : undefined;
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly _moved = new Signal<this, NotebookPanel>(this);
  // it must not wait: a debouncer that waits loses what comes meanwhile
  private readonly later = new Debouncer(() => void this.ask(), QUIET);
  private readonly notebooks = new WeakMap<NotebookPanel, IOpened>();
  private panel: NotebookPanel | null = null;
}

/** How a step stands, with what only the browser knows. */
function withQueue(found: IStepState, queue: Queue | undefined): IStepState {
  const now = queue?.stateOf(found.ids);
  return now ? { ...found, state: now, because: '' } : found;
}

/** The notebook in the editor, without what its cells printed and drew. */
function withoutOutputs(panel: NotebookPanel): nbformat.INotebookContent {
  const content = panel.context.model.toJSON() as nbformat.INotebookContent;
  for (const cell of content.cells) {
    if (cell.cell_type === 'code') {
      cell.outputs = [];
    }
  }
  return content;
}
