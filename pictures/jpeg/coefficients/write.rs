//! Puts a file together: tables, frame, and every scan anew.

use std::sync::Arc;

use super::bits::BitWriter;
use super::codes::{Codes, Writing};
use super::frame::{Frame, Scan};
use super::optimal::optimal;
use super::scan_write::{Counts, Writer, write_scan};
use super::{Coded, Obstacle, Tables};

impl Coded {
    /// The file with these coefficients; `segments` go in front, right after the start of image.
    pub fn write(&self, segments: &[u8]) -> Result<Vec<u8>, Obstacle> {
        let mut out = vec![0xff, 0xd8];
        out.extend_from_slice(segments);
        if let Some(adobe) = &self.adobe {
            segment(&mut out, 0xee, adobe);
        }
        segment(&mut out, 0xdb, &self.quantisation());
        segment(&mut out, self.frame.marker, &frame_header(&self.frame));
        let (mut defined, mut restart_mcus) = (Tables::default(), 0);
        for scan in &self.scans {
            let tables = self.tables_for(scan)?;
            define(&mut out, &mut defined, &tables);
            if restart_mcus != scan.restart_mcus {
                restart_mcus = scan.restart_mcus;
                segment(&mut out, 0xdd, &restart_mcus.to_be_bytes());
            }
            segment(&mut out, 0xda, &scan_header(&self.frame, scan));
            let writing = |codes: &Option<Arc<Codes>>| codes.as_deref().map(Writing::new);
            let mut writer = Writer {
                bits: BitWriter::new(&mut out),
                tables: tables.each_ref().map(|class| class.each_ref().map(writing)),
            };
            write_scan(&self.frame, scan, &self.blocks, &mut writer)?;
            writer.bits.align();
        }
        out.extend([0xff, 0xd9]);
        Ok(out)
    }

    /// Puts the scans of a sequential file into one.
    pub fn interleave(&mut self) -> Result<(), Obstacle> {
        let Some(first) = self.scans.first().cloned() else {
            return Ok(());
        };
        if self
            .frame
            .planes
            .iter()
            .map(|plane| plane.h * plane.v)
            .sum::<usize>()
            > 10
        {
            return Err(Obstacle("its sampling factors do not fit one scan"));
        }
        let mut scan = Scan {
            parts: Vec::new(),
            ..first
        };
        for other in &self.scans {
            for part in &other.parts {
                // Numbers by component, because scans may redefine a table in between.
                let number = usize::from(part.plane > 0);
                scan.parts.push(super::frame::Part {
                    plane: part.plane,
                    tables: [number as u8; 2],
                });
            }
        }
        scan.parts.sort_by_key(|part| part.plane);
        scan.tables = Tables::default();
        self.scans = vec![scan];
        self.pad();
        Ok(())
    }

    /// Gives blocks that no scan of a single component sends the mean of their neighbour inside.
    fn pad(&mut self) {
        for (plane, blocks) in self.frame.planes.iter().zip(&mut self.blocks) {
            let ((used_w, used_h), (width, height)) = (plane.used, plane.padded);
            for y in 0..height {
                for x in 0..width {
                    if x >= used_w || y >= used_h {
                        let inside = y.min(used_h - 1) * width + x.min(used_w - 1);
                        let mut block = [0; 64];
                        block[0] = blocks[inside][0];
                        blocks[y * width + x] = block;
                    }
                }
            }
        }
    }

    /// The scan's own Huffman tables where they have a code for all that it says now, else the shortest ones.
    fn tables_for(&self, scan: &Scan) -> Result<Tables, Obstacle> {
        let mut counts = Box::new(Counts([[[0; 256]; 4]; 2]));
        write_scan(&self.frame, scan, &self.blocks, &mut *counts)?;
        let mut tables = Tables::default();
        for (class, counts) in counts.0.iter().enumerate() {
            for (number, counts) in counts.iter().enumerate() {
                if counts.iter().all(|&count| count == 0) {
                    continue;
                }
                let own = scan.tables[class][number].clone();
                let own = own.filter(|codes| Writing::new(codes).covers(counts));
                tables[class][number] = own.or_else(|| Some(Arc::new(optimal(counts))));
            }
        }
        Ok(tables)
    }

    /// One segment with every table that a component uses, each with its number.
    fn quantisation(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for number in 0..4 {
            let mut users = self.frame.planes.iter().zip(&self.steps);
            let Some((_, steps)) = users.find(|(plane, _)| plane.table == number) else {
                continue;
            };
            let wide = steps.iter().any(|&step| step > 255);
            body.push(u8::from(wide) << 4 | number);
            for step in steps {
                match wide {
                    true => body.extend(step.to_be_bytes()),
                    false => body.push(*step as u8),
                }
            }
        }
        body
    }
}

/// Writes the tables that differ from those in force.
fn define(out: &mut Vec<u8>, defined: &mut Tables, tables: &Tables) {
    let mut body = Vec::new();
    for (class, (now, wanted)) in defined.iter_mut().zip(tables).enumerate() {
        for (number, (now, wanted)) in now.iter_mut().zip(wanted).enumerate() {
            if let Some(codes) = wanted.as_ref().filter(|_| now != wanted) {
                body.push((class << 4 | number) as u8);
                body.extend(codes.counts);
                body.extend(&codes.symbols);
                *now = wanted.clone();
            }
        }
    }
    if !body.is_empty() {
        segment(out, 0xc4, &body);
    }
}

/// Appends a segment; none of those written here comes near the 64 KiB that one can hold.
fn segment(out: &mut Vec<u8>, marker: u8, body: &[u8]) {
    out.extend([0xff, marker]);
    out.extend((body.len() as u16 + 2).to_be_bytes());
    out.extend_from_slice(body);
}

fn frame_header(frame: &Frame) -> Vec<u8> {
    let mut body = vec![8];
    body.extend((frame.height as u16).to_be_bytes());
    body.extend((frame.width as u16).to_be_bytes());
    body.push(frame.planes.len() as u8);
    for plane in &frame.planes {
        body.extend([plane.id, (plane.h << 4 | plane.v) as u8, plane.table]);
    }
    body
}

fn scan_header(frame: &Frame, scan: &Scan) -> Vec<u8> {
    let mut body = vec![scan.parts.len() as u8];
    for part in &scan.parts {
        let [dc, ac] = part.tables;
        body.extend([frame.planes[part.plane].id, dc << 4 | ac]);
    }
    body.extend([
        scan.band.0 as u8,
        scan.band.1 as u8,
        scan.bits.0 << 4 | scan.bits.1,
    ]);
    body
}
