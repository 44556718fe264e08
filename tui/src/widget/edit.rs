//! One line of text under a cursor.

/// Characters that a line may hold: names and notes are bounded by the daemon at 500.
const LENGTH_MAX: usize = 512;

/// A line being written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edit {
    text: String,
    /// Position of the cursor in bytes, at a character's boundary.
    at: usize,
}

/// What a key does to the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditStep {
    /// One character to the left.
    Left,
    /// One character to the right.
    Right,
    /// To the start.
    Home,
    /// To the end.
    End,
    /// Remove the character before the cursor.
    Backspace,
    /// Remove the character under the cursor.
    Delete,
    /// Remove the word before the cursor.
    DeleteWord,
    /// Remove everything before the cursor.
    Clear,
}

impl Edit {
    /// A line with the cursor at its end.
    pub fn new(text: &str) -> Self {
        Edit {
            text: text.to_string(),
            at: text.len(),
        }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text before the cursor.
    pub fn before(&self) -> &str {
        &self.text[..self.at]
    }

    /// Writes a character; control characters are not text.
    pub fn insert(&mut self, c: char) {
        if !c.is_control() && self.text.chars().count() < LENGTH_MAX {
            self.text.insert(self.at, c);
            self.at += c.len_utf8();
        }
    }

    /// Writes what was pasted, up to its first line break.
    pub fn paste(&mut self, text: &str) {
        text.trim_start()
            .lines()
            .next()
            .unwrap_or("")
            .chars()
            .for_each(|c| self.insert(c));
    }

    /// Does what a key asks.
    pub fn step(&mut self, step: EditStep) {
        let before = self.text[..self.at]
            .chars()
            .next_back()
            .map_or(0, char::len_utf8);
        let under = self.text[self.at..]
            .chars()
            .next()
            .map_or(0, char::len_utf8);
        match step {
            EditStep::Left => self.at -= before,
            EditStep::Right => self.at += under,
            EditStep::Home => self.at = 0,
            EditStep::End => self.at = self.text.len(),
            EditStep::Backspace => self.cut(self.at - before),
            EditStep::Delete => self.text.replace_range(self.at..self.at + under, ""),
            EditStep::DeleteWord => {
                let kept = self.text[..self.at].trim_end();
                self.cut(kept.rfind(' ').map_or(0, |space| space + 1));
            }
            EditStep::Clear => self.cut(0),
        }
    }

    fn cut(&mut self, from: usize) {
        self.text.replace_range(from..self.at, "");
        self.at = from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_keeps_to_character_boundaries() {
        let mut line = Edit::new("Söhne 写真");
        for _ in 0..20 {
            line.step(EditStep::Left);
        }
        line.step(EditStep::Right);
        line.step(EditStep::Delete);
        line.insert('o');
        assert_eq!(line.text(), "Sohne 写真");
        line.step(EditStep::End);
        line.step(EditStep::Backspace);
        assert_eq!(line.text(), "Sohne 写");
        line.step(EditStep::DeleteWord);
        assert_eq!((line.text(), line.before()), ("Sohne ", "Sohne "));
        line.step(EditStep::Clear);
        assert_eq!(line.text(), "");
    }

    #[test]
    fn pasted_text_is_one_bounded_line_without_controls() {
        let mut line = Edit::default();
        line.paste("a\x1b[31mb\nrm -rf");
        assert_eq!(line.text(), "a[31mb");
        line.paste(&"x".repeat(5000));
        assert_eq!(line.text().chars().count(), LENGTH_MAX);
    }
}
