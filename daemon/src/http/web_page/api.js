// The page's calls to the service. Every function throws an Error whose message can be shown as it is.

function explain(status, body, retryAfter) {
  const detail = body && body.detail;
  const text = Array.isArray(detail) ? detail.map((d) => `${d.loc.slice(1).join('.')}: ${d.msg}`).join('; ') : detail;
  const wait = retryAfter ? ` (try again in ${retryAfter} s)` : '';
  return `${text || `the service answered ${status}`}${wait}`;
}

async function call(path, key, options = {}) {
  let reply;
  try {
    reply = await fetch(path, { ...options, headers: { Authorization: `Bearer ${key}` } });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Error('the service cannot be reached');
  }
  if (reply.ok) return reply;
  const body = await reply.json().catch(() => null);
  const error = new Error(explain(reply.status, body, reply.headers.get('Retry-After')));
  error.status = reply.status;
  throw error;
}

export async function account(key) {
  return (await call('/v1/account', key)).json();
}

/** Mask of what the prompts mean, as a PNG blob. `points` are [x, y, label] in pixels of the displayed photo. */
export async function segment(key, file, points, box, signal) {
  const query = new URLSearchParams();
  if (points.length) {
    query.set('points', JSON.stringify(points.map(([x, y]) => [x, y])));
    query.set('labels', JSON.stringify(points.map((p) => p[2])));
  }
  if (box) query.set('box', JSON.stringify(box));
  const form = new FormData();
  form.append('image', file, file.name);
  return (await call(`/v1/services/segmentation?${query}`, key, { method: 'POST', body: form, signal })).blob();
}

/** Removes what the mask marks; returns the picture and what the call cost. */
export async function remove(key, file, mask) {
  const form = new FormData();
  form.append('image', file, file.name);
  form.append('mask', mask, 'mask.png');
  const reply = await call('/v1/services/object-removal', key, { method: 'POST', body: form });
  const { result } = await reply.json();
  // The address may name another host than the one this page came from (a proxy in front): only its path counts here.
  const url = new URL(result.output_url, location.href);
  const picture = await call(url.pathname + url.search, key);
  return { blob: await picture.blob(), ms: result.processing_time_ms, credits: result.credits_used, left: reply.headers.get('X-Credits-Remaining') };
}
