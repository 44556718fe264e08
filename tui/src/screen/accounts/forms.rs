//! Forms of accounts: what they ask, and the requests they become.

use cleanplate_api::admin::{
    AccountChange, AccountRow, ChangeAccount, CreateAccount, NewAccount, TopUp, TopUpAccount,
};
use cleanplate_api::endpoint::{Json, NoQuery};

use crate::net::Call;
use crate::screen::Shared;
use crate::screen::overlay::{Filled, Overlay};
use crate::widget::form::{Field, Form};

/// A form for a new account.
pub fn create(shared: &mut Shared) {
    let fields = vec![
        Field::text("Name", "1 to 100 characters", ""),
        Field::text("Credits", "to start with; empty: none", ""),
    ];
    let form = Form::new("New account".to_string(), fields);
    shared.form(form, "make it", Box::new(created));
}

fn created(form: &mut Form, _: i64) -> Result<Filled, String> {
    let credits = form.number(1, 0)?.unwrap_or(0);
    let new = NewAccount {
        name: form.required(0)?,
        credits,
    };
    let call = Call::of::<CreateAccount>(&[], &NoQuery {}, &Json(new));
    Ok(Filled::Call(call))
}

/// A form for the name of an account.
pub fn change(account: &AccountRow, shared: &mut Shared) {
    let id = account.id;
    let fields = vec![Field::text("Name", "1 to 100 characters", &account.name)];
    let form = Form::new(format!("Account {id}"), fields);
    let submit = move |form: &mut Form, _| {
        let change = AccountChange {
            name: Some(form.required(0)?),
        };
        let call = Call::of::<ChangeAccount>(&[&id.to_string()], &NoQuery {}, &Json(change));
        Ok(Filled::Call(call))
    };
    shared.form(form, "change it", Box::new(submit));
}

/// A form for credits.
pub fn top_up(id: i64, shared: &mut Shared) {
    let fields = vec![
        Field::text("Credits", "to add; below 0 takes credits away", ""),
        Field::text("Note", "why; at most 500 characters", ""),
    ];
    let name = shared.account_name(id);
    let form = Form::new(format!("Top up {name}"), fields);
    let submit = move |form: &mut Form, _| topped_up(form, id, &name);
    shared.form(form, "top up", Box::new(submit));
}

fn topped_up(form: &mut Form, id: i64, name: &str) -> Result<Filled, String> {
    let credits = form.number(0, i64::MIN)?.filter(|credits| *credits != 0);
    let credits = credits.ok_or("Credits: write a whole number that is not 0")?;
    let note = form.written(1).to_string();
    let body = Json(TopUp {
        credits,
        note: note.clone(),
    });
    let call = Call::of::<TopUpAccount>(&[&id.to_string()], &NoQuery {}, &body);
    if credits > 0 {
        return Ok(Filled::Call(call));
    }
    let less = credits.unsigned_abs();
    Ok(Filled::Ask(Overlay::Question {
        title: "Take credits away?".to_string(),
        body: vec![format!("{less} credits leave {name}."), String::new(), note],
        yes: false,
        calls: vec![call],
    }))
}
