//! The `[process]` table of a manifest.

use serde::{Deserialize, Serialize};

use crate::manifest::StageKind;

/// How a program is started, and its limits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessTable {
    /// Program and arguments. A program with a `/` in it is a path from the plugin's folder, a bare name is looked up in `PATH`.
    pub command: Vec<String>,
    /// Seconds that the program may take for its whole stage, start included.
    #[serde(default = "time_s")]
    pub time_s_max: u64,
    /// Mebibytes of address space of each of its processes (Linux; elsewhere not limited). Runtimes reserve more than they use.
    #[serde(default = "memory_mib")]
    pub memory_mib_max: u64,
    /// Millions of pixels in one crop; larger ones are handed over at a smaller size.
    #[serde(default = "megapixels")]
    pub megapixels_max: usize,
}

fn time_s() -> u64 {
    60
}
fn memory_mib() -> u64 {
    2048
}
fn megapixels() -> usize {
    8
}

impl ProcessTable {
    pub(crate) fn check(&self, stage: StageKind) -> Result<(), String> {
        if matches!(stage, StageKind::Segment | StageKind::Curate) {
            return Err("a process runs as stage mask, inpaint, refine or finish".to_string());
        }
        let shown =
            |what: &str, value: u64, low: u64, high: u64| match (low..=high).contains(&value) {
                true => Ok(()),
                false => Err(format!(
                    "process.{what} = {value}: expected a whole number from {low} to {high}"
                )),
            };
        shown("time_s_max", self.time_s_max, 1, 3600)?;
        shown("memory_mib_max", self.memory_mib_max, 16, 1 << 20)?;
        shown("megapixels_max", self.megapixels_max as u64, 1, 64)?;
        if self.command.is_empty()
            || self.command.len() > 64
            || self
                .command
                .iter()
                .any(|word| word.is_empty() || word.contains('\0'))
        {
            return Err("process.command: expected 1 to 64 words, the program first".to_string());
        }
        Ok(())
    }
}
