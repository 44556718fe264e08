//! What a user does, key by key, and what is asked of the daemon.

use cleanplate_api::JobStatus;
use cleanplate_api::admin::{Hello, JobRow, KeyChange, KeyState, Page, TopUp};

use super::made_up::{NOW_MS, busy, detail, fresh, job, jobs, key};
use super::press;
use crate::net::{Call, Change, NetError, Reply};
use crate::screen::ScreenId;
use crate::state::overlay::Overlay;
use crate::state::{Effect, Link, State};

fn calls(effects: Vec<Effect>) -> Vec<Call> {
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

fn answer(state: &mut State, call: Call, outcome: Result<Reply, NetError>) -> Vec<Effect> {
    state.absorb(Change::Reply(Box::new(call), outcome))
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
    let [Call::CreateKey(new)] = &asked[..] else {
        panic!("{asked:?}")
    };
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
    answer(
        &mut state,
        asked[0].clone(),
        Ok(Reply::KeyCreated(Box::new(created))),
    );
    assert_eq!(
        press(&mut state, "c"),
        [Effect::Copy("sk-live-x".to_string())]
    );
    press(&mut state, "<esc>");
    assert!(state.overlay.is_none() && state.keys.get(&9).is_some());
    assert!(
        !format!("{state:?}").contains("sk-live-x"),
        "the clear text is kept nowhere"
    );
}

#[test]
fn destructive_keys_ask_first_and_no_is_the_default() {
    let mut state = busy();
    assert!(
        press(&mut state, "3R<enter>").is_empty() && state.overlay.is_none(),
        "enter alone says no"
    );
    assert!(press(&mut state, "Dn").is_empty() && press(&mut state, "D<esc>").is_empty());
    assert_eq!(calls(press(&mut state, "Ry")), [Call::RevokeKey(1)]);
    assert_eq!(
        calls(press(&mut state, "  Dy")),
        [Call::DeleteKey(1), Call::DeleteKey(2)],
        "the marked ones"
    );
    assert_eq!(state.keys.chosen().len(), 1, "marks are gone afterwards");
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
    assert_eq!(asked, [Call::ChangeKey(1, change)]);
}

#[test]
fn credits_are_added_at_once_and_taken_after_a_question() {
    let mut state = busy();
    let top_up = |credits, note: &str| {
        Call::TopUp(
            1,
            TopUp {
                credits,
                note: note.to_string(),
            },
        )
    };
    assert_eq!(
        calls(press(&mut state, "4+500<tab>invoice 7<enter>")),
        [top_up(500, "invoice 7")]
    );
    press(&mut state, "<esc>");
    assert!(press(&mut state, "+-20<enter>").is_empty());
    assert_eq!(calls(press(&mut state, "y")), [top_up(-20, "")]);
    press(&mut state, "+x<enter>");
    assert!(matches!(&state.overlay, Some(Overlay::Form(form, _)) if form.error.is_some()));
}

#[test]
fn a_refused_form_stays_open_and_a_lost_reply_is_not_repeated() {
    let mut state = busy();
    let asked = calls(press(&mut state, "4+5<enter>"));
    let refused = NetError::Refused {
        status: 422,
        detail: "credits: too many".to_string(),
    };
    answer(&mut state, asked[0].clone(), Err(refused));
    assert!(
        matches!(&state.overlay, Some(Overlay::Form(form, _)) if !form.busy && form.error.as_deref() == Some("credits: too many"))
    );
    press(&mut state, "<enter>");
    let effects = answer(
        &mut state,
        asked[0].clone(),
        Err(NetError::Broken("reset".to_string())),
    );
    assert!(effects.is_empty());
    assert!(
        matches!(&state.overlay, Some(Overlay::Form(form, _)) if form.error.as_ref().unwrap().contains("look whether it was done"))
    );
}

#[test]
fn answers_to_other_requests_leave_a_form_alone() {
    let mut state = busy();
    let asked = calls(press(&mut state, "4+5<enter>"));
    let other = Call::RevokeKey(2);
    answer(
        &mut state,
        other.clone(),
        Ok(Reply::KeyRow(Box::new(key(2, "x", KeyState::Revoked)))),
    );
    answer(
        &mut state,
        other,
        Err(NetError::Broken("reset".to_string())),
    );
    answer(
        &mut state,
        Call::Jobs {
            text: "old".to_string(),
            after: None,
        },
        Ok(Reply::Jobs(Page::default())),
    );
    assert!(
        matches!(&state.overlay, Some(Overlay::Form(form, _)) if form.busy && form.error.is_none())
    );
    let entry = super::made_up::ledger().swap_remove(0);
    answer(&mut state, asked[0].clone(), Ok(Reply::LedgerRow(entry)));
    assert!(state.overlay.is_none());
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
        ":jobs<enter>:cancel<enter>",
    ] {
        let effects = press(&mut state, keys);
        assert!(
            effects.is_empty() && state.overlay.is_none(),
            "{keys}: {effects:?}"
        );
        assert!(
            state.toasts.back().unwrap().text.contains("--readonly"),
            "{keys}"
        );
        state.toasts.clear();
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
        [Call::CancelJob(jobs()[1].id.clone()), Call::CancelJob(open)]
    );
    press(&mut state, "/status:failed<enter>");
    assert!(
        press(&mut state, "x").is_empty() && state.overlay.is_none(),
        "a job that has ended cannot be cancelled"
    );
    assert_eq!(calls(press(&mut state, "r")), [Call::RetryJob(failed)]);
}

#[test]
fn escape_leaves_the_innermost_thing() {
    let mut state = busy();
    press(&mut state, "2/jpg<enter><enter>?");
    let states = |state: &State| {
        (
            state.overlay.is_some(),
            state.job.is_some(),
            state.jobs.counts().0,
        )
    };
    use crate::widget::table::List;
    assert!(matches!(states(&state), (true, true, _)));
    press(&mut state, "<esc>");
    assert!(matches!(states(&state), (false, true, _)));
    press(&mut state, "<esc>");
    assert!(state.job.is_none() && !state.jobs.filter().is_empty());
    press(&mut state, "<esc>");
    assert!(state.jobs.filter().is_empty());
    press(&mut state, "/zzz<esc>");
    assert!(
        state.jobs.filter().is_empty(),
        "a filter that is left is as before"
    );
}

#[test]
fn commands_complete_and_are_remembered() {
    let mut state = busy();
    press(&mut state, ":acc<tab>");
    assert_eq!(state.prompt.as_ref().unwrap().line.text(), "accounts");
    press(&mut state, "<enter>");
    assert_eq!(state.screen, ScreenId::Accounts);
    press(&mut state, ":theme da<tab><enter>");
    assert_eq!(state.theme, crate::config::Theme::named("dark").unwrap());
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
            .toasts
            .back()
            .unwrap()
            .text
            .contains("no command `nonsense`")
    );
    assert_eq!(press(&mut state, ":quit<enter>"), [Effect::Quit]);
    assert_eq!(
        calls(press(&mut state, ":find sea<enter>")),
        [Call::Jobs {
            text: "sea".to_string(),
            after: None
        }]
    );
    assert_eq!(
        calls(press(&mut state, ":job 12<enter>")),
        [Call::Job("12".to_string())]
    );
}

#[test]
fn after_a_lost_stream_everything_is_fetched_unless_it_went_on() {
    let mut state = busy();
    state.absorb(Change::Lost {
        why: "gone".to_string(),
        retry_ms: 500,
    });
    state.now_ms += 9_000;
    state.absorb(Change::Lost {
        why: "still gone".to_string(),
        retry_ms: 1000,
    });
    assert!(
        matches!(
            state.link,
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
    assert_eq!(calls(state.absorb(hello(true))), [Call::Server]);
    assert!(calls(state.absorb(hello(false))).len() >= 8);
    assert_eq!(state.link, Link::Live);
    state.now_ms += 1_000;
    assert!(state.absorb(Change::Resync).is_empty(), "not all the time");
    state.now_ms += 10_000;
    assert!(calls(state.due()).contains(&Call::Models) && state.due().is_empty());
}

#[test]
fn a_held_picture_changes_only_when_it_is_let_go() {
    let mut state = busy();
    press(&mut state, "2f");
    state.absorb(Change::Job(Box::new(job("new"))));
    assert!(state.jobs.get(&"new".to_string()).is_none());
    assert!(calls(press(&mut state, "f")).contains(&Call::Jobs {
        text: String::new(),
        after: None
    }));
    assert!(press(&mut state, "ff").is_empty(), "nothing was held back");
}

#[test]
fn an_open_job_follows_its_events_and_fetches_its_pictures_once() {
    let mut state = busy();
    let id = detail().job.id;
    assert_eq!(calls(state.open_job(id.clone())), [Call::Job(id.clone())]);
    answer(
        &mut state,
        Call::Job(id.clone()),
        Ok(Reply::Job(Box::new(detail()))),
    );
    super::drawn(&mut state, 160, 50);
    let asked = calls(state.job.as_mut().unwrap().needs());
    assert_eq!(asked.len(), 2);
    assert!(state.job.as_mut().unwrap().needs().is_empty());
    answer(
        &mut state,
        asked[0].clone(),
        Ok(Reply::Picture(vec![1, 2, 3])),
    );
    let effects = state.job.as_mut().unwrap().needs();
    assert!(
        matches!(effects[..], [Effect::Render(..)])
            && state.job.as_mut().unwrap().needs().is_empty()
    );
    let failed = JobRow {
        status: JobStatus::Failed,
        ..detail().job
    };
    assert_eq!(
        calls(state.absorb(Change::Job(Box::new(failed)))),
        [Call::Job(id)]
    );
}

#[test]
fn older_jobs_are_fetched_at_the_end() {
    let mut state = busy();
    let asked = calls(press(&mut state, "2GG"));
    assert_eq!(
        asked,
        [Call::Jobs {
            text: String::new(),
            after: Some("more".to_string())
        }]
    );
    assert!(press(&mut state, "j").is_empty(), "asked for once");
    let older = JobRow {
        created_at_ms: 1,
        ..job("older")
    };
    answer(
        &mut state,
        asked[0].clone(),
        Ok(Reply::Jobs(Page {
            items: vec![older],
            next: None,
        })),
    );
    press(&mut state, "G");
    assert_eq!(state.jobs.current().unwrap().id, "older");
}

#[test]
fn balances_are_asked_for_while_they_are_shown() {
    let mut state = busy();
    let tick = |state: &mut State, later_ms: i64| {
        state.now_ms += later_ms;
        let tick = cleanplate_api::admin::MetricsTick {
            at_ms: state.now_ms,
            ..Default::default()
        };
        calls(state.absorb(Change::Tick(Box::new(tick))))
    };
    press(&mut state, "4");
    assert_eq!(
        tick(&mut state, 1_000),
        [Call::Accounts(None)],
        "soon after the screen is opened"
    );
    assert!(tick(&mut state, 1_000).is_empty());
    assert_eq!(tick(&mut state, 5_000), [Call::Accounts(None)]);
    press(&mut state, "2");
    assert!(tick(&mut state, 9_000).is_empty(), "jobs come as events");
}

#[test]
fn a_key_without_an_account_is_not_asked_for() {
    let mut state = fresh();
    assert!(press(&mut state, "3c").is_empty() && state.overlay.is_none());
    assert!(
        state
            .toasts
            .back()
            .unwrap()
            .text
            .contains("make an account first")
    );
}
