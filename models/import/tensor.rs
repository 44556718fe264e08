//! One stored tensor: a window into shared bytes, converted on demand.

use std::borrow::Cow;

use half::{bf16, f16};

use super::Bytes;
use crate::error::ImportError;

/// Element type of a stored tensor. Elements are little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightType {
    /// 64-bit float.
    F64,
    /// 32-bit float.
    F32,
    /// 16-bit float, 5 exponent bits.
    F16,
    /// 16-bit float, 8 exponent bits.
    Bf16,
    /// 64-bit integer (counters).
    I64,
    /// 32-bit integer (index tables).
    I32,
    /// 8-bit integer, usually times a scale.
    I8,
    /// Bytes (images, masks, flags).
    U8,
}

impl WeightType {
    /// Bytes per element.
    pub fn bytes(self) -> usize {
        match self {
            WeightType::F64 | WeightType::I64 => 8,
            WeightType::F32 | WeightType::I32 => 4,
            WeightType::F16 | WeightType::Bf16 => 2,
            WeightType::I8 | WeightType::U8 => 1,
        }
    }
}

/// One stored tensor: a strided window into shared bytes. Its extent was checked when it was made.
#[derive(Debug, Clone)]
pub struct WeightTensor {
    dtype: WeightType,
    shape: Vec<usize>,
    elements: usize,
    /// Distance in elements between neighbours of each axis; `None` for dense row-major.
    strides: Option<Vec<usize>>,
    data: Bytes,
    /// Byte offset of the first element.
    offset: usize,
    /// Byte offset behind the last element.
    end: usize,
    /// Factor of [`WeightType::I8`] elements.
    scale: f32,
}

/// Most axes that any known weight has, with room to spare.
const AXES_MAX: usize = 8;

impl WeightTensor {
    /// A window of `shape` into `data`, starting at byte `offset`; `strides` in elements. Fails unless every element lies
    /// inside `data` and no element is reached twice often enough to make the tensor larger than its storage.
    pub fn new(
        dtype: WeightType,
        shape: &[usize],
        strides: Option<&[usize]>,
        data: Bytes,
        offset: usize,
    ) -> Result<Self, String> {
        if shape.len() > AXES_MAX {
            return Err(format!(
                "{} axes, at most {AXES_MAX} are accepted",
                shape.len()
            ));
        }
        let overflow = || format!("shape {shape:?} overflows");
        let elements = shape
            .iter()
            .try_fold(1usize, |n, &d| n.checked_mul(d))
            .ok_or_else(overflow)?;
        let strides = strides.filter(|s| !is_dense(shape, s));
        let span = match strides {
            None => elements,
            Some(s) if s.len() != shape.len() => {
                return Err(format!("{} strides for {} axes", s.len(), shape.len()));
            }
            Some(_) if elements == 0 => 0,
            Some(s) => shape
                .iter()
                .zip(s)
                .try_fold(1usize, |end, (&d, &stride)| {
                    (d - 1).checked_mul(stride)?.checked_add(end)
                })
                .ok_or_else(|| format!("strides {s:?} of shape {shape:?} overflow"))?,
        };
        if elements > span {
            return Err(format!(
                "shape {shape:?} with strides {strides:?} repeats elements"
            ));
        }
        let end = span
            .checked_mul(dtype.bytes())
            .and_then(|n| n.checked_add(offset))
            .ok_or_else(overflow)?;
        if end > data.len() {
            return Err(format!(
                "shape {shape:?} of {dtype:?} ends at byte {end}, its storage has {}",
                data.len()
            ));
        }
        Ok(WeightTensor {
            dtype,
            shape: shape.to_vec(),
            elements,
            strides: strides.map(<[usize]>::to_vec),
            data,
            offset,
            end,
            scale: 1.0,
        })
    }

    /// The same tensor whose elements count `scale` each.
    pub fn scaled(mut self, scale: f32) -> Self {
        self.scale = scale;
        self
    }

    /// Element type.
    pub fn dtype(&self) -> WeightType {
        self.dtype
    }

    /// Axis lengths, slowest first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// Factor that [`WeightTensor::to_f32`] applies.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// The elements as they are stored, dense row-major, little-endian, without the scale.
    pub fn to_bytes(&self) -> Result<Cow<'_, [u8]>, ImportError> {
        let size = self.dtype.bytes();
        let stored = self.data.read(self.offset..self.end);
        let stored = stored.map_err(|source| ImportError::Io {
            during: format!("reading a tensor of shape {:?}", self.shape),
            source,
        })?;
        let Some(strides) = &self.strides else {
            return Ok(stored);
        };
        let mut out = Vec::with_capacity(self.elements * size);
        self.for_each_index(strides, |index| {
            out.extend_from_slice(&stored[index * size..][..size]);
        });
        Ok(Cow::Owned(out))
    }

    /// The elements as `f32`, dense row-major, times the scale.
    pub fn to_f32(&self) -> Result<Vec<f32>, ImportError> {
        let bytes = &*self.to_bytes()?;
        let mut values: Vec<f32> = match self.dtype {
            WeightType::F64 => elements(bytes, |b| f64::from_le_bytes(b) as f32),
            WeightType::F32 => elements(bytes, f32::from_le_bytes),
            WeightType::F16 => elements(bytes, |b| f16::from_le_bytes(b).to_f32()),
            WeightType::Bf16 => elements(bytes, |b| bf16::from_le_bytes(b).to_f32()),
            WeightType::I64 => elements(bytes, |b| i64::from_le_bytes(b) as f32),
            WeightType::I32 => elements(bytes, |b| i32::from_le_bytes(b) as f32),
            WeightType::I8 => elements(bytes, |b| f32::from(i8::from_le_bytes(b))),
            WeightType::U8 => elements(bytes, |b: [u8; 1]| f32::from(b[0])),
        };
        if self.scale != 1.0 {
            values.iter_mut().for_each(|v| *v *= self.scale);
        }
        Ok(values)
    }

    /// Calls `visit` with the element offset of every element, in row-major order.
    fn for_each_index(&self, strides: &[usize], mut visit: impl FnMut(usize)) {
        let mut position = vec![0usize; self.shape.len()];
        let mut index = 0usize;
        for _ in 0..self.elements {
            visit(index);
            for axis in (0..self.shape.len()).rev() {
                position[axis] += 1;
                index += strides[axis];
                if position[axis] < self.shape[axis] {
                    break;
                }
                index -= strides[axis] * self.shape[axis];
                position[axis] = 0;
            }
        }
    }
}

/// Whether strides describe dense row-major order. Axes of length 1 may carry any stride.
fn is_dense(shape: &[usize], strides: &[usize]) -> bool {
    if shape.len() != strides.len() {
        return false;
    }
    let mut expected = 1usize;
    for (&d, &stride) in shape.iter().zip(strides).rev() {
        if d != 1 && stride != expected {
            return false;
        }
        expected = expected.saturating_mul(d);
    }
    true
}

fn elements<const N: usize>(bytes: &[u8], convert: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes
        .as_chunks::<N>()
        .0
        .iter()
        .map(|chunk| convert(*chunk))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(values: &[f32]) -> Bytes {
        Bytes::from(
            values
                .iter()
                .flat_map(|v| v.to_le_bytes())
                .collect::<Vec<u8>>(),
        )
    }

    #[test]
    fn strided_window_is_gathered_in_row_major_order() {
        let data = floats(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let transposed =
            WeightTensor::new(WeightType::F32, &[3, 2], Some(&[1, 3]), data.clone(), 4)
                .expect("inside");
        assert_eq!(
            transposed.to_f32().expect("reads"),
            [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]
        );
        let dense = WeightTensor::new(WeightType::F32, &[1, 3, 2], Some(&[99, 2, 1]), data, 0)
            .expect("inside");
        assert_eq!(
            dense.to_f32().expect("reads"),
            [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
        );
    }

    #[test]
    fn windows_outside_their_storage_are_refused() {
        let data = floats(&[0.0; 6]);
        let make = |shape: &[usize], strides: Option<&[usize]>, offset| {
            WeightTensor::new(WeightType::F32, shape, strides, data.clone(), offset)
        };
        assert!(make(&[2, 3], None, 0).is_ok());
        assert!(make(&[2, 3], None, 4).is_err());
        assert!(make(&[7], None, 0).is_err());
        assert!(make(&[2, 3], Some(&[4, 1]), 0).is_err());
        assert!(make(&[2, 3], Some(&[3]), 0).is_err());
        assert!(make(&[usize::MAX, 2], None, 0).is_err());
        assert!(make(&[2, 2], Some(&[usize::MAX, 1]), 0).is_err());
        assert!(
            make(&[1 << 40], Some(&[0]), 0).is_err(),
            "a broadcast larger than its storage"
        );
        assert!(make(&[1, 1, 1, 1, 1, 1, 1, 1, 1], None, 0).is_err());
        assert_eq!(
            make(&[0, 5], Some(&[9, 9]), 0)
                .expect("empty")
                .to_f32()
                .expect("reads"),
            [0.0f32; 0]
        );
    }

    #[test]
    fn every_type_converts() {
        let check = |dtype, bytes: &[u8], want: &[f32]| {
            let tensor =
                WeightTensor::new(dtype, &[want.len()], None, Bytes::from(bytes.to_vec()), 0)
                    .expect("inside");
            assert_eq!(
                tensor.scaled(0.5).to_f32().expect("reads"),
                want.iter().map(|v| v * 0.5).collect::<Vec<_>>(),
                "{dtype:?}"
            );
        };
        check(WeightType::F64, &1.25f64.to_le_bytes(), &[1.25]);
        check(WeightType::F32, &(-3.5f32).to_le_bytes(), &[-3.5]);
        check(WeightType::F16, &f16::from_f32(0.75).to_le_bytes(), &[0.75]);
        check(
            WeightType::Bf16,
            &bf16::from_f32(-2.0).to_le_bytes(),
            &[-2.0],
        );
        check(WeightType::I64, &(-7i64).to_le_bytes(), &[-7.0]);
        check(WeightType::I32, &9i32.to_le_bytes(), &[9.0]);
        check(WeightType::I8, &[0x80, 0x7f], &[-128.0, 127.0]);
        check(WeightType::U8, &[200], &[200.0]);
    }
}
