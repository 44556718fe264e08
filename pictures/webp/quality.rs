//! About which quality a lossy WebP was made with, from the quantisers in its frame header (RFC 6386, section 9).

/// Largest quantiser index.
const INDEX_MAX: f32 = 127.0;

/// The quality, 0 to 100, with which libwebp takes such quantisers; `None` when the header is damaged.
pub(crate) fn quality(frame: &[u8]) -> Option<f32> {
    let mut bits = Bits::new(frame.get(10..)?)?;
    // Colour space and clamping.
    bits.number(2);
    let mut segments = None;
    if bits.flag() {
        segments = segment_indices(&mut bits);
    }
    // Kind, level and sharpness of the loop filter, then its adjustments.
    bits.number(1 + 6 + 3);
    if bits.flag() && bits.flag() {
        for _ in 0..8 {
            bits.optional(6);
        }
    }
    // Partitions.
    bits.number(2);
    let base = bits.number(7) as i32;
    let indices = match segments {
        Some((true, indices)) => indices,
        Some((false, deltas)) => deltas.map(|delta| base + delta),
        None => [base; 4],
    };
    let mean = indices.iter().map(|&i| i.clamp(0, 127) as f32).sum::<f32>() / 4.0;
    // How libwebp makes the index of the quality, backwards.
    let linear = (1.0 - mean / INDEX_MAX).powi(3);
    let share = match linear < 0.5 {
        true => linear * 1.5,
        false => (linear + 1.0) / 2.0,
    };
    (!bits.ended).then_some(share * 100.0)
}

/// The quantisers of the four segments, if they are given: whether they are absolute, and each.
fn segment_indices(bits: &mut Bits<'_>) -> Option<(bool, [i32; 4])> {
    let (map, data) = (bits.flag(), bits.flag());
    let mut found = None;
    if data {
        let absolute = bits.flag();
        found = Some((absolute, [(); 4].map(|()| bits.optional(7).unwrap_or(0))));
        for _ in 0..4 {
            bits.optional(6);
        }
    }
    if map {
        for _ in 0..3 {
            if bits.flag() {
                bits.number(8);
            }
        }
    }
    found
}

/// The boolean decoder at even odds.
struct Bits<'a> {
    rest: &'a [u8],
    value: u32,
    range: u32,
    shifted: u32,
    ended: bool,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        let [a, b, rest @ ..] = bytes else {
            return None;
        };
        Some(Bits {
            rest,
            value: u32::from(*a) << 8 | u32::from(*b),
            range: 255,
            shifted: 0,
            ended: false,
        })
    }

    fn flag(&mut self) -> bool {
        let split = 1 + (((self.range - 1) * 128) >> 8);
        let set = self.value >= split << 8;
        if set {
            self.range -= split;
            self.value -= split << 8;
        } else {
            self.range = split;
        }
        while self.range < 128 {
            self.value <<= 1;
            self.range <<= 1;
            self.shifted += 1;
            if self.shifted == 8 {
                self.shifted = 0;
                let next = self.rest.split_first();
                self.ended |= next.is_none();
                let (byte, rest) = next.unwrap_or((&0, &[]));
                self.value |= u32::from(*byte);
                self.rest = rest;
            }
        }
        set
    }

    /// A number of so many bits, the highest first.
    fn number(&mut self, bits: u32) -> u32 {
        (0..bits).fold(0, |number, _| number << 1 | u32::from(self.flag()))
    }

    /// A number with a sign behind it, if a flag says that it is there.
    fn optional(&mut self, bits: u32) -> Option<i32> {
        self.flag().then(|| {
            let number = self.number(bits) as i32;
            if self.flag() { -number } else { number }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quality_of_libwebp_is_found_again() {
        let (width, height) = (160, 120);
        // A picture with smooth and busy parts, so that segments differ.
        let rgb: Vec<u8> = (0..width * height)
            .flat_map(|i| {
                let (x, y) = (i % width, i / width);
                let noise = if x > 80 { (i * 7919 % 61) as u8 } else { 0 };
                [(x + y) as u8 / 2 + noise, y as u8 + noise, 200 - x as u8]
            })
            .collect();
        for wanted in [10.0, 40.0, 60.0, 75.0, 80.0, 90.0, 97.0] {
            let file = webp::Encoder::from_rgb(&rgb, width, height).encode(wanted);
            let found = quality(&file[20..]).unwrap();
            assert!((found - wanted).abs() < 9.0, "{wanted}: {found}");
        }
        assert_eq!(quality(&[0; 11]), None);
        assert_eq!(quality(&[0; 12]), None);
    }
}
