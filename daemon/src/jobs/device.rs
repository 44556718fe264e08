//! The device behind the engine threads, and what runs pipelines on it: both change together, under one lock.

use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use cleanplate_api::DeviceView;
use cleanplate_engine::{Backend, BackendChoice, EngineError, EngineOptions};
use cleanplate_pipeline::Runner;

use super::lock;
use crate::config;
use crate::files::Dirs;

/// Pause between looks at whether a lost device is still in use.
const LOOK: Duration = Duration::from_millis(10);

/// Whether there is a device.
#[derive(Clone)]
pub enum DeviceState {
    /// Being opened.
    Opening,
    /// In use.
    Ready(Arc<dyn Backend>),
    /// Not there; opened again after a while.
    Failed(String),
}

impl DeviceState {
    /// Why there is none.
    pub fn error(&self) -> Option<&str> {
        match self {
            DeviceState::Ready(_) => None,
            DeviceState::Opening => Some("being opened"),
            DeviceState::Failed(error) => Some(error),
        }
    }

    /// The device as the interfaces tell of it.
    pub fn view(&self) -> Option<DeviceView> {
        let DeviceState::Ready(backend) = self else {
            return None;
        };
        let info = backend.device();
        Some(DeviceView {
            backend: info.backend.to_string(),
            name: info.name,
            driver: info.driver,
            kind: info.kind.to_string(),
            memory_bytes: backend.memory_bytes(),
        })
    }
}

/// A device and what runs pipelines on it.
pub struct Opened {
    /// The device.
    pub backend: Arc<dyn Backend>,
    /// Runs pipelines on it.
    pub runner: Runner,
}

enum State {
    /// Never opened, or lost: the runner on it may still be in use.
    None(Weak<Runner>),
    Ready(Arc<dyn Backend>, Arc<Runner>),
    Failed(String, Instant),
}

/// Opens the device when it is first needed and whenever it was lost.
pub struct Device {
    open: Box<dyn Fn() -> Result<Opened, EngineError> + Send + Sync>,
    /// Pause between attempts to open it.
    retry: Duration,
    /// Longest wait for those who still use a lost one.
    leave_max: Duration,
    state: Mutex<State>,
    /// Held while it is being opened.
    opening: Mutex<()>,
}

impl Device {
    /// A device that `open` opens.
    pub fn new(
        open: Box<dyn Fn() -> Result<Opened, EngineError> + Send + Sync>,
        retry: Duration,
        leave_max: Duration,
    ) -> Device {
        Device {
            open,
            retry,
            leave_max,
            state: Mutex::new(State::None(Weak::new())),
            opening: Mutex::default(),
        }
    }

    /// Whether it is there.
    pub fn state(&self) -> DeviceState {
        match &*lock(&self.state) {
            State::None(_) => DeviceState::Opening,
            State::Ready(backend, _) => DeviceState::Ready(backend.clone()),
            State::Failed(error, _) => DeviceState::Failed(error.clone()),
        }
    }

    /// What runs pipelines now, if the device is open.
    pub fn kept(&self) -> Option<Arc<Runner>> {
        match &*lock(&self.state) {
            State::Ready(_, runner) => Some(runner.clone()),
            State::None(_) | State::Failed(..) => None,
        }
    }

    /// What runs pipelines. Opens the device if there is none and the last attempt was long enough ago; before that waits
    /// for those who still use a lost one, so that its memory is not taken twice, unless `stop` says so.
    pub fn runner(&self, stop: impl Fn() -> bool) -> Option<Arc<Runner>> {
        if let Some(runner) = self.kept() {
            return Some(runner);
        }
        let _one = lock(&self.opening);
        let lost = match &*lock(&self.state) {
            // Another thread opened it while this one waited.
            State::Ready(_, runner) => return Some(runner.clone()),
            State::Failed(_, at) if at.elapsed() < self.retry => return None,
            State::Failed(..) => Weak::new(),
            State::None(lost) => lost.clone(),
        };
        let until = Instant::now() + self.leave_max;
        while lost.strong_count() > 0 && Instant::now() < until && !stop() {
            std::thread::sleep(LOOK);
        }
        if stop() {
            return None;
        }
        match (self.open)() {
            Ok(Opened { backend, runner }) => {
                let info = backend.device();
                tracing::info!(
                    backend = info.backend,
                    name = info.name,
                    driver = info.driver,
                    kind = info.kind,
                    "device opened"
                );
                let runner = Arc::new(runner);
                *lock(&self.state) = State::Ready(backend, runner.clone());
                Some(runner)
            }
            Err(error) => {
                tracing::error!(%error, retry_s = self.retry.as_secs(), "no device; service calls get 503");
                *lock(&self.state) = State::Failed(error.to_string(), Instant::now());
                None
            }
        }
    }

    /// Has the device opened again that `runner` runs on, unless that was done since.
    pub fn lost(&self, runner: &Arc<Runner>) {
        let mut state = lock(&self.state);
        if matches!(&*state, State::Ready(_, kept) if Arc::ptr_eq(kept, runner)) {
            *state = State::None(Arc::downgrade(runner));
        }
    }
}

/// Opens the configured device on this adapter, or on the best one. A panic of a driver binding is an error like any other.
pub fn open(
    config: &config::Engine,
    dirs: Option<&Dirs>,
    backend: BackendChoice,
    adapter: Option<&str>,
) -> Result<Arc<dyn Backend>, EngineError> {
    let options = EngineOptions {
        backend,
        adapter: adapter.map(str::to_string),
        memory_bytes_max: config.memory_bytes_max,
        cache_dir: dirs
            .filter(|_| config.pipeline_cache)
            .map(|dirs| dirs.cache.clone()),
        checked_shaders: config.checked,
        wait_s_max: config.wait_s_max,
    };
    std::panic::catch_unwind(|| cleanplate_engine::open(&options)).unwrap_or_else(|_| {
        Err(EngineError::NoAdapter {
            wanted: "usable",
            detail: "the driver panicked while opening".to_string(),
        })
    })
}

/// Names of the adapters that there are, best first; none where a driver panics.
pub fn adapters(backend: BackendChoice) -> Vec<String> {
    std::panic::catch_unwind(|| cleanplate_engine::adapters(backend)).unwrap_or_else(|_| {
        tracing::error!("a driver panicked while the adapters were listed");
        Vec::new()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use cleanplate_engine::{DeviceInfo, Executable, Graph};
    use cleanplate_models::ModelStore;
    use cleanplate_pipeline::RunLimits;

    use super::*;

    /// A device that takes no work.
    struct Fake;

    impl Backend for Fake {
        fn device(&self) -> DeviceInfo {
            DeviceInfo {
                backend: "fake",
                name: "fake".to_string(),
                driver: String::new(),
                kind: "software",
            }
        }
        fn compile(&self, _: &Graph) -> Result<Arc<dyn Executable>, EngineError> {
            Err(EngineError::Cancelled)
        }
        fn healthy(&self) -> bool {
            true
        }
        fn memory_bytes(&self) -> u64 {
            0
        }
    }

    /// A fake device that cannot be opened at these attempts, from 1; and how often that was tried.
    fn fake(bad: &'static [u32], leave_max: Duration) -> (Device, Arc<AtomicU32>) {
        let models = tempfile::tempdir().unwrap();
        let (attempts, counted) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let count = counted.clone();
        let open = move || {
            count.fetch_add(1, Ordering::SeqCst);
            if bad.contains(&(attempts.fetch_add(1, Ordering::SeqCst) + 1)) {
                return Err(EngineError::NoAdapter {
                    wanted: "fake",
                    detail: "unplugged".to_string(),
                });
            }
            let networks = Arc::new(ModelStore::open(models.path()).unwrap());
            Ok(Opened {
                backend: Arc::new(Fake),
                runner: Runner::new(Arc::new(Fake), networks, RunLimits::default()),
            })
        };
        let device = Device::new(Box::new(open), Duration::from_millis(50), leave_max);
        (device, counted)
    }

    /// Waits until it is so.
    fn until(is: impl Fn() -> bool) {
        let limit = std::time::Instant::now() + Duration::from_secs(20);
        while !is() {
            assert!(std::time::Instant::now() < limit, "it never is");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn is_ready(device: &Device) -> bool {
        matches!(device.state(), DeviceState::Ready(_))
    }

    #[test]
    fn two_threads_that_lose_the_same_device_leave_one_that_is_ready() {
        let (device, opened) = fake(&[], Duration::ZERO);
        assert!(matches!(device.state(), DeviceState::Opening));
        let first = device.runner(|| false).unwrap();
        let second = device.runner(|| false).unwrap();
        device.lost(&first);
        assert!(matches!(device.state(), DeviceState::Opening));
        let fresh = device.runner(|| false).unwrap();
        assert!(is_ready(&device));
        // The other thread learns of the loss only now.
        device.lost(&second);
        assert!(is_ready(&device), "a loss that is mended is no new one");
        assert!(Arc::ptr_eq(&device.runner(|| false).unwrap(), &fresh));
        assert_eq!(opened.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_device_is_opened_again_once_nobody_uses_the_lost_one() {
        let (device, opened) = fake(&[], Duration::from_secs(60));
        let (first, second) = (
            device.runner(|| false).unwrap(),
            device.runner(|| false).unwrap(),
        );
        device.lost(&first);
        drop(first);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| device.runner(|| false).unwrap());
            until(|| matches!(device.state(), DeviceState::Opening));
            assert_eq!(
                opened.load(Ordering::SeqCst),
                1,
                "its memory is still taken"
            );
            drop(second);
            other.join().unwrap();
        });
        assert!(is_ready(&device));
        assert_eq!(opened.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_device_that_is_not_there_is_tried_again_after_a_pause() {
        let (device, opened) = fake(&[1], Duration::ZERO);
        assert!(device.runner(|| false).is_none());
        assert!(matches!(device.state(), DeviceState::Failed(_)));
        assert!(device.runner(|| false).is_none());
        assert_eq!(opened.load(Ordering::SeqCst), 1);
        until(|| device.runner(|| false).is_some());
        assert!(is_ready(&device) && opened.load(Ordering::SeqCst) == 2);
    }
}
