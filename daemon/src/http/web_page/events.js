// Server-sent events out of a reply's body: EventSource cannot send the key.

/** Takes text as it comes, hands out whole events as { event, data }. */
export class EventParser {
  #rest = '';

  push(text) {
    const blocks = (this.#rest + text.replaceAll('\r\n', '\n')).split('\n\n');
    this.#rest = blocks.pop();
    return blocks.map(read).filter((event) => event.data !== '');
  }
}

function read(block) {
  const event = { event: 'message', data: '' };
  for (const line of block.split('\n')) {
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
    if (field === 'event') event.event = value;
    else if (field === 'data') event.data += (event.data && '\n') + value;
  }
  return event;
}

/** Events of a reply, one after another. */
export async function* eventsOf(reply) {
  const parser = new EventParser();
  const decoder = new TextDecoder();
  const reader = reply.body.getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    await reader.cancel();
  }
}

const STEPS = {
  decode: 'reading the photo', sam: 'finding the object', grow: 'preparing the mark', 'fill-holes': 'preparing the mark', feather: 'preparing the mark',
  network: 'filling by network', lama: 'filling by network', migan: 'filling by network', patchmatch: 'filling with patches of the photo',
  chroma: 'clearing colour smears', curate: 'choosing the better fill', 'patchmatch-refine': 'adding detail', seam: 'matching the seam', grain: 'matching the grain',
  composite: 'putting it together', encode: 'writing the picture', store: 'writing the picture',
};

/** What a `progress` event says, for a reader. */
export function progressText({ stage, ahead, done, left_ms: left }) {
  if (ahead > 0) return ahead === 1 ? 'One job is ahead' : `${ahead} jobs are ahead`;
  if (!stage) return 'About to start';
  const what = STEPS[stage] ?? stage;
  const share = done === null || done === undefined ? '' : ` · ${Math.round(done * 100)} %`;
  const time = left >= 1500 ? ` · about ${duration(left)} left` : '';
  return `${what[0].toUpperCase()}${what.slice(1)}${share}${time}`;
}

export function duration(ms) {
  const s = Math.round(ms / 1000);
  return s < 90 ? `${s} s` : `${Math.round(s / 60)} min`;
}
