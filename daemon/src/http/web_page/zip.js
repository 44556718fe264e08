// A ZIP of files as they are (pictures are compressed already), made of parts: nothing is copied, whatever the size.

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

/** Names that differ: `a.jpg`, `a (2).jpg`. */
export function distinct(names) {
  const seen = new Set();
  return names.map((name) => {
    const dot = name.lastIndexOf('.');
    const [stem, end] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
    let unique = name;
    for (let n = 2; seen.has(unique.toLowerCase()); n += 1) unique = `${stem} (${n})${end}`;
    seen.add(unique.toLowerCase());
    return unique;
  });
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

/** A ZIP of `files` ([{ name, blob }]) as a blob. `when` is their date. */
export async function zip(files, when = new Date()) {
  const total = files.reduce((sum, { blob }) => sum + blob.size, 0);
  if (total > BYTES_MAX / 2 || files.length > FILES_MAX) throw new Error('these are too many or too large for one ZIP: download them in parts');
  const time = (when.getHours() << 11) | (when.getMinutes() << 5) | (when.getSeconds() >> 1);
  const date = (Math.max(when.getFullYear() - 1980, 0) << 9) | ((when.getMonth() + 1) << 5) | when.getDate();
  const names = distinct(files.map((file) => file.name)).map((name) => new TextEncoder().encode(name));
  const [parts, directory] = [[], []];
  let offset = 0;
  for (const [index, { blob }] of files.entries()) {
    const name = names[index];
    const crc = await crc32(blob.stream());
    const common = [[2, VERSION], [2, UTF8], [2, 0], [2, time], [2, date], [4, crc], [4, blob.size], [4, blob.size], [2, name.length], [2, 0]];
    parts.push(record(0x04034b50, common), name, blob);
    directory.push(record(0x02014b50, [[2, VERSION], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]]), name);
    offset += 30 + name.length + blob.size;
  }
  const length = directory.reduce((sum, part) => sum + part.byteLength, 0);
  const end = record(0x06054b50, [[2, 0], [2, 0], [2, files.length], [2, files.length], [4, length], [4, offset], [2, 0]]);
  return new Blob([...parts, ...directory, end], { type: 'application/zip' });
}
