//! Walks the markers of a file and reads every scan.

use std::sync::Arc;

use super::bits::BitReader;
use super::codes::Codes;
use super::frame::{Frame, Part, Scan};
use super::scan_read::read_scan;
use super::{Block, Coded, Obstacle, Plane, Tables};
use crate::deadline::Deadline;
use crate::memory::with_capacity;

/// Precision of a coefficient that no scan has sent yet.
const UNSENT: u8 = u8::MAX;

/// Reads all coefficients of a file, which may have at most `scans_max` scans, until the deadline.
pub fn read(bytes: &[u8], scans_max: usize, deadline: Deadline) -> Result<Coded, Obstacle> {
    let mut reader = Reader::default();
    let mut at = 2;
    // A file that breaks off after its last scan has everything that is needed.
    while let Some((marker, next)) = next_marker(bytes, at) {
        at = next;
        if matches!(marker, 0x01 | 0xd0..=0xd7) {
            continue;
        }
        if marker == 0xd9 {
            break;
        }
        let length = bytes
            .get(at..at + 2)
            .map(|b| usize::from(b[0]) << 8 | usize::from(b[1]));
        let body = length
            .filter(|&length| length >= 2)
            .and_then(|length| bytes.get(at + 2..at + length))
            .ok_or(Obstacle("a segment runs past the end of the file"))?;
        at += 2 + body.len();
        if marker == 0xda {
            if reader.scans.len() == scans_max {
                return Err(Obstacle("it has too many scans"));
            }
            at = reader.scan(bytes, at, body, deadline)?;
        } else {
            reader.segment(marker, body, bytes.len())?;
        }
    }
    reader.finish()
}

/// The next marker at or after `at`, and where it ends.
fn next_marker(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    let pairs = bytes.get(at..)?.windows(2);
    let found = pairs
        .into_iter()
        .position(|pair| pair[0] == 0xff && pair[1] != 0 && pair[1] != 0xff)?;
    Some((bytes[at + found + 1], at + found + 2))
}

#[derive(Default)]
struct Reader {
    frame: Option<Frame>,
    /// Quantisation tables by number, zigzag order.
    quantisation: [Option<[u16; 64]>; 4],
    huffman: Tables,
    restart_mcus: u16,
    adobe: Option<Vec<u8>>,
    blocks: Vec<Vec<Block>>,
    /// By component and coefficient: the lowest bit that was sent.
    precision: Vec<[u8; 64]>,
    scans: Vec<Scan>,
}

impl Reader {
    fn segment(&mut self, marker: u8, body: &[u8], file_bytes: usize) -> Result<(), Obstacle> {
        match marker {
            0xc0..=0xc2 => self.frame(marker, body, file_bytes),
            0xc4 => self.huffman_tables(body),
            0xc3 | 0xc5..=0xcf => Err(Obstacle("it is neither baseline nor progressive Huffman")),
            0xdb => self.quantisation_tables(body),
            0xdc => Err(Obstacle("it gives its height late")),
            0xdd => {
                let [a, b, ..] = body else {
                    return Err(Obstacle("its restart interval is damaged"));
                };
                self.restart_mcus = u16::from_be_bytes([*a, *b]);
                Ok(())
            }
            0xee if body.starts_with(b"Adobe") && body.len() >= 12 => {
                self.adobe = Some(body[..12].to_vec());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn frame(&mut self, marker: u8, body: &[u8], file_bytes: usize) -> Result<(), Obstacle> {
        if self.frame.is_some() {
            return Err(Obstacle("it has two frame headers"));
        }
        let frame = Frame::parse(marker, body)?;
        // Every block costs a bit at least, so a short file cannot make room for a large picture.
        let blocks = |used: fn(&Plane) -> (usize, usize)| {
            frame
                .planes
                .iter()
                .map(used)
                .map(|(w, h)| w * h)
                .sum::<usize>()
        };
        if blocks(|plane| plane.used) > file_bytes.saturating_mul(8) {
            return Err(Obstacle("it is too short for its size"));
        }
        let room = |plane: &Plane| {
            let count = plane.padded.0 * plane.padded.1;
            let mut blocks = with_capacity(count)
                .map_err(|_| Obstacle("there is no memory for its coefficients"))?;
            blocks.resize(count, [0; 64]);
            Ok(blocks)
        };
        self.blocks = frame.planes.iter().map(room).collect::<Result<_, _>>()?;
        self.precision = vec![[UNSENT; 64]; frame.planes.len()];
        self.frame = Some(frame);
        Ok(())
    }

    fn quantisation_tables(&mut self, mut body: &[u8]) -> Result<(), Obstacle> {
        while let Some((&kind, rest)) = body.split_first() {
            let (wide, slot) = (
                kind >> 4 == 1,
                self.quantisation.get_mut(usize::from(kind & 15)),
            );
            let bytes = if wide { 128 } else { 64 };
            let (Some(values), Some(slot)) = (rest.get(..bytes), slot) else {
                return Err(Obstacle("a quantisation table is damaged"));
            };
            let table = std::array::from_fn(|i| match wide {
                true => u16::from_be_bytes([values[2 * i], values[2 * i + 1]]),
                false => u16::from(values[i]),
            });
            if table.contains(&0) {
                return Err(Obstacle("a quantisation table has a step of 0"));
            }
            // Decoders disagree on which of two tables counts once a scan has been read.
            if !self.scans.is_empty() && slot.is_some_and(|before| before != table) {
                return Err(Obstacle("its quantisation tables change between scans"));
            }
            *slot = Some(table);
            body = &rest[bytes..];
        }
        Ok(())
    }

    fn huffman_tables(&mut self, mut body: &[u8]) -> Result<(), Obstacle> {
        const DAMAGED: Obstacle = Obstacle("a Huffman table is damaged");
        while let Some((&kind, rest)) = body.split_first() {
            let counts: [u8; 16] = rest
                .get(..16)
                .and_then(|counts| counts.try_into().ok())
                .ok_or(DAMAGED)?;
            let total = counts.iter().map(|&count| usize::from(count)).sum();
            let symbols: &[u8] = rest.get(16..).and_then(|s| s.get(..total)).ok_or(DAMAGED)?;
            let slot = self
                .huffman
                .get_mut(usize::from(kind >> 4))
                .and_then(|class| class.get_mut(usize::from(kind & 15)))
                .ok_or(DAMAGED)?;
            *slot = Some(Arc::new(Codes::new(counts, symbols.to_vec())?));
            body = &rest[16 + total..];
        }
        Ok(())
    }

    /// Reads the scan whose data begin at `at`; returns where they end.
    fn scan(
        &mut self,
        bytes: &[u8],
        at: usize,
        header: &[u8],
        deadline: Deadline,
    ) -> Result<usize, Obstacle> {
        let frame = self
            .frame
            .as_ref()
            .ok_or(Obstacle("a scan precedes its frame header"))?;
        let scan = Scan {
            restart_mcus: self.restart_mcus,
            tables: self.huffman.clone(),
            ..scan_header(frame, header)?
        };
        for part in &scan.parts {
            note_precision(&scan, &mut self.precision[part.plane])?;
        }
        let mut bits = BitReader::new(bytes, at);
        read_scan(frame, &scan, &mut self.blocks, &mut bits, deadline)?;
        self.scans.push(scan);
        Ok(bits.position())
    }

    fn finish(self) -> Result<Coded, Obstacle> {
        let frame = self.frame.ok_or(Obstacle("it has no frame header"))?;
        if self.precision.iter().any(|sent| sent[0] == UNSENT) {
            return Err(Obstacle("it lacks the scan of a component"));
        }
        let steps = frame
            .planes
            .iter()
            .map(|plane| self.quantisation[usize::from(plane.table)])
            .collect::<Option<Vec<_>>>()
            .ok_or(Obstacle("it lacks a quantisation table"))?;
        let named = frame.planes.iter().map(|plane| plane.id).eq(*b"RGB");
        let untransformed = self.adobe.as_ref().is_some_and(|adobe| adobe[11] == 0);
        Ok(Coded {
            rgb: frame.planes.len() == 3 && (named || untransformed),
            frame,
            steps,
            blocks: self.blocks,
            scans: self.scans,
            adobe: self.adobe,
        })
    }
}

/// The scan's own header; tables and restart interval are left empty.
fn scan_header(frame: &Frame, header: &[u8]) -> Result<Scan, Obstacle> {
    const DAMAGED: Obstacle = Obstacle("a scan header is damaged");
    let (&count, rest) = header.split_first().ok_or(DAMAGED)?;
    let count = usize::from(count);
    let (Some(rows), Some([first, last, bits])) =
        (rest.get(..2 * count), rest.get(2 * count..2 * count + 3))
    else {
        return Err(DAMAGED);
    };
    let mut parts: Vec<Part> = Vec::new();
    for row in rows.chunks_exact(2) {
        let plane = frame
            .planes
            .iter()
            .position(|p| p.id == row[0])
            .ok_or(DAMAGED)?;
        let tables = [row[1] >> 4, row[1] & 15];
        if tables.iter().any(|&t| t > 3) || parts.iter().any(|part| part.plane == plane) {
            return Err(DAMAGED);
        }
        parts.push(Part { plane, tables });
    }
    let (band, bits) = match frame.progressive() {
        true => (
            (usize::from(*first), usize::from(*last)),
            (bits >> 4, bits & 15),
        ),
        false => ((0, 63), (0, 0)),
    };
    let per_mcu: usize = parts
        .iter()
        .map(|p| frame.planes[p.plane].h * frame.planes[p.plane].v)
        .sum();
    let sound_band = match (frame.progressive(), band) {
        (true, (0, last)) => last == 0,
        (true, (first, last)) => first <= last && last < 64 && count == 1,
        (false, _) => true,
    };
    if !(1..=4).contains(&count) || (count > 1 && per_mcu > 10) || !sound_band || bits.1 > 13 {
        return Err(DAMAGED);
    }
    let (restart_mcus, tables) = (0, Tables::default());
    Ok(Scan {
        parts,
        band,
        bits,
        restart_mcus,
        tables,
    })
}

/// Checks that the scan sends each bit of its band once and in order, and notes what it sends.
fn note_precision(scan: &Scan, precision: &mut [u8; 64]) -> Result<(), Obstacle> {
    let (before, after) = scan.bits;
    for sent in &mut precision[scan.band.0..=scan.band.1] {
        let next = match before {
            0 => *sent == UNSENT,
            _ => *sent == before && after + 1 == before,
        };
        if !next {
            return Err(Obstacle(
                "its scans send a coefficient twice or out of order",
            ));
        }
        *sent = after;
    }
    Ok(())
}
