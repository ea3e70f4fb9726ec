/** A field that finds steps by name, for long pipelines. */
import * as React from 'react';
import { text } from './text';

/** Steps from which on there is a field. */
export const MANY_STEPS = 9;

export function FindStep(props: {
  words: string;
  found: readonly string[];
  of: number;
  onChange: (words: string) => void;
}): JSX.Element {
  const { words, found, onChange } = props;
  const { trans } = text;
  const onKey = (event: React.KeyboardEvent<HTMLElement>) => {
    if (event.key === 'Escape') {
      onChange('');
    } else if (event.key === 'Enter' && found.length > 0) {
      event.preventDefault(); // else the button that gets the focus would be pressed
      const step = event.currentTarget
        .closest('.mlops-tab')
        ?.querySelector<HTMLElement>(`[data-step="${CSS.escape(found[0])}"]`);
      (step?.querySelector<HTMLElement>('.mlops-name') ?? step)?.focus();
    }
  };
  return (
    <div className="mlops-find">
      <input
        className="mlops-filter"
        type="search"
        name="find-step"
        placeholder={trans.__('Find a step')}
        aria-label={trans.__('Find a step by its name')}
        title={trans.__('Enter goes to the first one, Escape shows all')}
        value={words}
        onChange={event => onChange(event.target.value)}
        onKeyDown={onKey}
      />
      {words.trim() !== '' && (
        <p className="mlops-note" role="status">
          {trans.__('%1 of %2 steps', found.length, props.of)}
        </p>
      )}
    </div>
  );
}
