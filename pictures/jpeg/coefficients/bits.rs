//! Bits of entropy-coded data, with the stuffed zero after 0xff.

use super::Obstacle;

const ENDS: Obstacle = Obstacle("its image data end early");

/// Reads bits up to the next marker.
pub struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Bits not yet taken, from the highest down; zeros follow them.
    window: u64,
    count: u32,
}

impl<'a> BitReader<'a> {
    /// Starts at `at` of the file.
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        BitReader {
            bytes,
            at,
            window: 0,
            count: 0,
        }
    }

    fn refill(&mut self) {
        while self.count <= 56 {
            let Some(&byte) = self.bytes.get(self.at) else {
                return;
            };
            if byte == 0xff {
                if self.bytes.get(self.at + 1) != Some(&0) {
                    return;
                }
                self.at += 1;
            }
            self.at += 1;
            self.window |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// The next 16 bits, with zeros after the last one.
    pub fn peek16(&mut self) -> u32 {
        if self.count < 16 {
            self.refill();
        }
        (self.window >> 48) as u32
    }

    /// Passes `count` (0 to 16) bits that were peeked at.
    pub fn skip(&mut self, count: u32) -> Result<(), Obstacle> {
        if count > self.count {
            return Err(ENDS);
        }
        self.window <<= count;
        self.count -= count;
        Ok(())
    }

    /// The next `count` (0 to 16) bits.
    pub fn take(&mut self, count: u32) -> Result<u32, Obstacle> {
        let value = self.peek16() >> (16 - count);
        self.skip(count)?;
        Ok(value)
    }

    /// Takes `size` bits as a signed value: a leading zero means negative.
    pub fn signed(&mut self, size: u32) -> Result<i32, Obstacle> {
        if size == 0 {
            return Ok(0);
        }
        let value = self.take(size)? as i32;
        Ok(if value < 1 << (size - 1) {
            value - (1 << size) + 1
        } else {
            value
        })
    }

    /// Passes restart marker `number` (0 to 7), which must come next.
    pub fn restart(&mut self, number: u8) -> Result<(), Obstacle> {
        self.refill();
        let fill = self.bytes[self.at.min(self.bytes.len())..]
            .iter()
            .take_while(|&&byte| byte == 0xff)
            .count();
        let code = self.at + fill;
        if self.count >= 8 || fill == 0 || self.bytes.get(code) != Some(&(0xd0 + number)) {
            return Err(Obstacle("a restart marker is not where it belongs"));
        }
        self.at = code + 1;
        (self.window, self.count) = (0, 0);
        Ok(())
    }

    /// Where the reader stands: nothing before it is needed any more.
    pub fn position(&self) -> usize {
        self.at
    }
}

/// Appends bits to a file.
pub struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    window: u64,
    count: u32,
}

impl<'a> BitWriter<'a> {
    /// Appends to `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        BitWriter {
            out,
            window: 0,
            count: 0,
        }
    }

    /// Appends the lowest `count` (0 to 16) bits of `value`; higher ones must be 0.
    pub fn put(&mut self, value: u32, count: u32) {
        self.window = self.window << count | u64::from(value);
        self.count += count;
        while self.count >= 8 {
            self.count -= 8;
            let byte = (self.window >> self.count) as u8;
            self.out.push(byte);
            if byte == 0xff {
                self.out.push(0);
            }
        }
    }

    /// Fills the last byte with ones.
    pub fn align(&mut self) {
        let open = (8 - self.count % 8) % 8;
        self.put((1 << open) - 1, open);
    }

    /// Appends restart marker `number` (0 to 7).
    pub fn restart(&mut self, number: u8) {
        self.align();
        self.out.extend([0xff, 0xd0 + number]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_and_restarts_come_back() {
        let mut out = Vec::new();
        let mut writer = BitWriter::new(&mut out);
        writer.put(0b101, 3);
        writer.put(0xffff, 16);
        writer.restart(5);
        writer.put(0x1234, 16);
        writer.align();
        assert_eq!(out, [0xbf, 0xff, 0, 0xff, 0, 0xff, 0xd5, 0x12, 0x34]);
        let mut reader = BitReader::new(&out, 0);
        assert_eq!((reader.take(3), reader.take(16)), (Ok(5), Ok(0xffff)));
        assert!(reader.restart(4).is_err());
        assert_eq!(reader.restart(5), Ok(()));
        assert_eq!(reader.take(16), Ok(0x1234));
        assert_eq!(reader.take(1), Err(ENDS));
    }

    #[test]
    fn bits_left_before_a_restart_are_an_obstacle() {
        let bytes = [0x12, 0x34, 0xff, 0xd0];
        let mut reader = BitReader::new(&bytes, 0);
        reader.take(4).unwrap();
        assert!(reader.restart(0).is_err());
        reader.take(5).unwrap();
        assert_eq!(reader.restart(0), Ok(()));
    }

    #[test]
    fn signed_values_are_extended() {
        let bytes = [0b0100_1100, 0b0111_0000];
        let mut reader = BitReader::new(&bytes, 0);
        let values = [1, 1, 2, 2, 3, 3].map(|size| reader.signed(size).unwrap());
        assert_eq!(values, [-1, 1, -3, 3, -7, 7]);
    }
}
