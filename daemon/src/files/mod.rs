//! The data folder: layout, secrets, signed addresses, results.

mod dirs;
mod disk_space;
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

pub use dirs::{Dirs, FilesError};
pub use disk_space::{DiskSpace, Reservation};
pub use inputs::{
    Inputs, both as input_paths, bytes as inputs_bytes, has as has_inputs, image as kept_image,
    move_to_job as move_inputs, remove as remove_inputs, remove_ended as remove_ended_inputs,
    sweep as sweep_inputs,
};
pub use intact::Intact;
pub use lost::{refuse_foreign_database, refuse_lost_database};
pub use mapped::Mapped;
pub use previews::{keep_preview, preview_path, remove_preview, sweep_previews};
pub use publish::Publication;
pub use range::{ByteRange, parse_range};
pub use secrets::UrlKeys;
pub use signed::{Refused, Signed, sign, verify};
pub use sweep::{remove_orphans, sweep_expired};
