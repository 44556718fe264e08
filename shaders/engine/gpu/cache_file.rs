//! The driver's pipeline cache as a file. A missing, damaged or foreign file means an empty cache, never an error.

use std::hash::{DefaultHasher, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Largest file that is read.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// A pipeline cache and the file behind it.
#[derive(Debug)]
pub(super) struct CacheFile {
    cache: wgpu::PipelineCache,
    path: PathBuf,
    /// Number of compiled pipelines that the file knows.
    saved: AtomicUsize,
}

impl CacheFile {
    /// The cache of an adapter in folder `dir`; `None` where the driver has no such cache.
    pub fn open(device: &wgpu::Device, info: &wgpu::AdapterInfo, dir: &Path) -> Option<Self> {
        if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return None;
        }
        let path = dir.join(wgpu::util::pipeline_cache_key(info)?);
        let data = read(&path);
        // SAFETY: the data was written by `save` from `get_data` of an adapter with the same key, unchanged as far as
        // its checksum tells; wgpu checks its own header and, with `fallback`, ignores what does not fit.
        let cache = unsafe {
            device.create_pipeline_cache(&wgpu::PipelineCacheDescriptor {
                label: Some("cleanplate"),
                data: data.as_deref(),
                fallback: true,
            })
        };
        Some(CacheFile {
            cache,
            path,
            saved: AtomicUsize::new(0),
        })
    }

    pub fn cache(&self) -> &wgpu::PipelineCache {
        &self.cache
    }

    /// Writes the cache unless the file knows all `compiled` pipelines already. A failure costs time at the next
    /// start, no more, so it is only logged.
    pub fn save(&self, compiled: usize) {
        if self.saved.swap(compiled, Ordering::Relaxed) == compiled {
            return;
        }
        let Some(data) = self.cache.get_data() else {
            return;
        };
        if let Err(error) = write(&self.path, &data) {
            tracing::warn!(path = %self.path.display(), %error, "pipeline cache not written");
        }
    }
}

/// The data of a file, if it is whole.
fn read(path: &Path) -> Option<Vec<u8>> {
    if std::fs::metadata(path).ok()?.len() > FILE_BYTES_MAX {
        return None;
    }
    let mut data = std::fs::read(path).ok()?;
    let sum = data.split_off(data.len().checked_sub(8)?);
    if sum == checksum(&data) {
        return Some(data);
    }
    tracing::warn!(path = %path.display(), "pipeline cache is damaged and will be written anew");
    None
}

/// Replaces a file in one step: readers see the old or the new one, whole.
fn write(path: &Path, data: &[u8]) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file = std::fs::File::create(&temporary)?;
    file.write_all(data)?;
    file.write_all(&checksum(data))?;
    drop(file);
    std::fs::rename(&temporary, path)
}

fn checksum(data: &[u8]) -> [u8; 8] {
    let mut hasher = DefaultHasher::new();
    hasher.write(data);
    hasher.finish().to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_files_come_back_and_damaged_ones_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep").join("cache");
        assert_eq!(read(&path), None);
        write(&path, b"pipelines").unwrap();
        assert_eq!(read(&path).unwrap(), b"pipelines");
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "no temporary file stays"
        );
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[3] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(read(&path), None);
        std::fs::write(&path, b"short").unwrap();
        assert_eq!(read(&path), None);
    }
}
