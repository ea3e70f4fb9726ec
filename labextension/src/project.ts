/** The runs, jobs, models and alerts of the project of the notebook in focus. */
import { Event } from '@jupyterlab/services';
import { Debouncer, Poll } from '@lumino/polling';
import { ISignal, Signal } from '@lumino/signaling';
import { Pipeline } from './pipeline';
import { Server } from './server';
import { IProblem, IProject } from './types';

const SCHEMA = 'https://mlops-nb.github.io/events/journal';
/** ms between two questions while the server reports no change. */
const SLOW = 120_000;
/** ms that changes are gathered for. */
const QUIET = 100;
/** ms between two questions while the server does not answer. */
const RETRY = 3_000;
/** Runs that are listed at first. */
const PAGE = 200;

const USUAL = { interval: SLOW, backoff: true, max: 4 * SLOW };

export class Project {
  constructor(
    private readonly pipeline: Pipeline,
    private readonly server: Server,
    events: Event.IManager,
    failures: ISignal<unknown, unknown>
  ) {
    pipeline.changed.connect(() => this.follow());
    events.stream.connect((_, event) => {
      if (event.schema_id === SCHEMA && event['folder'] === folderOf(this.path)) {
        void this.later.invoke();
      }
    });
    this.poll = new Poll({
      auto: false,
      factory: () => this.ask(),
      frequency: USUAL,
      standby: () => !this.isWatched || document.hidden
    });
    void this.poll.start();
    failures.connect(() => this.retry());
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get lists(): IProject | null {
    return this._lists;
  }

  get problem(): IProblem | null {
    return this._problem;
  }

  /** Whether anybody looks: while nobody does, the server is not asked. */
  set watched(watched: boolean) {
    this.isWatched = watched;
    this.follow();
  }

  /** List more runs than now. */
  listMore(): void {
    this.count *= 5;
    void this.later.invoke();
  }

  async refresh(): Promise<void> {
    await this.ask();
  }

  /** Ask again and again from now on, until the server is back: it has lost whom to tell. */
  private retry(): void {
    if (!this.isLost) {
      this.isLost = true;
      this.poll.frequency = { interval: RETRY, backoff: false, max: RETRY };
      void this.poll.refresh();
    }
  }

  private follow(): void {
    const { path } = this.pipeline;
    if (this.isWatched && path !== '' && path !== this.path) {
      const moved = folderOf(path) !== folderOf(this.path);
      this.path = path;
      if (moved || !this._lists) {
        this._lists = null;
        void this.later.invoke();
      }
    }
  }

  private async ask(): Promise<void> {
    const { path, count } = this;
    if (!this.isWatched || path === '') {
      return;
    }
    const found = await this.server.get<IProject>('project', { path, runs: String(count) });
    if (path !== this.path) {
      return;
    }
    if ('problem' in found) {
      this._problem = found.problem;
    } else {
      this._problem = null;
      this._lists = found.answer;
      if (this.isLost) {
        this.isLost = false;
        this.poll.frequency = USUAL;
      }
    }
    this._changed.emit();
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly later = new Debouncer(() => void this.ask(), QUIET);
  private readonly poll: Poll;
  private path = '';
  private count = PAGE;
  private isWatched = false;
  private isLost = false;
  private _lists: IProject | null = null;
  private _problem: IProblem | null = null;
}

/** The folder of a notebook, as the server names it. */
function folderOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '.';
}
