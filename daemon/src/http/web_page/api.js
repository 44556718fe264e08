// The page's calls to the service. Every function throws an Error whose message can be shown as it is; its `status` is the reply's,
// 0 where the service could not be reached, and `wait` the seconds after which it may be tried again.

import { eventsOf } from './events.js';

/** Who calls. In single-user mode no key is needed. */
export const caller = { key: '' };

class Refused extends Error {
  constructor(status, body, retryAfter) {
    super(explain(status, body));
    this.status = status;
    this.wait = Number(retryAfter) || 0;
  }
}

function explain(status, body) {
  const detail = body?.detail;
  if (Array.isArray(detail)) return detail.map((field) => `${field.loc.slice(1).join('.')}: ${field.msg}`).join('; ');
  return detail || `the service answered ${status}`;
}

function unreachable() {
  const error = new Error('The service cannot be reached');
  error.status = 0;
  return error;
}

const headers = () => (caller.key ? { Authorization: `Bearer ${caller.key}` } : {});

/** Where the service is: above this script, wherever a proxy may have put it. */
const at = (path) => new URL(`.${path}`, new URL('..', import.meta.url));

async function call(path, options = {}) {
  let reply;
  try {
    reply = await fetch(at(path), { cache: 'no-store', ...options, headers: headers() });
  } catch (error) {
    throw error.name === 'AbortError' ? error : unreachable();
  }
  if (reply.ok) return reply;
  throw new Refused(reply.status, await reply.json().catch(() => null), reply.headers.get('Retry-After'));
}

export async function account() {
  return (await call('/v1/account')).json();
}

/** Whether the service answers at all. */
export async function alive() {
  return call('/healthz').then(() => true, () => false);
}

/** Mask of what the prompts mean, as a PNG blob. `points` are [x, y, label] in pixels of the displayed photo. `preview`: without a job. */
export async function segment(photo, { points, box, alternative, preview }, signal) {
  const query = new URLSearchParams(preview ? { preview: 'true' } : {});
  if (points.length) {
    query.set('points', JSON.stringify(points.map(([x, y]) => [x, y])));
    query.set('labels', JSON.stringify(points.map((point) => point[2])));
  }
  if (box) query.set('box', JSON.stringify(box));
  if (alternative) query.set('alternative', String(alternative));
  const form = new FormData();
  form.append('image', photo, 'photo');
  const reply = await call(`/v1/services/segmentation?${query}`, { method: 'POST', body: form, signal });
  return reply.blob();
}

/** Orders a removal; the reply has a job_id. The same `once` orders the same once, however often it is sent. `uploaded` hears the share
 * of the upload that is done: fetch tells none. Once all is sent the order stands, and giving up waits for its reply. */
export function order({ photo, name, mask, options, once }, uploaded, signal) {
  const form = new FormData();
  form.append('image', photo, name);
  form.append('mask', mask, 'mask.png');
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.open('POST', at(`/v1/services/object-removal?${new URLSearchParams({ async: 'true', ...options })}`));
    for (const [header, value] of Object.entries({ ...headers(), 'Idempotency-Key': once })) request.setRequestHeader(header, value);
    let sent = false;
    request.upload.onload = () => { sent = true; };
    request.responseType = 'json';
    request.upload.onprogress = (event) => uploaded(event.loaded / Math.max(event.total, 1));
    request.onload = () => {
      if (request.status === 202) done(request.response);
      else fail(new Refused(request.status, request.response, request.getResponseHeader('Retry-After')));
    };
    request.onerror = () => fail(unreachable());
    request.onabort = () => fail(new DOMException('given up', 'AbortError'));
    signal.addEventListener('abort', () => { if (!sent) request.abort(); }, { once: true });
    if (signal.aborted) fail(new DOMException('given up', 'AbortError'));
    else request.send(form);
  });
}

export async function job(id, signal) {
  return (await call(`/v1/jobs/${id}`, { signal })).json();
}

/** Events of a job until it has ended, or until the connection has. */
export async function* jobEvents(id, signal) {
  yield* eventsOf(await call(`/v1/jobs/${id}/events`, { signal }));
}

export async function cancel(id) {
  await call(`/v1/jobs/${id}`, { method: 'DELETE' });
}

/** A result, in another `form` ({ output_format, quality }) if one is given. Its address may name another host and path than this page
 * came from (a proxy in front): only its end counts here. */
export async function file(address, signal, form = {}) {
  const [path, query] = address.replace(/^.*(?=\/v1\/files\/)/, '').split('?');
  return (await call(`${path}?${new URLSearchParams([...new URLSearchParams(query), ...Object.entries(form)])}`, { signal })).blob();
}
