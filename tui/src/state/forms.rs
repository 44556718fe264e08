//! Forms: what they ask, and the requests they become.

use cleanplate_api::admin::{AccountChange, KeyChange, KeyRow, NewAccount, NewKey, TopUp};

use super::overlay::{Overlay, Purpose};
use super::{Effect, State};
use crate::config::Role;
use crate::net::Call;
use crate::screen::ScreenId;
use crate::widget::form::{Field, Form};

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

impl State {
    /// A form for a new key or account.
    pub fn open_create(&mut self) -> Vec<Effect> {
        if self.screen == ScreenId::Accounts {
            let fields = vec![
                Field::text("Name", "1 to 100 characters", ""),
                Field::text("Credits", "to start with; empty: none", ""),
            ];
            self.overlay = Some(Overlay::Form(
                Form::new("New account".to_string(), fields),
                Purpose::CreateAccount,
            ));
            return Vec::new();
        }
        let accounts: Vec<(i64, String)> = self
            .accounts
            .all()
            .map(|account| (account.id, format!("{} {}", account.id, account.name)))
            .collect();
        if accounts.is_empty() {
            self.toast(Role::Warn, "make an account first: a key belongs to one");
            return Vec::new();
        }
        let here = self.keys.current().map(|key| key.account_id);
        let mut fields = vec![Field::choice("Account", "who pays", accounts, here)];
        fields.extend(key_fields("", None));
        self.overlay = Some(Overlay::Form(
            Form::new("New key".to_string(), fields),
            Purpose::CreateKey,
        ));
        Vec::new()
    }

    /// A form for the properties of a key or account.
    pub fn open_change(&mut self) {
        if self.screen == ScreenId::Accounts {
            let Some(account) = self.accounts.current() else {
                return;
            };
            let form = Form::new(
                format!("Account {}", account.id),
                vec![Field::text("Name", "1 to 100 characters", &account.name)],
            );
            self.overlay = Some(Overlay::Form(form, Purpose::ChangeAccount(account.id)));
        } else if let Some(key) = self.keys.current() {
            let form = Form::new(
                format!("Key {} of {}", key.id, key.account_name),
                key_fields(&key.name, Some(key)),
            );
            self.overlay = Some(Overlay::Form(
                form,
                Purpose::ChangeKey(Box::new(key.clone())),
            ));
        }
    }

    /// A form for credits.
    pub fn open_top_up(&mut self) {
        let here = self
            .ledger
            .as_ref()
            .map(|ledger| ledger.account)
            .or_else(|| self.accounts.current().map(|account| account.id));
        let Some(id) = here else { return };
        let fields = vec![
            Field::text("Credits", "to add; below 0 takes credits away", ""),
            Field::text("Note", "why; at most 500 characters", ""),
        ];
        self.overlay = Some(Overlay::Form(
            Form::new(format!("Top up {}", self.account_name(id)), fields),
            Purpose::TopUp(id),
        ));
    }

    /// Sends the form, or says what is wrong with it.
    pub fn submit(&mut self) -> Vec<Effect> {
        let now_ms = self.now_ms;
        let Some(Overlay::Form(form, purpose)) = &mut self.overlay else {
            return Vec::new();
        };
        if form.busy {
            return Vec::new();
        }
        match call(form, purpose, now_ms) {
            Err(message) => {
                form.error = Some(message);
                Vec::new()
            }
            Ok(Call::TopUp(id, top_up)) if top_up.credits < 0 => {
                let title = "Take credits away?".to_string();
                let body = vec![
                    format!(
                        "{} credits leave {}.",
                        top_up.credits.unsigned_abs(),
                        self.account_name(id)
                    ),
                    String::new(),
                    top_up.note.clone(),
                ];
                self.overlay = Some(Overlay::Question {
                    title,
                    body,
                    yes: false,
                    calls: vec![Call::TopUp(id, top_up)],
                });
                Vec::new()
            }
            Ok(call) => {
                (form.busy, form.error) = (true, None);
                vec![Effect::Call(call)]
            }
        }
    }
}

fn key_fields(name: &str, key: Option<&KeyRow>) -> Vec<Field> {
    let number = |limit: Option<u32>| limit.map(|limit| limit.to_string()).unwrap_or_default();
    let pipelines = key
        .and_then(|key| key.pipelines.as_ref())
        .map(|names| names.join(", "))
        .unwrap_or_default();
    let expires = key
        .and_then(|key| key.expires_at_ms)
        .map(crate::text::date)
        .unwrap_or_default();
    vec![
        Field::text("Name", "1 to 100 characters", name),
        Field::text(
            "Removals",
            "a minute; empty: as configured",
            &number(key.and_then(|key| key.removals_per_minute)),
        ),
        Field::text(
            "Batches",
            "a minute; empty: as configured",
            &number(key.and_then(|key| key.batches_per_minute)),
        ),
        Field::text("Pipelines", "names with commas; empty: all", &pipelines),
        Field::text("Expires", "in days, such as 30; empty: never", &expires),
    ]
}

/// The request that a form stands for.
fn call(form: &mut Form, purpose: &Purpose, now_ms: i64) -> Result<Call, String> {
    Ok(match purpose {
        Purpose::CreateAccount => {
            let credits = form.number(1, 0)?.unwrap_or(0);
            Call::CreateAccount(NewAccount {
                name: form.required(0)?,
                credits,
            })
        }
        Purpose::ChangeAccount(id) => Call::ChangeAccount(
            *id,
            AccountChange {
                name: Some(form.required(0)?),
            },
        ),
        Purpose::TopUp(id) => {
            let credits = form.number(0, i64::MIN)?.filter(|credits| *credits != 0);
            let credits = credits.ok_or("Credits: write a whole number that is not 0")?;
            Call::TopUp(
                *id,
                TopUp {
                    credits,
                    note: form.written(1).to_string(),
                },
            )
        }
        Purpose::CreateKey => {
            let account_id = form.chosen(0).ok_or("Account is missing")?;
            let name = form.required(1)?;
            Call::CreateKey(NewKey {
                account_id,
                name,
                removals_per_minute: limit(form, 2)?,
                batches_per_minute: limit(form, 3)?,
                pipelines: names(form.written(4)),
                expires_at_ms: expiry(form, 5, now_ms)?,
            })
        }
        Purpose::ChangeKey(key) => {
            let (name, removals, batches) = (form.required(0)?, limit(form, 1)?, limit(form, 2)?);
            let pipelines = names(form.written(3));
            // The date as it was shown stands for the expiry as it was, to the millisecond.
            let same =
                form.written(4) == key.expires_at_ms.map(crate::text::date).unwrap_or_default();
            let expires = if same {
                key.expires_at_ms
            } else {
                expiry(form, 4, now_ms)?
            };
            Call::ChangeKey(
                key.id,
                KeyChange {
                    name: (name != key.name).then_some(name),
                    removals_per_minute: (removals != key.removals_per_minute).then_some(removals),
                    batches_per_minute: (batches != key.batches_per_minute).then_some(batches),
                    pipelines: (pipelines != key.pipelines).then_some(pipelines),
                    expires_at_ms: (expires != key.expires_at_ms).then_some(expires),
                },
            )
        }
    })
}

fn limit(form: &mut Form, field: usize) -> Result<Option<u32>, String> {
    let label = form.fields[field].label;
    let number = form.number(field, 1)?;
    number
        .map(|number| u32::try_from(number).map_err(|_| format!("{label}: at most {}", u32::MAX)))
        .transpose()
}

fn names(text: &str) -> Option<Vec<String>> {
    let names: Vec<String> = text
        .split([',', ' '])
        .filter(|name| !name.is_empty())
        .map(str::to_string)
        .collect();
    (!names.is_empty()).then_some(names)
}

fn expiry(form: &mut Form, field: usize, now_ms: i64) -> Result<Option<i64>, String> {
    let days = form.number(field, 1)?;
    days.map(|days| {
        days.checked_mul(DAY_MS)
            .and_then(|ms| now_ms.checked_add(ms))
            .ok_or_else(|| "Expires: too far away".to_string())
    })
    .transpose()
}
