//! Accounts, and the ledger of one.

mod forms;
mod ledger;
mod rows;

use cleanplate_api::admin::{
    AccountRow, ChangeAccount, CreateAccount, LedgerRow, ListAccounts, ListLedger, ListQuery,
    PageQuery, TopUpAccount,
};
use cleanplate_api::endpoint::Json;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::ledger::Ledger;
use super::action::{Act, Context};
use super::{Entry, POLL_ROWS_MAX, ROWS_MAX, Screen, Shared, panel};
use crate::config::Role;
use crate::net::{Call, Change};
use crate::widget::dialog;
use crate::widget::table::{List, Rest, Table};

const ACCOUNTS: Context = Context("accounts");
const LEDGER: Context = Context("ledger");

pub(super) const ENTRY: Entry = Entry {
    name: "accounts",
    what: "Accounts",
    make: || Box::new(Accounts::new()),
    actions: || Act::rows(ACTS),
    commands: &[],
};

const ACTS: &[Act<Accounts>] = &[
    Act::change(ACCOUNTS, "create", "Make an account", |_, shared| {
        forms::create(shared)
    }),
    Act::change(ACCOUNTS, "change", "Rename", |accounts, shared| {
        if let Some(account) = accounts.table.current() {
            forms::change(account, shared);
        }
    }),
    Act::change(ACCOUNTS, "top-up", "Add credits", Accounts::top_up),
    Act::change(LEDGER, "top-up", "Add credits", Accounts::top_up),
];

/// Accounts.
#[derive(Debug)]
pub struct Accounts {
    table: Table<AccountRow>,
    /// The ledger that is open.
    ledger: Option<Ledger>,
}

fn page(after: Option<String>) -> Call {
    let query = ListQuery {
        after,
        ..ListQuery::default()
    };
    Call::of::<ListAccounts>(&[], &query, &())
}

fn entries(account: i64, after: Option<String>) -> Call {
    let query = PageQuery { after, rows: None };
    Call::of::<ListLedger>(&[&account.to_string()], &query, &())
}

impl Accounts {
    fn new() -> Accounts {
        Accounts {
            table: Table::new(ROWS_MAX, 0, false, Rest::First),
            ledger: None,
        }
    }

    fn top_up(&mut self, shared: &mut Shared) {
        let open = self.ledger.as_ref().map(|ledger| ledger.account);
        let here = open.or_else(|| self.table.current().map(|account| account.id));
        if let Some(id) = here {
            forms::top_up(id, shared);
        }
    }

    /// An account is not as it was.
    fn put(&mut self, account: &AccountRow, shared: &mut Shared) {
        self.table.put(account.clone());
        if self.is_of(account.id) {
            shared.call(entries(account.id, None));
        }
    }

    /// Whether the ledger of this account is open.
    fn is_of(&self, account: i64) -> bool {
        self.ledger
            .as_ref()
            .is_some_and(|ledger| ledger.account == account)
    }

    /// Credits were added or taken away.
    fn topped_up(&mut self, entry: &LedgerRow, shared: &mut Shared) {
        let name = shared.account_name(entry.account_id);
        let (change, now) = (entry.available_change, entry.available_after);
        let text = format!("{name} {change:+} credits, {now} available");
        shared.toast(Role::Good, text);
        if let Some(mut account) = self.table.get(&entry.account_id).cloned() {
            (account.available, account.held) = (entry.available_after, entry.held_after);
            self.table.put(account);
        }
        if let Some(ledger) = &mut self.ledger
            && ledger.account == entry.account_id
        {
            ledger.table.put(entry.clone());
        }
    }
}

impl Screen for Accounts {
    fn context(&self) -> Option<Context> {
        Some(if self.ledger.is_some() {
            LEDGER
        } else {
            ACCOUNTS
        })
    }

    fn is_open(&self) -> bool {
        self.ledger.is_some()
    }

    fn act(&mut self, place: usize, shared: &mut Shared) {
        ACTS[place].run(self, shared);
    }

    fn list(&mut self) -> Option<&mut dyn List> {
        Some(match &mut self.ledger {
            Some(ledger) => &mut ledger.table,
            None => &mut self.table,
        })
    }

    fn refresh(&mut self, now_ms: i64) {
        match &mut self.ledger {
            Some(ledger) => ledger.table.refresh(now_ms, |_| true),
            None => self.table.refresh(now_ms, |_| true),
        }
    }

    fn draw(&mut self, shared: &mut Shared, buf: &mut Buffer, area: Rect) {
        if let Some(ledger) = &mut self.ledger {
            let account = self.table.get(&ledger.account);
            ledger.draw(account, shared, buf, area);
        } else {
            let inner = dialog::panel(buf, area, &shared.theme, "accounts");
            let says = panel::says(&self.table, "no accounts yet");
            panel::rows_of(&mut self.table, shared, buf, inner, says);
        }
    }

    fn open(&mut self, shared: &mut Shared) {
        if self.ledger.is_none()
            && let Some(account) = self.table.current()
        {
            shared.call(entries(account.id, None));
            self.ledger = Some(Ledger::new(account.id));
        }
    }

    fn copied(&self) -> Option<String> {
        self.table.current().map(|account| account.id.to_string())
    }

    fn back(&mut self, _: &mut Shared) -> bool {
        self.ledger.take().is_some()
    }

    fn leave(&mut self) {
        self.ledger = None;
    }

    fn calls(&mut self) -> Vec<Call> {
        self.table.begin_snapshot();
        let open = self.ledger.as_ref();
        std::iter::once(page(None))
            .chain(open.map(|ledger| entries(ledger.account, None)))
            .collect()
    }

    fn poll(&mut self) -> Vec<Call> {
        if self.table.counts().2 <= POLL_ROWS_MAX {
            self.calls()
        } else {
            Vec::new()
        }
    }

    fn older(&mut self) -> Option<Call> {
        let ledger = self.ledger.as_mut()?;
        let after = ledger.table.older.take()?;
        Some(entries(ledger.account, Some(after)))
    }

    fn absorb(&mut self, change: &Change, shared: &mut Shared) {
        if let Some((call, Json(found))) = change.reply::<ListAccounts>() {
            self.table.take_page(call.is_first_page(), found);
            let next = found.next.clone();
            next.into_iter()
                .for_each(|next| shared.call(page(Some(next))));
        }
        if let Some((call, Json(found))) = change.reply::<ListLedger>()
            && let Some(ledger) = &mut self.ledger
            && call.place(0) == ledger.account.to_string()
        {
            ledger.table.take_part(call.is_first_page(), found);
        }
        let made = change.reply::<CreateAccount>();
        if let Some((_, Json(account))) = made.or_else(|| change.reply::<ChangeAccount>()) {
            let text = format!("account {}: {}", account.id, account.name);
            shared.toast(Role::Good, text);
            self.put(account, shared);
        }
        if let Some((_, Json(entry))) = change.reply::<TopUpAccount>() {
            self.topped_up(entry, shared);
        }
        if let Change::Account(account) = change {
            self.put(account, shared);
        }
    }

    fn refused(&mut self, call: &Call, _: &str) -> bool {
        if call.is::<ListAccounts>() {
            self.table.abandon_snapshot();
        }
        false
    }
}
