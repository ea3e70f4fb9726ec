/** Requests to the server side of mlops-nb. */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { text } from './text';
import { IProblem } from './types';

export type Answer<T> = { readonly answer: T } | { readonly problem: IProblem };

/** How a command of the server stands; `answers` are the JSON objects that it printed. */
export interface ICommand {
  readonly command: string;
  readonly status: number | null;
  readonly answers: readonly unknown[];
  readonly said: string;
}

export class Server {
  constructor(private readonly settings: ServerConnection.ISettings) {}

  async get<T>(route: string, query: { [name: string]: string }): Promise<Answer<T>> {
    return this.ask<T>(`${route}?${new URLSearchParams(query).toString()}`, { method: 'GET' });
  }

  async post<T>(route: string, body: unknown): Promise<Answer<T>> {
    return this.ask<T>(route, { method: 'POST', body: JSON.stringify(body) });
  }

  /** Start an action and wait for its end; the last answer that it printed counts. */
  async run<T>(path: string, action: string, args: object = {}): Promise<Answer<T>> {
    const started = await this.post<ICommand>('commands', { path, action, arguments: args });
    return 'problem' in started ? started : this.ended<T>(started.answer);
  }

  /** Wait until a command has ended. */
  async ended<T>(command: ICommand): Promise<Answer<T>> {
    const found = await this.until(command, ({ status }) => status !== null);
    return 'problem' in found ? found : outcome<T>(found.answer);
  }

  /** Wait until a command stands as wanted, or has ended. */
  async until(
    command: ICommand,
    isWanted: (command: ICommand) => boolean
  ): Promise<Answer<ICommand>> {
    let now = command;
    while (now.status === null && !isWanted(now)) {
      const next = await this.get<ICommand>('commands', {
        command: now.command,
        answers: String(now.answers.length)
      });
      if ('problem' in next) {
        return next;
      }
      now = next.answer;
    }
    return { answer: now };
  }

  private async ask<T>(route: string, init: RequestInit): Promise<Answer<T>> {
    const url = URLExt.join(this.settings.baseUrl, 'mlops-nb', 'api') + `/${route}`;
    let response: Response;
    try {
      response = await ServerConnection.makeRequest(url, init, this.settings);
    } catch (reason) {
      return { problem: unreachable(reason) };
    }
    const body = await response.text();
    return response.ok
      ? { answer: JSON.parse(body) as T }
      : { problem: problemOf(response.status, body) };
  }
}

/** What a command that has ended answered, or what went wrong. */
export function outcome<T>(command: ICommand): Answer<T> {
  const last = command.answers[command.answers.length - 1] as
    | { error?: { what: string; fix: string; where: string } | string | null }
    | undefined;
  if (last && typeof last.error === 'object' && last.error !== null) {
    const { what, fix, where } = last.error;
    return { problem: { error: what, fix, where: where ?? '' } };
  }
  if (last) {
    return { answer: last as T };
  }
  const lines = command.said.trim().split('\n');
  return {
    problem: {
      error: lines[lines.length - 1] || text.trans.__('the command printed nothing'),
      fix: text.trans.__('its exit status was %1', String(command.status)),
      where: ''
    }
  };
}

function unreachable(reason: unknown): IProblem {
  return {
    error: text.trans.__('the Jupyter server did not answer: %1', String(reason)),
    fix: text.trans.__('see whether the server still runs, then reload the page'),
    where: ''
  };
}

function problemOf(status: number, body: string): IProblem {
  const found = parsed(body);
  if (status === 404 && found.error === undefined) {
    return {
      error: text.trans.__('the server side of mlops-nb is not enabled'),
      fix: 'jupyter server extension enable mlops_nb',
      where: ''
    };
  }
  return {
    error: found.error ?? found.message ?? text.trans.__('the server answered %1', String(status)),
    fix: found.fix ?? text.trans.__('the log of the server has more'),
    where: found.where ?? ''
  };
}

function parsed(body: string): Partial<IProblem> & { message?: string } {
  try {
    return (JSON.parse(body) as Partial<IProblem>) ?? {};
  } catch {
    return { message: body.slice(0, 300) };
  }
}
