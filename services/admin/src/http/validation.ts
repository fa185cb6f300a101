/**
 * Bodies and query parameters against their schemas. Unknown fields are refused by name, faults are told as JSON
 * pointers. Defaults of bodies are their owners' to fill in, because some follow from other fields. The compiled check
 * is made once per schema, when its first request comes.
 */
import { type ServiceErrorBody, lateCheck, patternFault } from '@postern/contracts';
import type { Static, TObject, TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { adminError } from '../errors.ts';

/** What is wrong at one place. */
export type Fault = NonNullable<ServiceErrorBody['errors']>[number];

const faultsMax = 32;

/** Makes the check of a JSON body. It gives the body as it is, a missing one as `{}`, or throws `ADMIN_BODY_INVALID`. */
export function bodyCheck<Schema extends TSchema>(schema: Schema): (body: unknown) => Static<Schema> {
  const compiled = lateCheck(schema);
  return (body = {}) => {
    if (compiled().Check(body)) return body;
    throw adminError('ADMIN_BODY_INVALID', 'the body is not as this call wants it; errors says where', {
      errors: faultsOf(compiled().Errors(body)),
    });
  };
}

/** Makes the check of a query string: texts become numbers and booleans where the schema wants those. */
export function queryCheck<Schema extends TObject>(schema: Schema): (query: unknown) => Static<Schema> {
  const compiled = lateCheck(schema);
  return (query) => {
    const value = Value.Default(schema, Value.Convert(schema, { ...(query as object) }));
    if (compiled().Check(value)) return value;
    const errors = faultsOf(compiled().Errors(value)).map((fault) => ({
      ...fault,
      path: fault.path.slice(1),
    }));
    throw adminError('ADMIN_QUERY_INVALID', 'a query parameter is unknown or not as it should be', {
      errors,
    });
  };
}

interface SchemaError {
  keyword: string;
  instancePath: string;
  params: object;
  message: string;
}

/** One line for each place; the alternatives of a union are gathered. */
function faultsOf(errors: readonly SchemaError[]): Fault[] {
  const messages = new Map<string, Set<string>>();
  const choices = new Map<string, string[]>();
  const add = (path: string, message: string) => {
    const at = messages.get(path) ?? new Set();
    messages.set(path, at.add(message));
  };
  for (const error of errors) {
    const { params } = error;
    if ('requiredProperties' in params) {
      for (const name of params.requiredProperties as string[]) {
        add(`${error.instancePath}/${pointerToken(name)}`, 'is required');
      }
    } else if ('allowedValue' in params) {
      choices.set(error.instancePath, [
        ...(choices.get(error.instancePath) ?? []),
        JSON.stringify(params.allowedValue),
      ]);
    } else if (error.keyword === 'boolean') {
      add(error.instancePath, 'is not a known field');
    } else if (error.keyword !== 'additionalProperties' && error.keyword !== 'anyOf') {
      add(error.instancePath, ('pattern' in params ? patternFault(params.pattern) : null) ?? error.message);
    }
  }
  for (const [path, values] of choices) add(path, `must be ${values.join(' or ')}`);
  const faults = [...messages].map(([path, texts]) => ({ path, message: [...texts].join(', or ') }));
  return faults.slice(0, faultsMax);
}

function pointerToken(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}
