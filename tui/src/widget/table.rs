//! A table's state: rows by id, filter, order, cursor, marks. Drawing is in [`super::table_view`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use super::filter::Filter;
use crate::action::Move;
use crate::config::Role;

/// By what rows are ordered.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub enum SortKey {
    /// A number.
    Number(f64),
    /// A text; capitals do not count.
    Text(String),
}

impl SortKey {
    /// A text.
    pub fn text(text: &str) -> SortKey {
        SortKey::Text(text.to_lowercase())
    }

    /// A whole number.
    pub fn whole(number: i64) -> SortKey {
        SortKey::Number(number as f64)
    }
}

/// One column of rows of type `R`.
pub struct Column<R> {
    /// Its head.
    pub title: &'static str,
    /// Columns of text that it takes at least.
    pub width: u16,
    /// Share of the space that is left over; 0 = none.
    pub grow: u16,
    /// In a narrow terminal, columns with a higher number go first.
    pub drop: u8,
    /// Whether it is aligned to the right.
    pub right: bool,
    /// What it shows, at this time.
    pub text: fn(&R, i64) -> String,
    /// Its order.
    pub key: fn(&R) -> SortKey,
    /// Its style.
    pub role: fn(&R) -> Role,
}

/// Something that tables can show.
pub trait Row: Sized + 'static {
    /// What tells rows apart.
    type Id: Ord + Clone + Debug;
    /// The columns.
    const COLUMNS: &'static [Column<Self>];
    /// Its id.
    fn id(&self) -> Self::Id;
}

/// Where a cursor that was never moved stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// On the first row.
    First,
    /// On the last row.
    Last,
}

/// Rows with everything that decides what is seen of them.
#[derive(Debug, Clone)]
pub struct Table<R: Row> {
    rows: BTreeMap<R::Id, R>,
    rows_max: usize,
    view: Vec<R::Id>,
    view_is_old: bool,
    cursor: usize,
    cursor_id: Option<R::Id>,
    rest: Rest,
    marks: BTreeSet<R::Id>,
    anchor: Option<R::Id>,
    sort: usize,
    descending: bool,
    filter: Filter,
    /// Rows that events changed since the snapshot under way was asked for: they are newer than it.
    touched: Option<BTreeSet<R::Id>>,
    /// First row on the screen.
    pub offset: usize,
    /// Rows on the screen; known once it was drawn.
    pub page_rows: usize,
    /// Whether a snapshot has come since the start.
    pub loaded: bool,
    /// `next` of the last page that came, for more rows.
    pub older: Option<String>,
}

impl<R: Row> Table<R> {
    /// An empty table of at most `rows_max` rows, ordered by this column.
    pub fn new(rows_max: usize, sort: usize, descending: bool, rest: Rest) -> Self {
        Table {
            rows: BTreeMap::new(),
            rows_max,
            view: Vec::new(),
            view_is_old: false,
            cursor: 0,
            cursor_id: None,
            rest,
            marks: BTreeSet::new(),
            anchor: None,
            sort,
            descending,
            filter: Filter::default(),
            touched: None,
            offset: 0,
            page_rows: 10,
            loaded: false,
            older: None,
        }
    }

    /// Puts a row in, or over its older state.
    pub fn put(&mut self, row: R) {
        let id = row.id();
        if let Some(touched) = &mut self.touched {
            touched.insert(id.clone());
        }
        self.rows.insert(id, row);
        self.view_is_old = true;
        if self.rows.len() > self.rows_max + self.rows_max / 8 {
            self.shed();
        }
    }

    /// Takes a row out.
    pub fn remove(&mut self, id: &R::Id) {
        if let Some(touched) = &mut self.touched {
            touched.insert(id.clone());
        }
        self.rows.remove(id);
        self.marks.remove(id);
        self.view_is_old = true;
    }

    /// Takes every row out.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.marks.clear();
        (self.cursor_id, self.anchor, self.older, self.loaded) = (None, None, None, false);
        self.view_is_old = true;
    }

    /// A snapshot was asked for: from now on events are newer than it.
    pub fn begin_snapshot(&mut self) {
        self.touched = Some(BTreeSet::new());
    }

    /// The snapshot will not come.
    pub fn abandon_snapshot(&mut self) {
        self.touched = None;
    }

    /// The snapshot came. `whole` when it holds every row there is: others are gone then.
    pub fn snapshot(&mut self, rows: Vec<R>, whole: bool) {
        let touched = self.touched.take().unwrap_or_default();
        if whole {
            let ids: BTreeSet<R::Id> = rows.iter().map(Row::id).collect();
            self.rows
                .retain(|id, _| ids.contains(id) || touched.contains(id));
            self.marks.retain(|id| self.rows.contains_key(id));
        }
        rows.into_iter()
            .filter(|row| !touched.contains(&row.id()))
            .for_each(|row| self.put(row));
        self.loaded = true;
        self.view_is_old = true;
    }

    /// Drops the rows that are last in the table's own order until `rows_max` are left.
    fn shed(&mut self) {
        let key = R::COLUMNS[self.sort].key;
        let mut order: Vec<(SortKey, R::Id)> = self
            .rows
            .iter()
            .map(|(id, row)| (key(row), id.clone()))
            .collect();
        order.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        // A log rests on its last row, a list of jobs on its first: what is far from there goes.
        let from_front = self.descending == (self.rest == Rest::First);
        let over = order.len().saturating_sub(self.rows_max);
        let gone: Vec<R::Id> = match from_front {
            true => order.drain(..over).map(|(_, id)| id).collect(),
            false => order
                .drain(order.len() - over..)
                .map(|(_, id)| id)
                .collect(),
        };
        for id in gone {
            self.rows.remove(&id);
            self.marks.remove(&id);
        }
    }

    /// Brings what is shown up to date; `extra` is a second filter of the screen.
    pub fn refresh(&mut self, now_ms: i64, extra: impl Fn(&R) -> bool) {
        if !std::mem::take(&mut self.view_is_old) {
            return;
        }
        let texts = |row: &R| {
            R::COLUMNS
                .iter()
                .map(|column| (column.text)(row, now_ms))
                .collect::<Vec<_>>()
        };
        let passes =
            |row: &&R| extra(row) && (self.filter.is_empty() || self.filter.passes(&texts(row)));
        let key = R::COLUMNS[self.sort].key;
        let mut order: Vec<(SortKey, R::Id)> = self
            .rows
            .values()
            .filter(passes)
            .map(|row| (key(row), row.id()))
            .collect();
        order.sort_unstable_by(|a, b| {
            let order = a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal);
            if self.descending {
                order.reverse()
            } else {
                order
            }
        });
        self.view = order.into_iter().map(|(_, id)| id).collect();
        let last = self.view.len().saturating_sub(1);
        let at = self
            .cursor_id
            .as_ref()
            .map(|id| self.view.iter().position(|shown| shown == id));
        self.cursor = match (at, self.rest) {
            (Some(Some(at)), _) => at,
            (Some(None), _) => self.cursor.min(last),
            (None, Rest::First) => 0,
            (None, Rest::Last) => last,
        };
        if matches!(at, Some(None)) {
            self.cursor_id = self.view.get(self.cursor).cloned();
        }
    }

    /// The rows as they are shown.
    pub fn shown(&self) -> impl Iterator<Item = &R> {
        self.view.iter().filter_map(|id| self.rows.get(id))
    }

    /// Every row, by id.
    pub fn all(&self) -> impl Iterator<Item = &R> {
        self.rows.values()
    }

    /// The row of this id.
    pub fn get(&self, id: &R::Id) -> Option<&R> {
        self.rows.get(id)
    }

    /// The row under the cursor.
    pub fn current(&self) -> Option<&R> {
        self.view.get(self.cursor).and_then(|id| self.rows.get(id))
    }

    /// The marked rows that are shown, or else the one under the cursor.
    pub fn chosen(&self) -> Vec<&R> {
        let marked: Vec<&R> = self
            .shown()
            .filter(|row| self.marks.contains(&row.id()))
            .collect();
        if marked.is_empty() {
            self.current().into_iter().collect()
        } else {
            marked
        }
    }

    /// Whether a row is marked.
    pub fn is_marked(&self, row: &R) -> bool {
        self.marks.contains(&row.id())
    }

    /// Column and direction of the order.
    pub fn order(&self) -> (usize, bool) {
        (self.sort, self.descending)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq)]
    struct Item(u32, &'static str);

    impl Row for Item {
        type Id = u32;
        const COLUMNS: &'static [Column<Self>] = &[
            Column {
                title: "No",
                width: 4,
                grow: 0,
                drop: 0,
                right: true,
                text: |r, _| r.0.to_string(),
                key: |r| SortKey::whole(r.0.into()),
                role: |_| Role::Text,
            },
            Column {
                title: "Name",
                width: 9,
                grow: 1,
                drop: 1,
                right: false,
                text: |r, _| r.1.to_string(),
                key: |r| SortKey::text(r.1),
                role: |_| Role::Text,
            },
        ];
        fn id(&self) -> u32 {
            self.0
        }
    }

    fn table(rest: Rest) -> Table<Item> {
        let mut table = Table::new(100, 0, true, rest);
        table.snapshot(
            vec![Item(1, "pear"), Item(2, "Apple"), Item(3, "fig")],
            true,
        );
        table.refresh(0, |_| true);
        table
    }

    fn ids(table: &mut Table<Item>) -> Vec<u32> {
        table.refresh(0, |_| true);
        table.shown().map(|row| row.0).collect()
    }

    #[test]
    fn order_and_filter() {
        let mut table = table(Rest::First);
        assert_eq!(ids(&mut table), [3, 2, 1]);
        assert!(table.sort_title("na"));
        table.reverse();
        assert_eq!(ids(&mut table), [2, 3, 1]);
        table.set_filter("!fig");
        assert_eq!(ids(&mut table), [2, 1]);
        table.sort_by(1);
        assert_eq!(table.order().0, 0, "after the last column comes the first");
        assert!(!table.sort_title("zzz"));
    }

    #[test]
    fn the_cursor_stays_on_its_row_or_at_rest() {
        let mut table = table(Rest::First);
        table.put(Item(9, "new"));
        assert_eq!(ids(&mut table)[0], 9);
        assert_eq!(table.current().unwrap().0, 9, "at rest on the first row");
        table.step(Move::Down);
        table.put(Item(10, "newer"));
        ids(&mut table);
        assert_eq!(table.current().unwrap().0, 3, "on its row");
        table.remove(&3);
        ids(&mut table);
        assert_eq!(table.current().unwrap().0, 2, "where its row was");
        assert!(
            !table.step(Move::Last) && table.step(Move::Last),
            "the end is told"
        );
    }

    #[test]
    fn marks_choose_what_is_shown() {
        let mut table = table(Rest::First);
        assert_eq!(table.chosen(), [&Item(3, "fig")]);
        table.mark();
        table.step(Move::Down);
        table.mark_range();
        assert_eq!(table.chosen().len(), 3);
        table.set_filter("pear");
        ids(&mut table);
        assert_eq!(
            table.chosen(),
            [&Item(1, "pear")],
            "hidden marks are not chosen"
        );
        assert!(table.clear_marks() && !table.clear_marks());
        table.set_filter("");
        ids(&mut table);
        table.mark_all();
        assert_eq!(table.counts(), (3, 3, 3));
        table.mark_all();
        assert_eq!(table.counts().1, 0);
    }

    #[test]
    fn events_are_newer_than_the_snapshot_under_way() {
        let mut table = table(Rest::First);
        table.begin_snapshot();
        table.put(Item(2, "changed"));
        table.put(Item(7, "made"));
        table.remove(&3);
        table.snapshot(
            vec![
                Item(1, "pear"),
                Item(2, "Apple"),
                Item(3, "fig"),
                Item(4, "plum"),
            ],
            true,
        );
        assert_eq!(ids(&mut table), [7, 4, 2, 1]);
        assert_eq!(table.get(&2).unwrap().1, "changed");
        table.begin_snapshot();
        table.snapshot(vec![Item(4, "plum")], true);
        assert_eq!(
            ids(&mut table),
            [4],
            "what a whole snapshot does not hold is gone"
        );
    }

    #[test]
    fn the_number_of_rows_is_bounded() {
        for (rest, descending, newest) in [(Rest::First, true, 999), (Rest::Last, false, 999)] {
            let mut table: Table<Item> = Table::new(100, 0, descending, rest);
            (0..1000).for_each(|id| table.put(Item(id, "x")));
            let ids = ids(&mut table);
            assert!(
                ids.len() <= 113 && ids.contains(&newest),
                "{} rows",
                ids.len()
            );
            assert_eq!(table.current().unwrap().0, newest);
        }
    }
}
