//! Opening a device: adapter choice, limits, features, error handlers.

use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use cleanplate_kernels::Caps;

use super::caps::caps;
use super::constants::Constants;
use super::pipelines::Pipelines;
use crate::error::EngineError;
use crate::memory::Ledger;
use crate::{DeviceInfo, EngineOptions};

/// Which adapters are acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Hardware only.
    RealGpu,
    /// Any adapter, hardware first.
    Any,
}

/// Share of the memory budget, in percent, above which the driver refuses new buffers instead of swapping.
const BUDGET_PERCENT_MAX: u8 = 90;

/// Messages kept from the uncaptured-error handler between two looks.
const ERRORS_MAX: usize = 8;

/// What the device's callbacks report. They run on any thread at any time.
#[derive(Debug, Default)]
pub(super) struct Status {
    lost: Mutex<Option<String>>,
    errors: Mutex<Vec<String>>,
}

impl Status {
    /// Why the device is lost, if it is.
    pub fn lost(&self) -> Option<String> {
        self.lost
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
    /// Marks the device as lost; the first reason stays.
    pub fn lose(&self, why: String) {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        if lost.is_none() {
            tracing::error!(reason = %why, "GPU device lost");
            *lost = Some(why);
        }
    }
    /// Keeps an error that no scope caught, for the job that is running.
    pub fn report(&self, error: String) {
        tracing::error!(%error, "uncaptured GPU error");
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        if errors.len() < ERRORS_MAX {
            errors.push(error);
        }
    }
    /// Takes the errors reported so far.
    pub fn take_errors(&self) -> Vec<String> {
        std::mem::take(&mut *self.errors.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// An open device with everything that lives and dies with it.
#[derive(Debug)]
pub(super) struct Gpu {
    /// Counts devices of one backend: resources of another generation are stale.
    pub generation: u64,
    pub device: wgpu::Device,
    pub queue: ManuallyDrop<wgpu::Queue>,
    pub info: wgpu::AdapterInfo,
    pub caps: Caps,
    pub buffer_bytes_max: u64,
    pub uniform_align: u64,
    pub timestamps: bool,
    pub pipelines: Pipelines,
    pub constants: Constants,
    /// Bytes held on this device.
    pub ledger: Ledger,
    pub status: Arc<Status>,
}

impl Gpu {
    /// Opens the best adapter that fits.
    pub fn open(
        options: &EngineOptions,
        wanted: Wanted,
        generation: u64,
    ) -> Result<Arc<Gpu>, EngineError> {
        let adapter = choose(wanted, options.adapter.as_deref())?;
        let info = adapter.get_info();
        let optional = wgpu::Features::SUBGROUP
            | wgpu::Features::TIMESTAMP_QUERY
            | wgpu::Features::PIPELINE_CACHE;
        let features = adapter.features() & optional;
        let limits = adapter.limits();
        let request = adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("cleanplate"),
            required_features: features,
            required_limits: limits.clone(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        });
        let (device, queue) = block_on(request).map_err(|e| EngineError::NoAdapter {
            wanted: wanted.name(),
            detail: format!("{} refused a device: {e}", info.name),
        })?;
        let status = Arc::new(Status::default());
        let of_handler = status.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            of_handler.report(error.to_string())
        }));
        let of_callback = status.clone();
        device.set_device_lost_callback(move |reason, message| {
            of_callback.lose(format!("{reason:?}: {message}"))
        });
        let caps = caps(&info, features, &limits);
        let ledger = Ledger::default();
        tracing::info!(adapter = %info.name, driver = %info.driver_info, kind = kind(&info), family = ?caps.family, generation, "GPU device opened");
        Ok(Arc::new(Gpu {
            generation,
            pipelines: Pipelines::new(&device, &info, options),
            constants: Constants::new(ledger.clone()),
            ledger,
            buffer_bytes_max: limits.max_buffer_size,
            uniform_align: u64::from(limits.min_uniform_buffer_offset_alignment),
            timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
            queue: ManuallyDrop::new(queue),
            device,
            info,
            caps,
            status,
        }))
    }

    /// The device as users see it.
    pub fn describe(&self) -> DeviceInfo {
        let driver = [self.info.driver.as_str(), self.info.driver_info.as_str()].join(" ");
        DeviceInfo {
            backend: "wgpu",
            name: self.info.name.clone(),
            driver: driver.trim().to_string(),
            kind: kind(&self.info),
        }
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        // SAFETY: the queue is taken once, here, and never used again.
        let queue = unsafe { ManuallyDrop::take(&mut self.queue) };
        if self.status.lost().is_some() {
            // Dropping a queue waits for its work, which a hung device never finishes, and may panic: not on our thread.
            let spawned = std::thread::Builder::new()
                .name("gpu-drop".into())
                .spawn(move || drop(queue));
            if let Err(error) = spawned {
                tracing::warn!(%error, "no thread to drop the lost GPU queue on");
            }
        }
    }
}

impl Wanted {
    fn fits(self, found: &Found) -> bool {
        self == Wanted::Any || found.adapter.get_info().device_type != wgpu::DeviceType::Cpu
    }

    fn name(self) -> &'static str {
        match self {
            Wanted::RealGpu => "hardware GPU",
            Wanted::Any => "wgpu",
        }
    }
}

/// An adapter with the name that tells it from others.
struct Found {
    adapter: wgpu::Adapter,
    name: String,
}

/// Adapters and their names, best first: discrete before integrated before virtual before software.
fn found() -> Vec<Found> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: wgpu::Backends::PRIMARY,
        flags: wgpu::InstanceFlags::empty(),
        memory_budget_thresholds: wgpu::MemoryBudgetThresholds {
            for_resource_creation: Some(BUDGET_PERCENT_MAX),
            for_device_loss: None,
        },
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let mut adapters = block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
    adapters.sort_by_key(|adapter| rank(adapter.get_info().device_type));
    let infos: Vec<_> = adapters.iter().map(wgpu::Adapter::get_info).collect();
    let names = names(&infos);
    let found = adapters.into_iter().zip(names);
    found
        .map(|(adapter, name)| Found { adapter, name })
        .collect()
}

/// Names that tell adapters apart.
fn names(infos: &[wgpu::AdapterInfo]) -> Vec<String> {
    let plain = |info: &wgpu::AdapterInfo| match info.device_pci_bus_id.as_str() {
        "" => info.name.clone(),
        bus => format!("{} at {bus}", info.name),
    };
    let plain: Vec<String> = infos.iter().map(plain).collect();
    let numbered = |(index, name): (usize, &String)| match plain[..index]
        .iter()
        .filter(|other| *other == name)
        .count()
    {
        0 => name.clone(),
        before => format!("{name} #{}", before + 1),
    };
    plain.iter().enumerate().map(numbered).collect()
}

/// Names of the adapters that fit, best first.
pub(super) fn fitting(wanted: Wanted) -> Vec<String> {
    let fit = found().into_iter().filter(|one| wanted.fits(one));
    fit.map(|one| one.name).collect()
}

/// The best adapter that fits and whose name is, or else holds, this text.
fn choose(wanted: Wanted, text: Option<&str>) -> Result<wgpu::Adapter, EngineError> {
    let mut found = found();
    let seen: Vec<String> = found
        .iter()
        .map(|one| format!("{} ({})", one.name, kind(&one.adapter.get_info())))
        .collect();
    tracing::debug!(adapters = ?seen, "GPU adapters found");
    found.retain(|one| wanted.fits(one));
    let best = match text.map(str::to_lowercase) {
        None => (!found.is_empty()).then_some(0),
        Some(text) => {
            let names: Vec<String> = found.iter().map(|one| one.name.to_lowercase()).collect();
            let same = names.iter().position(|name| *name == text);
            same.or_else(|| names.iter().position(|name| name.contains(&text)))
        }
    };
    best.map(|index| found.swap_remove(index).adapter)
        .ok_or_else(|| EngineError::NoAdapter {
            wanted: wanted.name(),
            detail: none_fits(text, &seen),
        })
}

fn none_fits(text: Option<&str>, seen: &[String]) -> String {
    let named = text.map_or_else(String::new, |text| format!("whose name holds {text:?}, "));
    let seen = if seen.is_empty() {
        "none found".to_string()
    } else {
        format!("found only {}", seen.join(", "))
    };
    format!(
        "{named}{seen}; install the GPU's Vulkan driver, or mesa-vulkan-drivers for the software one"
    )
}

fn rank(device_type: wgpu::DeviceType) -> u8 {
    match device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    }
}

/// The word for a device type in [`DeviceInfo::kind`].
fn kind(info: &wgpu::AdapterInfo) -> &'static str {
    match info.device_type {
        wgpu::DeviceType::DiscreteGpu => "discrete",
        wgpu::DeviceType::IntegratedGpu => "integrated",
        wgpu::DeviceType::VirtualGpu => "virtual",
        wgpu::DeviceType::Cpu => "software",
        wgpu::DeviceType::Other => "other",
    }
}

/// Waits for a future on this thread. wgpu's native futures are ready at once.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adapters_of_one_name_are_told_apart() {
        let info = |name: &str, bus: &str| wgpu::AdapterInfo {
            name: name.to_string(),
            device_pci_bus_id: bus.to_string(),
            ..wgpu::AdapterInfo::new(wgpu::DeviceType::Cpu, wgpu::Backend::Vulkan)
        };
        let infos = [
            info("card", "0000:17:00.0"),
            info("card", "0000:65:00.0"),
            info("llvmpipe", ""),
            info("llvmpipe", ""),
        ];
        let wanted = [
            "card at 0000:17:00.0",
            "card at 0000:65:00.0",
            "llvmpipe",
            "llvmpipe #2",
        ];
        assert_eq!(names(&infos), wanted);
    }

    #[test]
    fn what_is_named_is_not_replaced() {
        for backend in [crate::BackendChoice::Auto, crate::BackendChoice::Wgpu] {
            let options = EngineOptions {
                backend,
                adapter: Some("no such card".to_string()),
                ..EngineOptions::default()
            };
            let refused = crate::open(&options).err().map(|error| error.to_string());
            assert!(refused.is_some_and(|text| text.contains("no such card")));
        }
        let named = crate::adapters(crate::BackendChoice::Wgpu);
        for name in named.iter().map(|name| name.to_uppercase()) {
            assert!(choose(Wanted::Any, Some(&name)).is_ok(), "{name}");
        }
    }
}
