//! Entropy coding of one scan: the same walk counts symbols and writes them.

use super::bits::BitWriter;
use super::codes::Writing;
use super::frame::{Frame, Scan};
use super::{Block, Obstacle};

/// Where symbols go.
pub trait Sink {
    /// A Huffman symbol of table `class` (0 = DC, 1 = AC), `number`.
    fn symbol(&mut self, class: usize, number: usize, symbol: u8);
    /// The lowest `count` (0 to 16) bits of `value`.
    fn bits(&mut self, value: u32, count: u32);
    /// A restart marker, 0 to 7.
    fn restart(&mut self, number: u8);
}

/// Counts what a scan says, by class and table.
pub struct Counts(pub [[[u32; 256]; 4]; 2]);

impl Sink for Counts {
    fn symbol(&mut self, class: usize, number: usize, symbol: u8) {
        self.0[class][number][usize::from(symbol)] += 1;
    }
    fn bits(&mut self, _value: u32, _count: u32) {}
    fn restart(&mut self, _number: u8) {}
}

/// Writes a scan with tables that have a code for everything it says.
pub struct Writer<'a> {
    /// Where its bits go.
    pub bits: BitWriter<'a>,
    /// By class and number.
    pub tables: [[Option<Writing>; 4]; 2],
}

impl Sink for Writer<'_> {
    fn symbol(&mut self, class: usize, number: usize, symbol: u8) {
        if let Some(table) = &self.tables[class][number] {
            let (code, length) = table.code(symbol);
            self.bits.put(code, length);
        }
    }
    fn bits(&mut self, value: u32, count: u32) {
        self.bits.put(value, count);
    }
    fn restart(&mut self, number: u8) {
        self.bits.restart(number);
    }
}

/// Says the whole scan to `sink`.
pub fn write_scan(
    frame: &Frame,
    scan: &Scan,
    blocks: &[Vec<Block>],
    sink: &mut impl Sink,
) -> Result<(), Obstacle> {
    let mut coder = Coder {
        scan,
        sink,
        run_max: longest_run(scan),
        predictions: [0; 4],
        run: 0,
        corrections: Vec::new(),
    };
    scan.walk(frame, |step| {
        if let Some(number) = step.restart {
            coder.end_run();
            coder.sink.restart(number);
            coder.predictions = [0; 4];
        }
        let block = &blocks[scan.parts[step.part].plane][step.block];
        match (frame.progressive(), scan.band.0, scan.bits.0) {
            (false, ..) => coder.whole(step.part, block)?,
            (true, 0, 0) => coder.dc(step.part, i32::from(block[0] >> scan.bits.1))?,
            (true, 0, _) => coder
                .sink
                .bits(u32::from((block[0] >> scan.bits.1) as u16 & 1), 1),
            (true, _, 0) => coder.band(block),
            (true, ..) => coder.band_bit(block),
        }
        Ok(())
    })?;
    coder.end_run();
    Ok(())
}

/// Blocks that one symbol may skip: as many as the scan's own table has a code for, so that it need not be replaced.
fn longest_run(scan: &Scan) -> u32 {
    let own = scan.parts.first().map(|part| usize::from(part.tables[1]));
    let own = own.and_then(|number| scan.tables[1][number].as_ref());
    let ends = own.iter().flat_map(|codes| &codes.symbols);
    let sizes = ends.filter(|&&symbol| symbol & 15 == 0 && symbol < 0xf0);
    sizes.max().map_or(1, |symbol| (2 << (symbol >> 4)) - 1)
}

/// Correction bits held back for a run: a block more must not exceed what decoders and encoders agree on.
const CORRECTIONS_MAX: usize = 937;

struct Coder<'a, S> {
    scan: &'a Scan,
    sink: &'a mut S,
    predictions: [i32; 4],
    run_max: u32,
    /// Blocks with nothing more in this band, not yet said.
    run: u32,
    /// Their correction bits.
    corrections: Vec<u8>,
}

impl<S: Sink> Coder<'_, S> {
    fn symbol(&mut self, class: usize, part: usize, symbol: u8) {
        let number = usize::from(self.scan.parts[part].tables[class]);
        self.sink.symbol(class, number, symbol);
    }

    /// Says `value` in `size` bits; negative values are said less one.
    fn value(&mut self, value: i32, size: u32) {
        let said = if value < 0 { value - 1 } else { value } as u32;
        self.sink.bits(said & ((1 << size) - 1), size);
    }

    fn dc(&mut self, part: usize, dc: i32) -> Result<(), Obstacle> {
        let step = dc - self.predictions[part];
        let size = bit_length(step.unsigned_abs());
        if size > 15 {
            return Err(Obstacle(
                "two of its blocks are too far apart for a DC step",
            ));
        }
        self.predictions[part] = dc;
        self.symbol(0, part, size as u8);
        self.value(step, size);
        Ok(())
    }

    fn whole(&mut self, part: usize, block: &Block) -> Result<(), Obstacle> {
        self.dc(part, i32::from(block[0]))?;
        let mut zeros = 0;
        for &value in &block[1..] {
            if value == 0 {
                zeros += 1;
                continue;
            }
            self.nonzero(part, &mut zeros, i32::from(value));
        }
        if zeros > 0 {
            self.symbol(1, part, 0);
        }
        Ok(())
    }

    /// Says a value after `zeros` zeros.
    fn nonzero(&mut self, part: usize, zeros: &mut u8, value: i32) {
        while *zeros > 15 {
            self.symbol(1, part, 0xf0);
            *zeros -= 16;
        }
        let size = bit_length(value.unsigned_abs());
        self.symbol(1, part, *zeros << 4 | size as u8);
        self.value(value, size);
        *zeros = 0;
    }

    fn band(&mut self, block: &Block) {
        let mut zeros = 0;
        for &coefficient in &block[self.scan.band.0..=self.scan.band.1] {
            let value = self.sent(coefficient);
            if value == 0 {
                zeros += 1;
                continue;
            }
            self.end_run();
            self.nonzero(0, &mut zeros, value);
        }
        if zeros > 0 {
            self.extend_run();
        }
    }

    fn band_bit(&mut self, block: &Block) {
        let (first, last) = self.scan.band;
        let newly = |k: &usize| self.sent(block[*k]).abs() == 1;
        let last_new = (first..=last).rev().find(newly).unwrap_or(0);
        let mut zeros = 0u8;
        let mut corrections = Vec::new();
        for (k, &coefficient) in block.iter().enumerate().take(last + 1).skip(first) {
            let value = self.sent(coefficient);
            if value == 0 {
                zeros += 1;
                continue;
            }
            while zeros > 15 && k <= last_new {
                self.end_run();
                self.symbol(1, 0, 0xf0);
                self.correct(&mut corrections);
                zeros -= 16;
            }
            if value.abs() > 1 {
                corrections.push((value.unsigned_abs() & 1) as u8);
                continue;
            }
            self.end_run();
            self.symbol(1, 0, zeros << 4 | 1);
            self.sink.bits(u32::from(value > 0), 1);
            self.correct(&mut corrections);
            zeros = 0;
        }
        if zeros > 0 || !corrections.is_empty() {
            self.corrections.append(&mut corrections);
            self.extend_run();
        }
    }

    /// What this scan and those before it send of a coefficient: rounded towards zero.
    fn sent(&self, coefficient: i16) -> i32 {
        let value = i32::from(coefficient);
        (value.abs() >> self.scan.bits.1) * value.signum()
    }

    fn correct(&mut self, corrections: &mut Vec<u8>) {
        for bit in corrections.drain(..) {
            self.sink.bits(u32::from(bit), 1);
        }
    }

    fn extend_run(&mut self) {
        self.run += 1;
        if self.run >= self.run_max || self.corrections.len() > CORRECTIONS_MAX {
            self.end_run();
        }
    }

    /// Says the run of skipped blocks, if there is one, and the corrections that belong to it.
    fn end_run(&mut self) {
        if self.run > 0 {
            let size = bit_length(self.run) - 1;
            self.symbol(1, 0, (size as u8) << 4);
            self.sink.bits(self.run & ((1 << size) - 1), size);
            self.run = 0;
        }
        let mut corrections = std::mem::take(&mut self.corrections);
        self.correct(&mut corrections);
        self.corrections = corrections;
    }
}

fn bit_length(value: u32) -> u32 {
    u32::BITS - value.leading_zeros()
}
