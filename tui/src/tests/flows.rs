//! What a user does, key by key, and what is asked of the daemon.

use cleanplate_api::JobStatus;
use cleanplate_api::admin::{
    CancelJob, ChangeKey, CreateKey, DeleteKey, GetJob, GetServer, Hello, JobRow, JobsQuery,
    KeyChange, KeyState, ListAccounts, ListJobs, ListModels, NewKey, Page, RetryJob, RevokeKey,
    TopUp, TopUpAccount,
};
use cleanplate_api::endpoint::{Decode, Endpoint, Json, NoQuery, Picture};

use super::made_up::{Inner, NOW_MS, answered, busy, detail, fresh, job, jobs, key};
use super::press;
use crate::net::{Call, Change, NetError};
use crate::screen::overlay::Overlay;
use crate::screen::{Effect, Jobs, Keys, Link};
use crate::state::State;

pub fn calls(effects: Vec<Effect>) -> Vec<Call> {
    effects
        .into_iter()
        .map(|effect| {
            if let Effect::Call(call) = effect {
                call
            } else {
                panic!("{effect:?}")
            }
        })
        .collect()
}

pub fn answer<E>(state: &mut State, call: &Call, reply: <E::Reply as Inner>::Inner) -> Vec<Effect>
where
    E: Endpoint<Reply: Send + Inner>,
{
    state.absorb(answered::<E>(call.clone(), reply))
}

fn refuse(state: &mut State, call: &Call, error: NetError) -> Vec<Effect> {
    state.absorb(Change::Reply(Box::new(call.clone()), Err(error)))
}

/// The body of a request of `E`.
fn body<E: Endpoint<Body: Decode>>(call: &Call) -> E::Body {
    assert!(call.is::<E>(), "{call:?}");
    E::Body::decode(call.request().unwrap().body.clone()).unwrap()
}

/// A request about one thing, by its id.
fn about<E>(id: impl ToString) -> Call
where
    E: Endpoint<Query = NoQuery, Body = (), Reply: Decode + Send>,
{
    Call::plain::<E>(&[&id.to_string()])
}

/// The request for a page of jobs.
fn page(text: Option<&str>, after: Option<&str>) -> Call {
    let query = JobsQuery {
        text: text.map(str::to_string),
        after: after.map(str::to_string),
        rows: Some(100),
        ..JobsQuery::default()
    };
    Call::of::<ListJobs>(&[], &query, &())
}

#[test]
fn a_key_is_made_shown_once_and_copied() {
    let mut state = busy();
    assert!(
        press(
            &mut state,
            "3c<tab>ci<tab>60<tab><tab>default, big-lama<tab>30"
        )
        .is_empty()
    );
    let asked = calls(press(&mut state, "<enter>"));
    assert_eq!(asked.len(), 1);
    let Json(new): Json<NewKey> = body::<CreateKey>(&asked[0]);
    assert_eq!(
        (
            new.account_id,
            new.name.as_str(),
            new.removals_per_minute,
            new.batches_per_minute
        ),
        (1, "ci", Some(60), None)
    );
    assert_eq!(
        new.pipelines,
        Some(vec!["default".to_string(), "big-lama".to_string()])
    );
    assert_eq!(new.expires_at_ms, Some(NOW_MS + 30 * 86_400_000));
    assert!(
        press(&mut state, "<enter>").is_empty(),
        "nothing is sent twice"
    );
    let created = cleanplate_api::admin::KeyCreated {
        secret: "sk-live-x".to_string(),
        key: key(9, "ci", KeyState::Active),
    };
    answer::<CreateKey>(&mut state, &asked[0], created);
    assert_eq!(
        press(&mut state, "c"),
        [Effect::Copy("sk-live-x".to_string())]
    );
    press(&mut state, "<esc>");
    assert!(state.shared.overlay.is_none() && state.of::<Keys>().table.get(&9).is_some());
    assert!(
        !format!("{state:?}").contains("sk-live-x"),
        "the clear text is kept nowhere"
    );
}

#[test]
fn destructive_keys_ask_first_and_no_is_the_default() {
    let mut state = busy();
    assert!(
        press(&mut state, "3R<enter>").is_empty() && state.shared.overlay.is_none(),
        "enter alone says no"
    );
    assert!(press(&mut state, "Dn").is_empty() && press(&mut state, "D<esc>").is_empty());
    assert_eq!(calls(press(&mut state, "Ry")), [about::<RevokeKey>(1)]);
    assert_eq!(
        calls(press(&mut state, "  Dy")),
        [about::<DeleteKey>(1), about::<DeleteKey>(2)],
        "the marked ones"
    );
    let chosen = state.of::<Keys>().table.chosen().len();
    assert_eq!(chosen, 1, "marks are gone afterwards");
}

#[test]
fn only_what_changed_of_a_key_is_sent() {
    let mut state = busy();
    let asked = calls(press(&mut state, "3e!<tab><ctrl-u><enter>"));
    let change = KeyChange {
        name: Some("web shop!".to_string()),
        removals_per_minute: Some(None),
        ..KeyChange::default()
    };
    let want = Call::of::<ChangeKey>(&["1"], &NoQuery {}, &Json(change));
    assert_eq!(asked, [want]);
}

#[test]
fn credits_are_added_at_once_and_taken_after_a_question() {
    let mut state = busy();
    let top_up = |credits, note: &str| {
        let body = Json(TopUp {
            credits,
            note: note.to_string(),
        });
        Call::of::<TopUpAccount>(&["1"], &NoQuery {}, &body)
    };
    assert_eq!(
        calls(press(&mut state, "4+500<tab>invoice 7<enter>")),
        [top_up(500, "invoice 7")]
    );
    press(&mut state, "<esc>");
    assert!(press(&mut state, "+-20<enter>").is_empty());
    assert_eq!(calls(press(&mut state, "y")), [top_up(-20, "")]);
    press(&mut state, "+x<enter>");
    assert!(matches!(&state.shared.overlay, Some(Overlay::Form(form, _)) if form.error.is_some()));
}

#[test]
fn a_refused_form_stays_open_and_a_lost_reply_is_not_repeated() {
    let mut state = busy();
    let asked = calls(press(&mut state, "4+5<enter>"));
    let refused = NetError::Refused {
        status: 422,
        detail: "credits: too many".to_string(),
    };
    refuse(&mut state, &asked[0], refused);
    assert!(
        matches!(&state.shared.overlay, Some(Overlay::Form(form, _)) if !form.busy && form.error.as_deref() == Some("credits: too many"))
    );
    press(&mut state, "<enter>");
    let broken = NetError::Broken("reset".to_string());
    let effects = refuse(&mut state, &asked[0], broken);
    assert!(effects.is_empty());
    assert!(
        matches!(&state.shared.overlay, Some(Overlay::Form(form, _)) if form.error.as_ref().unwrap().contains("look whether it was done"))
    );
}

#[test]
fn answers_to_other_requests_leave_a_form_alone() {
    let mut state = busy();
    let asked = calls(press(&mut state, "4+5<enter>"));
    let other = about::<RevokeKey>(2);
    answer::<RevokeKey>(&mut state, &other, key(2, "x", KeyState::Revoked));
    refuse(&mut state, &other, NetError::Broken("reset".to_string()));
    answer::<ListJobs>(&mut state, &page(Some("old"), None), Page::default());
    assert!(
        matches!(&state.shared.overlay, Some(Overlay::Form(form, _)) if form.busy && form.error.is_none())
    );
    let entry = super::made_up::ledger().swap_remove(0);
    answer::<TopUpAccount>(&mut state, &asked[0], entry);
    assert!(state.shared.overlay.is_none());
}

#[test]
fn readonly_refuses_every_change() {
    let mut state = busy();
    state.readonly = true;
    for keys in [
        "2x",
        "2r",
        "3c",
        "3e",
        "3R",
        "3D",
        "4c",
        "4+",
        "5p",
        "5u",
        "5r",
        "6l",
        "6u",
        "6p",
        "6v",
        "6i",
        ":jobs<enter>:cancel<enter>",
    ] {
        let effects = press(&mut state, keys);
        assert!(
            effects.is_empty() && state.shared.overlay.is_none(),
            "{keys}: {effects:?}"
        );
        assert!(
            state
                .shared
                .toasts
                .back()
                .unwrap()
                .text
                .contains("--readonly"),
            "{keys}"
        );
        state.shared.toasts.clear();
    }
}

#[test]
fn jobs_are_cancelled_and_retried_where_that_makes_sense() {
    let mut state = busy();
    let open = jobs()[0].id.clone();
    let failed = jobs()[2].id.clone();
    press(&mut state, "2<ctrl-a>");
    assert_eq!(
        calls(press(&mut state, "xy")),
        [about::<CancelJob>(&jobs()[1].id), about::<CancelJob>(open)]
    );
    press(&mut state, "/status:failed<enter>");
    assert!(
        press(&mut state, "x").is_empty() && state.shared.overlay.is_none(),
        "a job that has ended cannot be cancelled"
    );
    assert_eq!(calls(press(&mut state, "r")), [about::<RetryJob>(failed)]);
}

#[test]
fn escape_leaves_the_innermost_thing() {
    let mut state = busy();
    press(&mut state, "2/jpg<enter><enter>?");
    use crate::widget::table::List;
    // A dialog, an open job, a filter.
    let open = |state: &mut State| {
        let jobs = state.of::<Jobs>();
        let (job, filter) = (jobs.view.is_some(), !jobs.table.filter().is_empty());
        (state.shared.overlay.is_some(), job, filter)
    };
    assert_eq!(open(&mut state), (true, true, true));
    press(&mut state, "<esc>");
    assert_eq!(open(&mut state), (false, true, true));
    press(&mut state, "<esc>");
    assert_eq!(open(&mut state), (false, false, true));
    press(&mut state, "<esc>");
    assert_eq!(open(&mut state), (false, false, false));
    press(&mut state, "/zzz<esc>");
    assert_eq!(
        open(&mut state),
        (false, false, false),
        "a filter that is left is as before"
    );
}

#[test]
fn commands_complete_and_are_remembered() {
    let mut state = busy();
    press(&mut state, ":acc<tab>");
    assert_eq!(state.prompt.as_ref().unwrap().line.text(), "accounts");
    press(&mut state, "<enter>");
    assert_eq!(state.screen.name(), "accounts");
    press(&mut state, ":theme da<tab><enter>");
    assert_eq!(
        state.shared.theme,
        crate::config::Theme::named("dark").unwrap()
    );
    press(&mut state, ":<up><up>");
    assert_eq!(state.prompt.as_ref().unwrap().line.text(), "accounts");
    press(&mut state, "<down><down>");
    assert_eq!(state.prompt.as_ref().unwrap().line.text(), "");
    press(&mut state, "<ctrl-c>");
    assert!(
        state.prompt.is_none(),
        "the key that quits only leaves the line"
    );
    press(&mut state, ":nonsense<enter>");
    assert!(
        state
            .shared
            .toasts
            .back()
            .unwrap()
            .text
            .contains("no command `nonsense`")
    );
    assert_eq!(press(&mut state, ":quit<enter>"), [Effect::Quit]);
    assert_eq!(
        calls(press(&mut state, ":find sea<enter>")),
        [page(Some("sea"), None)]
    );
    assert_eq!(
        calls(press(&mut state, ":job 12<enter>")),
        [about::<GetJob>(12)]
    );
}

#[test]
fn after_a_lost_stream_everything_is_fetched_unless_it_went_on() {
    let mut state = busy();
    state.absorb(Change::Lost {
        why: "gone".to_string(),
        retry_ms: 500,
    });
    state.shared.now_ms += 9_000;
    state.absorb(Change::Lost {
        why: "still gone".to_string(),
        retry_ms: 1000,
    });
    assert!(
        matches!(
            state.shared.link,
            Link::Lost {
                since_ms: NOW_MS,
                ..
            }
        ),
        "stale since the first loss"
    );
    let hello = |resumed| {
        Change::Linked(Hello {
            version: "1".to_string(),
            boot: "b".to_string(),
            resumed,
        })
    };
    let server = Call::plain::<GetServer>(&[]);
    assert_eq!(calls(state.absorb(hello(true))), [server]);
    assert!(calls(state.absorb(hello(false))).len() >= 8);
    assert_eq!(state.shared.link, Link::Live);
    state.shared.now_ms += 1_000;
    assert!(state.absorb(Change::Resync).is_empty(), "not all the time");
    state.shared.now_ms += 10_000;
    let models = Call::plain::<ListModels>(&[]);
    assert!(calls(state.due()).contains(&models) && state.due().is_empty());
}

#[test]
fn a_held_picture_changes_only_when_it_is_let_go() {
    let mut state = busy();
    press(&mut state, "2f");
    state.absorb(Change::Job(Box::new(job("new"))));
    assert!(state.of::<Jobs>().table.get(&"new".to_string()).is_none());
    assert!(calls(press(&mut state, "f")).contains(&page(None, None)));
    assert!(press(&mut state, "ff").is_empty(), "nothing was held back");
}

#[test]
fn an_open_job_follows_its_events_and_fetches_its_pictures_once() {
    let mut state = busy();
    let id = detail().job.id;
    let asked = calls(state.command(&format!("job {id}")));
    assert_eq!(asked, [about::<GetJob>(&id)]);
    answer::<GetJob>(&mut state, &asked[0], detail());
    super::drawn(&mut state, 160, 50);
    let asked = calls(state.needs());
    assert_eq!(asked.len(), 2);
    assert!(state.needs().is_empty());
    let picture = crate::net::Reply::new(Picture(vec![1, 2, 3]));
    state.absorb(Change::Reply(Box::new(asked[0].clone()), Ok(picture)));
    let effects = state.needs();
    assert!(matches!(effects[..], [Effect::Render(..)]) && state.needs().is_empty());
    let failed = JobRow {
        status: JobStatus::Failed,
        ..detail().job
    };
    assert_eq!(
        calls(state.absorb(Change::Job(Box::new(failed)))),
        [about::<GetJob>(id)]
    );
}

#[test]
fn older_jobs_are_fetched_at_the_end() {
    let mut state = busy();
    let asked = calls(press(&mut state, "2GG"));
    assert_eq!(asked, [page(None, Some("more"))]);
    assert!(press(&mut state, "j").is_empty(), "asked for once");
    let older = JobRow {
        created_at_ms: 1,
        ..job("older")
    };
    let rest = Page {
        items: vec![older],
        next: None,
    };
    answer::<ListJobs>(&mut state, &asked[0], rest);
    press(&mut state, "G");
    let jobs = state.of::<Jobs>();
    assert_eq!(jobs.table.current().unwrap().id, "older");
}

#[test]
fn balances_are_asked_for_while_they_are_shown() {
    let mut state = busy();
    let tick = |state: &mut State, later_ms: i64| {
        state.shared.now_ms += later_ms;
        let tick = cleanplate_api::admin::MetricsTick {
            at_ms: state.shared.now_ms,
            ..Default::default()
        };
        calls(state.absorb(Change::Tick(Box::new(tick))))
    };
    press(&mut state, "4");
    let accounts = Call::of::<ListAccounts>(&[], &Default::default(), &());
    assert_eq!(
        tick(&mut state, 1_000),
        std::slice::from_ref(&accounts),
        "soon after the screen is opened"
    );
    assert!(tick(&mut state, 1_000).is_empty());
    assert_eq!(tick(&mut state, 5_000), [accounts]);
    press(&mut state, "2");
    assert!(tick(&mut state, 9_000).is_empty(), "jobs come as events");
}

#[test]
fn a_key_without_an_account_is_not_asked_for() {
    let mut state = fresh();
    assert!(press(&mut state, "3c").is_empty() && state.shared.overlay.is_none());
    assert!(
        state
            .shared
            .toasts
            .back()
            .unwrap()
            .text
            .contains("make an account first")
    );
}
