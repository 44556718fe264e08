//! The data folder: layout, secrets, signed addresses, results.

mod blobs;
mod bucket;
mod dirs;
mod disk_space;
mod folder;
mod inputs;
mod intact;
mod lost;
mod mapped;
mod previews;
mod publish;
mod range;
mod secrets;
mod signed;
mod sweep;

#[cfg(test)]
#[path = "../../../tests/common/s3.rs"]
#[allow(dead_code)] // The tests of the whole daemon use more of it.
mod s3;

pub use blobs::{Blobs, ByteStream, Kind, shown_name};
pub use dirs::{Dirs, FilesError};
pub use disk_space::{DiskSpace, Reservation};
pub use folder::read_on;
pub use inputs::{
    Inputs, bytes as inputs_bytes, has as has_inputs, image_name as input_name,
    move_to_job as move_inputs, remove as remove_inputs, sweep as sweep_inputs,
};
pub use lost::{refuse_foreign_database, refuse_foreign_results, refuse_lost_database};
pub use mapped::Mapped;
pub use previews::{keep_preview, preview_names, remove_preview, sweep_previews};
pub use publish::{Publication, remove_results};
pub use range::{ByteRange, parse_range};
pub use secrets::{UrlKeys, draw};
pub use signed::{Refused, Signed, sign, verify};
pub use sweep::{remove_orphans, sweep_expired};
