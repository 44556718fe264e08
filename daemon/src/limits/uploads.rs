//! Bytes of uploads under way: so many in all, and so many of one key, and no more than the volume has room for, of which no
//! key takes more than it leaves to the others. They are set aside before the first byte is read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use cleanplate_api::ErrorCode;
use cleanplate_basics::lock;
use cleanplate_store::KeyId;

use crate::files::{DiskSpace, Reservation};
use crate::refusal::Refusal;

/// Seconds after which a refused upload may find room.
const RETRY_S: u64 = 5;

/// The bytes of all uploads under way.
pub struct Uploads {
    all_bytes_max: u64,
    key_bytes_max: u64,
    space: Arc<DiskSpace>,
    held: Mutex<HashMap<KeyId, u64>>,
}

/// Bytes set aside for one upload, until this is dropped.
pub struct Held {
    uploads: Arc<Uploads>,
    key: KeyId,
    bytes: u64,
    /// Room on the volume for those that have not come yet.
    room: Reservation,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = self.uploads.lock();
        if let Some(bytes) = held.get_mut(&self.key) {
            *bytes -= self.bytes;
            if *bytes == 0 {
                held.remove(&self.key);
            }
        }
    }
}

impl Uploads {
    /// None under way; at most so many bytes in all, and of one key.
    pub fn new(all_bytes_max: u64, key_bytes_max: u64, space: Arc<DiskSpace>) -> Arc<Uploads> {
        Arc::new(Uploads {
            all_bytes_max,
            key_bytes_max,
            space,
            held: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<KeyId, u64>> {
        // Every change is one addition or subtraction.
        lock(&self.held)
    }

    /// An upload of a key, of which no byte is there yet.
    pub fn begin(self: &Arc<Self>, key: KeyId) -> Held {
        Held {
            uploads: self.clone(),
            key,
            bytes: 0,
            room: self.space.none(),
        }
    }
}

impl Held {
    /// Bytes set aside.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Notes that bytes have come: they take room on the volume themselves now.
    pub fn arrived(&mut self, bytes: u64) {
        self.room.shrink(bytes);
    }

    /// Sets more bytes aside, or says why not and leaves it at what there is.
    pub fn grow(&mut self, more: u64) -> Result<(), Refusal> {
        let Uploads {
            all_bytes_max,
            key_bytes_max,
            ..
        } = *self.uploads;
        let mut held = self.uploads.lock();
        let all: u64 = held.values().sum();
        let of_key = held.get(&self.key).copied().unwrap_or_default();
        let full = |whose: &str, bytes: u64, bytes_max: u64| {
            let text = format!(
                "uploads {whose} have {} MiB under way, {} MiB more exceed the limit of {} MiB",
                bytes >> 20,
                more.div_ceil(1 << 20),
                bytes_max >> 20
            );
            Err(Refusal::new(ErrorCode::QueueFull, text).retry_after(RETRY_S))
        };
        if of_key.saturating_add(more) > key_bytes_max {
            return full("of this key", of_key, key_bytes_max);
        }
        if all.saturating_add(more) > all_bytes_max {
            return full("of all clients", all, all_bytes_max);
        }
        self.room.grow(more)?;
        let left = self.uploads.space.left();
        if of_key + more > left {
            self.room.shrink(more);
            let text = format!(
                "volume nearly full: uploads of this key would take {} MiB of it and leave {} MiB to all others; a key takes no \
                 more than it leaves",
                (of_key + more).div_ceil(1 << 20),
                left >> 20
            );
            return Err(Refusal::new(ErrorCode::StorageFull, text).retry_after(RETRY_S));
        }
        held.insert(self.key, of_key + more);
        self.bytes += more;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_takes_no_more_of_the_volume_than_it_leaves() {
        let dir = tempfile::tempdir().unwrap();
        let space = DiskSpace::new(&crate::files::Dirs::under(dir.path()), None, 0);
        // Others use the volume too: quarters, not bytes, are told apart.
        let quarter = space.left() / 4;
        let uploads = Uploads::new(u64::MAX, u64::MAX, space.clone());
        let mut first = uploads.begin(KeyId(1));
        assert!(first.grow(3 * quarter).is_err());
        first.grow(quarter + quarter / 2).unwrap();
        // What has come is still its own.
        first.arrived(1);
        let refusal = uploads.begin(KeyId(1)).grow(quarter).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::StorageFull);
        let mut other = uploads.begin(KeyId(2));
        other.grow(quarter).unwrap();
        drop(first);
        other.grow(quarter / 2).unwrap();
        drop(other);
        assert!(space.left() > 3 * quarter);
    }

    #[test]
    fn keys_have_their_limit_and_all_have_one_together() {
        let dir = tempfile::tempdir().unwrap();
        let space = DiskSpace::new(&crate::files::Dirs::under(dir.path()), None, 0);
        let uploads = Uploads::new(100, 60, space);
        let mut first = uploads.begin(KeyId(1));
        first.grow(40).unwrap();
        let mut second = uploads.begin(KeyId(1));
        let refusal = second.grow(30).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::QueueFull);
        assert!(refusal.text.contains("of this key"), "{}", refusal.text);
        second.grow(20).unwrap();
        let mut other = uploads.begin(KeyId(2));
        let refusal = other.grow(50).unwrap_err();
        assert!(refusal.text.contains("of all clients"), "{}", refusal.text);
        other.grow(40).unwrap();
        assert_eq!((first.bytes(), second.bytes(), other.bytes()), (40, 20, 40));
        drop(first);
        other.grow(20).unwrap();
        drop((second, other));
        assert!(uploads.lock().is_empty());
        assert!(uploads.begin(KeyId(3)).grow(u64::MAX).is_err());
    }
}
