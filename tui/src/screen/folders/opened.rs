//! One folder: what it does, which pairs failed, what lies in it without being taken.

use cleanplate_api::{FolderFailure, FolderStatus};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::config::Role;
use crate::screen::{Shared, panel};
use crate::text;
use crate::widget::column::{Column, SortKey};
use crate::widget::dialog;
use crate::widget::ink::put;
use crate::widget::table::{Rest, Row, Table};

/// Rows that are kept: more than the daemon tells.
const ROWS_MAX: usize = 1_000;

/// A pair that failed, or a file that is not taken.
#[derive(Debug, Clone)]
pub struct Item {
    /// Path of photo or file.
    pub name: String,
    /// Why.
    pub why: String,
    /// What failed; none for a file that is not taken.
    pub failure: Option<FolderFailure>,
}

impl Item {
    fn what(&self) -> &'static str {
        if self.failure.is_some() {
            "failed"
        } else {
            "not taken"
        }
    }
}

/// When the pair ended.
fn ended(item: &Item) -> Option<i64> {
    Some(item.failure.as_ref()?.ended_at_ms)
}

type Col = Column<Item>;

impl Row for Item {
    type Id = (bool, String);
    const COLUMNS: &'static [Column<Self>] = &[
        Col::text("What", 9, |r| r.what().to_string()).role(|r| match r.failure {
            Some(_) => Role::Bad,
            None => Role::Warn,
        }),
        Col::text("File", 20, |r| r.name.clone()).grow(1),
        Col::text("Why", 20, |r| r.why.clone()).grow(2),
        Col::shown(
            "When",
            16,
            |r, _| ended(r).map(text::date).unwrap_or_default(),
            |r| SortKey::whole(ended(r).unwrap_or(0)),
        )
        .dim()
        .drop(1),
    ];
    fn id(&self) -> (bool, String) {
        let failed = self.failure.as_ref().map(|failure| failure.name.clone());
        (failed.is_none(), failed.unwrap_or(self.name.clone()))
    }
}

/// A folder that is open.
#[derive(Debug)]
pub struct Opened {
    /// Its name.
    pub folder: String,
    /// What is the matter in it.
    pub table: Table<Item>,
}

impl Opened {
    /// Opens a folder.
    pub fn new(folder: &FolderStatus) -> Opened {
        let mut opened = Opened {
            folder: folder.name.clone(),
            table: Table::new(ROWS_MAX, 0, false, Rest::First),
        };
        opened.take(folder);
        opened
    }

    /// Takes in how it is now.
    pub fn take(&mut self, folder: &FolderStatus) {
        let failed = folder.failures.iter().map(|failure| Item {
            name: failure.photo.clone(),
            why: failure.detail.clone(),
            failure: Some(failure.clone()),
        });
        let left = folder.left.iter().map(|file| Item {
            name: file.name.clone(),
            why: file.why.clone(),
            failure: None,
        });
        self.table.begin_snapshot();
        self.table.snapshot(failed.chain(left).collect(), true);
    }

    /// Draws what it does, and the rows.
    pub fn draw(
        &mut self,
        folder: Option<&FolderStatus>,
        shared: &mut Shared,
        buf: &mut Buffer,
        area: Rect,
    ) {
        let title = format!("folder {}", self.folder);
        let inner = dialog::panel(buf, area, &shared.theme, &title);
        let lines = folder
            .map(|folder| head(folder, shared))
            .unwrap_or_default();
        let width = usize::from(inner.width.saturating_sub(2));
        for (y, (line, role)) in (inner.y..).zip(&lines) {
            let style = shared.theme.style(*role);
            put(buf, inner.x + 1, y, text::fit(line, width), style);
        }
        let taken = (lines.len() as u16).min(inner.height);
        let rest = Rect {
            y: inner.y + taken,
            height: inner.height - taken,
            ..inner
        };
        let says = panel::says(
            &self.table,
            "nothing failed, and everything that lies there is taken",
        );
        panel::rows_of(&mut self.table, shared, buf, rest, says);
    }
}

fn head(folder: &FolderStatus, shared: &Shared) -> Vec<(String, Role)> {
    let payer = folder
        .account
        .map(|id| format!(", account {id} {}", shared.account_name(id)));
    let mut lines = vec![
        (format!("{} → {}", folder.path, folder.output), Role::Dim),
        (
            format!("pipeline {}{}", folder.pipeline, payer.unwrap_or_default()),
            Role::Dim,
        ),
        (
            format!(
                "now {} settling, {} ready, {} working, {} ended in the last minute",
                folder.settling, folder.ready, folder.working, folder.ended_last_minute
            ),
            Role::Busy,
        ),
        (
            format!(
                "since the start {} done ({} duplicates), {} failed",
                folder.done, folder.duplicates, folder.failed
            ),
            Role::Good,
        ),
    ];
    lines.extend(
        folder
            .paused
            .as_ref()
            .map(|why| (format!("paused: {why}"), Role::Warn)),
    );
    if folder.left_count > 0 {
        let text = format!(
            "{} files are not taken, {} of them photos without a mask",
            folder.left_count, folder.waiting_for_mask
        );
        lines.push((text, Role::Warn));
    }
    lines
}

/// Everything about a row.
pub fn particulars(item: &Item) -> Vec<String> {
    let mut lines = vec![item.name.clone(), String::new(), item.why.clone()];
    if let Some(failure) = &item.failure {
        lines.push(String::new());
        lines.push(format!("code      {}", failure.code));
        lines.push(format!("report    {}", failure.report));
        lines.extend(failure.job_id.as_ref().map(|id| format!("job       {id}")));
    }
    lines
}
