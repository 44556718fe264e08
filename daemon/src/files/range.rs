//! The `Range` header: one byte range of a file.

/// Bytes of a file that a client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// The whole file: no range, or one this server need not honour (another unit, several ranges, nonsense).
    Whole,
    /// From `first` to `last`, both included.
    Part {
        /// First byte.
        first: u64,
        /// Last byte.
        last: u64,
    },
    /// Nothing of the file (416).
    Outside,
}

/// Reads a `Range` header for a file of `bytes` bytes.
pub fn parse_range(header: Option<&str>, bytes: u64) -> ByteRange {
    let Some(spec) = header.and_then(|text| text.trim().strip_prefix("bytes=")) else {
        return ByteRange::Whole;
    };
    let Some((first, last)) = spec.trim().split_once('-') else {
        return ByteRange::Whole;
    };
    match (number(first), number(last)) {
        // `-N`: the last N bytes.
        (Some(None), Some(Some(0))) => ByteRange::Outside,
        (Some(None), Some(Some(_))) if bytes == 0 => ByteRange::Outside,
        (Some(None), Some(Some(count))) => ByteRange::Part {
            first: bytes.saturating_sub(count),
            last: bytes - 1,
        },
        (Some(Some(first)), Some(last)) => {
            if last.is_some_and(|last| last < first) {
                ByteRange::Whole
            } else if first >= bytes {
                ByteRange::Outside
            } else {
                ByteRange::Part {
                    first,
                    last: last.unwrap_or(u64::MAX).min(bytes - 1),
                }
            }
        }
        _ => ByteRange::Whole,
    }
}

/// `Some(None)` for nothing, `Some(Some(n))` for a number (saturating), `None` for anything else.
fn number(text: &str) -> Option<Option<u64>> {
    let text = text.trim();
    if text.is_empty() {
        return Some(None);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(Some(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forms_of_a_single_range() {
        let part = |first, last| ByteRange::Part { first, last };
        for (header, want) in [
            ("bytes=0-0", part(0, 0)),
            ("bytes=2-5", part(2, 5)),
            ("bytes=2-", part(2, 9)),
            ("bytes=2-99", part(2, 9)),
            ("bytes=-3", part(7, 9)),
            ("bytes=-99", part(0, 9)),
            ("bytes=10-", ByteRange::Outside),
            ("bytes=-0", ByteRange::Outside),
            ("bytes=99999999999999999999-", ByteRange::Outside),
            ("bytes=5-2", ByteRange::Whole),
            ("bytes=0-1,3-4", ByteRange::Whole),
            ("bytes=", ByteRange::Whole),
            ("bytes=-", ByteRange::Whole),
            ("bytes=a-b", ByteRange::Whole),
            ("items=0-1", ByteRange::Whole),
        ] {
            assert_eq!(parse_range(Some(header), 10), want, "{header}");
        }
        assert_eq!(parse_range(None, 10), ByteRange::Whole);
        assert_eq!(parse_range(Some("bytes=-1"), 0), ByteRange::Outside);
    }

    proptest! {
        #[test]
        fn a_part_lies_inside_the_file(header in "(bytes=)?[0-9 ,-]{0,24}|.{0,24}", bytes in 0u64..1000) {
            if let ByteRange::Part { first, last } = parse_range(Some(&header), bytes) {
                prop_assert!(first <= last && last < bytes);
            }
        }
    }
}
