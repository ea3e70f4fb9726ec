/** The JupyterLab plugin: puts the panel in the left side bar, and wide in the main area. */
import {
  ILabShell,
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, InputDialog, MainAreaWidget } from '@jupyterlab/apputils';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator } from '@jupyterlab/translation';
import { LabIcon } from '@jupyterlab/ui-components';
import iconText from '../style/icon.svg';
import { showMarks } from './marks';
import { Given, Panel } from './panel';
import { Pipeline } from './pipeline';
import { showProduction } from './production';
import { Project } from './project';
import { Answer, Server } from './server';
import { speak, text } from './text';

const SHOW = 'mlops-nb:show-panel';
const WIDE = 'mlops-nb:show-wide';
const TAG = 'mlops-nb:mark-step';
const STEP_TAG = 'step:';

const icon = new LabIcon({ name: 'mlops-nb:pipeline', svgstr: iconText });

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'mlops-nb:plugin',
  description: 'Shows the pipeline of the notebook in focus, its runs, jobs and models.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [
    ICommandPalette,
    ILayoutRestorer,
    ITranslator,
    JupyterFrontEnd.ITreeResolver,
    ISettingRegistry,
    ILabShell
  ],
  activate
};

function activate(
  app: JupyterFrontEnd,
  tracker: INotebookTracker,
  palette: ICommandPalette | null,
  restorer: ILayoutRestorer | null,
  translator: ITranslator | null,
  tree: JupyterFrontEnd.ITreeResolver | null,
  settings: ISettingRegistry | null,
  labShell: ILabShell | null
): void {
  if (translator) {
    speak(translator);
  }
  const { contents, events, serverSettings } = app.serviceManager;
  const server = new Server(serverSettings);
  const pipeline = new Pipeline(
    tracker,
    server,
    contents,
    Promise.all([app.restored, tree?.paths])
  );
  const given: Given = {
    server,
    pipeline,
    project: new Project(pipeline, server, events, app.serviceManager.connectionFailure),
    open: path => void app.commands.execute('docmanager:open', { path }),
    openRun: (run, withValues) => openRun(app, given, run, withValues),
    reveal: id =>
      void pipeline.reveal(id).then(notebook => {
        if (notebook) {
          app.shell.activateById(notebook.id);
        }
      })
  };
  const produce = () => {
    const { current, state, path } = pipeline;
    if (current && state) {
      const jobs = given.project.lists?.jobs.filter(({ notebook }) => notebook === path) ?? [];
      showProduction(current, state, jobs, run => void given.openRun(run, true));
    }
  };
  pipeline.moved.connect((_, panel) => showMarks(panel, pipeline.marksOf(panel)));
  pipeline.changed.connect(produce);
  given.project.changed.connect(produce);
  const panel = titled(new Panel('mlops-nb-panel', given));
  app.shell.add(panel, 'left', { rank: 600, type: 'MLOps' });
  restorer?.add(panel, panel.id);
  void Promise.all([settings?.load(plugin.id), app.restored]).then(([found]) => {
    if (found?.get('showOnStart').composite === true) {
      app.shell.activateById(panel.id);
    }
  });
  addCommands(app, tracker, palette, panel, given, labShell !== null);
}

/** Open a copy of the executed notebook of a run; load what it computed if that is wanted. */
async function openRun(
  app: JupyterFrontEnd,
  given: Given,
  run: string,
  withValues: boolean
): Promise<Answer<unknown>> {
  const { server, pipeline } = given;
  const found = await server.post<{ path: string }>('copies', { path: pipeline.path, run });
  if ('problem' in found) {
    return found;
  }
  const { path } = found.answer;
  const opened = (await app.commands.execute('docmanager:open', { path })) as NotebookPanel;
  if (withValues) {
    await opened.sessionContext.ready;
    const code = `%load_ext mlops_nb\n%mlops restore --run ${run}`;
    const kernel = opened.sessionContext.session?.kernel;
    const reply = await kernel?.requestExecute({ code, store_history: false }).done;
    if (reply?.content.status === 'error') {
      return { problem: { error: reply.content.evalue, fix: '', where: path } };
    }
  }
  return found;
}

function titled(panel: Panel): Panel {
  panel.title.icon = icon;
  panel.title.caption = text.trans.__('MLOps');
  return panel;
}

function addCommands(
  app: JupyterFrontEnd,
  tracker: INotebookTracker,
  palette: ICommandPalette | null,
  panel: Panel,
  given: Given,
  hasMainArea: boolean
): void {
  const { trans } = text;
  const nothing = { args: { type: 'object', properties: {} } } as const;
  app.commands.addCommand(SHOW, {
    label: trans.__('Show the MLOps panel'),
    caption: trans.__('Show the pipeline of the notebook in focus, its runs, jobs and models'),
    icon: args => (args['isPalette'] ? undefined : icon),
    describedBy: nothing,
    execute: () => app.shell.activateById(panel.id)
  });
  app.commands.addCommand(WIDE, {
    label: trans.__('Show the MLOps panel in the main area'),
    describedBy: nothing,
    isVisible: () => hasMainArea, // in Notebook 7 the notebook fills it
    execute: () => {
      const wide = new MainAreaWidget({ content: titled(new Panel('mlops-nb-wide', given, true)) });
      wide.title.label = trans.__('MLOps');
      wide.title.icon = icon;
      app.shell.add(wide, 'main', { mode: 'split-right' });
    }
  });
  app.commands.addCommand(TAG, {
    label: trans.__('Mark this cell as a step'),
    caption: trans.__('Give the cell the tag step:NAME'),
    icon: args => (args['isPalette'] ? undefined : icon),
    describedBy: nothing,
    isEnabled: () => tracker.activeCell?.model.type === 'code',
    execute: () => markStep(tracker)
  });
  for (const command of hasMainArea ? [SHOW, WIDE, TAG] : [SHOW, TAG]) {
    palette?.addItem({ command, category: trans.__('MLOps'), args: { isPalette: true } });
  }
}

/** Ask for a step's name, and mark the active cell by a tag: its code stays as it is. */
async function markStep(tracker: INotebookTracker): Promise<void> {
  const model = tracker.activeCell?.model;
  if (model?.type !== 'code') {
    return;
  }
  const tags = ((model.getMetadata('tags') as string[] | undefined) ?? []).map(String);
  const before = tags.find(tag => tag.startsWith(STEP_TAG))?.slice(STEP_TAG.length);
  const { trans } = text;
  const { value, button } = await InputDialog.getText({
    title: trans.__('The step that this cell is part of'),
    placeholder: 'train',
    text: before ?? '',
    okLabel: trans.__('Mark'),
    cancelLabel: trans.__('Cancel')
  });
  if (button.accept) {
    const others = tags.filter(tag => !tag.startsWith(STEP_TAG));
    const name = (value ?? '').trim();
    model.setMetadata('tags', name ? [...others, `${STEP_TAG}${name}`] : others);
  }
}

export default plugin;
