//! Memory whose size a file decides.
//!
//! What is taken here fails with an error. The crates that decode and encode (zune-jpeg, jpeg-encoder, png, image-webp, libwebp)
//! and buffers that grow as they are written take theirs without asking. That it fits is known before: whoever decodes sets
//! aside what [`Need`](crate::Need) computes from the header, and a test holds those figures against what is used.

use super::ImageError;

/// `count` zeros; an error instead of an abort when there is no memory for them.
pub(crate) fn zeroed<T: Copy + Default>(count: usize) -> Result<Vec<T>, ImageError> {
    let mut out = with_capacity(count)?;
    out.resize(count, T::default());
    Ok(out)
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
        assert_eq!(
            zeroed::<u16>(usize::MAX / 4),
            Err(ImageError::OutOfMemory {
                bytes: usize::MAX as u64 / 2 - 1
            })
        );
        assert_eq!(zeroed::<u8>(3), Ok(vec![0; 3]));
    }
}
