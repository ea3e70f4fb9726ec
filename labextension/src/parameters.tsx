/** The parameters of a notebook as a form, for a run in the background. */
import * as React from 'react';
import { text } from './text';
import { IParameter } from './types';

/** What was typed, by the parameter's name. */
export type Values = { readonly [name: string]: string };

export function ParameterForm(props: {
  parameters: readonly IParameter[];
  values: Values;
  onChange: (values: Values) => void;
}): JSX.Element | null {
  const { parameters, values, onChange } = props;
  const { trans } = text;
  if (parameters.length === 0) {
    return null;
  }
  const set = (name: string, value: string | undefined) => {
    const { [name]: _, ...others } = values;
    onChange(value === undefined ? others : { ...others, [name]: value });
  };
  return (
    <section className="mlops-section">
      <h3>{trans.__('Parameters of the next background run')}</h3>
      <div className="mlops-parameters">
        {parameters.map(parameter => (
          <Field
            key={parameter.name}
            parameter={parameter}
            value={values[parameter.name]}
            onChange={value => set(parameter.name, value)}
          />
        ))}
      </div>
    </section>
  );
}

function Field(props: {
  parameter: IParameter;
  value: string | undefined;
  onChange: (value: string | undefined) => void;
}): JSX.Element {
  const { parameter, value, onChange } = props;
  const { name, type } = parameter;
  const own = typeof parameter.value === 'string' ? parameter.value : JSON.stringify(parameter.value);
  const id = `mlops-parameter-${name}`;
  return (
    <label htmlFor={id} title={type} data-changed={value !== undefined || undefined}>
      <span>{name}</span>
      {type === 'bool' ? (
        <select
          id={id}
          value={value ?? (parameter.value ? 'true' : 'false')}
          onChange={event => onChange(event.target.value)}
        >
          <option value="true">True</option>
          <option value="false">False</option>
        </select>
      ) : (
        <input
          id={id}
          type={type === 'int' || type === 'float' ? 'number' : 'text'}
          step={type === 'int' ? 1 : 'any'}
          placeholder={own}
          value={value ?? ''}
          onChange={event => onChange(event.target.value === '' ? undefined : event.target.value)}
        />
      )}
    </label>
  );
}
