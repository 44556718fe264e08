//! Makes files out of the fixtures.

use cleanplate_pictures::{EncodeOptions, Limits, Photo, Rect, decode};

pub fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    std::fs::read(format!("{folder}/{name}")).unwrap()
}

pub fn read(bytes: &[u8]) -> Photo {
    decode(bytes, &Limits::default()).unwrap()
}

pub fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// What the file becomes when its photo is edited, and all that is said about it.
pub fn edited(bytes: &[u8], options: &EncodeOptions) -> (Vec<u8>, String) {
    let mut photo = read(bytes);
    let spot = Rect {
        x0: 8,
        y0: 8,
        x1: 16,
        y1: 16,
    };
    photo.blend_rows(spot, |_, blend| {
        (8..16).for_each(|x| blend(x, [0.9, 0.2, 0.4], 255))
    });
    let mut warnings = photo.metadata.warnings.clone();
    let out = photo.encode_with_warnings(options, &mut warnings).unwrap();
    (out, warnings.join("; "))
}

pub fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u16 + 2).to_be_bytes();
    [&[0xff, marker][..], &length, body].concat()
}

/// A JPEG without metadata of its own and with these segments.
pub fn jpeg(segments: &[Vec<u8>]) -> Vec<u8> {
    let bytes = fixture("q85_420.jpg");
    let mut out = vec![0xff, 0xd8];
    segments.iter().for_each(|s| out.extend(s));
    let mut at = 2;
    while bytes[at + 1] != 0xda {
        let length = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        if !matches!(bytes[at + 1], 0xe0..=0xef | 0xfe) {
            out.extend(&bytes[at..at + 2 + length]);
        }
        at += 2 + length;
    }
    [out, bytes[at..].to_vec()].concat()
}

pub fn xmp(attributes: &str, properties: &str) -> Vec<u8> {
    let packet = format!(
        "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"r\"><rdf:Description {attributes} dc:title=\"kept\">\
         {properties}</rdf:Description></rdf:RDF></x:xmpmeta>"
    );
    [&b"http://ns.adobe.com/xap/1.0/\0"[..], packet.as_bytes()].concat()
}

pub fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let whole = [&kind[..], body].concat();
    let crc = crc32fast::hash(&whole).to_be_bytes();
    [&(body.len() as u32).to_be_bytes()[..], &whole, &crc].concat()
}

/// A PNG with these chunks behind its header.
pub fn png(name: &str, chunks: &[Vec<u8>]) -> Vec<u8> {
    let bytes = fixture(name);
    [&bytes[..33], &chunks.concat(), &bytes[33..]].concat()
}

/// The chunks of a WebP, `(type, payload)`.
pub fn riff(bytes: &[u8]) -> Vec<([u8; 4], Vec<u8>)> {
    let mut out = Vec::new();
    let mut at = 12;
    while at + 8 <= bytes.len() {
        let length = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
        let kind = bytes[at..at + 4].try_into().unwrap();
        out.push((kind, bytes[at + 8..at + 8 + length].to_vec()));
        at += 8 + length + length % 2;
    }
    out
}

pub fn webp(chunks: &[([u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (kind, payload) in chunks {
        body.extend(kind);
        body.extend((payload.len() as u32).to_le_bytes());
        body.extend(payload);
        body.resize(body.len().next_multiple_of(2), 0);
    }
    [&b"RIFF"[..], &(body.len() as u32).to_le_bytes(), &body].concat()
}
