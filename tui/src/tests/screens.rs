//! Every screen, drawn from a made-up state, at the smallest usual size and at a large one.

use cleanplate_api::DeviceStatus;
use cleanplate_api::admin::{self, Hello, ImagePart, KeyCreated, KeyState, NewKey};
use cleanplate_api::endpoint::{Json, NoQuery};
use ratatui::layout::Size;
use ratatui_image::picker::Picker;

use super::made_up::{HOSTILE, NOW_MS, answered, busy, detail, fresh, key, ledger, read};
use super::{drawn, lines, press};
use crate::net::{Call, Change, NetError};
use crate::preview;
use crate::screen::Jobs;
use crate::state::State;
use crate::text;

/// Sizes of terminals, columns and rows.
const SIZES: [(u16, u16); 2] = [(80, 24), (160, 50)];

/// Compares the state's screen with what is committed, at both sizes.
fn check(name: &str, make: impl Fn() -> State) {
    for (width, height) in SIZES {
        let mut state = make();
        let mut buffer = drawn(&mut state, width, height);
        // Pictures are made for the space that the first drawing finds.
        if render_pictures(&mut state) {
            buffer = drawn(&mut state, width, height);
        }
        insta::assert_snapshot!(format!("{name}-{width}x{height}"), lines(&buffer));
    }
}

/// Makes the pictures of an open job from made-up bytes; whether there were any.
fn render_pictures(state: &mut State) -> bool {
    let Some(view) = &mut state.of::<Jobs>().view else {
        return false;
    };
    let mut any = false;
    for part in view.show.parts() {
        let Some(wanted) = view.slot(*part).wanted.filter(|_| view.detail.is_some()) else {
            continue;
        };
        let shade = |x: u32, y: u32| (x * 2 + y) as u8;
        let pixel = |x: u32, y: u32| match part {
            ImagePart::Input if (40..80).contains(&x) && (20..40).contains(&y) => [255, 0, 0],
            ImagePart::Mask => [if (40..80).contains(&x) { 255 } else { 0 }; 3],
            _ => [shade(x, y); 3],
        };
        let mut bytes = std::io::Cursor::new(Vec::new());
        image::RgbImage::from_fn(120, 68, |x, y| image::Rgb(pixel(x, y)))
            .write_to(&mut bytes, image::ImageFormat::Png)
            .unwrap();
        let made = preview::render(
            &Picker::halfblocks(),
            &bytes.into_inner(),
            Size::new(wanted.width, wanted.height),
        )
        .unwrap();
        view.slot(*part).picture = Some(made.into());
        any = true;
    }
    any
}

/// The busy dashboard after these keys.
fn after(keys: &str) -> State {
    let mut state = busy();
    press(&mut state, keys);
    state
}

fn job_open() -> State {
    let mut state = busy();
    state.command(&format!("job {}", detail().job.id));
    let call = Call::plain::<admin::GetJob>(&[&detail().job.id]);
    state.absorb(answered::<admin::GetJob>(call, detail()));
    state
}

fn ledger_open() -> State {
    let mut state = after("4<enter>");
    let call = Call::of::<admin::ListLedger>(&["1"], &Default::default(), &());
    let page = admin::Page {
        items: ledger(),
        next: None,
    };
    state.absorb(answered::<admin::ListLedger>(call, page));
    state
}

fn lost() -> State {
    let mut state = after("2");
    state.shared.now_ms = NOW_MS + 1_000;
    state.absorb(Change::Lost {
        why: format!("the connection broke: {HOSTILE}"),
        retry_ms: 8_000,
    });
    state.tick(NOW_MS + 4_000);
    state
}

fn secret() -> State {
    let mut state = after("3");
    let created = KeyCreated {
        secret: "sk-live-AbCdEfGhIjKlMnOpQrStUvWxYz012345abcdef".to_string(),
        key: key(9, HOSTILE, KeyState::Active),
    };
    let new: NewKey = serde_json::from_str(r#"{"account_id":1,"name":"n"}"#).unwrap();
    let call = Call::of::<admin::CreateKey>(&[], &NoQuery {}, &Json(new));
    state.absorb(answered::<admin::CreateKey>(call, created));
    state
}

fn refused_form() -> State {
    let mut state = after("4+-5x<tab>why<enter>");
    press(&mut state, "");
    state
}

fn toasts() -> State {
    let mut state = after("5p");
    let refused = NetError::Refused {
        status: 409,
        detail: format!("the folder {HOSTILE} is paused already"),
    };
    let call = Call::plain::<admin::PauseFolder>(&["plates"]);
    state.absorb(Change::Reply(Box::new(call), Err(refused)));
    state
}

fn empty() -> State {
    let mut state = fresh();
    let mut told = |change| drop(state.absorb(change));
    told(read::<admin::ListJobs>(Default::default()));
    told(read::<admin::ListKeys>(Default::default()));
    told(read::<admin::ListAccounts>(Default::default()));
    told(read::<admin::ListFolders>(Default::default()));
    told(read::<admin::ListModels>(Default::default()));
    told(read::<admin::GetLog>(Default::default()));
    told(read::<admin::ListActions>(Default::default()));
    told(read::<admin::GetHistory>(Default::default()));
    told(read::<admin::ListWorkers>(Default::default()));
    state.absorb(Change::Linked(Hello {
        version: "0.1.0".to_string(),
        boot: "b".to_string(),
        resumed: true,
    }));
    state
}

fn empty_on(keys: &str) -> State {
    let mut state = empty();
    press(&mut state, keys);
    state
}

/// One device of two is there.
fn two_devices() -> State {
    let mut state = after("1");
    if let Some(server) = &mut state.shared.server {
        let there = DeviceStatus {
            adapter: Some("NVIDIA H200 at 0000:17:00.0".to_string()),
            device: server.device.clone(),
            error: None,
        };
        let lost = DeviceStatus {
            adapter: Some("NVIDIA H200 at 0000:65:00.0".to_string()),
            device: None,
            error: Some("no device: it is gone".to_string()),
        };
        server.devices = vec![there, lost];
    }
    state
}

/// How a state comes about.
type Make = Box<dyn Fn() -> State>;

/// Every snapshot: its name and how the state comes about.
fn all() -> Vec<(&'static str, Make)> {
    let keys = |keys: &'static str| -> Make { Box::new(move || after(keys)) };
    vec![
        ("overview", keys("1")),
        ("overview-devices", Box::new(two_devices)),
        ("jobs", keys("2")),
        ("jobs-marked", keys("2j  jj S")),
        ("jobs-filter", keys("2/status:comp !jpg")),
        ("job", Box::new(job_open)),
        ("keys", keys("3")),
        ("accounts", keys("4")),
        ("ledger", Box::new(ledger_open)),
        ("folders", keys("5")),
        ("folder", keys("5j<enter>")),
        ("folder-notice", keys("5j<enter><enter>")),
        ("models", keys("6")),
        ("log", keys("7")),
        ("audit", keys("8")),
        ("audit-notice", keys("8j<enter>")),
        ("pipelines", keys("9")),
        ("configuration", keys("0")),
        ("configuration-set", keys("0t")),
        ("workers", keys("w")),
        ("worker-notice", keys("wj<enter>")),
        ("form-import", keys("6i/srv/big-lama.pt")),
        ("help", keys("2?")),
        ("command", keys("2:s")),
        ("question", keys("3 jR")),
        ("form-key", keys("3c<tab>Söhne 写真")),
        ("form-refused", Box::new(refused_form)),
        ("secret", Box::new(secret)),
        ("toasts", Box::new(toasts)),
        ("stale", Box::new(lost)),
        ("connecting", Box::new(fresh)),
        ("empty-overview", Box::new(|| empty_on("1"))),
        ("empty-jobs", Box::new(|| empty_on("2"))),
        ("empty-folders", Box::new(|| empty_on("5"))),
        ("empty-audit", Box::new(|| empty_on("8"))),
        ("empty-workers", Box::new(|| empty_on("w"))),
    ]
}

#[test]
fn screens_look_as_committed() {
    for (name, make) in all() {
        check(name, make);
    }
}

#[test]
fn nothing_from_outside_reaches_the_terminal_as_it_is() {
    for (name, make) in all() {
        for (width, height) in [(40, 10), (80, 24), (160, 50), (400, 120)] {
            let buffer = drawn(&mut make(), width, height);
            for cell in buffer.content() {
                assert_eq!(
                    text::clean(cell.symbol()),
                    cell.symbol(),
                    "{name} at {width}x{height}"
                );
            }
        }
    }
}

#[test]
fn every_size_is_drawn() {
    for (name, make) in all() {
        for width in [1, 2, 7, 39, 41, 60, 79, 101, 149, 151, 500] {
            for height in [1, 2, 9, 10, 11, 13, 20, 33, 200] {
                let mut state = make();
                drawn(&mut state, width, height);
                assert!(!name.is_empty());
            }
        }
    }
}
