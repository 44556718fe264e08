//! The order of frames: numbers in names count as numbers.

use std::cmp::Ordering;

/// Compares names so that `shot_2` comes before `shot_10`.
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut x, mut y) = (a.as_bytes(), b.as_bytes());
    while let ([first, ..], [second, ..]) = (x, y) {
        let order = if first.is_ascii_digit() && second.is_ascii_digit() {
            let (left, right) = (number(&mut x), number(&mut y));
            left.len().cmp(&right.len()).then_with(|| left.cmp(right))
        } else {
            (x, y) = (&x[1..], &y[1..]);
            first.cmp(second)
        };
        if order.is_ne() {
            return order;
        }
    }
    // Names that differ in leading zeros only still have one order.
    x.len().cmp(&y.len()).then_with(|| a.cmp(b))
}

/// Takes the digits off the front; leading zeros do not count.
fn number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(len);
    *text = rest;
    let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
    &digits[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_as_numbers() {
        let mut names = [
            "shot_10.png",
            "shot_2.png",
            "shot_002.png",
            "shot_0009.png",
            "b/1.png",
            "shot.png",
            "shot_18446744073709551617.png",
        ];
        names.sort_by(|a, b| natural(a, b));
        let wanted = [
            "b/1.png",
            "shot.png",
            "shot_002.png",
            "shot_2.png",
            "shot_0009.png",
            "shot_10.png",
            "shot_18446744073709551617.png",
        ];
        assert_eq!(names, wanted);
        assert_eq!(natural("a1", "a1"), Ordering::Equal);
        assert_eq!(natural("a01", "a1"), natural("a1", "a01").reverse());
    }
}
