//! The event loop: keyboard first, then a bounded number of changes, then a drawing if one is due.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossterm::event::{Event, EventStream};
use futures_util::StreamExt;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep_until;

use crate::draw;
use crate::net::{Change, Client, Inbox, live};
use crate::preview::Renderer;
use crate::screen::Effect;
use crate::state::State;
use crate::terminal::TakenTerminal;

/// Changes that are taken in before the keyboard is looked at again.
pub const CHANGES_PER_TURN: usize = 64;
/// Time between drawings that changes ask for: 20 a second, which the eye cannot tell from more in a table.
const FRAME: Duration = Duration::from_millis(50);
/// Time between drawings that keys ask for: a key that repeats must not wait for drawing.
const KEY_FRAME: Duration = Duration::from_millis(8);
/// Time between looks at the clock.
const SECOND: Duration = Duration::from_secs(1);

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As asked.
    Quit,
    /// By a signal; its name.
    Signal(&'static str),
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// What a turn has done.
pub struct Turn {
    /// What is to be done.
    pub effects: Vec<Effect>,
    /// Changes that were taken in.
    pub changes: usize,
    /// Whether more are waiting.
    pub more: bool,
}

/// Takes waiting changes into the state, a bounded number of them.
pub fn turn(state: &mut State, inbox: &Inbox) -> Turn {
    let (changes, more) = inbox.take(CHANGES_PER_TURN);
    let count = changes.len();
    Turn {
        effects: changes
            .into_iter()
            .flat_map(|change: Change| state.absorb(change))
            .collect(),
        changes: count,
        more,
    }
}

/// Signals that end or stop the program.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    quit: Signal,
    stop: Signal,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
            stop: signal(SignalKind::from_raw(libc::SIGTSTP))?,
        })
    }

    /// The next signal: `None` asks to stop, a name ends the program.
    async fn next(&mut self) -> Option<&'static str> {
        tokio::select! {
            _ = self.terminate.recv() => Some("SIGTERM"),
            _ = self.interrupt.recv() => Some("SIGINT"),
            _ = self.hangup.recv() => Some("SIGHUP"),
            _ = self.quit.recv() => Some("SIGQUIT"),
            _ = self.stop.recv() => None,
        }
    }
}

/// What effects act on.
struct Outside {
    screen: TakenTerminal,
    client: Client,
    inbox: Arc<Inbox>,
    renderer: Renderer,
}

impl Outside {
    /// Does what the state asks for; whether the program ends.
    fn run(&mut self, effects: Vec<Effect>) -> io::Result<bool> {
        for effect in effects {
            match effect {
                Effect::Call(call) => self.client.start(call, &self.inbox),
                Effect::Copy(text) => self.screen.copy(&text)?,
                Effect::Render(part, bytes, cells) => {
                    let inbox = self.inbox.clone();
                    self.renderer.start(bytes, cells, move |made| {
                        inbox.push(Change::Picture(part, made.map(Arc::new)));
                    });
                }
                Effect::Reconnect => self.inbox.reconnect(),
                Effect::Redraw => self.screen.redraw()?,
                Effect::Suspend => self.screen.suspend()?,
                Effect::Mouse(on) => self.screen.set_mouse(on)?,
                Effect::Quit => return Ok(true),
            }
        }
        Ok(false)
    }
}

/// When the next drawing and the next look at the clock are due.
struct Due {
    drawn_at: Instant,
    draw_at: Option<Instant>,
    clock_at: Instant,
}

impl Due {
    fn now() -> Due {
        let now = Instant::now();
        Due {
            drawn_at: now,
            draw_at: Some(now),
            clock_at: now + SECOND,
        }
    }

    /// Something changed: it is drawn with the next frame.
    fn frame(&mut self) {
        self.draw_at = self.draw_at.or(Some(self.drawn_at + FRAME));
    }

    /// A key was pressed: it is drawn sooner.
    fn key_frame(&mut self) {
        let soon = self.drawn_at + KEY_FRAME;
        self.draw_at = Some(soon.min(self.draw_at.unwrap_or(soon)));
    }

    fn drawn(&mut self) {
        (self.drawn_at, self.draw_at) = (Instant::now(), None);
    }
}

/// Runs until the user or a signal ends it.
pub async fn run(
    mut state: State,
    screen: TakenTerminal,
    client: Client,
    renderer: Renderer,
) -> io::Result<End> {
    let inbox = Arc::new(Inbox::default());
    let mut signals = Signals::new()?;
    let mut input = EventStream::new();
    tokio::spawn(live::follow(client.clone(), inbox.clone()));
    let mut outside = Outside {
        screen,
        client,
        inbox: inbox.clone(),
        renderer,
    };
    state.shared.pictures = outside.renderer.draws();
    let (mut due, mut more) = (Due::now(), false);
    loop {
        let clock = state.clock_shown().then_some(due.clock_at);
        let effects = tokio::select! {
            biased;
            name = signals.next() => match name {
                Some(name) => return Ok(End::Signal(name)),
                None => vec![Effect::Suspend],
            },
            event = input.next() => {
                due.key_frame();
                match event {
                    Some(event) => handle(&mut state, event?),
                    None => return Ok(End::Signal("the end of its input")),
                }
            }
            () = until(due.draw_at), if due.draw_at.is_some() => {
                state.shared.now_ms = now_ms();
                outside.screen.terminal().draw(|frame| draw::draw(&mut state, frame))?;
                due.drawn();
                state.needs()
            }
            () = arrival(&inbox, more) => {
                state.shared.now_ms = now_ms();
                let turn = turn(&mut state, &inbox);
                more = turn.more;
                if turn.changes > 0 {
                    due.frame();
                }
                turn.effects
            }
            () = until(clock), if clock.is_some() => {
                if state.tick(now_ms()) {
                    due.frame();
                }
                due.clock_at = Instant::now() + SECOND;
                state.due()
            }
        };
        if !effects.is_empty() {
            due.frame();
        }
        if outside.run(effects)? {
            return Ok(End::Quit);
        }
    }
}

/// A key, the mouse or pasted text.
fn handle(state: &mut State, event: Event) -> Vec<Effect> {
    state.shared.now_ms = now_ms();
    match event {
        Event::Key(key) => state.key(&key),
        Event::Mouse(mouse) => state.mouse(&mouse),
        Event::Paste(text) => {
            state.paste(&text);
            Vec::new()
        }
        _ => Vec::new(),
    }
}

async fn until(at: Option<Instant>) {
    sleep_until(at.unwrap_or_else(Instant::now).into()).await;
}

/// Returns at once while more changes wait, else when the next arrive.
async fn arrival(inbox: &Inbox, more: bool) {
    if more {
        tokio::task::yield_now().await;
    } else {
        inbox.arrival().await;
    }
}
