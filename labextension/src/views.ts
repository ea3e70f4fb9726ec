/** What every tab is given. */
import { Pipeline } from './pipeline';
import { Project } from './project';
import { Answer, Server } from './server';

export type Tab = 'pipeline' | 'runs' | 'jobs' | 'models';

export interface IViews {
  readonly pipeline: Pipeline;
  readonly project: Project;
  readonly server: Server;
  /** Open a file of the server. */
  readonly open: (path: string) => void;
  /** Open a copy of a run's notebook, with the values that it computed if they are wanted. */
  readonly openRun: (run: string, withValues: boolean) => Promise<Answer<unknown>>;
  /** Go to a cell of the notebook in focus. */
  readonly reveal: (id: string | undefined) => void;
  readonly show: (tab: Tab) => void;
  /** Whether there is room for drawings. */
  readonly isWide: boolean;
  /** px */
  readonly room: number;
}
