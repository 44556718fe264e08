//! Text from outside made safe for a terminal, and figures made short.
//!
//! File names, key names and log lines are chosen by strangers. Nothing of them may reach the terminal as an instruction:
//! no escape sequence, no control character, nothing that turns the reading direction or hides characters.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Marks that may follow one character; more are piled up to cover the lines around.
const MARKS_MAX: usize = 2;

/// The text with everything that could steer a terminal or a reader replaced by a visible sign.
pub fn clean(text: &str) -> Cow<'_, str> {
    let marks = |text: &str| text.chars().any(|c| c.width() == Some(0));
    if !text.chars().any(|c| stand_in(c).is_some()) && !marks(text) {
        return Cow::Borrowed(text);
    }
    let (mut out, mut run) = (String::with_capacity(text.len()), 0);
    for c in text.chars() {
        let c = stand_in(c).unwrap_or(c);
        run = if c.width() == Some(0) { run + 1 } else { 0 };
        if run <= MARKS_MAX {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// What is shown instead of a character that must not be shown.
fn stand_in(c: char) -> Option<char> {
    match c {
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)),
        '\u{7f}' => Some('\u{2421}'),
        // C1 controls: a terminal may read U+009B as the start of an escape sequence.
        '\u{80}'..='\u{9f}' => Some('\u{fffd}'),
        // Soft hyphen, direction marks, embeddings and isolates, zero-width and joining characters, line separators,
        // fillers that look like nothing, the byte order mark, annotations, tags and private variation selectors.
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' => Some('\u{fffd}'),
        '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{feff}' => Some('\u{fffd}'),
        '\u{fe00}'..='\u{fe0f}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' => Some('\u{fffd}'),
        _ => None,
    }
}

/// Columns that a clean text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text cleaned and cut to `columns`, with an ellipsis where something is missing.
pub fn fit(text: &str, columns: usize) -> String {
    let text = clean(text);
    if text.width() <= columns {
        return text.into_owned();
    }
    let (mut out, mut used) = (String::new(), 0);
    for c in text.chars() {
        let w = c.width().unwrap_or(0);
        if used + w + 1 > columns {
            break;
        }
        out.push(c);
        used += w;
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

/// The text in exactly `columns`: cut or filled with spaces, on the left when `right`.
pub fn pad(text: &str, columns: usize, right: bool) -> String {
    let text = fit(text, columns);
    let space = " ".repeat(columns.saturating_sub(text.width()));
    if right { space + &text } else { text + &space }
}

/// Lines of at most `columns`, broken at spaces where that is possible; at most `lines_max`.
pub fn wrap(text: &str, columns: usize, lines_max: usize) -> Vec<String> {
    let text = clean(text);
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split(' ') {
        let mut word = word.to_string();
        if !line.is_empty() && line.width() + 1 + word.width() > columns {
            lines.push(std::mem::take(&mut line));
        }
        while word.width() > columns && columns > 1 {
            let head = fit(&word, columns);
            let kept = head.trim_end_matches('…').len();
            lines.push(word[..kept].to_string());
            word.drain(..kept);
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += &word;
    }
    lines.push(line);
    if lines.len() > lines_max {
        lines.truncate(lines_max);
        if let Some(last) = lines.last_mut() {
            *last = fit(&format!("{last}…"), columns);
        }
    }
    lines
}

/// The first characters of an id: enough to tell jobs apart by eye.
pub fn short(id: &str) -> String {
    id.chars().take(8).collect()
}

/// Bytes in binary units: `402 MiB`.
pub fn bytes(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 999.5 && unit < 4 {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    let unit_name = ["B", "KiB", "MiB", "GiB", "TiB"][unit];
    if unit == 0 || value >= 99.5 {
        format!("{value:.0} {unit_name}")
    } else {
        format!("{value:.1} {unit_name}")
    }
}

/// A span: `8 ms`, `1.24 s`, `3m05s`, `2h10m`, `5d03h`.
pub fn span_ms(ms: f64) -> String {
    let s = ms / 1000.0;
    match s {
        _ if !ms.is_finite() || ms < 0.0 => "–".to_string(),
        _ if ms < 9.95 => format!("{ms:.1} ms"),
        _ if ms < 999.5 => format!("{ms:.0} ms"),
        _ if s < 59.995 => format!("{s:.2} s"),
        _ if s < 3600.0 => format!("{}m{:02}s", s as u64 / 60, s as u64 % 60),
        _ if s < 86_400.0 => format!("{}h{:02}m", s as u64 / 3600, s as u64 / 60 % 60),
        _ => format!("{}d{:02}h", s as u64 / 86_400, s as u64 / 3600 % 24),
    }
}

/// How long ago, in one unit: `12s`, `5m`, `3h`, `2d`.
pub fn age(at_ms: i64, now_ms: i64) -> String {
    match (now_ms - at_ms).max(0) / 1000 {
        s @ 0..60 => format!("{s}s"),
        s @ 60..3600 => format!("{}m", s / 60),
        s @ 3600..172_800 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86_400),
    }
}

/// Time of day in UTC: `15:04:05`.
pub fn clock(at_ms: i64) -> String {
    let s = at_ms.div_euclid(1000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

/// Date and time in UTC: `2026-11-23 15:04`.
pub fn date(at_ms: i64) -> String {
    let (year, month, day) = civil(at_ms.div_euclid(86_400_000));
    format!("{year:04}-{month:02}-{day:02} {}", &clock(at_ms)[..5])
}

/// Year, month and day of a number of days since 1970 (Hinnant's algorithm: years begin in March, so that leap days end them).
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (
        year + era * 400 + i64::from(month <= 2),
        month,
        of_year - (153 * shifted + 2) / 5 + 1,
    )
}

/// A whole number in groups of three: `12,345`.
pub fn number(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if value < 0 { format!("-{out}") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        let hostile = "a\x1b]52;c;AAAA\x07b\u{9b}31mc\u{202e}gpj\u{200b}\r\n\u{e0041}\u{7f}";
        let safe = clean(hostile);
        assert!(
            safe.chars()
                .all(|c| !c.is_control() && stand_in(c).is_none()),
            "{safe:?}"
        );
        assert!(
            safe.starts_with("a␛]52;c;AAAA␇b\u{fffd}31mc\u{fffd}gpj"),
            "{safe:?}"
        );
    }

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for name in [
            "photo.jpg",
            "Ärger & Söhne (2).png",
            "写真.webp",
            "e\u{301}te.jpg",
        ] {
            assert_eq!(clean(name), name);
        }
        assert_eq!(
            clean(&format!("z{}", "\u{334}".repeat(50))).chars().count(),
            3,
            "piled marks are cut"
        );
    }

    #[test]
    fn texts_fit_their_columns() {
        assert_eq!(fit("写真写真", 5), "写真…");
        assert_eq!(fit("写真写真", 6), "写真…");
        assert_eq!(fit("abc", 3), "abc");
        assert_eq!(fit("abcd", 0), "");
        assert_eq!(pad("写", 4, true), "  写");
        assert_eq!(wrap("one two three", 7, 9), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij", 5, 9).concat(), "abcdefghij");
        assert!(wrap(&"x ".repeat(100), 5, 2).iter().all(|l| width(l) <= 5));
    }

    #[test]
    fn figures_are_short() {
        assert_eq!(
            (bytes(999), bytes(402 << 20), bytes(3 << 30)),
            ("999 B".into(), "402 MiB".into(), "3.0 GiB".into())
        );
        assert_eq!(
            (span_ms(8.31), span_ms(412.0), span_ms(61_000.0)),
            ("8.3 ms".into(), "412 ms".into(), "1m01s".into())
        );
        assert_eq!(
            (age(0, 12_000), age(0, 7_200_000), age(9, 0)),
            ("12s".into(), "2h".into(), "0s".into())
        );
        assert_eq!(date(1_795_424_834_000), "2026-11-23 09:07");
        assert_eq!(date(951_782_400_000), "2000-02-29 00:00");
        assert_eq!(
            (number(-1_234_567), number(12)),
            ("-1,234,567".into(), "12".into())
        );
    }
}
