/** The comm to a kernel that loaded mlops_nb: reports the cells, receives how they stand. */
import { CodeCellModel, ICellModel } from '@jupyterlab/cells';
import { NotebookPanel } from '@jupyterlab/notebook';
import { Kernel, KernelMessage } from '@jupyterlab/services';
import { JSONObject } from '@lumino/coreutils';
import { ISignal, Signal } from '@lumino/signaling';
import { GONE } from './queue';
import { IGraph, IPipelineState, IProblem } from './types';

/** The comm that the kernel opens and sends states on. */
const TARGET = 'mlops_nb.panel';
/** The comm that this browser opens and sends reports on. */
const EDITOR = 'mlops_nb.editor';
/** ms to wait for a kernel that starts or is busy. */
const PATIENCE = 8000;
/** ms to wait for a subshell. */
const SUBSHELL = 2000;

interface IMessage extends Partial<Omit<IPipelineState, 'graph'>> {
  readonly graph?: IGraph;
  readonly problem?: IProblem;
  readonly resend?: boolean;
}

export class Channel {
  constructor(private readonly panel: NotebookPanel) {
    const { sessionContext } = panel;
    sessionContext.kernelChanged.connect((_, { newValue }) => this.follow(newValue));
    sessionContext.statusChanged.connect((_, status) => {
      if (GONE.has(status)) {
        this.drop();
      }
    });
    this.follow(sessionContext.session?.kernel ?? null);
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Whether the kernel has loaded mlops_nb. */
  get isOpen(): boolean {
    return this.comm !== null;
  }

  /** How the notebook stands in the kernel, null until it has said so. */
  get state(): IPipelineState | null {
    return this._state;
  }

  get problem(): IProblem | null {
    return this._problem;
  }

  /** Settled when it is known whether the kernel has loaded mlops_nb, or will not say so soon. */
  get settled(): Promise<unknown> {
    const { sessionContext } = this.panel;
    const late = new Promise(resolve => window.setTimeout(resolve, PATIENCE));
    return Promise.race([sessionContext.ready.then(() => this.asked), late]);
  }

  /** Report the cells that changed since the last report. */
  report(): void {
    this.send(false);
  }

  private follow(kernel: Kernel.IKernelConnection | null): void {
    this.drop();
    if (!kernel) {
      return;
    }
    kernel.registerCommTarget(TARGET, comm => this.adopt(kernel, comm));
    // after a reload of the page the kernel's comm is still there, and answers
    this.asked = kernel
      .requestCommInfo({ target_name: TARGET })
      .then(reply => {
        const content = reply.content;
        const ids = content.status === 'ok' ? Object.keys(content.comms) : [];
        const last = ids[ids.length - 1];
        if (last !== undefined && this.comm === null && !kernel.isDisposed) {
          this.adopt(kernel, kernel.createComm(TARGET, last));
        }
      })
      .catch(() => this.drop()); // the kernel ended before it answered
  }

  private adopt(kernel: Kernel.IKernelConnection, comm: Kernel.IComm): void {
    this.comm = comm;
    comm.onMsg = message => this.take(message);
    comm.onClose = () => {
      if (this.comm === comm) {
        this.drop();
      }
    };
    void this.openReports(kernel, comm);
    this._changed.emit();
  }

  /** Open the way for reports: through a subshell, where the kernel has them, it is never busy. */
  private async openReports(kernel: Kernel.IKernelConnection, comm: Kernel.IComm): Promise<void> {
    const reports: Kernel.IComm & { readonly subshellStarted?: Promise<void> } =
      kernel.createComm(EDITOR); // JupyterLab's own class has what its interface leaves out
    if (kernel.supportsSubshells) {
      const late = new Promise(resolve => window.setTimeout(resolve, SUBSHELL));
      await Promise.race([reports.subshellStarted, late]);
    }
    if (this.comm === comm && !kernel.isDisposed) {
      reports.open();
      this.reports = reports;
      this.sent.clear();
      this.send(true);
    }
  }

  private drop(): void {
    this.comm = null;
    this.reports = null;
    this._state = null;
    this._problem = null;
    this.sent.clear();
    this._changed.emit();
  }

  private take(message: KernelMessage.ICommMsgMsg): void {
    const data = message.content.data as unknown as IMessage;
    this._problem = data.problem ?? null;
    if (data.resend) {
      this.sent.clear();
      this.send(true);
    }
    const known = data.graph ? data : data.digest === this._state?.digest ? this._state : null;
    if (data.steps && known?.graph) {
      const { graph, onward } = known as IPipelineState;
      this._state = { ...(data as IPipelineState), graph, onward };
    } else if (data.steps) {
      void this.reports?.send({ sync: true }); // a graph that was never received
    }
    this._changed.emit();
  }

  private send(sync: boolean): void {
    const model = this.panel.content.model;
    if (!this.reports || !model || this.reports.isDisposed) {
      return;
    }
    const changed: JSONObject = {};
    const order: string[] = [];
    for (const cell of model.cells) {
      order.push(cell.id);
      const now = reportOf(cell);
      const asText = JSON.stringify({ ...now, count: null }); // the kernel knows what it ran
      if (this.sent.get(cell.id) !== asText) {
        this.sent.set(cell.id, asText);
        changed[cell.id] = now;
      }
    }
    const places = order.join(' ');
    if (!sync && places === this.places && Object.keys(changed).length === 0) {
      return;
    }
    this.places = places;
    this.revision += 1;
    const kernel = this.panel.sessionContext.session?.kernel?.name ?? 'python3';
    this.reports.send({ sync, order, changed, kernel, revision: this.revision });
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly sent = new Map<string, string>();
  private comm: Kernel.IComm | null = null;
  private reports: Kernel.IComm | null = null;
  private asked: Promise<unknown> = Promise.resolve();
  private places = '';
  private revision = 0;
  private _state: IPipelineState | null = null;
  private _problem: IProblem | null = null;
}

function reportOf(cell: ICellModel): JSONObject {
  const tags = cell.getMetadata('tags') as string[] | undefined;
  return {
    type: cell.type,
    source: cell.sharedModel.getSource(),
    tags: Array.isArray(tags) ? tags.map(String) : [],
    count: cell instanceof CodeCellModel ? cell.executionCount ?? null : null
  };
}
