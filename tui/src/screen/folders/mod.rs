//! Watched folders.

mod rows;

use cleanplate_api::FolderStatus;
use cleanplate_api::admin::{ListFolders, PauseFolder, RescanFolder, ResumeFolder};
use cleanplate_api::endpoint::{Endpoint, Json, NoQuery};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::action::{Act, Context};
use super::{Entry, ROWS_MAX, Screen, Shared, panel};
use crate::config::Role;
use crate::net::{Call, Change};
use crate::widget::table::{List, Rest, Table};

const FOLDERS: Context = Context("folders");

pub(super) const ENTRY: Entry = Entry {
    name: "folders",
    what: "Watched folders",
    make: || Box::new(Folders::new()),
    actions: || Act::rows(ACTS),
    commands: &[],
};

const ACTS: &[Act<Folders>] = &[
    Act::change(FOLDERS, "pause", "Take no new pairs", |folders, shared| {
        folders.give::<PauseFolder>(shared)
    }),
    Act::change(FOLDERS, "resume", "Take pairs again", |folders, shared| {
        folders.give::<ResumeFolder>(shared)
    }),
    Act::change(
        FOLDERS,
        "rescan",
        "Look at the whole folder now",
        |folders, shared| folders.give::<RescanFolder>(shared),
    ),
];

/// Watched folders.
#[derive(Debug)]
pub struct Folders {
    table: Table<FolderStatus>,
}

impl Folders {
    fn new() -> Folders {
        Folders {
            table: Table::new(ROWS_MAX, 0, false, Rest::First),
        }
    }

    /// Gives an order to the chosen folders.
    fn give<E>(&mut self, shared: &mut Shared)
    where
        E: Endpoint<Query = NoQuery, Body = (), Reply = Json<FolderStatus>>,
    {
        for folder in self.table.chosen() {
            shared.call(Call::plain::<E>(&[&folder.name]));
        }
    }

    /// An order was carried out.
    fn given<E>(&mut self, order: &str, change: &Change, shared: &mut Shared)
    where
        E: Endpoint<Reply = Json<FolderStatus>>,
    {
        if let Some((call, Json(folder))) = change.reply::<E>() {
            shared.toast(Role::Good, format!("{}: {order}", call.place(0)));
            self.table.put(folder.clone());
        }
    }
}

/// Everything about a folder.
fn particulars(folder: &FolderStatus, shared: &Shared) -> Vec<String> {
    let mut lines = vec![
        format!("watched   {}", folder.path),
        format!("output    {}", folder.output),
        format!("pipeline  {}", folder.pipeline),
    ];
    let account = |id| format!("account   {id} {}", shared.account_name(id));
    lines.extend(folder.account.map(account));
    lines.extend(folder.paused.as_ref().map(|why| format!("paused    {why}")));
    lines.push(format!(
        "pairs     {} done, {} failed, {} duplicates",
        folder.done, folder.failed, folder.duplicates
    ));
    if folder.left_count > 0 {
        lines.push(String::new());
        lines.push(format!(
            "{} files are not taken, {} of them photos without a mask:",
            folder.left_count, folder.waiting_for_mask
        ));
        let left = folder.left.iter();
        lines.extend(left.map(|file| format!("  {}: {}", file.name, file.why)));
    }
    lines
}

impl Screen for Folders {
    fn context(&self) -> Option<Context> {
        Some(FOLDERS)
    }

    fn act(&mut self, place: usize, shared: &mut Shared) {
        ACTS[place].run(self, shared);
    }

    fn list(&mut self) -> Option<&mut dyn List> {
        Some(&mut self.table)
    }

    fn refresh(&mut self, now_ms: i64) {
        self.table.refresh(now_ms, |_| true);
    }

    fn draw(&mut self, shared: &mut Shared, buf: &mut Buffer, area: Rect) {
        let nothing = "no folder is watched: add a [[hot_folder]] to the daemon's configuration";
        panel::framed(
            &mut self.table,
            shared,
            buf,
            area,
            "watched folders",
            nothing,
        );
    }

    fn open(&mut self, shared: &mut Shared) {
        if let Some(folder) = self.table.current() {
            shared.notice(folder.name.clone(), particulars(folder, shared));
        }
    }

    fn copied(&self) -> Option<String> {
        self.table.current().map(|folder| folder.path.clone())
    }

    fn calls(&mut self) -> Vec<Call> {
        self.table.begin_snapshot();
        vec![Call::plain::<ListFolders>(&[])]
    }

    fn absorb(&mut self, change: &Change, shared: &mut Shared) {
        if let Some((_, Json(reply))) = change.reply::<ListFolders>() {
            self.table.snapshot(reply.folders.clone(), true);
        }
        self.given::<PauseFolder>("pause", change, shared);
        self.given::<ResumeFolder>("resume", change, shared);
        self.given::<RescanFolder>("rescan", change, shared);
        match change {
            Change::Folder(_, Some(folder)) => self.table.put((**folder).clone()),
            Change::Folder(name, None) => self.table.remove(name),
            _ => {}
        }
    }

    fn refused(&mut self, call: &Call, _: &str) -> bool {
        if call.is::<ListFolders>() {
            self.table.abandon_snapshot();
        }
        false
    }
}
