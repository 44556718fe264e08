//! The command for each pair that has ended: a listed program with given arguments, no shell, one at a time.

use std::ffi::OsString;
use std::io::{Read, Seek};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::pairing::path;

/// Commands that wait; what comes when so many do is told in the log and left out.
const WAITING_MAX: usize = 1024;
/// Longest time of one.
const TIME_MAX: Duration = Duration::from_secs(60);
/// Bytes of its messages that the log shows when it fails.
const MESSAGE_BYTES_MAX: u64 = 2000;

/// A pair that has ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// `done` or `failed`.
    pub status: String,
    /// Name of the watched folder.
    pub folder: String,
    /// The result; empty without one.
    pub result: PathBuf,
    /// The report.
    pub report: PathBuf,
    /// Path of the photo when it was dropped.
    pub photo: PathBuf,
}

impl Ended {
    fn fill(&self, argument: &str) -> OsString {
        let text = |path: &PathBuf| path::text(path.as_os_str());
        let filled = [
            ("{status}", self.status.clone()),
            ("{folder}", self.folder.clone()),
            ("{result}", text(&self.result)),
            ("{report}", text(&self.report)),
            ("{photo}", text(&self.photo)),
        ];
        // What is put in is not looked through again: a file may be named like a place.
        let mut out = String::new();
        let mut rest = argument;
        'next: while let Some(c) = rest.chars().next() {
            for (place, value) in &filled {
                if let Some(behind) = rest.strip_prefix(place) {
                    out.push_str(value);
                    rest = behind;
                    continue 'next;
                }
            }
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
        path::os(&out)
    }
}

/// Runs the command of a folder, if it has one.
#[derive(Default)]
pub struct Commands {
    running: Option<(SyncSender<Ended>, JoinHandle<()>)>,
    /// Those that wait are left out.
    stop: Arc<AtomicBool>,
}

impl Commands {
    /// For this program and these arguments; nothing for an empty list.
    pub fn new(on_done: &[String]) -> Commands {
        let Some((program, arguments)) = on_done.split_first() else {
            return Commands::default();
        };
        let (program, arguments) = (program.clone(), arguments.to_vec());
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::Builder::new()
            .name("on-done".to_string())
            .spawn(move || run_all(&program, &arguments, &receiver, &stopped));
        match thread {
            Ok(thread) => Commands {
                running: Some((sender, thread)),
                stop,
            },
            Err(error) => {
                tracing::error!(%error, "the thread for commands could not be started; none is run");
                Commands::default()
            }
        }
    }

    /// Runs it for a pair, soon.
    pub fn run(&self, ended: Ended) {
        let Some((sender, _)) = &self.running else {
            return;
        };
        if let Err(TrySendError::Full(ended)) = sender.try_send(ended) {
            tracing::warn!(folder = ended.folder, report = %ended.report.display(), "too many commands wait; that of this pair is left out");
        }
    }

    /// Waits until all have run, or only for the one that runs: the log says how many are left out then.
    pub fn finish(self, all: bool) {
        self.stop.store(!all, Ordering::SeqCst);
        if let Some((sender, thread)) = self.running {
            drop(sender);
            if thread.join().is_err() {
                tracing::error!("the thread for commands panicked");
            }
        }
    }
}

fn run_all(program: &str, arguments: &[String], receiver: &Receiver<Ended>, stop: &AtomicBool) {
    for ended in receiver {
        if stop.load(Ordering::SeqCst) {
            let left_out = 1 + receiver.try_iter().count();
            tracing::warn!(
                folder = ended.folder,
                program,
                left_out,
                "the folder ends; the commands of pairs that still wait are left out"
            );
            return;
        }
        match run(program, arguments, &ended) {
            Ok((status, _)) if status.success() => {}
            Ok((status, said)) => {
                let said = crate::telemetry::escaped(said.trim());
                tracing::warn!(folder = ended.folder, program, report = %ended.report.display(), %status, said, "the command of a pair failed");
            }
            Err(error) => {
                tracing::warn!(folder = ended.folder, program, %error, "the command of a pair could not be run");
            }
        }
    }
}

fn run(
    program: &str,
    arguments: &[String],
    ended: &Ended,
) -> std::io::Result<(ExitStatus, String)> {
    let mut said = tempfile::tempfile()?;
    let mut child = Command::new(program)
        .args(arguments.iter().map(|argument| ended.fill(argument)))
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(said.try_clone()?)
        .current_dir("/")
        .process_group(0)
        .spawn()?;
    let status = wait(&mut child)?;
    said.rewind()?;
    let mut bytes = Vec::new();
    said.take(MESSAGE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
}

/// Waits for the end of a program; one that takes too long is ended with all that it started.
fn wait(child: &mut Child) -> std::io::Result<ExitStatus> {
    let until = Instant::now() + TIME_MAX;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() > until {
            let group = rustix::process::Pid::from_child(child);
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            return child.wait();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_filled_once_and_reach_the_program_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let hostile = PathBuf::from("/in/$(touch x); {report} \"'\u{1b}.png");
        let ended = Ended {
            status: "done".to_string(),
            folder: "plates".to_string(),
            result: hostile.clone(),
            report: PathBuf::from("/r.json"),
            photo: PathBuf::from(path::os("/in/caf\u{10ffe9}.png")),
        };
        let arguments = [
            "-c",
            "printf '%s|' \"$@\" > \"$0\"",
            out.to_str().unwrap(),
            "{result}",
            "a{report}b",
            "{photo}",
            "{nothing",
        ];
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let (status, _) = run("/bin/sh", &arguments, &ended).unwrap();
        assert!(status.success());
        let wanted = [
            hostile.as_os_str().as_encoded_bytes(),
            b"|a/r.jsonb|/in/caf\xe9.png|{nothing|",
        ]
        .concat();
        assert_eq!(std::fs::read(out).unwrap(), wanted);
        let (status, said) = run(
            "/bin/sh",
            &["-c".to_string(), "echo why >&2; exit 3".to_string()],
            &ended,
        )
        .unwrap();
        assert_eq!((status.code(), said.as_str()), (Some(3), "why\n"));
    }

    #[test]
    fn an_end_waits_for_one_command_or_for_all() {
        for (all, runs) in [(false, 1), (true, 4)] {
            let dir = tempfile::tempdir().unwrap();
            let out = dir.path().join("out");
            let script = "echo x >> \"$0\"; sleep 0.5";
            let on_done = ["/bin/sh", "-c", script, out.to_str().unwrap()];
            let commands = Commands::new(&on_done.map(str::to_string));
            for _ in 0..4 {
                commands.run(Ended {
                    status: "done".to_string(),
                    folder: "plates".to_string(),
                    result: PathBuf::new(),
                    report: PathBuf::new(),
                    photo: PathBuf::new(),
                });
            }
            while !out.exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
            commands.finish(all);
            assert_eq!(std::fs::read(&out).unwrap().len(), 2 * runs);
        }
    }
}
