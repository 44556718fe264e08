// Shows /openapi.json as text to read. Everything is set as text, never as markup.

function make(tag, text, attributes = {}) {
  const node = Object.assign(document.createElement(tag), attributes);
  if (text !== undefined) node.textContent = text;
  return node;
}

/** Type of a schema, with a link where it is a named one. */
function type(schema) {
  const span = make('span');
  if (!schema) return span;
  if (schema.$ref) {
    const name = schema.$ref.split('/').at(-1);
    span.append(make('a', name, { href: `#${name}` }));
    return span;
  }
  const parts = schema.oneOf || schema.anyOf || schema.allOf;
  if (parts) {
    parts.forEach((part, index) => span.append(...(index ? [' or ', type(part)] : [type(part)])));
    return span;
  }
  if (schema.type === 'array') {
    span.append('list of ', type(schema.items));
    return span;
  }
  const kinds = [].concat(schema.type ?? 'any').join(' or ');
  span.append(schema.enum ? schema.enum.map((v) => JSON.stringify(v)).join(', ') : kinds);
  return span;
}

function table(head, rows) {
  const node = make('table');
  const first = node.insertRow();
  head.forEach((title) => first.append(make('th', title)));
  for (const row of rows) {
    const line = node.insertRow();
    for (const cell of row) line.insertCell().append(cell ?? '');
  }
  return node;
}

const content = (body) => Object.entries(body?.content ?? {});

function operation(path, method, item, shared) {
  const section = make('section');
  const title = make('h2');
  title.append(make('span', method.toUpperCase(), { className: 'method' }), path);
  section.append(title, make('p', [item.summary, item.description].filter(Boolean).join('\n\n')));
  const parameters = [...(shared ?? []), ...(item.parameters ?? [])];
  if (parameters.length) {
    const rows = parameters.map((p) => [make('code', p.name), p.in + (p.required ? ', required' : ''), type(p.schema), p.description]);
    section.append(table(['parameter', 'where', 'type', 'meaning'], rows));
  }
  for (const [media, { schema }] of content(item.requestBody)) {
    const body = make('p', `Body ${media}: `);
    body.append(type(schema));
    section.append(body);
  }
  const rows = Object.entries(item.responses ?? {}).map(([status, reply]) => {
    const cell = make('span');
    content(reply).forEach(([media, { schema }]) => cell.append(type(schema), ` (${media}) `));
    return [make('code', status), reply.description, cell];
  });
  section.append(table(['status', 'meaning', 'body'], rows));
  return section;
}

function schema(name, item) {
  const section = make('section');
  section.append(make('h2', name, { id: name }), make('p', item.description ?? ''));
  if (!item.properties) section.append(type(item));
  else {
    const rows = Object.entries(item.properties).map(([field, s]) => [make('code', field), type(s), s.description]);
    section.append(table(['field', 'type', 'meaning'], rows));
  }
  return section;
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];
try {
  const reply = await fetch('/openapi.json');
  if (!reply.ok) throw new Error(`/openapi.json answered ${reply.status}`);
  const api = await reply.json();
  for (const [path, item] of Object.entries(api.paths)) {
    METHODS.filter((m) => item[m]).forEach((m) => document.getElementById('paths').append(operation(path, m, item[m], item.parameters)));
  }
  Object.entries(api.components?.schemas ?? {}).forEach(([name, item]) => document.getElementById('schemas').append(schema(name, item)));
} catch (error) {
  document.getElementById('paths').append(make('p', `The description cannot be read: ${error.message}`, { className: 'alarm' }));
}
