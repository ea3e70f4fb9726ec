/** Follows the runs of one notebook's cells and tells the state of each. */
import { Cell, CodeCell, ICellModel, ICodeCellModel } from '@jupyterlab/cells';
import {
  Notebook,
  NotebookActions,
  NotebookPanel
} from '@jupyterlab/notebook';
import { ISessionContext } from '@jupyterlab/apputils';
import { Kernel, KernelMessage } from '@jupyterlab/services';
import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';
import { IRan, recall, remember } from './memory';
import { State } from './states';

/** Where the states come from: runs seen here, the saved file, or a lost kernel. */
export type Evidence = 'seen' | 'saved' | 'restarted';

/** The statuses of a kernel that has lost what it knew. */
const GONE: ReadonlySet<Kernel.Status> = new Set<Kernel.Status>([
  'restarting',
  'autorestarting',
  'dead',
  'terminating'
]);

export class Runs implements IDisposable {
  constructor(private readonly panel: NotebookPanel) {
    NotebookActions.executionScheduled.connect(this.onScheduled, this);
    NotebookActions.executed.connect(this.onExecuted, this);
    panel.sessionContext.iopubMessage.connect(this.onMessage, this);
    panel.sessionContext.statusChanged.connect(this.onStatus, this);
    panel.disposed.connect(this.dispose, this);
    void panel.context.ready.then(() => this.readSaved());
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      Signal.clearData(this);
    }
  }

  /** The state of one code cell. */
  state(cell: ICodeCellModel): State {
    if (cell.id === this.running) {
      return 'running';
    }
    if (this.queue.has(cell.id)) {
      return 'queued';
    }
    if (cell.executionState === 'running') {
      return 'running'; // another user runs the shared notebook
    }
    const ran = this.ranOf(cell);
    if (!ran) {
      return 'never-run';
    }
    if (ran.source !== sourceOf(cell)) {
      return 'edited';
    }
    return this.broken.has(cell.id) || hasError(cell) ? 'failed' : 'finished';
  }

  /** Whether the cell has run since the queue was last empty. */
  ranInBatch(id: string): boolean {
    return this.batch.has(id);
  }

  evidence(id: string): Evidence {
    return this.seen.has(id) ? 'seen' : this.restarted ? 'restarted' : 'saved';
  }

  /** Remember what each cell's result came from, before anybody edits it. */
  private readSaved(): void {
    for (const [id, ran] of recall(this.panel.context.path)) {
      this.ran.set(id, ran);
    }
    for (const cell of this.panel.content.model?.cells ?? []) {
      if (isCode(cell)) {
        this.ranOf(cell);
      }
    }
    this._changed.emit();
  }

  private ranOf(cell: ICodeCellModel): IRan | undefined {
    const count = cell.executionCount ?? null;
    const known = this.ran.get(cell.id);
    if (known && (this.broken.has(cell.id) || known.count === count)) {
      return known;
    }
    if (count === null) {
      this.ran.delete(cell.id);
      return undefined;
    }
    const fresh = { source: sourceOf(cell), count };
    this.ran.set(cell.id, fresh);
    return fresh;
  }

  private onScheduled(
    _: unknown,
    { notebook, cell }: { notebook: Notebook; cell: Cell }
  ): void {
    if (notebook !== this.panel.content || !isCode(cell.model)) {
      return;
    }
    this.forgetDeleted();
    if (this.queue.size === 0) {
      this.batch.clear();
    }
    this.broken.delete(cell.model.id);
    this.queue.set(cell.model.id, sourceOf(cell.model));
    this._changed.emit();
  }

  private onExecuted(
    _: unknown,
    done: { notebook: Notebook; cell: Cell; success: boolean }
  ): void {
    const cell = done.cell.model;
    const source = this.queue.get(cell.id);
    if (source === undefined || !isCode(cell)) {
      return;
    }
    const count = cell.executionCount ?? null;
    this.queue.delete(cell.id);
    this.batch.add(cell.id);
    this.seen.add(cell.id);
    this.running = this.running === cell.id ? null : this.running;
    this.ran.set(cell.id, { source, count });
    // a cell that the kernel put aside after another's failure has no count
    if (!done.success && count !== null) {
      this.broken.add(cell.id);
    } else if (count === null) {
      this.ran.delete(cell.id);
    }
    remember(this.panel.context.path, this.ran);
    this._changed.emit();
  }

  /** A cell deleted while it waits never reports that it has run. */
  private forgetDeleted(): void {
    const ids = new Set(this.panel.content.widgets.map(cell => cell.model.id));
    for (const id of this.queue.keys()) {
      if (!ids.has(id)) {
        this.queue.delete(id);
      }
    }
  }

  /** The kernel says which request it works on: that is the cell that runs. */
  private onMessage(
    _: ISessionContext,
    message: KernelMessage.IMessage
  ): void {
    if (message.header.msg_type !== 'execute_input') {
      return;
    }
    const request = (message.parent_header as KernelMessage.IHeader).msg_id;
    for (const cell of this.panel.content.widgets) {
      if (this.queue.has(cell.model.id) && requestOf(cell) === request) {
        this.running = cell.model.id;
        this._changed.emit();
        return;
      }
    }
  }

  /** A kernel that goes away takes its queue and its memory along: the run failed. */
  private onStatus(_: ISessionContext, status: Kernel.Status): void {
    if (!GONE.has(status)) {
      return;
    }
    // a kernel killed at once may not have told what it ran: it takes the first in line
    const lost = this.running ?? [...this.queue.keys()][0];
    const source = lost === undefined ? undefined : this.queue.get(lost);
    if (lost !== undefined && source !== undefined) {
      this.ran.set(lost, { source, count: null });
      this.broken.add(lost);
    }
    this.running = null;
    this.queue.clear();
    this.seen.clear();
    this.restarted = true;
    this._changed.emit();
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly queue = new Map<string, string>();
  private readonly ran = new Map<string, IRan>();
  private readonly batch = new Set<string>();
  private readonly seen = new Set<string>();
  private readonly broken = new Set<string>();
  private running: string | null = null;
  private restarted = false;
  private _isDisposed = false;
}

export function isCode(cell: ICellModel): cell is ICodeCellModel {
  return cell.type === 'code';
}

function sourceOf(cell: ICellModel): string {
  return cell.sharedModel.getSource().trim();
}

function hasError(cell: ICodeCellModel): boolean {
  for (let i = 0; i < cell.outputs.length; i++) {
    if (cell.outputs.get(i).type === 'error') {
      return true;
    }
  }
  return false;
}

function requestOf(cell: Cell): string | undefined {
  const area = cell instanceof CodeCell ? cell.outputArea : null;
  // typed as never null, yet null until the cell's first run
  const future = area?.future as Kernel.IShellFuture | null | undefined;
  return future?.msg.header.msg_id;
}
