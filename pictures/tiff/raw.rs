//! Strips and tiles as samples.

use super::layout::Layout;
use crate::memory::zeroed;
use crate::{Format, ImageError};

/// A sample as it lies in a file: 8 or 16 bits.
pub(crate) trait Sample:
    Copy + Default + Into<u32> + PartialEq + Send + Sync + 'static
{
    /// Largest value.
    const MAX: u32;
    fn read(bytes: &[u8], little: bool) -> Self;
    fn write(self, little: bool, out: &mut Vec<u8>);
    /// Of the lowest bits of a number.
    fn of(number: u32) -> Self;
    fn number(self) -> u32 {
        self.into()
    }
    fn plus(self, other: Self) -> Self {
        Self::of(self.number().wrapping_add(other.number()))
    }
    fn minus(self, other: Self) -> Self {
        Self::of(self.number().wrapping_sub(other.number()))
    }
}

impl Sample for u8 {
    const MAX: u32 = 255;
    fn read(bytes: &[u8], _: bool) -> Self {
        bytes[0]
    }
    fn write(self, _: bool, out: &mut Vec<u8>) {
        out.push(self);
    }
    fn of(number: u32) -> Self {
        number as u8
    }
}

impl Sample for u16 {
    const MAX: u32 = 65_535;
    fn read(bytes: &[u8], little: bool) -> Self {
        let pair = [bytes[0], bytes[1]];
        match little {
            true => u16::from_le_bytes(pair),
            false => u16::from_be_bytes(pair),
        }
    }
    fn write(self, little: bool, out: &mut Vec<u8>) {
        out.extend(match little {
            true => self.to_le_bytes(),
            false => self.to_be_bytes(),
        });
    }
    fn of(number: u32) -> Self {
        number as u16
    }
}

impl Layout {
    /// The samples of the strip or tile at a position, pixel by pixel whatever the planes, rows of the full width of a chunk.
    pub fn unpack<S: Sample>(
        &self,
        bytes: &[u8],
        little: bool,
        position: usize,
    ) -> Result<Vec<S>, ImageError> {
        let (per_chunk, planes) = (self.chunk_samples(), self.planes());
        let row = self.chunk.0 * per_chunk;
        let count = row * self.rows(position);
        let mut out = zeroed(count * planes)?;
        let mut packed = zeroed(count * self.sample_bytes())?;
        for plane in 0..planes {
            let place = self.places[plane * self.positions() + position].clone();
            self.coding
                .unpack(&bytes[place], &mut packed)
                .map_err(|detail| ImageError::corrupt(Format::Tiff, detail))?;
            let mut left = [S::default(); 16];
            for (i, sample) in packed.chunks_exact(self.sample_bytes()).enumerate() {
                let mut value = S::read(sample, little);
                if self.predictor {
                    let left = &mut left[i % per_chunk];
                    value = match i % row < per_chunk {
                        true => value,
                        false => value.plus(*left),
                    };
                    *left = value;
                }
                out[i * planes + plane] = value;
            }
        }
        Ok(out)
    }

    /// The strip or tile of one plane, packed, of the samples that [`Layout::unpack`] gives.
    pub fn pack<S: Sample>(
        &self,
        samples: &[S],
        plane: usize,
        little: bool,
    ) -> Result<Vec<u8>, ImageError> {
        let (per_chunk, planes) = (self.chunk_samples(), self.planes());
        let row = self.chunk.0 * per_chunk;
        let mut bytes = Vec::with_capacity(samples.len() / planes * self.sample_bytes());
        for i in 0..samples.len() / planes {
            let at = |i: usize| samples[i * planes + plane];
            let value = match self.predictor && i % row >= per_chunk {
                true => at(i).minus(at(i - per_chunk)),
                false => at(i),
            };
            value.write(little, &mut bytes);
        }
        self.coding
            .pack(bytes, row * self.sample_bytes())
            .map_err(|detail| ImageError::encode(Format::Tiff, detail))
    }
}
