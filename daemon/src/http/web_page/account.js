// Who pays: the key, where it is kept, and what is left.

import * as api from './api.js';
import { $, open, say } from './page.js';

/** What the service says of the caller; null until it was asked. */
export let account = null;

const KEPT = 'key';

function kept() {
  return sessionStorage.getItem(KEPT) ?? localStorage.getItem(KEPT) ?? '';
}

function keep(key) {
  const browser = document.querySelector('input[name="keep"]:checked').value === 'browser';
  sessionStorage.removeItem(KEPT);
  localStorage.removeItem(KEPT);
  if (key) (browser ? localStorage : sessionStorage).setItem(KEPT, key);
}

/** Asks the service who the caller is. Without a key it answers in single-user mode only. */
export async function refresh() {
  account = await api.account();
  show();
}

function show() {
  const paid = account.prices.removal > 0;
  $('account').hidden = !paid && !api.caller.key;
  $('account').textContent = paid ? `${account.balance} credits` : 'Key';
  $('account').title = `${account.name}: change the key`;
  $('price').textContent = paid ? `${account.prices.removal} credits` : '';
  const select = $('pipeline');
  const chosen = select.value;
  const pipelines = account.pipelines ?? [];
  select.replaceChildren(...pipelines.map(({ name }) => new Option(name, name)));
  select.disabled = pipelines.length < 2;
  select.value = pipelines.some(({ name }) => name === chosen) ? chosen : (pipelines[0]?.name ?? '');
  describe();
}

function describe() {
  $('pipeline-note').textContent = account?.pipelines?.find(({ name }) => name === $('pipeline').value)?.description ?? '';
}

/** The pipeline to ask for; none for the default. */
export function pipeline() {
  const first = account?.pipelines?.[0]?.name;
  const { value } = $('pipeline');
  return value && value !== first ? value : null;
}

/** Asks for a key until one works or the viewer puts it off. Resolves to whether there is one. */
export async function askForKey(why = '') {
  if ($('key-dialog').open) return false;
  $('key-alarm').textContent = why;
  $('key').value = api.caller.key;
  const closed = open($('key-dialog'));
  $('key').focus();
  $('key').select();
  return (await closed) === 'used';
}

async function use(event) {
  event.preventDefault();
  const before = api.caller.key;
  api.caller.key = $('key').value.trim();
  try {
    await refresh();
    keep(api.caller.key);
    $('key-dialog').close('used');
    say(`Welcome: ${account.name}`);
  } catch (error) {
    api.caller.key = before;
    $('key-alarm').textContent = error.status === 401 ? 'The service does not know this key. Look for a letter that is missing.' : error.message;
    $('key').focus();
  }
}

export async function start() {
  api.caller.key = kept();
  document.querySelector(`input[name="keep"][value="${localStorage.getItem(KEPT) ? 'browser' : 'tab'}"]`).checked = true;
  $('key-form').addEventListener('submit', use);
  $('key-later').addEventListener('click', () => $('key-dialog').close());
  $('account').addEventListener('click', () => askForKey());
  $('pipeline').addEventListener('change', describe);
  try {
    await refresh();
  } catch (error) {
    if (error.status !== 401) throw error;
    await askForKey(api.caller.key ? 'The service no longer takes the key that was kept here.' : '');
  }
}
