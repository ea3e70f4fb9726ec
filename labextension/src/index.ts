/** The JupyterLab plugin: puts the pipeline panel in the left side bar. */
import {
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { LabIcon } from '@jupyterlab/ui-components';
import iconText from '../style/icon.svg';
import { PipelinePanel } from './panel';
import { Pipeline } from './pipeline';

const SHOW = 'mlops-nb:show-panel';

const icon = new LabIcon({ name: 'mlops-nb:pipeline', svgstr: iconText });

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'mlops-nb:plugin',
  description: 'Shows the pipeline of the notebook in focus, live.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ICommandPalette, ILayoutRestorer, ITranslator],
  activate
};

function activate(
  app: JupyterFrontEnd,
  tracker: INotebookTracker,
  palette: ICommandPalette | null,
  restorer: ILayoutRestorer | null,
  translator: ITranslator | null
): void {
  const trans = (translator ?? nullTranslator).load('mlops_nb');
  const { contents, serverSettings } = app.serviceManager;
  const pipeline = new Pipeline(tracker, serverSettings, contents);
  const panel = new PipelinePanel(pipeline, trans, step => {
    void pipeline.reveal(step).then(notebook => {
      if (notebook) {
        app.shell.activateById(notebook.id);
      }
    });
  });
  panel.title.icon = icon;
  panel.title.caption = trans.__('MLOps pipeline');
  panel.disposed.connect(() => pipeline.dispose());
  app.shell.add(panel, 'left', { rank: 600, type: 'MLOps' });
  restorer?.add(panel, panel.id);

  app.commands.addCommand(SHOW, {
    label: trans.__('Show the MLOps pipeline'),
    caption: trans.__('Show the pipeline of the notebook in focus'),
    icon: args => (args['isPalette'] ? undefined : icon),
    describedBy: { args: { type: 'object', properties: {} } },
    execute: () => app.shell.activateById(panel.id)
  });
  palette?.addItem({ command: SHOW, category: trans.__('MLOps') });
}

export default plugin;
