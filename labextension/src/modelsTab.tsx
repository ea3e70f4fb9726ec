/** The tab of models: versions and what they measured, the live one, release and rollback. */
import * as React from 'react';
import { Action, Confirm, Gates, Metrics, useProblem } from './parts';
import { figure, moment, statusWord, text } from './text';
import { IModel, IVersion, IWatch } from './types';
import { IViews } from './views';
import { LiveCharts } from './liveCharts';
import { LiveModel } from './liveModel';
import { TryIt } from './tryIt';

/** Versions that are listed at first. */
const LISTED = 8;

export function ModelsTab(views: IViews): JSX.Element {
  const { lists } = views.project;
  const { trans } = text;
  if (!lists) {
    return <p className="mlops-empty">{trans.__('Reading the project…')}</p>;
  }
  return lists.models.length === 0 ? (
    <p className="mlops-empty">
      {trans.__('No model yet: a job registers one when it passes its gates.')}
    </p>
  ) : (
    <>
      {lists.models.map(model => (
        <Model key={model.name} {...views} model={model} />
      ))}
    </>
  );
}

/** What a person is about to do to the live model. */
interface IAsked {
  readonly action: 'approve' | 'rollback';
  readonly version: number;
}

function Model(props: IViews & { model: IModel }): JSX.Element {
  const { model, server, pipeline, project } = props;
  const { trans } = text;
  const [problem, tried] = useProblem();
  const [asked, ask] = React.useState<IAsked | null>(null);
  const [watched, setWatched] = React.useState<IWatch | null>(null);
  const [all, showAll] = React.useState(false);
  const [isTrying, setTrying] = React.useState(false);
  const versions = [...model.versions].sort((a, b) => b.version - a.version);
  const previous = versions.find(({ status }) => status === 'previous');
  const act = async (): Promise<void> => {
    if (asked) {
      const args =
        asked.action === 'approve'
          ? { model: model.name, version: asked.version }
          : { model: model.name, to: asked.version };
      await tried(server.run(pipeline.path, asked.action, args));
      ask(null);
      await project.refresh();
    }
  };
  const watch = async () =>
    setWatched(
      watched ? null : await tried(server.run<IWatch>(pipeline.path, 'watch', { model: model.name }))
    );
  const shown = all ? versions : versions.slice(0, LISTED);
  return (
    <section className="mlops-card" data-model={model.name}>
      <header>
        <h3>{model.name}</h3>
        <span className="mlops-badge">
          {model.champion === null
            ? trans.__('no champion')
            : trans.__('champion: version %1', model.champion)}
        </span>
      </header>
      <div className="mlops-actions">
        <Action
          action="rollback"
          label={trans.__('Roll back')}
          title={trans.__('Make the version released before the champion again')}
          disabled={!previous}
          onClick={() => previous && ask({ action: 'rollback', version: previous.version })}
        />
        <Action action="watch" label={trans.__('Live')} onClick={watch} />
        <Action
          action="try"
          label={trans.__('Try it')}
          disabled={model.champion === null}
          onClick={() => setTrying(!isTrying)}
        />
        <Action
          action="open"
          label={trans.__('Model card')}
          onClick={() => props.open(`jobs/${model.name}/MODEL_CARD.md`)}
        />
      </div>
      {asked && (
        <Confirm
          label={
            asked.action === 'approve'
              ? trans.__('Release version %1', asked.version)
              : trans.__('Roll back to version %1', asked.version)
          }
          onConfirm={act}
          onCancel={() => ask(null)}
        >
          <Change model={model} to={asked.version} />
        </Confirm>
      )}
      {problem}
      {watched && <LiveModel watched={watched} />}
      {watched && <LiveCharts {...props} model={model.name} />}
      {isTrying && <TryIt {...props} key={model.champion} model={model.name} />}
      <ul className="mlops-versions">
        {shown.map(version => (
          <Version
            key={version.version}
            {...props}
            version={version}
            onApprove={() => ask({ action: 'approve', version: version.version })}
          />
        ))}
      </ul>
      {versions.length > LISTED && (
        <Action
          action="more"
          label={all ? trans.__('Fewer versions') : trans.__('All %1 versions', versions.length)}
          onClick={() => showAll(!all)}
        />
      )}
    </section>
  );
}

/** Says what will answer instead of what. */
function Change({ model, to }: { model: IModel; to: number }): JSX.Element {
  const { trans } = text;
  const metrics = (version: number | null) =>
    model.versions.find(one => one.version === version)?.metrics ?? {};
  return (
    <>
      <p>
        {model.champion === null
          ? trans.__('Version %1 will answer every request from now on.', to)
          : trans.__(
              'Version %1 will answer every request from now on, instead of version %2.',
              to,
              model.champion
            )}
      </p>
      <p className="mlops-note">
        {Object.keys(metrics(to)).map(name => (
          <span key={name}>
            {name} {figure(metrics(model.champion)[name] ?? '–')} → {figure(metrics(to)[name])}{' '}
          </span>
        ))}
      </p>
    </>
  );
}

function Version(
  props: IViews & { version: IVersion; onApprove: () => void }
): JSX.Element {
  const { version, project, onApprove } = props;
  const { trans } = text;
  const run = project.lists?.runs.find(one => one.run === version.run);
  const isChampion = version.status === 'champion';
  return (
    <li data-version={version.version} data-champion={isChampion ? 'true' : undefined}>
      <span className="mlops-line-1">
        <b>
          {isChampion ? '★ ' : ''}
          {trans.__('version %1', version.version)}
        </b>
        <span className="mlops-badge" data-status={version.status}>
          {statusWord(version.status)}
        </span>
      </span>
      <span className="mlops-line-2">
        <span title={version.created}>{moment(version.created)}</span>
        <Metrics metrics={version.metrics} most={3} format={figure} />
      </span>
      <Gates gates={run?.gates ?? []} />
      {version.status === 'waiting' && (
        <Action
          action="approve"
          label={trans.__('Approve')}
          isPrimary
          onClick={() => onApprove()}
        />
      )}
    </li>
  );
}
