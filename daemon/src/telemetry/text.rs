//! Text from outside, made safe to show.

/// Replaces control characters, line and direction marks by their escapes, so that a name cannot write to a terminal,
/// break a log line or reorder what is read.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
        {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// The same for a message of several lines: its line breaks stay.
pub fn escaped_lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(escaped).collect();
    lines.join("\n")
}

/// The first `chars_max` characters.
pub fn short(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_controls_passes() {
        assert_eq!(
            escaped("a\r\n\x1b[31mb\u{202e}c\0é\u{9b}"),
            "a\\u{d}\\u{a}\\u{1b}[31mb\\u{202e}c\\u{0}é\\u{9b}"
        );
        assert_eq!(escaped("plain name (1).jpg"), "plain name (1).jpg");
        assert_eq!(short("äöü", 2), "äö");
        assert_eq!(escaped_lines("a\n\x1b]0;b\x07"), "a\n\\u{1b}]0;b\\u{7}");
    }
}
