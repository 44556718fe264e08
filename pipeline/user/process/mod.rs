//! `entry = "process"`: a program of the user, spoken to in frames on its standard input and output (see README.md here).
//!
//! One process serves one stage of one job. It runs in a process group of its own with a bounded address space; at its
//! time limit, on cancellation and at the first frame out of order the group is killed. Whatever it does, the worst that
//! happens here is an error for that job.

mod message;
mod session;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::manifest::ProcessTable;

use crate::PluginError;
use crate::manifest::StageKind;
use crate::parameter::Values;
use crate::user::{Sheet, for_each_crop};
use crate::{Stage, Work};
use message::{Picture, StageRequest};
use session::Session;

/// A program with its limits, found and checked.
#[derive(Debug)]
pub struct Program {
    /// Plugin name.
    name: String,
    /// Folder of the plugin; the program's working directory.
    folder: PathBuf,
    executable: PathBuf,
    arguments: Vec<String>,
    time_max: Duration,
    memory_bytes_max: u64,
    pixels_max: usize,
}

impl Program {
    /// The program of plugin `name` in `folder`. A program given by a path must be there; a bare name is looked up in
    /// `PATH` when it is started.
    pub fn new(name: &str, folder: &Path, table: &ProcessTable) -> Result<Program, PluginError> {
        let fail = |detail: String| PluginError::File {
            file: folder.join("plugin.toml").display().to_string(),
            detail,
        };
        let folder = folder.canonicalize().map_err(|e| fail(e.to_string()))?;
        let Some((first, arguments)) = table.command.split_first() else {
            return Err(fail("command is empty".to_string()));
        };
        let by_path = first.contains('/');
        let executable = if by_path {
            folder.join(first)
        } else {
            PathBuf::from(first)
        };
        if by_path && !executable.is_file() {
            return Err(fail(format!(
                "command: there is no file {}",
                executable.display()
            )));
        }
        Ok(Program {
            name: name.to_string(),
            folder,
            executable,
            arguments: arguments.to_vec(),
            time_max: Duration::from_secs(table.time_s_max),
            memory_bytes_max: table.memory_mib_max << 20,
            pixels_max: table.megapixels_max * 1_000_000,
        })
    }

    fn fail(&self, detail: impl Into<String>) -> PluginError {
        PluginError::User {
            plugin: self.name.clone(),
            detail: detail.into(),
        }
    }
}

/// A program with its values, ready to run.
pub(crate) struct ProcessStage {
    program: Arc<Program>,
    stage: StageKind,
    values: Values,
}

impl ProcessStage {
    pub fn new(program: Arc<Program>, stage: StageKind, values: Values) -> Self {
        ProcessStage {
            program,
            stage,
            values,
        }
    }

    fn request(&self, pictures: Vec<Picture>) -> StageRequest<'_> {
        StageRequest {
            plugin: &self.program.name,
            stage: self.stage,
            parameters: &self.values,
            pictures,
        }
    }

    /// Mask in, mask out, at the photo's size.
    fn run_mask(&self, work: &mut Work<'_>, session: &mut Session<'_>) -> Result<(), PluginError> {
        let (width, height) = (work.mask.width, work.mask.height);
        let request = self.request(vec![Picture::u8(
            "mask",
            width,
            height,
            work.mask.data.clone(),
        )]);
        let mut mask = work.mask.clone();
        mask.data = session.exchange(
            work.observer,
            &request,
            &Picture::empty_u8("mask", width, height),
        )?;
        mask.harden();
        work.set_mask(mask);
        Ok(())
    }
}

impl Stage for ProcessStage {
    fn run(&self, work: &mut Work<'_>) -> Result<(), PluginError> {
        let mut session = Session::start(&self.program)?;
        if self.stage == StageKind::Mask {
            self.run_mask(work, &mut session)?;
        } else {
            let answer = |work: &Work<'_>, sheet: &Sheet| {
                let (width, height) = (sheet.width, sheet.height);
                let mut pictures = vec![
                    Picture::f32("photo", width, height, &sheet.photo),
                    Picture::u8("hole", width, height, sheet.hole.clone()),
                ];
                if self.stage != StageKind::Inpaint {
                    pictures.push(Picture::f32("fill", width, height, &sheet.fill));
                }
                let bytes = session.exchange(
                    work.observer,
                    &self.request(pictures),
                    &Picture::empty_f32("fill", width, height),
                )?;
                Ok(bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|b| f32::from_le_bytes(*b))
                    .collect())
            };
            for_each_crop(
                work,
                &self.program.name,
                self.stage,
                self.program.pixels_max,
                answer,
            )?;
        }
        work.warnings.extend(session.finish()?);
        Ok(())
    }
}
