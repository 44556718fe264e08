// Calls of an operation in three languages, made from its description in OpenAPI.

const FILES = { image: 'photo.jpg', mask: 'mask.png', images: 'photo.jpg', masks: 'mask.png' };
/** Values that show what a parameter looks like; parameters without one are left out unless they are required. */
const SAMPLES = { job_id: 'JOB_ID', batch_id: 'BATCH_ID', points: '[[320,240]]', expires: 'EXPIRES', sig: 'SIGNATURE' };

const isList = (field) => [].concat(field.type).includes('array');

/** Whether a field of a multipart body is a file, or several; the others are text. */
export function isFile(field) {
  const item = isList(field) ? field.items : field;
  return item?.format === 'binary' || Boolean(item?.contentMediaType);
}

/** Files of a multipart body: [name, file name], twice for lists. Optional ones too: a removal has a mask. */
export function fields(schema) {
  return Object.entries(schema?.properties ?? {}).filter(([, field]) => isFile(field)).flatMap(([name, field]) => {
    const file = FILES[name] ?? name;
    const second = file.replace('.', '2.');
    return isList(field) ? [[name, file], [name, second]] : [[name, file]];
  });
}

/** What of a call is written down: { url, method, key, form }. */
export function sketch({ base, path, method, parameters, form, keyed }) {
  const prompts = form.some(([name]) => name === 'mask') ? [] : ['points'];
  const shown = parameters.filter(({ name, required }) => required || prompts.includes(name));
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => SAMPLES[name] ?? name.toUpperCase());
  const query = shown.filter((parameter) => parameter.in === 'query').map(({ name }) => [name, SAMPLES[name] ?? name.toUpperCase()]);
  const text = query.map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll('%2C', ',')}`).join('&');
  return { url: base + filled + (text && `?${text}`), method: method.toUpperCase(), keyed, form };
}

export function curl({ url, method, keyed, form }, key) {
  const parts = [
    method === 'GET' || form.length ? '' : `-X ${method}`,
    keyed ? `-H 'Authorization: Bearer ${key}'` : '',
    ...form.map(([name, file]) => `-F ${name}=@${file}`),
    `'${url}'`,
  ].filter(Boolean);
  return `curl ${parts.join(' \\\n  ')}`;
}

export function python({ url, method, keyed, form }, key) {
  const files = form.map(([name, file]) => `("${name}", open("${file}", "rb"))`).join(', ');
  const args = [
    `    "${url}",`,
    keyed ? `    headers={"Authorization": "Bearer ${key}"},` : '',
    form.length ? `    files=[${files}],` : '',
  ].filter(Boolean);
  return ['import requests', '', `reply = requests.${method.toLowerCase()}(`, ...args, ')', 'reply.raise_for_status()', 'print(reply.headers["content-type"], len(reply.content))'].join('\n');
}

export function javascript({ url, method, keyed, form }, key) {
  const lines = form.length ? ['const body = new FormData();', ...form.map(([name, file]) => `body.append('${name}', ${file.replace(/\W(\w)/, (_, next) => next.toUpperCase())}); // a File`)] : [];
  const options = [
    method === 'GET' ? '' : `  method: '${method}',`,
    keyed ? `  headers: { Authorization: 'Bearer ${key}' },` : '',
    form.length ? '  body,' : '',
  ].filter(Boolean);
  const call = options.length ? [`const reply = await fetch('${url}', {`, ...options, '});'] : [`const reply = await fetch('${url}');`];
  return [...lines, ...call, 'if (!reply.ok) throw new Error((await reply.json()).detail);'].join('\n');
}

export const LANGUAGES = { curl, Python: python, JavaScript: javascript };

/** What one does about an error, by its status. */
export const REMEDIES = {
  400: 'Compare the numbers of images and masks, send the signed address as it was told.',
  401: 'Send Authorization: Bearer and a key that is neither expired nor revoked.',
  402: 'Top the account up: cleanplate accounts top-up.',
  403: 'Use the address as it was told; ask for a pipeline that the key may use.',
  404: 'Look at the id and at which key the job belongs to.',
  405: 'Use the method that this page shows.',
  408: 'Send faster, or a smaller file; a slow proxy in between has to buffer.',
  409: 'Repeat later with the same Idempotency-Key; nothing was charged.',
  410: 'Results are kept for a time (results.keep_h): run it again.',
  413: 'Send smaller files, or raise limits.upload_bytes_max.',
  415: 'Send JPEG, PNG, WebP, TIFF or BMP, without Content-Encoding.',
  416: 'Ask for a range inside of the file.',
  422: 'Each entry of detail names the field and what it should be.',
  429: 'Wait as many seconds as Retry-After says; the RateLimit headers tell what is left.',
  500: 'Tell whoever runs the daemon the X-Request-Id.',
  503: 'Wait as many seconds as Retry-After says; /readyz tells why.',
  507: 'The disk of the daemon is full: whoever runs it has to make room.',
};
