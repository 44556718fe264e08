// A ZIP of files as they are (pictures are compressed already), written piece by piece: no more than one file is held at a time.

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let value = n;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** CRC-32 of a stream of byte arrays. */
export async function crc32(stream) {
  let crc = 0xffffffff;
  const reader = stream.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return (crc ^ 0xffffffff) >>> 0;
    for (const byte of value) crc = TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  }
}

/** Tells equal names apart as they come: `a.jpg`, `a (2).jpg`. */
export function distinct() {
  const seen = new Set();
  return (name) => {
    const dot = name.lastIndexOf('.');
    const [stem, end] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
    let unique = name;
    for (let n = 2; seen.has(unique.toLowerCase()); n += 1) unique = `${stem} (${n})${end}`;
    seen.add(unique.toLowerCase());
    return unique;
  };
}

function record(signature, fields) {
  const size = fields.reduce((sum, [bytes]) => sum + bytes, 4);
  const view = new DataView(new ArrayBuffer(size));
  view.setUint32(0, signature, true);
  fields.reduce((at, [bytes, value]) => {
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    return at + bytes;
  }, 4);
  return view.buffer;
}

const UTF8 = 0x0800;
const VERSION = 20;
/** Offsets and sizes have 32 bits, counts 16: what goes beyond is refused, not damaged. */
const BYTES_MAX = 0xffffffff;
const FILES_MAX = 0xffff;

/** The pieces of a ZIP of `files` ({ name, blob }; each is asked for once the one before is written), bytes and blobs in order. `when` is their date. */
export async function* zipped(files, when = new Date()) {
  const time = (when.getHours() << 11) | (when.getMinutes() << 5) | (when.getSeconds() >> 1);
  const date = (Math.max(when.getFullYear() - 1980, 0) << 9) | ((when.getMonth() + 1) << 5) | when.getDate();
  const unique = distinct();
  const directory = [];
  let [offset, count, length] = [0, 0, 0];
  for await (const { name: given, blob } of files) {
    const name = new TextEncoder().encode(unique(given));
    count += 1;
    const [after, listed] = [offset + 30 + name.length + blob.size, length + 46 + name.length];
    if (after + listed + 22 > BYTES_MAX || count > FILES_MAX) throw new Error('these are too many or too large for one ZIP: download them in parts');
    const crc = await crc32(blob.stream());
    const common = [[2, VERSION], [2, UTF8], [2, 0], [2, time], [2, date], [4, crc], [4, blob.size], [4, blob.size], [2, name.length], [2, 0]];
    yield record(0x04034b50, common);
    yield name;
    yield blob;
    directory.push(record(0x02014b50, [[2, VERSION], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]]), name);
    [offset, length] = [after, listed];
  }
  yield* directory;
  yield record(0x06054b50, [[2, 0], [2, 0], [2, count], [2, count], [4, length], [4, offset], [2, 0]]);
}

/** The whole as one blob, for browsers that cannot write into a file: they keep the pictures' blobs where they are. */
export async function zip(files, when) {
  const parts = [];
  for await (const part of zipped(files, when)) parts.push(part);
  return new Blob(parts, { type: 'application/zip' });
}
