//! Huffman tables: as they stand in a file, for reading, for writing.

use super::Obstacle;
use super::bits::BitReader;

const UNKNOWN: Obstacle = Obstacle("its image data hold a code that its Huffman table lacks");

/// A table as a file defines it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codes {
    /// How many codes have 1, 2, ... 16 bits.
    pub counts: [u8; 16],
    /// What they mean, shortest first.
    pub symbols: Vec<u8>,
}

impl Codes {
    /// A table whose codes fit their lengths.
    pub fn new(counts: [u8; 16], symbols: Vec<u8>) -> Result<Self, Obstacle> {
        const DAMAGED: Obstacle = Obstacle("a Huffman table is damaged");
        let mut room = 1u32;
        for &count in &counts {
            room = (room * 2)
                .checked_sub(u32::from(count))
                .ok_or(DAMAGED)?
                .min(1 << 16);
        }
        let total: usize = counts.iter().map(|&count| usize::from(count)).sum();
        if total != symbols.len() || total > 256 {
            return Err(DAMAGED);
        }
        Ok(Codes { counts, symbols })
    }

    /// Calls `each(symbol, code, bits)` in order.
    fn for_each(&self, mut each: impl FnMut(u8, u32, u32)) {
        let (mut code, mut symbols) = (0u32, self.symbols.iter());
        for (count, length) in self.counts.iter().zip(1..) {
            for &symbol in symbols.by_ref().take(usize::from(*count)) {
                each(symbol, code, length);
                code += 1;
            }
            code <<= 1;
        }
    }
}

/// Bits that one look-up decides; longer codes are rare.
const FAST_BITS: u32 = 9;

/// A table for reading.
pub struct Lookup<'a> {
    symbols: &'a [u8],
    /// `length << 8 | symbol` by the next bits; 0 = a longer code or none.
    fast: Vec<u16>,
    /// By length: the first 16-bit window above all codes up to this length.
    ends: [u32; 17],
    /// By length: index of a code's symbol minus the code.
    offsets: [i32; 17],
}

impl<'a> Lookup<'a> {
    /// Prepares reading with `codes`.
    pub fn new(codes: &'a Codes) -> Self {
        let mut fast = vec![0u16; 1 << FAST_BITS];
        codes.for_each(|symbol, code, length| {
            if length <= FAST_BITS {
                let first = (code << (FAST_BITS - length)) as usize;
                fast[first..first + (1 << (FAST_BITS - length))]
                    .fill((length as u16) << 8 | u16::from(symbol));
            }
        });
        let (mut ends, mut offsets) = ([0; 17], [0; 17]);
        let (mut code, mut index) = (0u32, 0i32);
        for length in 1..=16 {
            let count = codes.counts[length - 1];
            offsets[length] = index - code as i32;
            code += u32::from(count);
            index += i32::from(count);
            ends[length] = code << (16 - length);
            code <<= 1;
        }
        Lookup {
            symbols: &codes.symbols,
            fast,
            ends,
            offsets,
        }
    }

    /// Reads one symbol.
    pub fn read(&self, bits: &mut BitReader<'_>) -> Result<u8, Obstacle> {
        let window = bits.peek16();
        let entry = self.fast[(window >> (16 - FAST_BITS)) as usize];
        if entry != 0 {
            bits.skip(u32::from(entry >> 8))?;
            return Ok(entry as u8);
        }
        let length = (FAST_BITS + 1..=16)
            .find(|&length| window < self.ends[length as usize])
            .ok_or(UNKNOWN)?;
        bits.skip(length)?;
        let index = self.offsets[length as usize] + (window >> (16 - length)) as i32;
        self.symbols.get(index as usize).copied().ok_or(UNKNOWN)
    }
}

/// A table for writing.
pub struct Writing {
    /// `(code, bits)` by symbol; 0 bits = none.
    codes: [(u16, u8); 256],
}

impl Writing {
    /// Prepares writing with `codes`.
    pub fn new(codes: &Codes) -> Self {
        let mut table = [(0, 0); 256];
        codes.for_each(|symbol, code, length| {
            table[usize::from(symbol)] = (code as u16, length as u8);
        });
        Writing { codes: table }
    }

    /// Code and bits of `symbol`.
    pub fn code(&self, symbol: u8) -> (u32, u32) {
        let (code, length) = self.codes[usize::from(symbol)];
        (u32::from(code), u32::from(length))
    }

    /// Whether every symbol that occurs has a code.
    pub fn covers(&self, occurrences: &[u32; 256]) -> bool {
        let mut pairs = self.codes.iter().zip(occurrences);
        pairs.all(|((_, length), &count)| *length > 0 || count == 0)
    }
}
