//! Watched folders.

mod opened;
mod rows;

use cleanplate_api::FolderStatus;
use cleanplate_api::admin::{
    FolderPair, ListFolders, PauseFolder, ReleasePair, RescanFolder, ResumeFolder, RetryPair,
};
use cleanplate_api::endpoint::{Endpoint, Json, NoQuery};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::opened::Opened;
use super::action::{Act, Context};
use super::{Entry, ROWS_MAX, Screen, Shared, panel};
use crate::config::Role;
use crate::net::{Call, Change};
use crate::widget::table::{List, Rest, Table};

const FOLDERS: Context = Context("folders");
const FOLDER: Context = Context("folder");

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
    Act::change(
        FOLDER,
        "retry",
        "Put the failed pair back, to be taken again",
        |folders, shared| folders.deal_with::<RetryPair>(shared),
    ),
    Act::change(
        FOLDER,
        "release",
        "Show the failed pair no longer; its files stay",
        |folders, shared| folders.deal_with::<ReleasePair>(shared),
    ),
];

/// Watched folders.
#[derive(Debug)]
pub struct Folders {
    table: Table<FolderStatus>,
    /// The folder that is open.
    opened: Option<Opened>,
}

impl Folders {
    fn new() -> Folders {
        Folders {
            table: Table::new(ROWS_MAX, 0, false, Rest::First),
            opened: None,
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

    /// Does something about the chosen pairs of the open folder.
    fn deal_with<E>(&mut self, shared: &mut Shared)
    where
        E: Endpoint<Query = NoQuery, Body = Json<FolderPair>, Reply = Json<FolderStatus>>,
    {
        let Some(opened) = &self.opened else { return };
        let failed: Vec<String> = opened
            .table
            .chosen()
            .iter()
            .filter_map(|item| item.failure.as_ref())
            .map(|failure| failure.name.clone())
            .collect();
        if failed.is_empty() {
            shared.toast(
                Role::Warn,
                "only a failed pair can be tried again or released",
            );
        }
        for pair in failed {
            let body = Json(FolderPair { pair });
            shared.call(Call::of::<E>(&[&opened.folder], &NoQuery {}, &body));
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

    /// Brings the open folder up to date; one that is no longer watched is left.
    fn follow(&mut self) {
        if let Some(opened) = &mut self.opened {
            match self.table.get(&opened.folder) {
                Some(folder) => opened.take(folder),
                None => self.opened = None,
            }
        }
    }
}

impl Screen for Folders {
    fn context(&self) -> Option<Context> {
        Some(if self.opened.is_some() {
            FOLDER
        } else {
            FOLDERS
        })
    }

    fn is_open(&self) -> bool {
        self.opened.is_some()
    }

    fn act(&mut self, place: usize, shared: &mut Shared) {
        ACTS[place].run(self, shared);
    }

    fn list(&mut self) -> Option<&mut dyn List> {
        Some(match &mut self.opened {
            Some(opened) => &mut opened.table,
            None => &mut self.table,
        })
    }

    fn refresh(&mut self, now_ms: i64) {
        self.table.refresh(now_ms, |_| true);
        if let Some(opened) = &mut self.opened {
            opened.table.refresh(now_ms, |_| true);
        }
    }

    fn draw(&mut self, shared: &mut Shared, buf: &mut Buffer, area: Rect) {
        if let Some(opened) = &mut self.opened {
            let folder = self.table.get(&opened.folder);
            opened.draw(folder, shared, buf, area);
            return;
        }
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
        match &self.opened {
            None => self.opened = self.table.current().map(Opened::new),
            Some(opened) => {
                if let Some(item) = opened.table.current() {
                    let title = opened.folder.clone();
                    shared.notice(title, opened::particulars(item));
                }
            }
        }
    }

    fn copied(&self) -> Option<String> {
        match &self.opened {
            Some(opened) => opened.table.current().map(|item| item.name.clone()),
            None => self.table.current().map(|folder| folder.path.clone()),
        }
    }

    fn back(&mut self, _: &mut Shared) -> bool {
        self.opened.take().is_some()
    }

    fn leave(&mut self) {
        self.opened = None;
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
        self.given::<RetryPair>("retry", change, shared);
        self.given::<ReleasePair>("release", change, shared);
        match change {
            Change::Folder(_, Some(folder)) => self.table.put((**folder).clone()),
            Change::Folder(name, None) => self.table.remove(name),
            _ => {}
        }
        self.follow();
    }

    fn refused(&mut self, call: &Call, _: &str) -> bool {
        if call.is::<ListFolders>() {
            self.table.abandon_snapshot();
        }
        false
    }
}
