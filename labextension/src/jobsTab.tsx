/** The tab of jobs: what needs a person first, then each job with its runs and commands. */
import * as React from 'react';
import { historyIcon, pauseIcon, runIcon } from '@jupyterlab/ui-components';
import { Action, Confirm, Gates, Metrics, shapeOf, StateMark, useProblem } from './parts';
import { figure, moment, statusWord, text, triggerWord, zoned } from './text';
import { IAlert, IHistoryRow, IJob } from './types';
import { IViews } from './views';

/** Runs of a history that are shown. */
const SHOWN = 20;

export function JobsTab(views: IViews): JSX.Element {
  const { project } = views;
  const { trans } = text;
  const { lists } = project;
  if (!lists) {
    return <p className="mlops-empty">{trans.__('Reading the project…')}</p>;
  }
  const urgentFirst = [...lists.alerts].sort((a, b) => Number(b.urgent) - Number(a.urgent));
  return (
    <>
      {urgentFirst.map(alert => (
        <Alert key={alert.alert} {...views} alert={alert} />
      ))}
      {lists.jobs.length > 0 && !lists.scheduler_runs && <NoScheduler {...views} />}
      {lists.jobs.length === 0 && (
        <p className="mlops-empty">
          {trans.__('No job yet. A job runs a notebook by schedule, judges its model and releases it.')}
          <br />
          <Action
            action="show-pipeline"
            label={trans.__('Promote a notebook')}
            onClick={() => views.show('pipeline')}
          />
        </p>
      )}
      {lists.jobs.map(job => (
        <Job key={job.job} {...views} job={job} />
      ))}
    </>
  );
}

function NoScheduler(props: IViews): JSX.Element {
  const { server, pipeline, project } = props;
  const { trans } = text;
  const [isAsked, ask] = React.useState(false);
  const [problem, tried] = useProblem();
  const start = async () => {
    await tried(server.run(pipeline.path, 'scheduler'));
    ask(false);
    await project.refresh();
  };
  return (
    <section className="mlops-hint" data-scheduler="missing">
      <p>
        {trans.__('No scheduler has been seen in the last two minutes: nothing runs by itself.')}
      </p>
      {isAsked ? (
        <Confirm
          label={trans.__('Start the scheduler')}
          onConfirm={start}
          onCancel={() => ask(false)}
        >
          <p>
            {trans.__('A process of its own starts on the machine of this Jupyter server. It runs the jobs of this project that are due, from now on, and releases the models that pass their gates.')}
          </p>
          <p>
            {trans.__('It goes on when the browser, the kernel or Jupyter ends, until the machine restarts. As a service that starts again:')}{' '}
            <code>mlops-nb scheduler --install</code>
          </p>
        </Confirm>
      ) : (
        <Action
          action="start-scheduler"
          label={trans.__('Start the scheduler…')}
          onClick={() => ask(true)}
        />
      )}
      {problem}
    </section>
  );
}

function Alert(props: IViews & { alert: IAlert }): JSX.Element {
  const { alert, server, pipeline, project } = props;
  const { trans } = text;
  const [problem, tried] = useProblem();
  const send = async (action: string) => {
    await tried(server.run(pipeline.path, action, { alert: alert.alert }));
    await project.refresh();
  };
  return (
    <section
      className="mlops-alert"
      data-alert={alert.alert}
      data-urgent={alert.urgent || undefined}
      data-acked={alert.acked_until ? true : undefined}
    >
      <p>
        <b>{alert.job}</b> · {alert.kind} · <span title={alert.since}>{moment(alert.since)}</span>
      </p>
      <p>{alert.what}</p>
      {alert.fix && (
        <p>
          <b>{trans.__('Next:')}</b> <span className="mlops-fix">{alert.fix}</span>
        </p>
      )}
      <div className="mlops-actions">
        <Action
          action="ack"
          label={
            alert.acked_until
              ? trans.__('Silenced until %1', moment(alert.acked_until))
              : trans.__('I look at it')
          }
          title={trans.__('Do not repeat this alert for a while')}
          onClick={() => send('ack')}
        />
        {(alert.kind === 'harm' || alert.kind === 'movement') && (
          <Action
            action="ack-false"
            label={trans.__('False alert')}
            title={trans.__('Its level counts as normal from now on')}
            onClick={() => send('ack-false')}
          />
        )}
      </div>
      {problem}
    </section>
  );
}

function Job(props: IViews & { job: IJob }): JSX.Element {
  const { job, server, pipeline, project } = props;
  const { trans } = text;
  const [problem, tried] = useProblem();
  const [runs, setRuns] = React.useState<readonly IHistoryRow[] | null>(null);
  const [isApplying, apply] = React.useState(false);
  const act = async (action: string) => {
    await tried(server.run(pipeline.path, action, { job: job.job }));
    await project.refresh();
  };
  const trigger = async () => {
    const done = act('trigger');
    await Promise.race([done, new Promise(resolve => window.setTimeout(resolve, 1500))]);
  };
  const history = async () => {
    if (runs) {
      setRuns(null);
      return;
    }
    const found = await tried(
      server.run<{ runs: IHistoryRow[] }>(pipeline.path, 'history', { job: job.job, last: SHOWN })
    );
    setRuns(found ? [...found.runs].reverse() : null);
  };
  const isPaused = job.status === 'paused';
  const differs = Array.isArray(job.differs_from_notebook)
    ? job.differs_from_notebook.length > 0
    : !!job.differs_from_notebook;
  return (
    <section className="mlops-card" data-job={job.job} data-status={job.status}>
      <header>
        {job.last && <StateMark state={shapeOf(job.last.status)} />}
        <h3>{job.job}</h3>
        <span className="mlops-badge">{statusWord(job.status)}</span>
      </header>
      <p className="mlops-note">
        {job.schedule ? (
          <>
            <span title={job.schedule.cron}>{job.schedule.words}</span>, {job.schedule.timezone}
            {job.next && (
              <>
                {' · '}
                {trans.__('next')} <span title={job.next}>{zoned(job.next)}</span>
              </>
            )}
          </>
        ) : (
          trans.__('runs by hand')
        )}
        {job.triggers.length > 0 && <> · {job.triggers.join(', ')}</>}
      </p>
      {job.last && (
        <p className="mlops-note">
          {trans.__('last')} {job.last.started ? zoned(job.last.started) : ''} · {statusWord(job.last.status)}{' '}
          <Metrics metrics={job.last.metrics} most={2} format={figure} />
        </p>
      )}
      {job.last?.because && <p className="mlops-because">{job.last.because}</p>}
      {differs && (
        <p className="mlops-because">
          {trans.__('The notebook differs from this job')}
          {Array.isArray(job.differs_from_notebook) && `: ${job.differs_from_notebook.join(', ')}`}
        </p>
      )}
      <div className="mlops-actions">
        <Action action="trigger" label={trans.__('Run now')} icon={runIcon} onClick={trigger} />
        {job.schedule !== null || job.triggers.length > 0 || isPaused || job.status === 'active' ? (
          <Action
            action={isPaused ? 'unpause' : 'pause'}
            label={isPaused ? trans.__('Unpause') : trans.__('Pause')}
            icon={isPaused ? runIcon : pauseIcon}
            onClick={() => act(isPaused ? 'unpause' : 'pause')}
          />
        ) : null}
        <Action action="history" label={trans.__('History')} icon={historyIcon} onClick={history} />
        <Action
          action="open"
          label={trans.__('Review')}
          title={trans.__('Open REVIEW.md of its bundle')}
          onClick={() => props.open(`jobs/${job.job}/REVIEW.md`)}
        />
        {(job.status === 'draft' || differs) && (
          <Action action="apply" label={trans.__('Apply')} onClick={() => apply(true)} />
        )}
      </div>
      {isApplying && (
        <Confirm
          label={trans.__('Apply')}
          onConfirm={async () => {
            await act('apply');
            apply(false);
          }}
          onCancel={() => apply(false)}
        >
          {trans.__('The bundle in jobs/%1 becomes the live one: its schedule, gates and code.', job.job)}
        </Confirm>
      )}
      {problem}
      {runs && <History runs={runs} />}
    </section>
  );
}

function History({ runs }: { runs: readonly IHistoryRow[] }): JSX.Element {
  const { trans } = text;
  return (
    <ul className="mlops-history" aria-label={trans.__('History')}>
      {runs.map(run => (
        <li key={run.run} data-run={run.run} data-status={run.status}>
          <StateMark state={shapeOf(run.status)} />
          <div>
            <span className="mlops-line-2">
              <b title={run.started ?? ''}>{run.started ? zoned(run.started) : ''}</b>
              <span>{triggerWord(run.trigger)}</span>
              <span>{statusWord(run.status)}</span>
              {run.model_version !== null && (
                <span>{trans.__('version %1', run.model_version)}</span>
              )}
            </span>
            <Metrics metrics={run.metrics} most={3} format={figure} />
            {run.because && <p className="mlops-because">{run.because}</p>}
            <Gates gates={run.gates} />
          </div>
        </li>
      ))}
    </ul>
  );
}
