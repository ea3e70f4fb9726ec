/** Which cells of a notebook are queued, and which one runs. */
import { Cell, CodeCell } from '@jupyterlab/cells';
import { Notebook, NotebookActions, NotebookPanel } from '@jupyterlab/notebook';
import { ISessionContext } from '@jupyterlab/apputils';
import { Kernel, KernelMessage } from '@jupyterlab/services';
import { ISignal, Signal } from '@lumino/signaling';
import { State } from './types';

/** The statuses of a kernel that has lost what it knew. */
export const GONE: ReadonlySet<Kernel.Status> = new Set<Kernel.Status>([
  'restarting',
  'autorestarting',
  'dead',
  'terminating'
]);

export class Queue {
  constructor(private readonly panel: NotebookPanel) {
    NotebookActions.executionScheduled.connect(this.onScheduled, this);
    NotebookActions.executed.connect(this.onExecuted, this);
    panel.sessionContext.iopubMessage.connect(this.onMessage, this);
    panel.sessionContext.statusChanged.connect(this.onStatus, this);
    panel.disposed.connect(() => Signal.clearData(this));
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Emitted before a cell goes to the kernel. */
  get scheduled(): ISignal<this, void> {
    return this._scheduled;
  }

  /**
   * `running` or `queued` if a step with these cells is, else null.
   *
   * A step of which a cell has run since the queue was empty stays `running` between its cells.
   */
  stateOf(ids: readonly string[]): State | null {
    if (this.running !== null && ids.includes(this.running)) {
      return 'running';
    }
    if (ids.some(id => this.waiting.has(id))) {
      return ids.some(id => this.done.has(id)) ? 'running' : 'queued';
    }
    return null;
  }

  private onScheduled(_: unknown, { notebook, cell }: { notebook: Notebook; cell: Cell }): void {
    if (notebook !== this.panel.content || cell.model.type !== 'code') {
      return;
    }
    const there = new Set(notebook.widgets.map(one => one.model.id));
    for (const id of this.waiting) {
      if (!there.has(id)) {
        this.waiting.delete(id); // deleted while it waited: it never reports
      }
    }
    if (this.waiting.size === 0) {
      this.done.clear();
    }
    this.waiting.add(cell.model.id);
    this._scheduled.emit();
    this._changed.emit();
  }

  private onExecuted(_: unknown, { cell }: { notebook: Notebook; cell: Cell }): void {
    const { id } = cell.model;
    if (this.waiting.delete(id)) {
      this.done.add(id);
      this.running = this.running === id ? null : this.running;
      this._changed.emit();
    }
  }

  /** The kernel says which request it works on: that is the cell that runs. */
  private onMessage(_: ISessionContext, message: KernelMessage.IMessage): void {
    if (message.header.msg_type !== 'execute_input') {
      return;
    }
    const request = (message.parent_header as KernelMessage.IHeader).msg_id;
    for (const cell of this.panel.content.widgets) {
      if (this.waiting.has(cell.model.id) && requestOf(cell) === request) {
        this.running = cell.model.id;
        this._changed.emit();
        return;
      }
    }
  }

  private onStatus(_: ISessionContext, status: Kernel.Status): void {
    if (GONE.has(status)) {
      this.running = null;
      this.waiting.clear();
      this.done.clear();
      this._changed.emit();
    }
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly _scheduled = new Signal<this, void>(this);
  private readonly waiting = new Set<string>();
  private readonly done = new Set<string>();
  private running: string | null = null;
}

function requestOf(cell: Cell): string | undefined {
  const area = cell instanceof CodeCell ? cell.outputArea : null;
  // typed as never null, yet null until the cell's first run
  const future = area?.future as Kernel.IShellFuture | null | undefined;
  return future?.msg.header.msg_id;
}
