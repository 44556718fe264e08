//! The devices of this process: each has engine threads of its own, so that jobs go to whichever has time.

use std::sync::Arc;

use cleanplate_api::DeviceStatus;
use cleanplate_models::ModelStore;
use cleanplate_pipeline::{RunLimits, Runner};

use super::device::{self, Device, DeviceState, Opened};
use crate::config::{self, Adapters, Config};
use crate::files::Dirs;

/// One device or several.
pub struct Devices(Vec<(Option<String>, Device)>);

impl Devices {
    /// The configured devices; none is open yet. Several are looked for now: an adapter that comes later is found by the next
    /// start.
    pub fn new(config: &Config, dirs: &Dirs, models: &Arc<ModelStore>) -> Devices {
        let adapters = adapters(&config.engine);
        // Each device remembers the frames that it worked on.
        let shots_bytes_max = config.limits.shots_bytes_max / adapters.len().max(1) as u64;
        let configured = |adapter: Option<String>| {
            let (dirs, models) = (dirs.clone(), models.clone());
            let device = configured(config, dirs, models, adapter.clone(), shots_bytes_max);
            (adapter, device)
        };
        Devices(adapters.into_iter().map(configured).collect())
    }

    /// How many there are, at least one.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The device of an engine thread.
    pub fn of_thread(&self, number: usize) -> &Device {
        &self.0[number % self.0.len()].1
    }

    /// The first that is ready, else the first that is being opened, else the first.
    pub fn state(&self) -> DeviceState {
        let states = self.0.iter().map(|(_, device)| device.state());
        let rank = |state: &DeviceState| match state {
            DeviceState::Ready(_) => 0,
            DeviceState::Opening => 1,
            DeviceState::Failed(_) => 2,
        };
        states.min_by_key(rank).unwrap_or(DeviceState::Opening)
    }

    /// Each of them as the interfaces tell of it.
    pub fn statuses(&self) -> Vec<DeviceStatus> {
        let status = |(adapter, device): &(Option<String>, Device)| {
            let state = device.state();
            DeviceStatus {
                adapter: adapter.clone(),
                device: state.view(),
                error: state.error().map(str::to_string),
            }
        };
        self.0.iter().map(status).collect()
    }

    /// Has the device opened again that `runner` runs on.
    pub fn lost(&self, runner: &Arc<Runner>) {
        self.0.iter().for_each(|(_, device)| device.lost(runner));
    }

    /// What runs pipelines on those that are open.
    pub fn runners(&self) -> impl Iterator<Item = Arc<Runner>> {
        self.0.iter().filter_map(|(_, device)| device.kept())
    }
}

/// Names of the adapters to open; `None` for the best one.
fn adapters(config: &config::Engine) -> Vec<Option<String>> {
    let chosen = match &config.adapters {
        Adapters::Best => Vec::new(),
        Adapters::All => device::adapters(config.backend),
        Adapters::Named(parts) => named(&device::adapters(config.backend), parts),
    };
    if chosen.is_empty() {
        return vec![None];
    }
    chosen.into_iter().map(Some).collect()
}

/// The adapters whose names hold one of these texts. One that none holds is kept as it is: opening it says what is there.
fn named(found: &[String], parts: &[String]) -> Vec<String> {
    let mut chosen: Vec<String> = Vec::new();
    for part in parts {
        let holds = |name: &&String| name.to_lowercase().contains(&part.to_lowercase());
        let fitting: Vec<&String> = found.iter().filter(holds).collect();
        let names = match fitting.is_empty() {
            true => vec![part],
            false => fitting,
        };
        for name in names {
            if !chosen.contains(name) {
                chosen.push(name.clone());
            }
        }
    }
    chosen
}

/// A device on that adapter, with what runs pipelines on it.
fn configured(
    config: &Config,
    dirs: Dirs,
    models: Arc<ModelStore>,
    adapter: Option<String>,
    shots_bytes_max: u64,
) -> Device {
    let engine = config.engine.clone();
    let (retry, leave_max) = (engine.retry, config.queue.job_wall_max);
    let open = move || {
        let backend = device::open(&engine, Some(&dirs), engine.backend, adapter.as_deref())?;
        let limits = RunLimits {
            micro_batch_max: engine.micro_batch_max,
            micro_batch_wait_max: engine.micro_batch_wait_max,
            embeddings_bytes_max: engine.embeddings_bytes_max,
            shots_bytes_max,
            ..RunLimits::default()
        };
        Ok(Opened {
            runner: Runner::new(backend.clone(), models.clone(), limits),
            backend,
        })
    };
    Device::new(Box::new(open), retry, leave_max)
}

#[cfg(test)]
mod tests {
    #[test]
    fn adapters_are_chosen_by_parts_of_their_names() {
        let found = [
            "NVIDIA H200 at 0000:17:00.0",
            "NVIDIA H200 at 0000:65:00.0",
            "llvmpipe",
        ];
        let found: Vec<String> = found.map(str::to_string).to_vec();
        let named = |parts: &[&str]| -> Vec<String> {
            let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
            super::named(&found, &parts)
        };
        assert_eq!(named(&["h200"]), found[..2]);
        assert_eq!(named(&["65:00", "nvidia"]), [&*found[1], &*found[0]]);
        assert_eq!(named(&["LLVM", "Arc"]), ["llvmpipe", "Arc"]);
    }
}
