//! Forms of keys: what they ask, and the requests they become.

use cleanplate_api::admin::{ChangeKey, CreateKey, KeyChange, KeyRow, NewKey};
use cleanplate_api::endpoint::{Json, NoQuery};

use crate::config::Role;
use crate::net::Call;
use crate::screen::Shared;
use crate::screen::overlay::Filled;
use crate::text;
use crate::widget::form::{Field, Form};

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// A form for a new key, standing on the account of the key under the cursor.
pub fn create(current: Option<&KeyRow>, shared: &mut Shared) {
    let accounts: Vec<(i64, String)> = shared
        .accounts
        .iter()
        .map(|(id, name)| (*id, format!("{id} {name}")))
        .collect();
    if accounts.is_empty() {
        shared.toast(Role::Warn, "make an account first: a key belongs to one");
        return;
    }
    let here = current.map(|key| key.account_id);
    let mut fields = vec![Field::choice("Account", "who pays", accounts, here)];
    fields.extend(key_fields(None));
    let form = Form::new("New key".to_string(), fields);
    shared.form(form, "make it", Box::new(created));
}

/// A form for the properties of a key.
pub fn change(key: &KeyRow, shared: &mut Shared) {
    let title = format!("Key {} of {}", key.id, key.account_name);
    let (form, before) = (Form::new(title, key_fields(Some(key))), key.clone());
    let submit = move |form: &mut Form, now_ms| changed(form, &before, now_ms);
    shared.form(form, "change it", Box::new(submit));
}

fn key_fields(key: Option<&KeyRow>) -> Vec<Field> {
    let number = |limit: Option<u32>| limit.map(|limit| limit.to_string()).unwrap_or_default();
    let pipelines = key
        .and_then(|key| key.pipelines.as_ref())
        .map(|names| names.join(", "))
        .unwrap_or_default();
    let expires = key
        .and_then(|key| key.expires_at_ms)
        .map(text::date)
        .unwrap_or_default();
    vec![
        Field::text(
            "Name",
            "1 to 100 characters",
            key.map_or("", |key| key.name.as_str()),
        ),
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

fn created(form: &mut Form, now_ms: i64) -> Result<Filled, String> {
    let account_id = form.chosen(0).ok_or("Account is missing")?;
    let new = NewKey {
        account_id,
        name: form.required(1)?,
        removals_per_minute: limit(form, 2)?,
        batches_per_minute: limit(form, 3)?,
        pipelines: names(form.written(4)),
        expires_at_ms: expiry(form, 5, now_ms)?,
    };
    let call = Call::of::<CreateKey>(&[], &NoQuery {}, &Json(new));
    Ok(Filled::Call(call))
}

fn changed(form: &mut Form, key: &KeyRow, now_ms: i64) -> Result<Filled, String> {
    let (name, removals, batches) = (form.required(0)?, limit(form, 1)?, limit(form, 2)?);
    let pipelines = names(form.written(3));
    // The date as it was shown stands for the expiry as it was, to the millisecond.
    let same = form.written(4) == key.expires_at_ms.map(text::date).unwrap_or_default();
    let expires = if same {
        key.expires_at_ms
    } else {
        expiry(form, 4, now_ms)?
    };
    let change = KeyChange {
        name: (name != key.name).then_some(name),
        removals_per_minute: (removals != key.removals_per_minute).then_some(removals),
        batches_per_minute: (batches != key.batches_per_minute).then_some(batches),
        pipelines: (pipelines != key.pipelines).then_some(pipelines),
        expires_at_ms: (expires != key.expires_at_ms).then_some(expires),
    };
    let call = Call::of::<ChangeKey>(&[&key.id.to_string()], &NoQuery {}, &Json(change));
    Ok(Filled::Call(call))
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
