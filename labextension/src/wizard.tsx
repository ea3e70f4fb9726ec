/** Promotes the notebook: a form, a proof that can be read, and one confirmation. */
import * as React from 'react';
import { Action, CloseButton, Gates, useProblem } from './parts';
import { ICommand, outcome } from './server';
import { text, zoned } from './text';
import { IPipelineState, IPromotion } from './types';
import { IViews } from './views';

interface IForm {
  readonly name: string;
  readonly model: string;
  readonly schedule: string;
  readonly timezone: string;
  readonly gates: string;
  readonly triggers: string;
}

export function Wizard(
  props: IViews & { state: IPipelineState; onClose: () => void }
): JSX.Element {
  const { state, pipeline, server, project, onClose } = props;
  const { trans } = text;
  const [form, setForm] = React.useState<IForm>(() => firstForm(pipeline.path, state));
  const [proven, setProven] = React.useState<ICommand | null>(null);
  const [problem, tried] = useProblem();
  const waiting = React.useRef<ICommand | null>(null);
  const abandon = () => {
    if (waiting.current) {
      void server.post('commands', { command: waiting.current.command, confirm: false });
      waiting.current = null;
    }
    setProven(null);
  };
  React.useEffect(() => () => abandon(), []); // a proof that nobody confirms ends
  const change = (name: keyof IForm, value: string) => {
    abandon();
    setForm({ ...form, [name]: value });
  };
  const exists = project.lists?.jobs.some(({ job }) => job === form.name.trim()) ?? false;
  const prove = async () => {
    abandon();
    await pipeline.save();
    const args = argumentsOf(form);
    const action = exists ? 'replace' : 'promote';
    const started = await tried(
      server.post<ICommand>('commands', { path: pipeline.path, action, arguments: args })
    );
    const shown = started && (await tried(server.until(started, one => one.answers.length > 0)));
    if (shown && shown.status !== null && !('passed' in Object(shown.answers[0]))) {
      await tried(Promise.resolve(outcome<IPromotion>(shown))); // it was refused
    } else if (shown) {
      waiting.current = shown.status === null ? shown : null;
      setProven(shown);
    }
  };
  const confirm = async () => {
    const { current } = waiting;
    if (current) {
      waiting.current = null;
      const going = await tried(
        server.post<ICommand>('commands', { command: current.command, confirm: true })
      );
      const done = going && (await tried(server.ended<IPromotion>(going)));
      if (done) {
        await project.refresh();
        onClose();
        props.show('jobs');
      }
    }
  };
  const found = proven?.answers[0] as IPromotion | undefined;
  return (
    <form
      className="mlops-wizard"
      data-wizard="promote"
      onSubmit={event => event.preventDefault()}
      aria-label={trans.__('Promote')}
    >
      <CloseButton onClose={onClose} />
      <h3>{trans.__('Make a job of this notebook')}</h3>
      <Fields form={form} state={state} onChange={change} />
      {exists && (
        <p className="mlops-hint">
          {trans.__('There is a job %1: it will be replaced, and keeps what is left empty here.', form.name)}
        </p>
      )}
      <div className="mlops-actions">
        <Action
          action="dry-run"
          label={trans.__('Prove it')}
          title={trans.__('Run the notebook and the job beside each other, compare, and judge the gates; nothing is written')}
          isPrimary={!found}
          disabled={form.name.trim() === ''}
          onClick={prove}
        />
        <Action
          action="confirm"
          label={exists ? trans.__('Replace') : trans.__('Promote')}
          isPrimary={!!found}
          disabled={!found?.passed || proven?.status !== null}
          onClick={confirm}
        />
      </div>
      {problem}
      {found && <Proof found={found} />}
    </form>
  );
}

function Fields(props: {
  form: IForm;
  state: IPipelineState;
  onChange: (name: keyof IForm, value: string) => void;
}): JSX.Element {
  const { form, state, onChange } = props;
  const { trans } = text;
  const field = (name: keyof IForm, label: string, hint: string, list?: string) => (
    <label>
      <span>{label}</span>
      <input
        name={name}
        list={list}
        value={form[name]}
        placeholder={hint}
        spellCheck={false}
        autoComplete="off"
        onChange={event => onChange(name, event.target.value)}
      />
    </label>
  );
  return (
    <>
      {field('name', trans.__('Name of the job'), 'wine')}
      {field('model', trans.__('Variable with the model'), 'model', 'mlops-models')}
      <datalist id="mlops-models">
        {Object.keys(state.models).map(name => (
          <option key={name} value={name} />
        ))}
      </datalist>
      {field('schedule', trans.__('Schedule (cron)'), '0 3 * * 1', 'mlops-schedules')}
      <datalist id="mlops-schedules">
        <option value="0 3 * * *">{trans.__('every day at 3:00')}</option>
        <option value="0 3 * * 1">{trans.__('every Monday at 3:00')}</option>
        <option value="0 3 1 * *">{trans.__('on the first of each month at 3:00')}</option>
      </datalist>
      {field('timezone', trans.__('Time zone'), 'UTC')}
      <label>
        <span>{trans.__('Gates, one a line')}</span>
        <textarea
          name="gates"
          rows={2}
          value={form.gates}
          placeholder={`${state.metrics[0] ?? 'accuracy'} >= champion - 0.01`}
          spellCheck={false}
          onChange={event => onChange('gates', event.target.value)}
        />
      </label>
      <label>
        <span>{trans.__('Also run on, one a line')}</span>
        <textarea
          name="triggers"
          rows={1}
          value={form.triggers}
          placeholder="metric:accuracy:0.05"
          spellCheck={false}
          onChange={event => onChange('triggers', event.target.value)}
        />
      </label>
    </>
  );
}

/** What the dry run found: the proof step by step, the gates, the coming times. */
function Proof({ found }: { found: IPromotion }): JSX.Element {
  const { trans } = text;
  const { proof, gates, schedule } = found;
  return (
    <section className="mlops-proof" aria-live="polite">
      <p className="mlops-gate" data-passed={proof.equal}>
        {proof.equal ? '✓' : '✗'}{' '}
        {proof.equal
          ? trans.__('The job equals the notebook in %1 steps.', proof.steps.length)
          : proof.because}
      </p>
      <ol className="mlops-proof-steps">
        {proof.steps.map((one, place) => (
          <li key={place}>
            {one.equal ? '✓' : '✗'} {one.name}
          </li>
        ))}
      </ol>
      <Gates gates={gates} />
      {!found.passed && <p role="alert">{found.because}</p>}
      {schedule && schedule.next.length > 0 && (
        <p className="mlops-note">
          {schedule.words}, {schedule.timezone}.{' '}
          {trans.__('It would run on %1.', schedule.next.map(zoned).join('; '))}
        </p>
      )}
      {found.left_out.map(one => (
        <p key={one.label} className="mlops-note">
          {trans.__('left out: %1: %2', one.label, one.why)}
        </p>
      ))}
      {found.changes.map(one => (
        <p key={one} className="mlops-note">
          {one}
        </p>
      ))}
    </section>
  );
}

function firstForm(path: string, state: IPipelineState): IForm {
  const stem = path.split('/').pop()?.replace(/\.ipynb$/, '') ?? '';
  return {
    name: stem.toLowerCase().replace(/[^a-z0-9_-]+/g, '-'),
    model: Object.keys(state.models)[0] ?? '',
    schedule: '',
    timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    gates: '',
    triggers: ''
  };
}

function argumentsOf(form: IForm): { [name: string]: string | string[] } {
  const lines = (value: string) =>
    value
      .split('\n')
      .map(line => line.trim())
      .filter(Boolean);
  const { name, model, schedule, timezone } = form;
  return {
    name: name.trim(),
    model: model.trim(),
    schedule: schedule.trim(),
    timezone: schedule.trim() ? timezone.trim() : '',
    gates: lines(form.gates),
    triggers: lines(form.triggers)
  };
}
