//! Host tensors: dense, row-major, last axis fastest.

use std::fmt;

/// Element type of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DType {
    /// 32-bit float.
    F32,
    /// 8-bit unsigned: image bytes and masks.
    U8,
    /// 32-bit unsigned: indices, integer scores and packed small integers.
    U32,
}

impl DType {
    /// Bytes per element.
    pub fn bytes(self) -> usize {
        match self {
            DType::F32 | DType::U32 => 4,
            DType::U8 => 1,
        }
    }
}

/// Axis lengths, slowest axis first. Feature maps are `[N, C, H, W]`; image bytes are `[N, H, W, C]`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// A shape from its axis lengths.
    pub fn new(dims: &[usize]) -> Self {
        Shape(dims.to_vec())
    }
    /// Axis lengths, slowest first.
    pub fn dims(&self) -> &[usize] {
        &self.0
    }
    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.0.iter().product()
    }
    /// The four axes of a rank-4 shape, `None` for any other rank.
    pub fn dims4(&self) -> Option<[usize; 4]> {
        <[usize; 4]>::try_from(self.0.as_slice()).ok()
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// Elements of an owned tensor.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// Bytes.
    U8(Vec<u8>),
    /// 32-bit unsigned integers.
    U32(Vec<u32>),
}

/// An owned host tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Axis lengths.
    pub shape: Shape,
    /// Elements in row-major order; the length equals `shape.elements()`.
    pub data: Data,
}

impl Tensor {
    /// A float tensor; panics in debug builds if the length does not fit the shape (a programmer's error).
    pub fn f32(dims: &[usize], data: Vec<f32>) -> Self {
        debug_assert_eq!(dims.iter().product::<usize>(), data.len());
        Tensor {
            shape: Shape::new(dims),
            data: Data::F32(data),
        }
    }
    /// A byte tensor; panics in debug builds if the length does not fit the shape.
    pub fn u8(dims: &[usize], data: Vec<u8>) -> Self {
        debug_assert_eq!(dims.iter().product::<usize>(), data.len());
        Tensor {
            shape: Shape::new(dims),
            data: Data::U8(data),
        }
    }
    /// An integer tensor; panics in debug builds if the length does not fit the shape.
    pub fn u32(dims: &[usize], data: Vec<u32>) -> Self {
        debug_assert_eq!(dims.iter().product::<usize>(), data.len());
        Tensor {
            shape: Shape::new(dims),
            data: Data::U32(data),
        }
    }
    /// Element type.
    pub fn dtype(&self) -> DType {
        match self.data {
            Data::F32(_) => DType::F32,
            Data::U8(_) => DType::U8,
            Data::U32(_) => DType::U32,
        }
    }
    /// The float elements, `None` for other types.
    pub fn as_f32(&self) -> Option<&[f32]> {
        match &self.data {
            Data::F32(v) => Some(v),
            Data::U8(_) | Data::U32(_) => None,
        }
    }
    /// The byte elements, `None` for other types.
    pub fn as_u8(&self) -> Option<&[u8]> {
        match &self.data {
            Data::U8(v) => Some(v),
            Data::F32(_) | Data::U32(_) => None,
        }
    }
    /// A borrowed view of the whole tensor.
    pub fn view(&self) -> TensorRef<'_> {
        match &self.data {
            Data::F32(v) => TensorRef::F32(&self.shape, v),
            Data::U8(v) => TensorRef::U8(&self.shape, v),
            Data::U32(v) => TensorRef::U32(&self.shape, v),
        }
    }
}

/// A borrowed tensor: shape and elements.
#[derive(Debug, Clone, Copy)]
pub enum TensorRef<'a> {
    /// Floats.
    F32(&'a Shape, &'a [f32]),
    /// Bytes.
    U8(&'a Shape, &'a [u8]),
    /// 32-bit unsigned integers.
    U32(&'a Shape, &'a [u32]),
}

/// A mutably borrowed tensor that a kernel fills completely.
#[derive(Debug)]
pub enum TensorMut<'a> {
    /// Floats.
    F32(&'a Shape, &'a mut [f32]),
    /// Bytes.
    U8(&'a Shape, &'a mut [u8]),
    /// 32-bit unsigned integers.
    U32(&'a Shape, &'a mut [u32]),
}

impl<'a> TensorRef<'a> {
    /// Axis lengths.
    pub fn shape(&self) -> &'a Shape {
        match self {
            TensorRef::F32(s, _) | TensorRef::U8(s, _) | TensorRef::U32(s, _) => s,
        }
    }
    /// Float elements; an empty slice for other types (callers check types in `Op::infer` first).
    pub fn f32(&self) -> &'a [f32] {
        match self {
            TensorRef::F32(_, v) => v,
            _ => &[],
        }
    }
    /// Byte elements; an empty slice for other types.
    pub fn u8(&self) -> &'a [u8] {
        match self {
            TensorRef::U8(_, v) => v,
            _ => &[],
        }
    }
    /// Integer elements; an empty slice for other types.
    pub fn u32(&self) -> &'a [u32] {
        match self {
            TensorRef::U32(_, v) => v,
            _ => &[],
        }
    }
    /// An owned copy.
    pub fn to_tensor(&self) -> Tensor {
        match self {
            TensorRef::F32(s, v) => Tensor {
                shape: (*s).clone(),
                data: Data::F32(v.to_vec()),
            },
            TensorRef::U8(s, v) => Tensor {
                shape: (*s).clone(),
                data: Data::U8(v.to_vec()),
            },
            TensorRef::U32(s, v) => Tensor {
                shape: (*s).clone(),
                data: Data::U32(v.to_vec()),
            },
        }
    }
}

impl TensorMut<'_> {
    /// Axis lengths.
    pub fn shape(&self) -> &Shape {
        match self {
            TensorMut::F32(s, _) | TensorMut::U8(s, _) | TensorMut::U32(s, _) => s,
        }
    }
    /// Float elements; an empty slice for other types.
    pub fn f32(&mut self) -> &mut [f32] {
        match self {
            TensorMut::F32(_, v) => v,
            _ => &mut [],
        }
    }
    /// Byte elements; an empty slice for other types.
    pub fn u8(&mut self) -> &mut [u8] {
        match self {
            TensorMut::U8(_, v) => v,
            _ => &mut [],
        }
    }
    /// Integer elements; an empty slice for other types.
    pub fn u32(&mut self) -> &mut [u32] {
        match self {
            TensorMut::U32(_, v) => v,
            _ => &mut [],
        }
    }
    /// Copies `from` into this tensor; lengths are equal by shape inference.
    pub fn copy_from(&mut self, from: &Tensor) {
        match (self, &from.data) {
            (TensorMut::F32(_, to), Data::F32(v)) => to.copy_from_slice(v),
            (TensorMut::U8(_, to), Data::U8(v)) => to.copy_from_slice(v),
            (TensorMut::U32(_, to), Data::U32(v)) => to.copy_from_slice(v),
            _ => debug_assert!(
                false,
                "dtype of a kernel's output differs from its inferred dtype"
            ),
        }
    }
}
