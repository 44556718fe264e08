//! Entropy decoding of one scan.

use super::bits::BitReader;
use super::codes::Lookup;
use super::frame::{Frame, Scan};
use super::{Block, Obstacle, SLOW};
use crate::deadline::Deadline;

/// Blocks between looks at the clock.
const BLOCKS: u32 = 4096;

/// Reads the scan's data into `blocks` (by component), until the deadline.
pub fn read_scan(
    frame: &Frame,
    scan: &Scan,
    blocks: &mut [Vec<Block>],
    bits: &mut BitReader<'_>,
    deadline: Deadline,
) -> Result<(), Obstacle> {
    let mut count = 0;
    let lookup = |class: usize, part: usize| {
        let number = usize::from(scan.parts[part].tables[class]);
        scan.tables[class][number].as_deref().map(Lookup::new)
    };
    let tables: [Vec<Option<Lookup<'_>>>; 2] = [0, 1].map(|class| {
        (0..scan.parts.len())
            .map(|part| lookup(class, part))
            .collect()
    });
    let mut decoder = Decoder {
        scan,
        tables,
        predictions: [0; 4],
        run: 0,
    };
    scan.walk(frame, |step| {
        if count % BLOCKS == 0 && deadline.passed() {
            return Err(SLOW);
        }
        count += 1;
        if let Some(number) = step.restart {
            bits.restart(number)?;
            decoder.restart()?;
        }
        let block = &mut blocks[scan.parts[step.part].plane][step.block];
        match (frame.progressive(), scan.band.0, scan.bits.0) {
            (false, ..) => decoder.whole(bits, step.part, block),
            (true, 0, 0) => decoder.dc(bits, step.part, block),
            (true, 0, _) => decoder.dc_bit(bits, block),
            (true, _, 0) => decoder.band(bits, block),
            (true, ..) => decoder.band_bit(bits, block),
        }
    })?;
    decoder.restart()
}

struct Decoder<'a> {
    scan: &'a Scan,
    tables: [Vec<Option<Lookup<'a>>>; 2],
    predictions: [i32; 4],
    /// Blocks still to come that have nothing more in this band.
    run: u32,
}

const BEYOND: Obstacle = Obstacle("its image data name a coefficient beyond the last one");

impl Decoder<'_> {
    /// Forgets what went before a restart marker or the scan's end.
    fn restart(&mut self) -> Result<(), Obstacle> {
        if self.run > 0 {
            return Err(Obstacle("its image data skip more blocks than there are"));
        }
        self.predictions = [0; 4];
        Ok(())
    }

    fn symbol(&self, class: usize, part: usize, bits: &mut BitReader<'_>) -> Result<u8, Obstacle> {
        self.tables[class][part]
            .as_ref()
            .ok_or(Obstacle("it uses a Huffman table that it does not define"))?
            .read(bits)
    }

    fn next_dc(&mut self, bits: &mut BitReader<'_>, part: usize) -> Result<i32, Obstacle> {
        let size = self.symbol(0, part, bits)?;
        if size > 15 {
            return Err(Obstacle("its image data hold an impossible DC step"));
        }
        let dc = &mut self.predictions[part];
        // Kept within the range of a coefficient at every step, so it cannot run away.
        *dc = i32::from(coefficient(*dc + bits.signed(u32::from(size))?)?);
        Ok(*dc)
    }

    fn whole(
        &mut self,
        bits: &mut BitReader<'_>,
        part: usize,
        block: &mut Block,
    ) -> Result<(), Obstacle> {
        block[0] = coefficient(self.next_dc(bits, part)?)?;
        let mut k = 1;
        while k < 64 {
            let symbol = self.symbol(1, part, bits)?;
            let (zeros, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            match (zeros, size) {
                (15, 0) => k += 16,
                (_, 0) => break,
                _ => {
                    k += zeros;
                    *block.get_mut(k).ok_or(BEYOND)? = coefficient(bits.signed(size)?)?;
                    k += 1;
                }
            }
        }
        Ok(())
    }

    fn dc(
        &mut self,
        bits: &mut BitReader<'_>,
        part: usize,
        block: &mut Block,
    ) -> Result<(), Obstacle> {
        block[0] = coefficient(self.next_dc(bits, part)? << self.scan.bits.1)?;
        Ok(())
    }

    fn dc_bit(&mut self, bits: &mut BitReader<'_>, block: &mut Block) -> Result<(), Obstacle> {
        block[0] |= (bits.take(1)? as i16) << self.scan.bits.1;
        Ok(())
    }

    fn band(&mut self, bits: &mut BitReader<'_>, block: &mut Block) -> Result<(), Obstacle> {
        if self.run > 0 {
            self.run -= 1;
            return Ok(());
        }
        let (mut k, last) = self.scan.band;
        while k <= last {
            let symbol = self.symbol(1, 0, bits)?;
            let (zeros, size) = (symbol >> 4, u32::from(symbol & 15));
            match (zeros, size) {
                (15, 0) => k += 16,
                (_, 0) => {
                    self.run = end_of_band(bits, zeros)? - 1;
                    break;
                }
                _ => {
                    k += usize::from(zeros);
                    if k > last {
                        return Err(BEYOND);
                    }
                    block[k] = coefficient(bits.signed(size)? << self.scan.bits.1)?;
                    k += 1;
                }
            }
        }
        Ok(())
    }

    fn band_bit(&mut self, bits: &mut BitReader<'_>, block: &mut Block) -> Result<(), Obstacle> {
        let one = 1i16 << self.scan.bits.1;
        let (mut k, last) = self.scan.band;
        while self.run == 0 && k <= last {
            let symbol = self.symbol(1, 0, bits)?;
            let (mut zeros, size) = (symbol >> 4, symbol & 15);
            let new = match size {
                0 if zeros < 15 => {
                    self.run = end_of_band(bits, zeros)?;
                    break;
                }
                0 => 0,
                1 if bits.take(1)? == 1 => one,
                1 => -one,
                _ => {
                    return Err(Obstacle(
                        "its image data refine a coefficient by more than a bit",
                    ));
                }
            };
            // Past `zeros` coefficients that are still 0, correcting the others on the way.
            while k <= last {
                if block[k] != 0 {
                    correct(bits, &mut block[k], one)?;
                } else if zeros == 0 {
                    block[k] = new;
                    k += 1;
                    break;
                } else {
                    zeros -= 1;
                }
                k += 1;
                if k > last && new != 0 {
                    return Err(BEYOND);
                }
            }
        }
        if self.run > 0 {
            for value in block[k..=last].iter_mut().filter(|value| **value != 0) {
                correct(bits, value, one)?;
            }
            self.run -= 1;
        }
        Ok(())
    }
}

/// Blocks, this one included, that have nothing more in the band.
fn end_of_band(bits: &mut BitReader<'_>, size: u8) -> Result<u32, Obstacle> {
    Ok((1 << size) + bits.take(u32::from(size))?)
}

/// Reads the next lower bit of a coefficient that is not 0.
fn correct(bits: &mut BitReader<'_>, value: &mut i16, one: i16) -> Result<(), Obstacle> {
    if bits.take(1)? == 1 {
        let step = i32::from(if *value > 0 { one } else { -one });
        *value = coefficient(i32::from(*value) + step)?;
    }
    Ok(())
}

fn coefficient(value: i32) -> Result<i16, Obstacle> {
    i16::try_from(value)
        .ok()
        .filter(|&value| value != i16::MIN)
        .ok_or(Obstacle("its image data hold a coefficient out of range"))
}
