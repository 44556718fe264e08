//! Constant buffers: weights and tables, uploaded once per distinct `Arc` and shared by every plan that uses them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::device::Gpu;
use crate::error::EngineError;
use crate::memory::{Held, Ledger};
use crate::plan::round_up;

/// Bytes queued for upload before the queue is flushed: bounds the driver's staging memory.
const STAGING_BYTES_MAX: u64 = 64 << 20;

/// One uploaded constant.
#[derive(Debug)]
pub(super) struct Constant {
    pub buffer: wgpu::Buffer,
    /// Keeps the address, which is the key, from being given to other data.
    _words: Arc<Vec<u32>>,
    _held: Held,
}

impl Drop for Constant {
    fn drop(&mut self) {
        self.buffer.destroy();
    }
}

/// The constants of one device.
#[derive(Debug)]
pub(super) struct Constants {
    by_address: Mutex<HashMap<usize, Weak<Constant>>>,
    ledger: Ledger,
}

impl Constants {
    pub fn new(ledger: Ledger) -> Self {
        Constants {
            by_address: Mutex::default(),
            ledger,
        }
    }

    /// Bytes that [`Constants::upload`] would newly allocate for these.
    pub fn missing_bytes(&self, constants: &[Arc<Vec<u32>>]) -> u64 {
        let known = self
            .by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let missing = constants.iter().filter(|words| {
            known
                .get(&address(words))
                .is_none_or(|c| c.strong_count() == 0)
        });
        missing.map(|words| stored_bytes(words)).sum()
    }

    /// Buffers with the given data, in order; those not on the device yet are uploaded.
    pub fn upload(
        &self,
        gpu: &Gpu,
        constants: &[Arc<Vec<u32>>],
        wait: Duration,
    ) -> Result<Vec<Arc<Constant>>, EngineError> {
        let mut known = self
            .by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, constant| constant.strong_count() > 0);
        let mut queued = 0;
        let mut result = Vec::with_capacity(constants.len());
        for words in constants {
            if let Some(constant) = known.get(&address(words)).and_then(Weak::upgrade) {
                result.push(constant);
                continue;
            }
            let constant = Arc::new(self.create(gpu, words));
            known.insert(address(words), Arc::downgrade(&constant));
            result.push(constant);
            queued += stored_bytes(words);
            if queued > STAGING_BYTES_MAX {
                gpu.wait(gpu.queue.submit([]), wait, "uploading weights")?;
                queued = 0;
            }
        }
        if queued > 0 {
            gpu.wait(gpu.queue.submit([]), wait, "uploading weights")?;
        }
        Ok(result)
    }

    fn create(&self, gpu: &Gpu, words: &Arc<Vec<u32>>) -> Constant {
        let size = stored_bytes(words);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
        let buffer = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("constant"),
            size,
            usage,
            mapped_at_creation: false,
        });
        gpu.queue
            .write_buffer(&buffer, 0, bytemuck::cast_slice(words));
        Constant {
            buffer,
            _words: words.clone(),
            _held: self.ledger.hold(size),
        }
    }
}

fn address(words: &Arc<Vec<u32>>) -> usize {
    Arc::as_ptr(words) as usize
}

fn stored_bytes(words: &[u32]) -> u64 {
    round_up(4 * words.len() as u64)
}
