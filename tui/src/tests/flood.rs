//! A flood of events does not make the keyboard wait: counted in changes, not in time.

use std::collections::VecDeque;

use cleanplate_api::JobStatus;
use cleanplate_api::admin::{Event, JobRow, JobsChanged};

use super::made_up::{busy, job};
use super::press;
use crate::app::{CHANGES_PER_TURN, turn};
use crate::net::Inbox;
use crate::screen::{Jobs, ScreenId};
use crate::widget::table::List;

/// Events a second, and seconds.
const EVENTS_PER_S: usize = 1000;
const SECONDS: usize = 5;
/// Jobs that these events are about.
const JOBS: usize = 700;

fn event(n: usize) -> Event {
    let status = [
        JobStatus::Pending,
        JobStatus::Processing,
        JobStatus::Completed,
    ][n / JOBS % 3];
    let changed = JobRow {
        status,
        attempt: n as u32,
        ..job(&format!("flood-{}", n % JOBS))
    };
    Event::Jobs(JobsChanged {
        jobs: vec![changed],
        omitted: 0,
    })
}

#[test]
fn a_key_waits_for_a_bounded_number_of_changes() {
    let (inbox, mut state) = (Inbox::default(), busy());
    let before = state.of::<Jobs>().table.counts().2;
    // The loop of the program: keys that wait go first, then one turn of changes. A key comes after every 97th event, at the
    // worst moment: when a turn has just begun.
    let (mut keys, mut absorbed, mut turn_began, mut longest, mut sent, mut handled) =
        (VecDeque::new(), 0, 0, 0, 0, 0);
    let mut cycle =
        |keys: &mut VecDeque<(char, usize)>, absorbed: &mut usize, turn_began: &mut usize| {
            while let Some((key, came_at)) = keys.pop_front() {
                press(&mut state, &key.to_string());
                longest = longest.max(*absorbed - came_at);
                handled += 1;
            }
            *turn_began = *absorbed;
            let turn = turn(&mut state, &inbox);
            assert!(turn.effects.is_empty());
            *absorbed += turn.changes;
            turn.more
        };
    for n in 0..EVENTS_PER_S * SECONDS {
        inbox.push_event(event(n));
        if n % 97 == 0 {
            keys.push_back((if sent % 2 == 0 { '2' } else { '3' }, turn_began));
            sent += 1;
        }
        // The loop is slow: it comes round once in 250 events.
        if n % 250 == 249 {
            cycle(&mut keys, &mut absorbed, &mut turn_began);
        }
    }
    while cycle(&mut keys, &mut absorbed, &mut turn_began) {}
    assert!(
        absorbed < EVENTS_PER_S * SECONDS,
        "events about the same job are merged, {absorbed} changes were left"
    );
    assert_eq!(handled, sent);
    assert!(
        (1..=CHANGES_PER_TURN).contains(&longest),
        "a key waited for {longest} changes"
    );
    assert!(inbox.is_empty());
    assert_eq!(
        state.screen,
        if sent % 2 == 1 {
            ScreenId::named("jobs")
        } else {
            ScreenId::named("keys")
        }
    );
    // Nothing was lost by merging: every job is there in its newest state.
    assert_eq!(state.of::<Jobs>().table.counts().2, before + JOBS);
    let last = EVENTS_PER_S * SECONDS - 1;
    let jobs = state.of::<Jobs>();
    let newest = jobs.table.get(&format!("flood-{}", last % JOBS)).unwrap();
    assert_eq!(newest.attempt, last as u32);
}
