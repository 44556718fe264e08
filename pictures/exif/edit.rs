//! Changes a TIFF structure without moving what stays: offsets, those inside of maker notes too, remain true.

use std::ops::Range;

use crate::embedded::blank_pictures;
use crate::structure::{Directory, ENTRY_BYTES, Tiff};

/// What is to be changed, collected while the structure is read.
#[derive(Default)]
pub(super) struct Edits {
    /// Directories that stay, with the places of the entries that go, ascending.
    pub kept: Vec<(Directory, Vec<usize>)>,
    /// Stretches to be blanked: pictures and the directories that describe them.
    pub blanks: Vec<Range<usize>>,
    /// Values that may hold a picture somewhere.
    pub doubtful: Vec<Range<usize>>,
    /// Bytes to be written over others, `(place, bytes)`.
    pub writes: Vec<(usize, Vec<u8>)>,
}

impl Edits {
    /// Applies everything; true when a picture was found in a doubtful value or between values. What is blank at the end of
    /// the block is cut off, which also saves its bytes.
    pub fn apply(mut self, bytes: &mut Vec<u8>, little: bool) -> bool {
        for (place, new) in &self.writes {
            if let Some(old) = bytes.get_mut(*place..place + new.len()) {
                old.copy_from_slice(new);
            }
        }
        for (directory, gone) in &self.kept {
            remove_entries(bytes, little, directory, gone);
        }
        // A stretch that reaches into a directory that stays is damage, no picture.
        let kept: Vec<Range<usize>> = self.kept.iter().map(|(d, _)| d.at..d.link + 4).collect();
        self.blanks.retain(|blank| {
            blank.start >= 8
                && !kept
                    .iter()
                    .any(|k| k.start < blank.end && blank.start < k.end)
        });
        let blanks = merged(self.blanks);
        for blank in &blanks {
            bytes[blank.clone()].fill(0);
        }
        let mut found = false;
        for value in merged(self.doubtful) {
            found |= blank_pictures(&mut bytes[value]);
        }
        found |= bytes.get_mut(8..).is_some_and(blank_pictures);
        if let Some(last) = blanks.last().filter(|last| last.end == bytes.len()) {
            bytes.truncate(last.start);
        }
        found
    }
}

/// The same stretches without overlaps, ascending: however many there are, each byte is looked at once.
fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    let mut out: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match out.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => out.push(range),
        }
    }
    out
}

/// Closes the gaps that entries leave, cuts the link to the next directory, and blanks what is free behind them.
fn remove_entries(bytes: &mut [u8], little: bool, directory: &Directory, gone: &[usize]) {
    if bytes.len() < directory.link + 4 {
        return;
    }
    let first = directory.at + 2;
    let mut to = first;
    for from in (first..directory.link).step_by(ENTRY_BYTES) {
        if gone.binary_search(&from).is_err() {
            bytes.copy_within(from..from + ENTRY_BYTES, to);
            to += ENTRY_BYTES;
        }
    }
    let count = ((to - first) / ENTRY_BYTES) as u16;
    let count = Tiff { bytes, little }.short(count);
    bytes[directory.at..first].copy_from_slice(&count);
    bytes[to..directory.link + 4].fill(0);
}
