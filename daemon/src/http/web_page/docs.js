// Shows /openapi.json to read and to try. Everything is set as text, never as markup.

import { $, make } from './page.js';
import { LANGUAGES, REMEDIES, fields, isFile, sketch } from './examples.js';

const GROUPS = { services: 'Services', jobs: 'Jobs', files: 'Files', account: 'Account', models: 'Models', operations: 'Operation of the daemon' };
const METHODS = ['get', 'post', 'put', 'patch', 'delete'];
let api = null;
let language = 'curl';

const key = () => $('key').value.trim();
const shownKey = () => (key() && language === 'curl' ? '$KEY' : 'sk-live-…');
const refer = (schema) => (schema?.$ref ? api.components.schemas[schema.$ref.split('/').at(-1)] : schema);

/** Type of a schema, with a link where it is a named one. */
function type(schema) {
  const span = make('span');
  if (!schema) return span;
  if (schema.$ref) {
    const name = schema.$ref.split('/').at(-1);
    span.append(make('a', { textContent: name, href: `#type-${name}` }));
    return span;
  }
  const parts = (schema.oneOf || schema.anyOf || schema.allOf)?.filter((part) => part.type !== 'null');
  if (parts) {
    parts.forEach((part, index) => span.append(...(index ? [' or ', type(part)] : [type(part)])));
    return span;
  }
  const kinds = [].concat(schema.type ?? 'any').filter((kind) => kind !== 'null');
  if (kinds[0] === 'array') span.append('list of ', type(schema.items));
  else if (schema.format === 'binary' || schema.contentMediaType) span.append('file');
  else span.append(schema.enum ? schema.enum.map((value) => JSON.stringify(value)).join(', ') : kinds.join(' or '));
  return span;
}

/** A sentence with what stands between backquotes as code. */
const prose = (text) => (text ?? '').split('`').map((part, index) => (index % 2 ? code(part) : part));

function table(head, rows) {
  const node = make('table');
  const first = node.createTHead().insertRow();
  head.forEach((title) => first.append(make('th', { scope: 'col', textContent: title })));
  const body = node.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const cell of row) line.insertCell().append(...(typeof cell === 'string' ? prose(cell) : [cell ?? '']));
  }
  return make('div', { className: 'wideness', tabIndex: 0, role: 'group', ariaLabel: head.join(', ') }, node);
}

const code = (text) => make('code', { textContent: text });
const bodies = (body) => Object.entries(body?.content ?? {});

/** An operation and what follows from its description. */
function describe(path, method, item, shared = []) {
  const [media, content] = bodies(item.requestBody)[0] ?? [];
  const form = media === 'multipart/form-data' ? refer(content.schema) : null;
  const parameters = [...shared, ...(item.parameters ?? [])];
  const keyed = Boolean(item.security);
  const call = sketch({ base: location.origin, path, method, parameters, form: form ? fields(form) : [], keyed });
  return { path, method, item, parameters, form, keyed, call, id: item.operationId };
}

/** The same call in each language; all examples of the page speak the one that was chosen last. */
function examples(call) {
  const code = make('pre', { tabIndex: 0 });
  const tabs = make('div', { role: 'tablist', ariaLabel: 'Language' });
  const node = make('div', { className: 'examples-of' }, tabs, make('div', { className: 'code' }, code, make('button', { type: 'button', className: 'copy', textContent: 'Copy', onclick: () => copy(node) })));
  const buttons = Object.keys(LANGUAGES).map((name) => {
    const tab = make('button', { type: 'button', textContent: name, onclick: () => speak(name) });
    tab.setAttribute('role', 'tab');
    tab.onkeydown = (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step) buttons.at((buttons.indexOf(tab) + step) % buttons.length).click();
      if (step) buttons.find((other) => other.ariaSelected === 'true').focus();
    };
    return tab;
  });
  tabs.append(...buttons);
  node.show = () => {
    code.textContent = LANGUAGES[language](call, shownKey());
    buttons.forEach((tab) => Object.assign(tab, { ariaSelected: String(tab.textContent === language), tabIndex: tab.textContent === language ? 0 : -1 }));
  };
  node.copied = () => LANGUAGES[language](call, key() || 'sk-live-…');
  node.show();
  return node;
}

function speak(name) {
  language = name;
  document.querySelectorAll('.examples-of').forEach((node) => node.show());
}

async function copy(node) {
  const button = node.querySelector('.copy');
  // Without https the browser gives no clipboard: what cannot be copied is selected.
  if (navigator.clipboard) await navigator.clipboard.writeText(node.copied());
  else getSelection().selectAllChildren(node.querySelector('pre'));
  button.textContent = navigator.clipboard ? 'Copied' : 'Selected';
  setTimeout(() => { button.textContent = 'Copy'; }, 1500);
}

/** Fields of a body; what a query may say as well is asked for once. */
const parts = (form, parameters) => Object.entries(form?.properties ?? {}).filter(([name]) => !parameters.some((parameter) => parameter.name === name));

/** A form that makes the call. */
function trial({ path, method, parameters, form, keyed, id }) {
  const field = (name, input) => make('label', { className: 'field' }, code(name), Object.assign(input, { name }));
  const inputs = parameters.map((parameter) => field(parameter.name, make('input', { required: Boolean(parameter.required), placeholder: parameter.required ? 'required' : '' })));
  const files = parts(form, parameters).map(([name, schema]) => field(name, make('input', { ...(isFile(schema) ? { type: 'file', multiple: schema.type === 'array' } : {}), required: form.required?.includes(name) ?? false })));
  const answer = make('div');
  answer.setAttribute('role', 'status');
  const node = make('form', { className: 'try' }, ...inputs, ...files, make('div', { className: 'row' }, make('button', { className: 'primary', textContent: `Send ${method.toUpperCase()}` })), answer);
  node.ariaLabel = `Try ${id}`;
  node.onsubmit = async (event) => {
    event.preventDefault();
    answer.replaceChildren('…');
    try {
      answer.replaceChildren(...(await shown(await send(node, { path, method, parameters, keyed, form }))));
    } catch (error) {
      answer.replaceChildren(make('p', { className: 'alarm', textContent: `No reply: ${error.message}` }));
    }
  };
  return node;
}

function send(node, { path, method, parameters, keyed, form }) {
  const value = (name) => node.elements.namedItem(name).value.trim();
  const given = (place) => parameters.filter((parameter) => parameter.in === place && value(parameter.name));
  const query = new URLSearchParams(given('query').map(({ name }) => [name, value(name)]));
  const headers = Object.fromEntries(given('header').map(({ name }) => [name, value(name)]));
  if (keyed && key()) headers.Authorization = `Bearer ${key()}`;
  const body = form ? new FormData() : undefined;
  for (const [name, schema] of parts(form, parameters)) {
    if (isFile(schema)) for (const file of node.elements.namedItem(name).files) body.append(name, file, file.name);
    else if (value(name)) body.append(name, value(name));
  }
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(value(name)));
  return fetch(filled + (query.size ? `?${query}` : ''), { method: method.toUpperCase(), headers, body });
}

async function shown(reply) {
  const kind = reply.headers.get('Content-Type') ?? '';
  const head = make('p', { className: reply.ok ? '' : 'alarm', textContent: `${reply.status} ${reply.statusText} · ${kind} · request ${reply.headers.get('X-Request-Id') ?? '-'}` });
  if (kind.startsWith('image/')) return [head, make('img', { src: URL.createObjectURL(await reply.blob()), alt: 'The picture of the reply' })];
  const text = await reply.text();
  const pretty = kind.startsWith('application/json') ? JSON.stringify(JSON.parse(text), null, 2) : text;
  const remedy = REMEDIES[reply.status];
  return [head, ...(remedy ? [make('p', { textContent: remedy })] : []), make('pre', { textContent: pretty, tabIndex: 0 })];
}

function section(title, ...nodes) {
  return [make('h4', { textContent: title }), ...nodes];
}

function operation(op) {
  const { path, method, item, parameters, form, keyed } = op;
  const replies = Object.entries(item.responses ?? {});
  const good = replies.filter(([status]) => status < 400).map(([status, reply]) => {
    const cell = make('span');
    bodies(reply).forEach(([media, { schema }], index) => cell.append(...(index ? [', '] : []), type(schema), ` (${media})`));
    return [code(status), reply.description, cell];
  });
  const bad = replies.filter(([status]) => status >= 400);
  const errors = make('p', {}, ...bad.flatMap(([status], index) => [...(index ? [', '] : []), make('a', { href: `#error-${status}`, textContent: status })]));
  const body = make('div', {},
    make('p', {}, ...prose(item.description)),
    ...section('Example', examples(op.call)),
    ...(form ? section('Body, multipart/form-data', table(['field', 'type', 'meaning'], rows(form))) : []),
    ...(parameters.length ? section('Parameters', table(['parameter', 'where', 'type', 'meaning'], parameters.map((p) => [code(p.name), p.in + (p.required ? ', required' : ''), type(p.schema), p.description]))) : []),
    ...section('Replies', table(['status', 'meaning', 'body'], good)),
    ...(bad.length ? section('Errors', errors) : []),
    ...section('Try it', trial(op)));
  const title = make('h3', {}, make('span', { className: 'method', textContent: method.toUpperCase() }), ' ', make('span', { className: 'path', textContent: path }));
  const summary = make('summary', {}, title, ...(keyed ? [] : [make('span', { className: 'open', textContent: 'open' })]), make('span', { className: 'says' }, ...prose(item.summary)));
  return make('details', { className: 'op', id: op.id }, summary, body);
}

const rows = (schema) => Object.entries(schema.properties ?? {}).map(([name, field]) => [code(name), make('span', {}, type(field), schema.required?.includes(name) ? ', required' : ''), field.description]);

function schema(name, item) {
  const inside = item.properties ? table(['field', 'type', 'meaning'], rows(item)) : type(item);
  return make('details', { className: 'op', id: `type-${name}` }, make('summary', {}, make('h3', { className: 'path', textContent: name }), make('span', { className: 'says' }, ...prose(item.description))), make('div', {}, inside));
}

function errorRows(operations) {
  const told = new Map();
  for (const { item } of operations) {
    for (const [status, reply] of Object.entries(item.responses)) if (status >= 400) told.set(status, (told.get(status) ?? new Set()).add(reply.description));
  }
  return [...told.keys()].sort().map((status) => {
    const row = code(status);
    row.id = `error-${status}`;
    return [row, [...told.get(status)].join('; '), REMEDIES[status] ?? ''];
  });
}

function show() {
  const operations = Object.entries(api.paths).flatMap(([path, item]) => METHODS.filter((method) => item[method]).map((method) => describe(path, method, item[method], item.parameters)));
  $('about').textContent = `${api.info.description} Version ${api.info.version}.`;
  $('first').append(examples(operations.find(({ id }) => id === 'remove_object').call));
  for (const [tag, title] of Object.entries(GROUPS)) {
    const own = operations.filter(({ item }) => item.tags?.includes(tag));
    const heading = make('h2', { id: tag, textContent: title });
    $('groups').append(make('section', { ariaLabel: title }, heading, ...own.map(operation)));
    $('links').append(make('h2', { textContent: title }), make('ul', {}, ...own.map(({ id, item, path }) => make('li', {}, make('a', { href: `#${id}`, textContent: item.summary?.replaceAll('`', '').split(/[.:]/)[0] ?? path })))));
  }
  $('links').append(make('h2', { textContent: 'More' }), make('ul', {}, ...[['errors', 'Errors'], ['types-title', 'Types']].map(([id, text]) => make('li', {}, make('a', { href: `#${id}`, textContent: text })))));
  $('error-table').append(table(['status', 'when', 'what to do'], errorRows(operations)));
  $('types').append(...Object.entries(api.components?.schemas ?? {}).map(([name, item]) => schema(name, item)));
}

/** Opens what an address points at. */
function follow() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target instanceof HTMLDetailsElement) target.open = true;
  target.scrollIntoView();
}

function find() {
  const wanted = $('find').value.trim().toLowerCase();
  for (const node of document.querySelectorAll('.op')) node.hidden = !node.textContent.toLowerCase().includes(wanted);
  for (const link of document.querySelectorAll('#links li')) {
    const target = document.getElementById(link.firstChild.hash.slice(1));
    link.hidden = Boolean(target?.hidden);
  }
}

try {
  const reply = await fetch('openapi.json');
  if (!reply.ok) throw new Error(`/openapi.json answered ${reply.status}`);
  api = await reply.json();
  $('key').value = sessionStorage.getItem('key') ?? localStorage.getItem('key') ?? '';
  show();
  document.querySelector('.op').open = true;
  $('find').addEventListener('input', find);
  $('key').addEventListener('input', () => speak(language));
  $('key-form').addEventListener('submit', (event) => event.preventDefault());
  addEventListener('hashchange', follow);
  follow();
} catch (error) {
  $('groups').append(make('p', { textContent: `The description cannot be read: ${error.message}`, className: 'alarm' }));
}
