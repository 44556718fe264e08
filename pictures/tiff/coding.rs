//! Packs and unpacks strips and tiles.

use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::inflate::{TINFLStatus, decompress_slice_iter_to_slice};
use weezl::BitOrder;

use super::layout::Coding;

/// zlib level.
const LEVEL: u8 = 6;

impl Coding {
    /// By the number in the file, `None` for those that are not read.
    pub fn of(number: u32) -> Option<Coding> {
        match number {
            1 => Some(Coding::Plain),
            5 => Some(Coding::Lzw),
            8 | 32_946 => Some(Coding::Deflate),
            32_773 => Some(Coding::PackBits),
            _ => None,
        }
    }

    /// Fills `out` from `data`; what comes after it is ignored. An error says what is missing. Bounded by both lengths.
    pub fn unpack(self, data: &[u8], out: &mut [u8]) -> Result<(), &'static str> {
        const SHORT: &str = "a strip or tile holds too few pixels";
        let filled = match self {
            Coding::Plain => {
                let there = data.len().min(out.len());
                out[..there].copy_from_slice(&data[..there]);
                there
            }
            Coding::PackBits => unpack_bits(data, out),
            Coding::Lzw => unpack_lzw(data, out)?,
            Coding::Deflate => {
                match decompress_slice_iter_to_slice(out, std::iter::once(data), true, true) {
                    Ok(filled) => filled,
                    Err(TINFLStatus::HasMoreOutput) => out.len(),
                    Err(_) => return Err("the deflate coding of a strip or tile is damaged"),
                }
            }
        };
        if filled < out.len() {
            return Err(SHORT);
        }
        Ok(())
    }

    /// Packs rows of `row_bytes` each.
    pub fn pack(self, data: Vec<u8>, row_bytes: usize) -> Result<Vec<u8>, String> {
        match self {
            Coding::Plain => Ok(data),
            Coding::Deflate => Ok(compress_to_vec_zlib(&data, LEVEL)),
            Coding::Lzw => weezl::encode::Encoder::with_tiff_size_switch(BitOrder::Msb, 8)
                .encode(&data)
                .map_err(|e| e.to_string()),
            Coding::PackBits => {
                let mut out = Vec::new();
                data.chunks(row_bytes.max(1))
                    .for_each(|row| pack_bits(row, &mut out));
                Ok(out)
            }
        }
    }
}

fn unpack_lzw(data: &[u8], out: &mut [u8]) -> Result<usize, &'static str> {
    let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(BitOrder::Msb, 8);
    let (mut read, mut filled) = (0, 0);
    while filled < out.len() {
        let step = decoder.decode_bytes(&data[read..], &mut out[filled..]);
        (read, filled) = (read + step.consumed_in, filled + step.consumed_out);
        match step.status {
            Ok(weezl::LzwStatus::Ok) => {}
            Ok(_) => break,
            Err(_) => return Err("the LZW coding of a strip or tile is damaged"),
        }
    }
    Ok(filled)
}

/// Bytes filled.
fn unpack_bits(data: &[u8], out: &mut [u8]) -> usize {
    let (mut at, mut filled) = (0, 0);
    while let (true, Some(&head)) = (filled < out.len(), data.get(at)) {
        at += 1;
        let room = out.len() - filled;
        match head {
            0..=127 => {
                let literal = &data[at..data.len().min(at + usize::from(head) + 1)];
                let length = literal.len().min(room);
                out[filled..filled + length].copy_from_slice(&literal[..length]);
                (at, filled) = (at + literal.len(), filled + length);
            }
            128 => {}
            129..=255 => {
                let Some(&value) = data.get(at) else { break };
                let length = (257 - usize::from(head)).min(room);
                out[filled..filled + length].fill(value);
                (at, filled) = (at + 1, filled + length);
            }
        }
    }
    filled
}

fn pack_bits(row: &[u8], out: &mut Vec<u8>) {
    let run = |at: usize| {
        row[at..]
            .iter()
            .take(128)
            .take_while(|&&byte| byte == row[at])
            .count()
    };
    let mut at = 0;
    while at < row.len() {
        let length = run(at);
        if length > 1 {
            out.extend([(257 - length) as u8, row[at]]);
            at += length;
            continue;
        }
        let start = at;
        // A run of two within a literal saves nothing.
        while at < row.len() && at - start < 128 && run(at) < 3 {
            at += 1;
        }
        out.push((at - start - 1) as u8);
        out.extend_from_slice(&row[start..at]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Coding; 4] = [
        Coding::Plain,
        Coding::Lzw,
        Coding::Deflate,
        Coding::PackBits,
    ];

    proptest! {
        #[test]
        fn what_is_packed_unpacks_to_itself(runs in prop::collection::vec((any::<u8>(), 1usize..300), 1..40), row in 1usize..90) {
            let data: Vec<u8> = runs.iter().flat_map(|&(v, n)| std::iter::repeat_n(v, n % 7 * n / 3 + 1)).collect();
            for coding in ALL {
                let packed = coding.pack(data.clone(), row).unwrap();
                let mut out = vec![0; data.len()];
                coding.unpack(&packed, &mut out).unwrap();
                prop_assert_eq!(&out, &data);
                let mut more = vec![0; data.len() + 1];
                prop_assert!(coding.unpack(&packed, &mut more).is_err());
            }
        }

        #[test]
        fn hostile_data_never_panics(data in prop::collection::vec(any::<u8>(), 0..200), length in 0usize..4000) {
            for coding in ALL {
                let _ = coding.unpack(&data, &mut vec![0; length]);
            }
        }
    }
}
