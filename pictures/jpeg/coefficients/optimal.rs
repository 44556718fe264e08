//! The shortest Huffman table for given occurrences, within 16 bits.

use super::codes::Codes;

/// Longest code that JPEG allows.
const BITS_MAX: usize = 16;

/// A table with a code for every symbol that occurs; the code of all ones stays free, as JPEG wants it.
pub fn optimal(occurrences: &[u32; 256]) -> Codes {
    let lengths = tree_depths(occurrences);
    // By length: how many symbols, the reserved one among them.
    let mut counts = vec![0usize; lengths.iter().max().map_or(0, |&deepest| deepest) + 1];
    counts.resize(counts.len().max(BITS_MAX + 1), 0);
    lengths
        .iter()
        .filter(|&&length| length > 0)
        .for_each(|&length| counts[length] += 1);
    shorten(&mut counts);
    // The reserved symbol is the rarest: it has one of the longest codes.
    if let Some(longest) = (1..=BITS_MAX).rev().find(|&length| counts[length] > 0) {
        counts[longest] -= 1;
    }
    let mut symbols: Vec<u8> = (0..=255u8)
        .filter(|&symbol| lengths[usize::from(symbol)] > 0)
        .collect();
    symbols.sort_by_key(|&symbol| lengths[usize::from(symbol)]);
    Codes {
        counts: std::array::from_fn(|i| counts[i + 1] as u8),
        symbols,
    }
}

/// Depth of each symbol in a Huffman tree, the reserved symbol last; 0 = does not occur.
fn tree_depths(occurrences: &[u32; 256]) -> [usize; 257] {
    let mut depths = [0; 257];
    // Trees under way: weight and members. The reserved symbol weighs least, so nothing lies deeper.
    let mut trees: Vec<(u64, Vec<usize>)> = occurrences
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0)
        .map(|(symbol, &count)| (u64::from(count), vec![symbol]))
        .collect();
    trees.push((0, vec![256]));
    if trees.len() == 1 {
        return depths;
    }
    while trees.len() > 1 {
        trees.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        let (Some((light, mut members)), Some((heavier, more))) = (trees.pop(), trees.pop()) else {
            break;
        };
        members.extend(more);
        members.iter().for_each(|&symbol| depths[symbol] += 1);
        trees.push((light + heavier, members));
    }
    depths
}

/// Moves codes of more than 16 bits up: a pair of siblings gives one to its parent, the other goes beside a shorter code.
fn shorten(counts: &mut [usize]) {
    for length in (BITS_MAX + 1..counts.len()).rev() {
        while counts[length] > 0 {
            let shorter = (1..length - 1)
                .rev()
                .find(|&shorter| counts[shorter] > 0)
                .unwrap_or(1);
            counts[length] -= 2;
            counts[length - 1] += 1;
            counts[shorter + 1] += 2;
            counts[shorter] -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::codes::Writing;
    use super::*;

    #[test]
    fn a_lone_symbol_gets_one_bit_and_none_gets_nothing() {
        let mut occurrences = [0; 256];
        assert_eq!(optimal(&occurrences).symbols, Vec::<u8>::new());
        occurrences[7] = 12;
        let codes = optimal(&occurrences);
        assert_eq!((codes.counts[0], codes.symbols), (1, vec![7]));
    }

    #[test]
    fn weights_like_fibonacci_numbers_stay_within_16_bits() {
        let mut occurrences = [0u32; 256];
        let (mut a, mut b) = (1, 1);
        for slot in occurrences.iter_mut().take(40) {
            *slot = a;
            (a, b) = (b, a + b);
        }
        let codes = optimal(&occurrences);
        assert_eq!(codes.symbols.len(), 40);
        assert!(Codes::new(codes.counts, codes.symbols.clone()).is_ok());
        assert!(Writing::new(&codes).covers(&occurrences));
    }

    proptest! {
        #[test]
        fn tables_hold_every_symbol_and_leave_all_ones_free(counts in prop::collection::vec((any::<u8>(), 1u32..100_000), 0..300)) {
            let mut occurrences = [0u32; 256];
            for (symbol, count) in counts {
                occurrences[usize::from(symbol)] = count;
            }
            let codes = optimal(&occurrences);
            prop_assert!(Codes::new(codes.counts, codes.symbols.clone()).is_ok());
            prop_assert!(Writing::new(&codes).covers(&occurrences));
            let used: u32 = codes.counts.iter().zip(1..).map(|(&n, bits)| u32::from(n) << (16 - bits)).sum();
            prop_assert!(used < 1 << 16, "the code of all ones is taken");
        }
    }
}
