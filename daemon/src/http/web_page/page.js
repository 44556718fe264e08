// Elements of the page, and what every part of it needs: a line that says what happened, and a question.

export const $ = (id) => document.getElementById(id);

let clearing = 0;

/** Says something; an alarm stays until something else is said. */
export function say(text, alarm = false) {
  clearTimeout(clearing);
  $('status').textContent = text;
  $('status').className = alarm ? 'alarm' : '';
  if (!alarm && text) clearing = setTimeout(() => say(''), 6000);
}

/** Opens a dialog; resolves to its answer once it is closed. */
export function open(dialog) {
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((done) => dialog.addEventListener('close', () => done(dialog.returnValue), { once: true }));
}

export async function ask(title, text, yes) {
  $('ask-title').textContent = title;
  $('ask-text').textContent = text;
  $('ask-yes').textContent = yes;
  return (await open($('ask'))) === 'yes';
}

export function save(blob, name) {
  const link = Object.assign(document.createElement('a'), { href: URL.createObjectURL(blob), download: name });
  link.click();
  // The download has begun by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** An element with text and attributes. */
export function make(tag, attributes = {}, ...children) {
  const node = Object.assign(document.createElement(tag), attributes);
  node.append(...children);
  return node;
}

export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.setAttribute('aria-hidden', 'true');
  svg.append(use);
  return svg;
}
