//! Compares a backend with stored answers of the reference implementation.

use std::collections::BTreeMap;
use std::path::Path;

use cleanplate_kernels::Tensor;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{ImportError, ModelError};
use crate::import::{Bytes, WeightTensor, WeightType, Weights};
use crate::source::{Random, Source, WeightSpec};

/// One compared tensor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GoldenLine {
    /// Case in the file (`case0`).
    pub case: String,
    /// Compared tensor (`down3`).
    pub tensor: String,
    /// Largest absolute difference found.
    pub max_abs_error: f64,
    /// Largest absolute difference allowed.
    pub tolerance: f64,
    /// Shape, and further conditions with their values.
    pub detail: String,
    /// Whether all conditions hold.
    pub pass: bool,
}

/// Share of bytes that have to be equal; the rest may differ by one where a value lies next to an integer.
const BYTES_SHARE_MIN: f64 = 0.999;

/// A golden file while it is checked.
pub struct GoldenFile<'a> {
    path: &'a Path,
    /// Inputs and expected tensors.
    pub weights: &'a Weights,
}

impl<'a> GoldenFile<'a> {
    /// The file at `path`, of which `weights` was read.
    pub(crate) fn new(path: &'a Path, weights: &'a Weights) -> Self {
        GoldenFile { path, weights }
    }

    /// Name of the family that it belongs to.
    pub(crate) fn arch(&self) -> Result<&'a str, ModelError> {
        let name = self.weights.metadata().get("arch");
        name.map(String::as_str)
            .ok_or_else(|| self.fail("no `arch` in its metadata: it is no golden file"))
    }

    /// An error about this file.
    pub fn fail(&self, why: impl Into<String>) -> ModelError {
        ModelError::Golden {
            file: self.path.to_path_buf(),
            why: why.into(),
        }
    }

    /// The seed that its network's weights are made from (`Random` in `source`).
    pub fn seed(&self) -> Result<u64, ModelError> {
        self.stated("seed")
    }

    /// The sizes of its network.
    pub fn config<T: DeserializeOwned>(&self) -> Result<T, ModelError> {
        self.stated("config")
    }

    fn stated<T: DeserializeOwned>(&self, key: &str) -> Result<T, ModelError> {
        let text = self.weights.metadata().get(key);
        let text = text.ok_or_else(|| self.fail(format!("no `{key}` in its metadata")))?;
        serde_json::from_str(text).map_err(|e| self.fail(format!("metadata `{key}`: {e}")))
    }

    /// What a published file of its network holds: weights from the seed, under the names and with the shapes that its
    /// metadata lists. `None` where it lists none.
    pub fn published(&self) -> Result<Option<Weights>, ModelError> {
        if !self.weights.metadata().contains_key("weights") {
            return Ok(None);
        }
        let layout: BTreeMap<String, Vec<usize>> = self.stated("weights")?;
        let random = Random(self.seed()?);
        let made = layout.into_iter().map(|(name, shape)| {
            let spec = WeightSpec { name, shape };
            let weight = random.tensor(&spec)?;
            let values = weight.as_f32().unwrap_or_default().iter();
            let bytes = Bytes::from(values.flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>());
            let tensor = WeightTensor::new(WeightType::F32, &spec.shape, None, bytes, 0)
                .map_err(|why| self.fail(format!("{}: {why}", spec.name)))?;
            Ok((spec.name, tensor))
        });
        let made = made.collect::<Result<BTreeMap<_, _>, ModelError>>()?;
        Ok(Some(Weights::made(made)))
    }

    /// A tensor that has to be there.
    pub fn tensor(&self, name: &str) -> Result<&'a WeightTensor, ModelError> {
        self.weights
            .get(name)
            .ok_or_else(|| self.fail(format!("{name} is missing")))
    }

    /// What was read of a tensor.
    pub fn read<T>(&self, name: &str, values: Result<T, ImportError>) -> Result<T, ModelError> {
        values.map_err(|e| self.fail(format!("{name}: {e}")))
    }

    /// A byte tensor with a leading axis of 1.
    pub fn batch_of_bytes(&self, name: &str, axes: usize) -> Result<Tensor, ModelError> {
        let tensor = self.tensor(name)?;
        if tensor.dtype() != WeightType::U8 || tensor.shape().len() != axes {
            return Err(self.fail(format!(
                "{name} is {:?} {:?}, wanted bytes with {axes} axes",
                tensor.dtype(),
                tensor.shape()
            )));
        }
        Ok(Tensor::u8(
            &[&[1], tensor.shape()].concat(),
            self.read(name, tensor.to_bytes())?.into_owned(),
        ))
    }

    /// Compares values with an expected tensor, `CASE.expect.TENSOR`. Bytes may be off by one, but few of them.
    pub fn compare(
        &self,
        case: &str,
        tensor: &str,
        got: &[f32],
        tolerance: f64,
    ) -> Result<GoldenLine, ModelError> {
        let name = format!("{case}.expect.{tensor}");
        let want = self.tensor(&name)?;
        let values = self.read(&name, want.to_f32())?;
        Ok(line(case, tensor, got, want, &values, tolerance))
    }

    /// Numbers of the cases that the file holds.
    pub fn cases(&self) -> impl Iterator<Item = usize> + use<'a> {
        let weights = self.weights;
        (0..).take_while(move |case| weights.get(&format!("case{case}.image")).is_some())
    }
}

fn line(
    case: &str,
    tensor: &str,
    got: &[f32],
    want: &WeightTensor,
    values: &[f32],
    tolerance: f64,
) -> GoldenLine {
    let bytes = want.dtype() == WeightType::U8;
    let tolerance = if bytes { 1.0 } else { tolerance };
    let differences = got
        .iter()
        .zip(values)
        .map(|(g, w)| f64::from((g - w).abs()));
    // A NaN must not vanish in a maximum.
    let max_abs_error = differences.clone().fold(
        0.0,
        |max: f64, d| if d.is_nan() || d > max { d } else { max },
    );
    let mut detail = format!("{:?}", want.shape());
    let mut pass = got.len() == values.len() && max_abs_error <= tolerance;
    if got.len() != values.len() {
        detail.push_str(&format!(
            ", got {} values instead of {}",
            got.len(),
            values.len()
        ));
    }
    if bytes {
        let equal = differences.filter(|d| *d == 0.0).count() as f64 / values.len().max(1) as f64;
        pass &= equal >= BYTES_SHARE_MIN;
        detail.push_str(&format!(
            ", {:.3} % equal, at least {:.1} % wanted",
            100.0 * equal,
            100.0 * BYTES_SHARE_MIN
        ));
    }
    GoldenLine {
        case: case.to_string(),
        tensor: tensor.to_string(),
        max_abs_error,
        tolerance,
        detail,
        pass,
    }
}
