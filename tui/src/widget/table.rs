//! A table's state: rows by id, filter, order, cursor, marks. What keys do with it is in [`list`], drawing in [`super::table_view`].

pub mod list;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use cleanplate_api::admin::Page;

pub use self::list::{List, Move};
use super::column::{Column, SortKey};
use super::filter::Filter;

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

    /// A page of a list came, all pages of which are asked for one after the other.
    pub fn take_page(&mut self, first: bool, page: &Page<R>)
    where
        R: Clone,
    {
        if first {
            self.snapshot(page.items.clone(), page.next.is_none());
        } else {
            page.items.iter().for_each(|row| self.put(row.clone()));
        }
    }

    /// A page of a list came, the rest of which is asked for when the cursor gets there. A first page that comes again does not
    /// end what older pages have brought.
    pub fn take_part(&mut self, first: bool, page: &Page<R>)
    where
        R: Clone,
    {
        if !first || !self.loaded {
            self.older.clone_from(&page.next);
        }
        self.take_page(first, page);
    }

    /// Drops the rows that are last in the table's own order until `rows_max` are left.
    fn shed(&mut self) {
        let key = |row: &R| R::COLUMNS[self.sort].key_of(row);
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
                .map(|column| column.text_of(row, now_ms))
                .collect::<Vec<_>>()
        };
        let passes =
            |row: &&R| extra(row) && (self.filter.is_empty() || self.filter.passes(&texts(row)));
        let key = |row: &R| R::COLUMNS[self.sort].key_of(row);
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

#[cfg(test)]
mod tests;
