// Runs removals: order, watch, fetch the result; one at a time, or over all photos that are marked.

import * as api from './api.js';
import { duration, progressText } from './events.js';
import { Picture, studio } from './studio.js';

/** Removals under way at once when several photos are done. */
const AT_ONCE = 2;
/** Longest pause between attempts while the service is busy or away, in seconds. */
const WAIT_MAX_S = 30;
/** A share of the photo above which it is asked whether the mark is meant so. */
export const SHARE_ASKED = 0.4;

const pause = (seconds, signal) => new Promise((done, fail) => {
  const timer = setTimeout(done, seconds * 1000);
  signal.addEventListener('abort', () => { clearTimeout(timer); fail(new DOMException('given up', 'AbortError')); }, { once: true });
});

function tell(doc, note, done = null) {
  Object.assign(doc, { note, done });
  studio.changed();
}

/** Repeats what was refused for being too much at once, or did not reach the service. */
async function patiently(doc, signal, act) {
  for (let wait = 2; ; wait = Math.min(wait * 2, WAIT_MAX_S)) {
    try {
      return await act();
    } catch (error) {
      const passing = error.status === 429 || error.status === 0;
      if (!passing) throw error;
      const seconds = Math.min(error.wait || wait, WAIT_MAX_S);
      if (error.status === 0) studio.dispatchEvent(new Event('offline'));
      tell(doc, `${error.status === 0 ? error.message : 'The service is busy'}; trying again in ${duration(seconds * 1000)}`);
      await pause(seconds, signal);
    }
  }
}

/** The reply of a job that has ended. A connection that breaks is taken up again. */
async function ended(doc, id, signal) {
  for (;;) {
    const reply = await patiently(doc, signal, async () => {
      for await (const { event, data } of api.jobEvents(id, signal)) {
        const told = JSON.parse(data);
        if (event !== 'progress') return told;
        tell(doc, progressText(told), told.done ?? null);
      }
      return api.job(id, signal);
    });
    if (reply.status === 'completed' || reply.status === 'failed') return reply;
    await pause(1, signal);
  }
}

/** A lossy WebP would lose at every step; a JPEG keeps every block away from the hole as it is, and the others have no loss. */
const between = (blob) => (blob.type === 'image/webp' ? { output_format: 'png' } : {});

/** Fills that come back to choose from, at most. */
const CANDIDATES = '4';

/** A name that no other order has. */
const unique = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');

async function run(doc, { png, box }, options, signal) {
  const { picture } = doc.now;
  const asked = { candidates: CANDIDATES, ...options, ...between(picture.blob) };
  const photo = { photo: picture.blob, name: doc.name, mask: png, options: asked, once: unique() };
  tell(doc, 'Sending the photo', 0);
  const ordered = await patiently(doc, signal, () => api.order(photo, (share) => tell(doc, 'Sending the photo', share * 0.05), signal));
  const cancel = () => api.cancel(ordered.job_id).catch(() => {});
  if (signal.aborted) {
    await cancel();
    throw signal.reason;
  }
  signal.addEventListener('abort', cancel, { once: true });
  const reply = await ended(doc, ordered.job_id, signal);
  signal.removeEventListener('abort', cancel);
  if (reply.status === 'failed') throw new Error(reply.error || 'it failed');
  tell(doc, 'Fetching the result', 1);
  const blob = await patiently(doc, signal, () => api.file(reply.result.output_url, signal));
  await studio.advance(doc, new Picture(blob, made(reply, blob, box)));
  return reply;
}

/** What is kept of a job: the fills that it made to choose from, and where the hole was. */
function made({ result }, blob, box) {
  const told = result.candidates ?? [];
  // Where parts of the hole keep different fills, the result is none of them.
  const mixed = told.length > 0 && told.every((candidate) => !candidate.chosen);
  const all = mixed ? [{ name: 'best', chosen: true, score: null }, ...told] : told;
  const candidates = all.map((candidate) => ({ url: result.output_url, ...candidate, blob: candidate.chosen ? blob : null }));
  return { candidates, box, chosen: candidates.findIndex((candidate) => candidate.chosen), url: result.output_url };
}

/** Removes what is marked in one photo; throws what went wrong. `null`: it was cancelled. */
export async function remove(doc, options, mask) {
  const controller = new AbortController();
  Object.assign(doc, { state: 'running', controller });
  tell(doc, 'Preparing', 0);
  try {
    const reply = await run(doc, mask, options, controller.signal);
    Object.assign(doc, { state: 'ready', controller: null });
    tell(doc, 'Done');
    return reply;
  } catch (error) {
    const cancelled = error.name === 'AbortError';
    Object.assign(doc, { state: cancelled ? 'ready' : 'failed', controller: null });
    tell(doc, cancelled ? '' : error.message);
    if (cancelled) return null;
    throw error;
  }
}

/** Removes what is marked in every photo; returns how many were done and how many failed. A fault of one stops no other. */
export async function removeAll(docs, options, signal) {
  const waiting = [...docs];
  const count = { done: 0, failed: 0, cancelled: 0, stop: null };
  signal.addEventListener('abort', () => {
    count.stop = new DOMException('given up', 'AbortError');
    docs.forEach((doc) => doc.controller?.abort());
  });
  waiting.forEach((doc) => Object.assign(doc, { state: 'running', note: 'Waits' }));
  const work = async () => {
    for (let doc = waiting.shift(); doc; doc = waiting.shift()) {
      try {
        const reply = count.stop ? null : await remove(doc, options, await studio.maskOf(doc));
        count[reply ? 'done' : 'cancelled'] += 1;
        if (!reply) Object.assign(doc, { state: 'ready', note: '' });
      } catch (error) {
        count.failed += 1;
        // The same would happen to all others.
        if (error.status === 401 || error.status === 402) count.stop = error;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  studio.changed();
  return count;
}

/** Another of the fills that a job made, in the place of the one that is shown. */
export async function take(doc, index) {
  const { candidates: all, box } = doc.now.picture.job;
  const candidates = all.map((candidate) => ({ ...candidate }));
  candidates[index].blob ??= await api.file(candidates[index].url, new AbortController().signal);
  await studio.advance(doc, new Picture(candidates[index].blob, { candidates, box, chosen: index, url: candidates[index].url }));
}
