/** Asks the live model for the answer to one row. */
import * as React from 'react';
import { Action, useProblem } from './parts';
import { figure, text } from './text';
import { IViews } from './views';

interface IExample {
  readonly model_version: number;
  readonly columns: readonly { readonly name: string; readonly kind: string }[];
  readonly rows: readonly { readonly [column: string]: unknown }[];
}

interface IAnswer {
  readonly model_version: number;
  readonly predictions: readonly unknown[];
  readonly scores: readonly unknown[] | null;
}

export function TryIt(props: IViews & { model: string }): JSX.Element {
  const { server, pipeline, model } = props;
  const { trans } = text;
  const [example, setExample] = React.useState<IExample | null>(null);
  const [typed, setTyped] = React.useState<{ readonly [column: string]: string }>({});
  const [answer, setAnswer] = React.useState<IAnswer | null>(null);
  const [problem, tried] = useProblem();
  React.useEffect(() => {
    void tried(server.run<IExample>(pipeline.path, 'try', { model })).then(setExample);
  }, []);
  const ask = async () => {
    const row = Object.fromEntries(
      (example?.columns ?? []).map(({ name, kind }) => [
        name,
        valueOf(typed[name], kind, example?.rows[0]?.[name])
      ])
    );
    setAnswer(await tried(server.run<IAnswer>(pipeline.path, 'try', { model, rows: [row] })));
  };
  if (!example) {
    return problem ?? <p className="mlops-note">{trans.__('Reading what the model takes…')}</p>;
  }
  return (
    <form
      className="mlops-parameters"
      data-try={model}
      onSubmit={event => {
        event.preventDefault();
        void ask();
      }}
    >
      {example.columns.map(({ name, kind }) => (
        <label key={name} title={kind}>
          <span>{name}</span>
          <input
            name={name}
            placeholder={shown(example.rows[0]?.[name])}
            value={typed[name] ?? ''}
            onChange={event => setTyped({ ...typed, [name]: event.target.value })}
          />
        </label>
      ))}
      <Action action="ask" label={trans.__('Ask version %1', example.model_version)} onClick={ask} />
      {problem}
      {answer && (
        <p className="mlops-answer" role="status">
          <b>{shown(answer.predictions[0])}</b>
          {answer.scores && ` · ${trans.__('score')} ${shown(answer.scores[0])}`}
          {` · ${trans.__('version %1', answer.model_version)}`}
        </p>
      )}
    </form>
  );
}

function shown(value: unknown): string {
  return Array.isArray(value) ? value.map(figure).join(', ') : figure(value ?? 'null');
}

/** What was typed, as the kind of its column has it; the example where nothing was typed. */
function valueOf(typed: string | undefined, kind: string, example: unknown): unknown {
  if (typed === undefined || typed === '') {
    return example ?? null;
  }
  if (typed === 'null') {
    return null;
  }
  if (kind === 'bool') {
    return typed.toLowerCase() === 'true';
  }
  const number = Number(typed);
  return (kind === 'int' || kind === 'float') && !Number.isNaN(number) ? number : typed;
}
