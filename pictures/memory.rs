//! Memory whose size a file decides.
//!
//! What is taken here fails with an error. The crates that decode and encode (zune-jpeg, jpeg-encoder, png, image-webp, libwebp)
//! and buffers that grow as they are written take theirs without asking, and a failure would end the process. So the whole of
//! what [`Need`](crate::Need) computes from the header is asked for before ([`ask`]), and tests hold those figures against
//! what is used. Several at a time share a budget of bytes, which is theirs to keep: the daemon's is asked for when it starts.

use super::ImageError;

/// `count` zeros; an error instead of an abort when there is no memory for them.
pub(crate) fn zeroed<T: Copy + Default>(count: usize) -> Result<Vec<T>, ImageError> {
    let mut out = with_capacity(count)?;
    out.resize(count, T::default());
    Ok(out)
}

/// Asks the system for so many bytes at once and gives them back: an error where there is no such memory. Costs no more than
/// a call, for no page is touched.
pub fn ask(bytes: u64) -> Result<(), ImageError> {
    let out_of_memory = ImageError::OutOfMemory { bytes };
    let count = usize::try_from(bytes).map_err(|_| out_of_memory.clone())?;
    let mut room = Vec::<u8>::new();
    let asked = room.try_reserve_exact(count).map_err(|_| out_of_memory);
    // The compiler may leave out an allocation that nobody looks at.
    std::hint::black_box(&room);
    asked
}

/// An empty vector with room for `count`; an error instead of an abort when there is no memory for them.
pub(crate) fn with_capacity<T>(count: usize) -> Result<Vec<T>, ImageError> {
    let mut out = Vec::new();
    match out.try_reserve_exact(count) {
        Ok(()) => Ok(out),
        Err(_) => Err(ImageError::OutOfMemory {
            bytes: (count as u64).saturating_mul(size_of::<T>() as u64),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_much_is_an_error() {
        assert_eq!(ask(1 << 20), Ok(()));
        assert_eq!(
            ask(u64::MAX / 4),
            Err(ImageError::OutOfMemory {
                bytes: u64::MAX / 4
            })
        );
        assert_eq!(
            zeroed::<u16>(usize::MAX / 4),
            Err(ImageError::OutOfMemory {
                bytes: usize::MAX as u64 / 2 - 1
            })
        );
        assert_eq!(zeroed::<u8>(3), Ok(vec![0; 3]));
    }
}
