//! A running program: its pipes, its limits, its end.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cleanplate_basics::lock;

use super::Program;
use super::message::{Header, LINE_BYTES_MAX, Said, StageRequest, read_line};
use crate::Observer;
use crate::PluginError;

/// How often cancellation and the time limit are looked at.
const TICK: Duration = Duration::from_millis(50);
/// Time to end after the last answer, and for the last words on standard error to arrive.
const GRACE: Duration = Duration::from_secs(2);
/// Most bytes kept of what it wrote to standard error, the end of it.
const WORDS_BYTES_MAX: usize = 2000;
/// Variables handed on. No others: the daemon's may hold secrets.
const VARIABLES: [&str; 5] = ["PATH", "HOME", "LANG", "LC_ALL", "TMPDIR"];

/// What the reading thread found.
enum Event {
    Progress(f32),
    Answer(Vec<u8>),
    Error(String),
    /// Standard output ended, inside a frame or before one.
    End,
}

/// A started program. Dropping it kills whatever of its process group still runs.
pub struct Session<'a> {
    program: &'a Program,
    child: Child,
    requests: Option<SyncSender<Vec<u8>>>,
    wanted: SyncSender<Header>,
    events: Receiver<Event>,
    words: Arc<Mutex<Vec<u8>>>,
    words_end: Receiver<()>,
    deadline: Instant,
    reaped: bool,
}

impl<'a> Session<'a> {
    /// Starts the program.
    pub fn start(program: &'a Program) -> Result<Session<'a>, PluginError> {
        let deadline = Instant::now() + program.time_max;
        let failed = |e: std::io::Error| {
            program.fail(format!(
                "{} does not start: {e}",
                program.executable.display()
            ))
        };
        let mut child = command(program).spawn().map_err(failed)?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(program.fail("no pipes"));
        };
        let (requests, to_write) = sync_channel::<Vec<u8>>(1);
        let (wanted, to_read) = sync_channel::<Header>(1);
        let (found, events) = sync_channel::<Event>(1);
        let (ended, words_end) = sync_channel::<()>(1);
        let words = Arc::new(Mutex::new(Vec::new()));
        let kept = words.clone();
        // The threads end with the pipes. They are not joined: a descendant that left the group may keep a pipe open.
        std::thread::spawn(move || write_all(stdin, &to_write));
        std::thread::spawn(move || read_all(stdout, &to_read, &found));
        std::thread::spawn(move || {
            keep_last_words(stderr, &kept);
            let _ = ended.send(());
        });
        Ok(Session {
            program,
            child,
            requests: Some(requests),
            wanted,
            events,
            words,
            words_end,
            deadline,
            reaped: false,
        })
    }

    /// Sends a frame and waits for the wanted picture's bytes.
    pub fn exchange(
        &mut self,
        observer: &dyn Observer,
        request: &StageRequest<'_>,
        want: &Header,
    ) -> Result<Vec<u8>, PluginError> {
        let frame = request.frame().map_err(|e| {
            self.program
                .fail(format!("its request cannot be written: {e}"))
        })?;
        // A program that is gone shows as the end of its output.
        let _ = self.wanted.send(want.clone());
        if let Some(TrySendError::Full(_)) = self
            .requests
            .as_ref()
            .and_then(|requests| requests.try_send(frame).err())
        {
            return Err(self.failed("it answers without reading what it is sent".to_string()));
        }
        loop {
            if observer.cancelled() {
                return Err(PluginError::Cancelled {
                    before: format!("the end of {}", self.program.name),
                });
            }
            if Instant::now() >= self.deadline {
                return Err(self.failed(format!(
                    "it took longer than {} s (process.time_s_max)",
                    self.program.time_max.as_secs()
                )));
            }
            match self.events.recv_timeout(TICK) {
                Ok(Event::Answer(bytes)) => return Ok(bytes),
                Ok(Event::Progress(share)) => observer.stage(&self.program.name, share),
                Ok(Event::Error(detail)) => return Err(self.failed(detail)),
                Ok(Event::End) | Err(RecvTimeoutError::Disconnected) => {
                    return Err(self.ended_early());
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Closes the program's input and waits for its end. Every answer is in: an unclean end is a warning.
    pub fn finish(mut self) -> Result<Option<String>, PluginError> {
        self.requests = None;
        let name = &self.program.name;
        Ok(
            match self.wait(GRACE.min(self.deadline.saturating_duration_since(Instant::now()))) {
                Some(status) if status.success() => None,
                Some(status) => Some(format!(
                    "{name}: after its last answer it ended with {status}"
                )),
                None => Some(format!(
                    "{name}: it did not end by itself when its input was closed, and was killed"
                )),
            },
        )
    }

    fn ended_early(&mut self) -> PluginError {
        let how = match self.wait(GRACE) {
            Some(status) => format!("it ended with {status} instead of an answer"),
            None => "it closed its standard output instead of answering".to_string(),
        };
        self.failed(how)
    }

    /// An error with the program's last words.
    fn failed(&mut self, detail: String) -> PluginError {
        self.kill();
        let _ = self.words_end.recv_timeout(GRACE);
        let words = lock(&self.words);
        let words = String::from_utf8_lossy(&words).trim().to_string();
        self.program.fail(if words.is_empty() {
            detail
        } else {
            format!("{detail}; on standard error: {words}")
        })
    }

    /// Its exit status, if it ends within `limit`. What it left running in its group is killed.
    fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + limit;
        while !has_ended(&self.child) {
            if Instant::now() >= until {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.kill()
    }

    /// Kills the group, then reaps its first process: until that is reaped, the group's number belongs to no other.
    fn kill(&mut self) -> Option<ExitStatus> {
        if self.reaped {
            return None;
        }
        if let Some(group) = pid(&self.child) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        self.reaped = true;
        self.child.wait().ok()
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.kill();
    }
}

fn command(program: &Program) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(&program.executable);
    command
        .args(&program.arguments)
        .current_dir(&program.folder)
        .env_clear();
    command.envs(
        VARIABLES
            .iter()
            .filter_map(|name| std::env::var_os(name).map(|value| (name, value))),
    );
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let memory_bytes_max = program.memory_bytes_max;
    // SAFETY: runs in the new process between fork and exec; it makes system calls only, allocates nothing, takes no lock.
    unsafe { command.pre_exec(move || limit(memory_bytes_max)) };
    command
}

/// Bounds the calling process: address space (Linux), no core files, and the end of its parent thread is its own (Linux).
fn limit(memory_bytes_max: u64) -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )?;
    #[cfg(target_os = "linux")]
    {
        let bytes = Some(memory_bytes_max);
        setrlimit(
            Resource::As,
            Rlimit {
                current: bytes,
                maximum: bytes,
            },
        )?;
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory_bytes_max;
    Ok(())
}

fn pid(child: &Child) -> Option<rustix::process::Pid> {
    i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw)
}

/// Whether it has ended; it is not reaped.
fn has_ended(child: &Child) -> bool {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    pid(child).is_none_or(|pid| !matches!(waitid(WaitId::Pid(pid), look), Ok(None)))
}

fn write_all(mut stdin: impl Write, frames: &Receiver<Vec<u8>>) {
    for frame in frames {
        // A program that stops reading ends or answers; the reading side tells which.
        if stdin
            .write_all(&frame)
            .and_then(|()| stdin.flush())
            .is_err()
        {
            return;
        }
    }
}

fn read_all(stdout: impl Read, wanted: &Receiver<Header>, found: &SyncSender<Event>) {
    let mut stdout = BufReader::new(stdout);
    for want in wanted {
        loop {
            let event = next_event(&mut stdout, &want);
            let answered = matches!(event, Event::Answer(_));
            let open = matches!(event, Event::Answer(_) | Event::Progress(_));
            if found.send(event).is_err() || !open {
                return;
            }
            if answered {
                break;
            }
        }
    }
}

fn next_event(stdout: &mut impl BufRead, want: &Header) -> Event {
    let mut line = Vec::new();
    match stdout
        .take(LINE_BYTES_MAX as u64)
        .read_until(b'\n', &mut line)
    {
        Ok(_) if line.ends_with(b"\n") => {}
        Ok(LINE_BYTES_MAX) => {
            return Event::Error(format!("its line is longer than {LINE_BYTES_MAX} bytes"));
        }
        _ => return Event::End,
    }
    match read_line(&line, want) {
        Err(detail) => Event::Error(detail),
        Ok(Said::Error(words)) => Event::Error(words.chars().take(WORDS_BYTES_MAX).collect()),
        Ok(Said::Progress(share)) => Event::Progress(share),
        Ok(Said::Answer) => {
            // The size is the one asked for, so the program cannot choose how much is allocated.
            let mut data = vec![0; want.bytes()];
            match stdout.read_exact(&mut data) {
                Ok(()) => Event::Answer(data),
                Err(_) => Event::End,
            }
        }
    }
}

fn keep_last_words(mut stderr: impl Read, kept: &Mutex<Vec<u8>>) {
    let mut piece = [0; 4096];
    while let Ok(n @ 1..) = stderr.read(&mut piece) {
        let mut kept = lock(kept);
        kept.extend_from_slice(&piece[..n]);
        let over = kept.len().saturating_sub(WORDS_BYTES_MAX);
        kept.drain(..over);
    }
}
