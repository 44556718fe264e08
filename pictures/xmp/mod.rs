//! XMP packets: no picture of the original in them, and nothing that points at parts which are left out.

mod names;

use std::borrow::Cow;
use std::collections::HashMap;

use names::{Cause, cause, goes_whole};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::Orientation;
use crate::embedded::is_picture_text;
use crate::notes::Notes;

pub(crate) use names::{HDR, MOTION};

/// Most elements within each other, and most attributes of one element; packets of writers have a dozen.
const DEPTH_MAX: usize = 1_024;
const ATTRIBUTES_MAX: usize = 4_096;
/// Length from which a run of base64 in a packet that cannot be read may be a picture.
const BASE64_RUN: usize = 256;

/// What became of a packet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tidied {
    /// Nothing in it had to go.
    Same,
    /// The packet without what had to go.
    Changed(Vec<u8>),
    /// It cannot be read and may hold a picture: it must not be carried.
    Unsafe,
}

/// Leaves out of `packet` what shows the original or refers to left-out parts, to extended XMP too unless that is kept. The
/// rest keeps its bytes.
pub(crate) fn tidy(packet: &[u8], extended_kept: bool, notes: &mut Notes) -> Tidied {
    let text = text(packet);
    let cleaned = text.as_ref().and_then(|text| {
        let mut cleaner = Cleaner {
            text: text.as_ref(),
            out: String::new(),
            copied: 0,
            namespaces: HashMap::new(),
            starts: Vec::new(),
            skip: None,
            extended_kept,
            causes: Vec::new(),
        };
        cleaner.run()?;
        Some((cleaner.out, cleaner.causes))
    });
    match cleaned {
        Some((_, causes)) if causes.is_empty() && matches!(text, Some(Cow::Borrowed(_))) => {
            Tidied::Same
        }
        Some((out, causes)) => {
            causes.iter().for_each(|cause| cause.note(notes));
            Tidied::Changed(out.into_bytes())
        }
        None if longest_base64(packet) < BASE64_RUN => Tidied::Same,
        None => {
            notes.say("the XMP was left out: it is damaged and may hold a picture of the original");
            Tidied::Unsafe
        }
    }
}

/// A packet's text: UTF-8 as it is, or UTF-16, which becomes UTF-8 so that what follows finds its properties.
fn text(packet: &[u8]) -> Option<Cow<'_, str>> {
    let unit: fn([u8; 2]) -> u16 = match packet {
        [0xff, 0xfe, ..] | [b'<', 0, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] | [0, b'<', ..] => u16::from_be_bytes,
        _ => return std::str::from_utf8(packet).ok().map(Cow::Borrowed),
    };
    let units: Vec<u16> = packet
        .chunks_exact(2)
        .map(|two| unit([two[0], two[1]]))
        .collect();
    let text = String::from_utf16(&units).ok()?;
    Some(Cow::Owned(text.trim_start_matches('\u{feff}').to_string()))
}

fn longest_base64(packet: &[u8]) -> usize {
    let base64 = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    let runs = packet.split(|b| !base64(b) && !b.is_ascii_whitespace() && *b != 0);
    runs.map(|run| run.iter().filter(|b| base64(b)).count())
        .max()
        .unwrap_or(0)
}

/// Copies a packet event by event.
struct Cleaner<'a> {
    text: &'a str,
    out: String,
    /// Up to where `text` was copied or left out.
    copied: usize,
    /// What prefixes stand for; the last declaration counts, wherever it stands.
    namespaces: HashMap<String, String>,
    /// Lengths of `out` at the starts of the open elements.
    starts: Vec<usize>,
    /// Number of open elements around the one that is being left out.
    skip: Option<usize>,
    extended_kept: bool,
    causes: Vec<Cause>,
}

impl Cleaner<'_> {
    /// `None` when the packet is no XML.
    fn run(&mut self) -> Option<()> {
        let mut reader = Reader::from_str(self.text);
        loop {
            let event = reader.read_event().ok()?;
            let end = (reader.buffer_position() as usize).min(self.text.len());
            match event {
                Event::Eof => break,
                Event::Start(tag) => {
                    self.starts.push(self.out.len());
                    self.tag(&tag, end, "")?;
                }
                Event::Empty(tag) => {
                    self.starts.push(self.out.len());
                    self.tag(&tag, end, "/")?;
                    self.close(end);
                }
                Event::End(_) => self.close(end),
                Event::Text(text) => self.content(&text, end),
                Event::CData(data) => self.content(&data, end),
                _ => self.copy(end),
            }
        }
        self.copy(self.text.len());
        self.starts.is_empty().then_some(())
    }

    /// Copies up to `end` unless this is within something that goes.
    fn copy(&mut self, end: usize) {
        if self.skip.is_none() {
            self.out
                .push_str(self.text.get(self.copied..end).unwrap_or(""));
        }
        self.copied = end;
    }

    /// The innermost open element ends at `end`.
    fn close(&mut self, end: usize) {
        self.copy(end);
        self.starts.pop();
        if self.skip.is_some_and(|around| self.starts.len() <= around) {
            self.skip = None;
        }
    }

    /// Text or CDATA: when it is a picture, the element around it goes.
    fn content(&mut self, text: &str, end: usize) {
        if self.skip.is_none() && is_picture_text(text) {
            self.leave_out(Cause::Picture("picture in XMP"));
        }
        self.copy(end);
    }

    /// Leaves out the innermost open element, with what was already copied of it.
    fn leave_out(&mut self, cause: Cause) {
        if let Some(&start) = self.starts.last() {
            self.out.truncate(start);
            self.skip = Some(self.starts.len() - 1);
            self.causes.push(cause);
        }
    }

    /// A start tag, without the attributes that go; `None` when the packet is nothing that a writer makes.
    fn tag(&mut self, tag: &BytesStart<'_>, end: usize, closing: &str) -> Option<()> {
        if self.starts.len() > DEPTH_MAX {
            return None;
        }
        if self.skip.is_some() {
            self.copied = end;
            return Some(());
        }
        let mut attributes = tag.attributes();
        let attributes = attributes.with_checks(false);
        let attributes = attributes.take(ATTRIBUTES_MAX + 1);
        let attributes: Vec<_> = attributes.collect::<Result<_, _>>().ok()?;
        if attributes.len() > ATTRIBUTES_MAX {
            return None;
        }
        for attribute in &attributes {
            if let Some(prefix) = attribute.key.into_inner().strip_prefix("xmlns:") {
                self.namespaces
                    .insert(prefix.to_string(), attribute.value.to_string());
            }
        }
        if let Some(cause) = self.cause(tag.name().into_inner()) {
            self.leave_out(cause);
            self.copied = end;
            return Some(());
        }
        let goes: Vec<Option<Cause>> = attributes
            .iter()
            .map(|attribute| {
                let picture = || {
                    is_picture_text(&attribute.value).then_some(Cause::Picture("picture in XMP"))
                };
                self.cause(attribute.key.into_inner()).or_else(picture)
            })
            .collect();
        if goes.iter().all(Option::is_none) {
            self.copy(end);
            return Some(());
        }
        self.causes.extend(goes.iter().flatten());
        self.out.push('<');
        self.out.push_str(tag.name().into_inner());
        for (attribute, _) in attributes
            .iter()
            .zip(&goes)
            .filter(|(_, goes)| goes.is_none())
        {
            let quote = if attribute.value.contains('"') {
                '\''
            } else {
                '"'
            };
            let (key, value) = (attribute.key.into_inner(), &attribute.value);
            self.out.push_str(&format!(" {key}={quote}{value}{quote}"));
        }
        self.out.push_str(closing);
        self.out.push('>');
        self.copied = end;
        Some(())
    }

    /// Why the element or attribute `name` goes.
    fn cause(&self, name: &str) -> Option<Cause> {
        let (prefix, local) = name.split_once(':')?;
        if prefix == "xmlns" {
            let namespace = self.namespaces.get(local)?;
            return goes_whole(namespace).then_some(Cause::Parts);
        }
        let found = cause(
            self.namespaces.get(prefix).map(String::as_str),
            prefix,
            local,
        )?;
        (found != Cause::Extended || !self.extended_kept).then_some(found)
    }
}

/// Sets `tiff:Orientation` in an XMP packet, in attribute or element form, without changing its length.
pub(crate) fn set_orientation(xmp: &mut [u8], orientation: Orientation) {
    const NAME: &[u8] = b"tiff:Orientation";
    let mut at = 0;
    while let Some(found) = xmp[at..].windows(NAME.len()).position(|w| w == NAME) {
        at += found + NAME.len();
        let quoted = xmp[at..].starts_with(b"=\"") || xmp[at..].starts_with(b"='");
        let digit = at + if quoted { 2 } else { 1 };
        if (quoted || xmp[at..].starts_with(b">"))
            && xmp.get(digit).is_some_and(|d| (b'1'..=b'8').contains(d))
        {
            xmp[digit] = b'0' + orientation.exif();
        }
    }
}

#[cfg(test)]
mod tests;
