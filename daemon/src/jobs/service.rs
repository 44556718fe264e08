//! What a job does.

use crate::config::Pricing;

/// The services that jobs are for, by their names in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The object gone in the photo.
    Removal,
    /// The mask of what points and a box mean.
    Segmentation,
}

impl Service {
    /// Its name in the store.
    pub fn name(self) -> &'static str {
        match self {
            Service::Removal => "object-removal",
            Service::Segmentation => "segmentation",
        }
    }

    /// The service of a stored name. What is unknown was a removal: older daemons and folders knew no other.
    pub fn of(name: &str) -> Service {
        if name == Service::Segmentation.name() {
            Service::Segmentation
        } else {
            Service::Removal
        }
    }

    /// Credits of one job.
    pub fn price(self, pricing: &Pricing) -> i64 {
        match self {
            Service::Removal => pricing.removal,
            Service::Segmentation => pricing.segmentation,
        }
    }
}
