//! Photoshop image resources (IPTC among them) without their pictures.

use crate::embedded::holds_picture;
use crate::notes::Notes;

/// IPTC records.
const IPTC: u16 = 0x0404;
/// MD5 of the IPTC records, which no longer holds when they changed.
const IPTC_DIGEST: u16 = 0x0425;
const THUMBNAILS: [u16; 2] = [0x0409, 0x040c];
/// Signatures of resource blocks.
const SIGNATURES: [&[u8]; 5] = [b"8BIM", b"MeSa", b"PHUT", b"AgHg", b"DCSR"];

/// One resource: its number, its data, and all of its bytes with head and padding.
struct Resource<'a> {
    id: u16,
    head: &'a [u8],
    data: &'a [u8],
    whole: &'a [u8],
}

/// `blocks` without thumbnails, previews and other pictures; `None` when there are none in them. What follows damage is left out
/// as well.
pub(crate) fn tidy(blocks: &[u8], notes: &mut Notes) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(blocks.len());
    let mut digest = None;
    let (mut changed, mut iptc_changed) = (false, false);
    let mut rest = blocks;
    while let Some(resource) = Resource::read(rest) {
        rest = &rest[resource.whole.len()..];
        match resource.id {
            id if THUMBNAILS.contains(&id) => {
                notes.picture("Photoshop thumbnail");
                changed = true;
            }
            IPTC => match tidy_iptc(resource.data, notes) {
                Some(data) => {
                    push(&mut out, resource.head, &data);
                    (changed, iptc_changed) = (true, true);
                }
                None => out.extend_from_slice(resource.whole),
            },
            _ if holds_picture(resource.data) => {
                notes.picture("picture in Photoshop resources");
                changed = true;
            }
            IPTC_DIGEST => digest = Some(resource.whole),
            _ => out.extend_from_slice(resource.whole),
        }
    }
    if !iptc_changed {
        out.extend_from_slice(digest.unwrap_or(&[]));
    }
    if rest.iter().any(|&b| b != 0) {
        notes.say("damaged Photoshop resources were left out; those before them were kept");
        changed = true;
    }
    changed.then_some(out)
}

impl<'a> Resource<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let signature = bytes.get(..4)?;
        if !SIGNATURES.contains(&signature) {
            return None;
        }
        let id = u16::from_be_bytes([*bytes.get(4)?, *bytes.get(5)?]);
        let name = usize::from(*bytes.get(6)?) + 1;
        let length_at = 6 + name + name % 2;
        let length: [u8; 4] = bytes.get(length_at..length_at + 4)?.try_into().ok()?;
        let length = u32::from_be_bytes(length) as usize;
        let data = bytes.get(length_at + 4..)?.get(..length)?;
        // The last padding byte is missing in some files.
        let end = (length_at + 4 + length + length % 2).min(bytes.len());
        Some(Resource {
            id,
            head: &bytes[..length_at],
            data,
            whole: &bytes[..end],
        })
    }
}

fn push(out: &mut Vec<u8>, head: &[u8], data: &[u8]) {
    out.extend_from_slice(head);
    out.extend((data.len() as u32).to_be_bytes());
    out.extend_from_slice(data);
    if data.len() % 2 == 1 {
        out.push(0);
    }
}

/// IPTC as the one resource of a Photoshop block.
pub(crate) fn of_iptc(iptc: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(iptc.len() + 16);
    push(&mut out, b"8BIM\x04\x04\0\0", iptc);
    out
}

/// IPTC datasets without the preview (2:200 to 2:202) and the object itself (records 7 to 9); `None` when there is none.
pub(crate) fn tidy_iptc(data: &[u8], notes: &mut Notes) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(data.len());
    let mut at = 0;
    let mut changed = false;
    while let Some(&[0x1c, record, dataset, high, low]) = data.get(at..at + 5) {
        let length = match high & 0x80 {
            0 => Some((5, usize::from(u16::from_be_bytes([high, low])))),
            _ => long_length(&data[at..], usize::from(low)),
        };
        let Some((head, length)) = length.filter(|(head, n)| at + head + n <= data.len()) else {
            break;
        };
        let whole = &data[at..at + head + length];
        let preview = record == 2 && (200..=202).contains(&dataset) || (7..=9).contains(&record);
        if preview || holds_picture(&whole[head..]) {
            notes.picture("IPTC preview");
            changed = true;
        } else {
            out.extend_from_slice(whole);
        }
        at += whole.len();
    }
    out.extend_from_slice(&data[at..]);
    changed.then_some(out)
}

/// Bytes of the head and of the data of a dataset whose length takes `count` bytes.
fn long_length(dataset: &[u8], count: usize) -> Option<(usize, usize)> {
    let digits = dataset.get(5..5 + count)?;
    let length = digits.iter().try_fold(0usize, |sum, &b| {
        sum.checked_mul(256)?.checked_add(usize::from(b))
    })?;
    Some((5 + count, length)).filter(|_| length <= dataset.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn resource(id: u16, name: &[u8], data: &[u8]) -> Vec<u8> {
        let mut out = [&b"8BIM"[..], &id.to_be_bytes(), &[name.len() as u8], name].concat();
        if name.len().is_multiple_of(2) {
            out.push(0);
        }
        let mut whole = Vec::new();
        push(&mut whole, &out, data);
        whole
    }

    fn dataset(number: u8, data: &[u8]) -> Vec<u8> {
        let length = (data.len() as u16).to_be_bytes();
        [&[0x1c, 2, number][..], &length, data].concat()
    }

    #[test]
    fn thumbnails_go_and_iptc_stays_to_the_byte() {
        let byline = dataset(80, b"Jane Doe");
        let kept = [
            resource(IPTC, b"", &byline),
            resource(0x03ed, b"odd", b"resolution"),
            resource(IPTC_DIGEST, b"", b"digest of 16 b."),
        ]
        .concat();
        let mut notes = Notes::default();
        assert_eq!(tidy(&kept, &mut notes), None);
        let all = [
            resource(0x040c, b"", b"header \xff\xd8\xff"),
            kept.clone(),
            resource(0x0409, b"name", b"rgb"),
            resource(0x0bb7, b"", b"..\xff\xd8\xff\xd9"),
        ]
        .concat();
        assert_eq!(tidy(&all, &mut notes), Some(kept));
        assert!(notes.sentences()[0].contains("Photoshop thumbnail"));
    }

    #[test]
    fn the_preview_within_iptc_goes_with_the_digest() {
        let (byline, preview) = (dataset(80, b"Jane Doe"), dataset(202, b"pixels"));
        let long = [&[0x1c, 2, 202, 0x80, 2, 0, 3][..], b"abc"].concat();
        let blocks = [
            resource(IPTC, b"", &[&preview[..], &byline, &long].concat()),
            resource(IPTC_DIGEST, b"", b"digest of 16 b."),
        ]
        .concat();
        let want = resource(IPTC, b"", &byline);
        assert_eq!(tidy(&blocks, &mut Notes::default()), Some(want));
    }

    proptest! {
        #[test]
        fn hostile_blocks_never_panic(start in prop::collection::vec(any::<u8>(), 0..60), length in 0u8..40) {
            tidy(&start, &mut Notes::default());
            let head = [&b"8BIM\x04\x04\0\0\0\0\0"[..], &[length], &start].concat();
            tidy(&head, &mut Notes::default());
            tidy_iptc(&[&[0x1c, 2, 202, 0x80][..], &start].concat(), &mut Notes::default());
        }
    }
}
