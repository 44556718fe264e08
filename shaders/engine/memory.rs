//! Accounting of held bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that a backend holds at the moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger(Arc<AtomicU64>);

impl Ledger {
    /// Bytes held now.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
    /// Counts `bytes` until the returned value is dropped.
    pub fn hold(&self, bytes: u64) -> Held {
        self.0.fetch_add(bytes, Ordering::Relaxed);
        Held {
            ledger: self.clone(),
            bytes,
        }
    }
}

/// A counted allocation.
#[derive(Debug)]
pub(crate) struct Held {
    ledger: Ledger,
    bytes: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.ledger.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_until_dropped() {
        let ledger = Ledger::default();
        let one = ledger.hold(5);
        let two = ledger.clone().hold(7);
        assert_eq!(ledger.bytes(), 12);
        drop(one);
        assert_eq!(ledger.bytes(), 7);
        drop(two);
        assert_eq!(ledger.bytes(), 0);
    }
}
