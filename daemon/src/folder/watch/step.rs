//! What becomes of a claim: handed in, watched, delivered, settled.

use std::io;
use std::path::PathBuf;
use std::time::Instant;

use super::super::after::Ended;
use super::super::claim::report_path;
use super::super::executor::{Begun, Bytes, Ending, Later, Made};
use super::super::read;
use super::super::report::{PairFault, ResultView};
use super::{FolderWatch, Held, Setup, State};
use crate::hex::hex;
use crate::pairing::path::{place, shown};
use crate::pairing::{DONE, FAILED};

impl FolderWatch {
    /// Moves every claim on as far as it goes.
    pub(super) fn step_all(&mut self, now: Instant, stopping: bool) {
        let resting = self.paused.is_some_and(|until| until > now);
        for mut held in std::mem::take(&mut self.held) {
            let idle = matches!(held.state, State::Fresh(_)) && stopping
                || !matches!(held.state, State::Running(_)) && resting;
            if idle || !self.step(&mut held, now) {
                self.held.push(held);
            }
        }
    }

    /// One step of a claim. True when it has left `working`.
    fn step(&mut self, held: &mut Held, now: Instant) -> bool {
        match std::mem::replace(&mut held.state, State::Unsettled) {
            State::Fresh(from) if from > now => {
                held.state = State::Fresh(from);
                false
            }
            State::Fresh(_) if self.waits_for_frame(held) => {
                held.state = State::Fresh(now);
                false
            }
            State::Fresh(_) => self.begin(held),
            State::Running(mut running) => match running.poll() {
                Some(ending) => self.end(held, ending),
                None => {
                    held.state = State::Running(running);
                    false
                }
            },
            State::Undelivered(made) => self.deliver(held, made),
            State::Unsettled => self.settle(held),
        }
    }

    /// Whether a frame of the same shot that was taken before is still to be filled: a frame goes on from the one before.
    fn waits_for_frame(&self, held: &Held) -> bool {
        let folder = &self.setup.folder.name;
        let Some(frame) = held.claim.frame(folder) else {
            return false;
        };
        // Those that were taken before this one are back on the list by now.
        let mut unfilled = self
            .held
            .iter()
            .filter(|other| matches!(other.state, State::Fresh(_) | State::Running(_)));
        unfilled.any(|other| {
            let other = other.claim.frame(folder);
            other.is_some_and(|other| other.shot == frame.shot)
        })
    }

    fn begin(&mut self, held: &mut Held) -> bool {
        let Setup {
            folder,
            menu,
            bounds,
            ..
        } = &self.setup;
        let mut seen = None;
        let task = read::task(
            &self.places,
            folder,
            menu,
            bounds,
            &held.claim,
            &mut held.report,
            &mut seen,
        );
        if seen.is_some() && held.expected.is_some() && seen != held.expected {
            let photo = shown(&held.claim.photo);
            match self.places.put_back(&held.claim) {
                Ok(()) => {
                    tracing::info!(
                        folder = folder.name,
                        photo,
                        "a photo changed while it was taken; it is put back"
                    );
                    return true;
                }
                // Its place is taken: it is waited for where it is.
                Err(error) => {
                    tracing::info!(folder = folder.name, photo, %error, "a photo changes while it is worked on");
                    held.expected = seen;
                    held.state = State::Fresh(Instant::now() + folder.rules.settle);
                    return false;
                }
            }
        }
        // Only the first reading can tell a change from the claim itself.
        held.expected = None;
        let task = match task {
            Ok(task) => task,
            Err(fault) => return self.fail(held, fault, None),
        };
        held.claim.jobs.push(task.job.clone());
        if let Err(error) = self.places.record(&held.claim) {
            return self.keep(
                held,
                State::Fresh(Instant::now()),
                &format!("writing into working: {error}"),
            );
        }
        match self.setup.executor.begin(task) {
            Begun::Running(running) => {
                held.state = State::Running(running);
                false
            }
            Begun::Ended(ending) => self.end(held, ending),
        }
    }

    fn end(&mut self, held: &mut Held, ending: Ending) -> bool {
        match ending {
            Ending::Made(made) => self.deliver(held, made),
            Ending::Failed(fault, job) => self.fail(held, fault, job),
            Ending::Later(Later { why, after, all }) => {
                held.state = State::Fresh(Instant::now() + after);
                if all {
                    self.pause(&why, Some(after));
                    self.note_obstacle(&why);
                }
                false
            }
        }
    }

    fn fail(&mut self, held: &mut Held, fault: PairFault, job: Option<String>) -> bool {
        tracing::warn!(
            folder = self.setup.folder.name,
            photo = shown(&held.claim.photo),
            code = fault.code.as_str(),
            detail = fault.detail,
            "pair failed"
        );
        held.report.status = "failed".to_string();
        held.report.error = Some(fault);
        held.report.job_id = job;
        self.settle(held)
    }

    fn deliver(&mut self, held: &mut Held, made: Box<Made>) -> bool {
        let bytes = match made.bytes.read() {
            Ok(Some(bytes)) => bytes,
            // Its time was over while the output could not be written: it is made again, without charge.
            Ok(None) => {
                held.state = State::Fresh(Instant::now());
                return false;
            }
            Err(error) => {
                let text = format!("reading a result: {error}");
                return self.keep(held, State::Undelivered(made), &text);
            }
        };
        let finish = &self.setup.folder.rules.finish;
        let mask = made.mask.as_ref().filter(|_| finish.wants_mask());
        let mask = match mask.map(Bytes::read).transpose() {
            // One that is gone is only missing beside the result.
            Ok(mask) => mask.flatten(),
            Err(error) => {
                let text = format!("reading the mask of a result: {error}");
                return self.keep(held, State::Undelivered(made), &text);
            }
        };
        let (name, mask_name) = match self.put_out(held, &made, &bytes, mask.as_deref()) {
            Ok(names) => names,
            Err(error) => {
                let text = format!(
                    "writing into the output folder {}: {error}",
                    self.places.output.display()
                );
                return self.keep(held, State::Undelivered(made), &text);
            }
        };
        if finish.contact_sheet {
            let bounds = &self.setup.bounds;
            let photo = self.places.photo(&held.claim, bounds.bytes_max);
            let photo = photo.as_ref().map(|(bytes, _)| bytes.as_slice());
            let cells = [
                photo.map_err(ToString::to_string),
                mask.as_deref().ok_or("it is gone".to_string()),
                Ok(bytes.as_slice()),
            ];
            self.sheet.add(&held.report.photo, cells, bounds);
        }
        let sha256 = hex(&<sha2::Sha256 as sha2::Digest>::digest(&bytes));
        let report = &mut held.report;
        report.status = "done".to_string();
        (report.job_id, report.credits, report.duplicate) =
            (made.job, made.credits, made.duplicate);
        report.result = Some(ResultView {
            name: shown(&name),
            mask: mask_name.as_deref().map(shown),
            bytes: bytes.len() as u64,
            sha256,
            size: made.size,
            processing_ms: made.processing_ms,
            timings: made.timings,
            models: made.models,
            device: made.device,
            warnings: made.warnings,
        });
        held.result = Some(name);
        self.settle(held)
    }

    /// Puts result and mask into the output folder; their paths there.
    fn put_out(
        &self,
        held: &Held,
        made: &Made,
        bytes: &[u8],
        mask: Option<&[u8]>,
    ) -> io::Result<(String, Option<String>)> {
        let (finish, claim) = (&self.setup.folder.rules.finish, &held.claim);
        let stem = finish.name(&claim.name);
        let name = self.places.deliver(claim, &stem, made.extension, bytes)?;
        let mask = mask.filter(|_| finish.mask_copy).map(|mask| {
            let stem = format!("{stem}_mask");
            self.places.deliver(claim, &stem, "png", mask)
        });
        Ok((name, mask.transpose()?))
    }

    /// Writes the contact sheet of the pairs since the last one.
    pub(super) fn write_sheet(&mut self) {
        let now_ms = crate::clock::now_ms();
        let (output, bounds) = (&self.places.output, &self.setup.bounds);
        if let Err(error) = self.sheet.write(output, now_ms, bounds) {
            tracing::warn!(folder = self.setup.folder.name, %error, "the contact sheet could not be written; it is tried again");
        }
    }

    /// Has the command run for a pair that lies under this name in `done` or `failed`.
    fn tell(&self, held: &Held, name: &str) {
        let home = match held.report.error {
            None => DONE,
            Some(_) => FAILED,
        };
        let report = report_path(name, &held.claim.id);
        let result = held.result.as_ref();
        self.commands.run(Ended {
            status: held.report.status.clone(),
            folder: held.report.folder.clone(),
            result: result.map_or(PathBuf::new(), |name| place(&self.places.output, name)),
            report: place(&self.places.root.join(home), &report),
            photo: place(&self.places.root, &held.claim.photo),
        });
    }

    fn settle(&mut self, held: &mut Held) -> bool {
        held.report.ended_at_ms = crate::clock::now_ms();
        match self.places.settle(&held.claim, &held.report) {
            Ok(name) => {
                self.tell(held, &name);
                self.setup.board.ended(&held.report, name);
                true
            }
            Err(error) => self.keep(
                held,
                State::Unsettled,
                &format!("moving a pair out of working: {error}"),
            ),
        }
    }

    /// Keeps a claim for another try and pauses the folder.
    fn keep(&mut self, held: &mut Held, state: State, why: &str) -> bool {
        held.state = state;
        self.pause(why, None);
        self.note_obstacle(why);
        false
    }

    /// What a single run ends with: it keeps its claims, and the next one takes them up.
    fn note_obstacle(&mut self, why: &str) {
        if self.setup.once {
            self.obstacle
                .get_or_insert_with(|| io::Error::other(why.to_string()));
        }
    }
}
