/** Asks Python for the pipeline of a notebook: no notebook code is read here. */
import { URLExt } from '@jupyterlab/coreutils';
import type * as nbformat from '@jupyterlab/nbformat';
import { ServerConnection } from '@jupyterlab/services';

/** One step of the pipeline, as `mlops-nb graph --json` gives it. */
export interface IStep {
  readonly name: string;
  readonly title: string;
  readonly cells: readonly number[];
  readonly uses: readonly string[];
  readonly makes: readonly string[];
  readonly parameters: readonly string[];
  readonly after: readonly string[];
}

/** What Python says of one code cell; `position` counts all cells from 0. */
export interface ICodeCell {
  readonly index: number;
  readonly position: number;
  readonly id: string | null;
  readonly kind: 'step' | 'setup' | 'scratch' | 'parameters' | 'empty';
  readonly step: string | null;
}

export interface IParameter {
  readonly name: string;
  readonly value: unknown;
  readonly type: string;
}

/** An edge is [from, to, the names that go along it]. */
export type Edge = readonly [string, string, readonly string[]];

/** The pipeline of a notebook: the part of `graph --json` that is drawn. */
export interface IGraph {
  readonly version: number;
  readonly notebook: string;
  readonly parameters: readonly IParameter[];
  readonly steps: readonly IStep[];
  readonly edges: readonly Edge[];
  readonly cells: readonly ICodeCell[];
  readonly warnings: readonly unknown[];
}

/** What went wrong, where, and what to type to mend it. */
export interface IProblem {
  readonly error: string;
  readonly fix: string;
  readonly where: string;
}

export type Answer =
  | { readonly graph: IGraph }
  | { readonly problem: IProblem };

/** Answer the pipeline of `content`, the notebook at `path` as it is in the editor. */
export async function askGraph(
  settings: ServerConnection.ISettings,
  path: string,
  content: nbformat.INotebookContent
): Promise<Answer> {
  const url = URLExt.join(settings.baseUrl, 'mlops-nb', 'api', 'graph');
  const body = JSON.stringify({ path, content });
  let response: Response;
  try {
    response = await ServerConnection.makeRequest(
      url,
      { method: 'POST', body },
      settings
    );
  } catch (reason) {
    return { problem: unreachable(reason) };
  }
  const text = await response.text();
  if (response.ok) {
    return { graph: JSON.parse(text) as IGraph };
  }
  return { problem: problemOf(response.status, text) };
}

function unreachable(reason: unknown): IProblem {
  return {
    error: `the Jupyter server did not answer: ${String(reason)}`,
    fix: 'see whether the server still runs, then reload the page',
    where: ''
  };
}

function problemOf(status: number, text: string): IProblem {
  if (status === 404) {
    return {
      error: 'the server side of mlops-nb is not enabled',
      fix: 'jupyter server extension enable mlops_nb, then restart Jupyter',
      where: ''
    };
  }
  const said = parsed(text);
  return {
    error: said.error ?? said.message ?? `the server answered ${status}`,
    fix: said.fix ?? 'the server log says more',
    where: said.where ?? ''
  };
}

function parsed(text: string): Partial<IProblem> & { message?: string } {
  try {
    return (JSON.parse(text) as Partial<IProblem>) ?? {};
  } catch {
    return { message: text.slice(0, 300) };
  }
}
