//! What keys and the mouse do with any table.

use super::{Rest, Row, Table};
use crate::widget::filter::Filter;

/// A step through a table or a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// One row up.
    Up,
    /// One row down.
    Down,
    /// One page up.
    PageUp,
    /// One page down.
    PageDown,
    /// To the first row.
    First,
    /// To the last row.
    Last,
}

/// What can be done with any table.
pub trait List {
    /// Moves the cursor; `true` when it was at the end already.
    fn step(&mut self, step: Move) -> bool;
    /// Puts the cursor on the row at this line of the screen.
    fn click(&mut self, line: usize);
    /// Marks or unmarks the row and goes on.
    fn mark(&mut self);
    /// Marks from the last mark to the cursor.
    fn mark_range(&mut self);
    /// Marks everything that is shown, or nothing.
    fn mark_all(&mut self);
    /// Forgets the marks; whether there were any.
    fn clear_marks(&mut self) -> bool;
    /// Goes to another column, `by` places on.
    fn sort_by(&mut self, by: isize);
    /// Orders by the column whose head begins with this; whether there is one.
    fn sort_title(&mut self, title: &str) -> bool;
    /// Turns the order round.
    fn reverse(&mut self);
    /// Sets the filter.
    fn set_filter(&mut self, text: &str);
    /// The filter as it was written.
    fn filter(&self) -> &str;
    /// Rows shown, marked and kept.
    fn counts(&self) -> (usize, usize, usize);
    /// Position of the cursor.
    fn cursor(&self) -> usize;
    /// What the screen's own filter shows has changed.
    fn outdate(&mut self);
}

impl<R: Row> List for Table<R> {
    fn step(&mut self, step: Move) -> bool {
        let last = self.view.len().saturating_sub(1);
        let page = self.page_rows.max(2) - 1;
        let was = self.cursor;
        self.cursor = match step {
            Move::Up => was.saturating_sub(1),
            Move::Down => (was + 1).min(last),
            Move::PageUp => was.saturating_sub(page),
            Move::PageDown => (was + page).min(last),
            Move::First => 0,
            Move::Last => last,
        };
        // On its resting place the cursor stays there, whatever comes in.
        let resting = match self.rest {
            Rest::First => self.cursor == 0,
            Rest::Last => self.cursor == last,
        };
        self.cursor_id = if resting {
            None
        } else {
            self.view.get(self.cursor).cloned()
        };
        self.cursor == was && matches!(step, Move::Down | Move::PageDown | Move::Last)
    }

    fn click(&mut self, line: usize) {
        let at = self.offset + line;
        if at < self.view.len() {
            (self.cursor, self.cursor_id) = (at, self.view.get(at).cloned());
        }
    }

    fn mark(&mut self) {
        let Some(id) = self.view.get(self.cursor).cloned() else {
            return;
        };
        if !self.marks.remove(&id) {
            self.marks.insert(id.clone());
            self.anchor = Some(id);
        }
        self.step(Move::Down);
    }

    fn mark_range(&mut self) {
        let anchor = self
            .anchor
            .as_ref()
            .and_then(|id| self.view.iter().position(|shown| shown == id))
            .unwrap_or(self.cursor);
        let (from, to) = (anchor.min(self.cursor), anchor.max(self.cursor));
        self.marks
            .extend(self.view.iter().skip(from).take(to - from + 1).cloned());
    }

    fn mark_all(&mut self) {
        let all = self.view.iter().all(|id| self.marks.contains(id));
        if all {
            self.marks.clear();
        } else {
            self.marks.extend(self.view.iter().cloned());
        }
    }

    fn clear_marks(&mut self) -> bool {
        self.anchor = None;
        !std::mem::take(&mut self.marks).is_empty()
    }

    fn sort_by(&mut self, by: isize) {
        let columns = R::COLUMNS.len() as isize;
        self.sort = (self.sort as isize + by).rem_euclid(columns) as usize;
        self.view_is_old = true;
    }

    fn sort_title(&mut self, title: &str) -> bool {
        let title = title.to_lowercase();
        let found = R::COLUMNS
            .iter()
            .position(|column| column.title.to_lowercase().starts_with(&title));
        self.sort = found.unwrap_or(self.sort);
        self.view_is_old = true;
        found.is_some()
    }

    fn reverse(&mut self) {
        self.descending = !self.descending;
        self.view_is_old = true;
    }

    fn set_filter(&mut self, text: &str) {
        let titles: Vec<&str> = R::COLUMNS.iter().map(|column| column.title).collect();
        self.filter = Filter::parse(text, &titles);
        self.view_is_old = true;
    }

    fn filter(&self) -> &str {
        self.filter.text()
    }

    fn counts(&self) -> (usize, usize, usize) {
        (self.view.len(), self.marks.len(), self.rows.len())
    }

    fn cursor(&self) -> usize {
        self.cursor
    }

    fn outdate(&mut self) {
        self.view_is_old = true;
    }
}
