//! Compares a backend with stored answers of the reference implementation.

use std::path::Path;

use cleanplate_engine::Backend;
use cleanplate_kernels::{Data, Tensor};

use crate::error::ModelError;
use crate::import::{self, Limits, WeightTensor, WeightType, Weights};
use crate::lama::{self, Lama, LamaGraph, LamaOutput};

/// One compared tensor.
#[derive(Debug, Clone, PartialEq)]
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

/// Largest error of a LaMa tensor in float32 arithmetic: different summation orders through the whole network.
const LAMA_TOLERANCE: f64 = 1e-4;
/// Share of composite bytes that have to be equal; the rest may differ by one where a value lies next to an integer.
const COMPOSITE_SHARE_MIN: f64 = 0.999;

/// Runs every case of a golden file on `backend`, one line per expected tensor.
pub fn check(path: &Path, backend: &dyn Backend) -> Result<Vec<GoldenLine>, ModelError> {
    let weights = import::read(path, &Limits::default()).map_err(|source| ModelError::Import {
        file: path.to_path_buf(),
        source,
    })?;
    let file = GoldenFile {
        path,
        weights: &weights,
    };
    match weights.metadata().get("arch").map(String::as_str) {
        Some("lama") => check_lama(&file, backend),
        Some("sam" | "sam-small") => crate::sam::golden::check(&file, backend),
        Some(other) => Err(file.fail(format!("this build has no {other} network"))),
        None => Err(file.fail("no `arch` in its metadata: it is no golden file")),
    }
}

/// A golden file while it is checked.
pub(crate) struct GoldenFile<'a> {
    path: &'a Path,
    /// Weights, inputs and expected tensors.
    pub weights: &'a Weights,
}

impl<'a> GoldenFile<'a> {
    pub fn fail(&self, why: impl Into<String>) -> ModelError {
        ModelError::Golden {
            file: self.path.to_path_buf(),
            why: why.into(),
        }
    }

    pub fn tensor(&self, name: &str) -> Result<&'a WeightTensor, ModelError> {
        self.weights
            .get(name)
            .ok_or_else(|| self.fail(format!("{name} is missing")))
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
            tensor.to_bytes(),
        ))
    }

    /// Numbers of the cases that the file holds.
    fn cases(&self) -> impl Iterator<Item = usize> + use<'a> {
        let weights = self.weights;
        (0..).take_while(move |case| weights.get(&format!("case{case}.image")).is_some())
    }
}

fn check_lama(file: &GoldenFile<'_>, backend: &dyn Backend) -> Result<Vec<GoldenLine>, ModelError> {
    let network = Lama::from_weights(file.weights)?;
    let mut lines = Vec::new();
    for case in file.cases() {
        let image = file.batch_of_bytes(&format!("case{case}.image"), 3)?;
        let mask = file.batch_of_bytes(&format!("case{case}.mask"), 2)?;
        let &[batch, height, width, _] = image.shape.dims() else {
            return Err(file.fail("image has no height and width"));
        };
        let size = LamaGraph {
            batch,
            height,
            width,
            output: LamaOutput::Composite,
        };
        let (mut graph, taps) = network.graph_with_taps(size)?;
        let composite = lama::composite(&mut graph, taps.prediction)?;
        // Outputs and the expected tensor whose channels they are, in order.
        let outputs: [(&str, &[_]); 5] = [
            ("stem", &[taps.stem]),
            ("down3", &taps.split),
            ("block0", &taps.block0),
            ("output", &[taps.prediction]),
            ("composite_u8", &[composite]),
        ];
        outputs
            .iter()
            .flat_map(|(_, ids)| ids.iter())
            .for_each(|id| graph.output(*id));
        let mut results = backend
            .compile(&graph)?
            .run(&[image.view(), mask.view()])?
            .into_iter();
        for (name, ids) in outputs {
            let parts: Vec<Tensor> = results.by_ref().take(ids.len()).collect();
            let want = file.tensor(&format!("case{case}.expect.{name}"))?;
            lines.push(compare(format!("case{case}"), name, &parts, want));
        }
    }
    if lines.is_empty() {
        Err(file.fail("no case in it"))
    } else {
        Ok(lines)
    }
}

/// Compares channel groups, taken together, with the expected tensor. Bytes are compared as the composite's rule says.
fn compare(case: String, tensor: &str, parts: &[Tensor], want: &WeightTensor) -> GoldenLine {
    let bytes = parts.iter().all(|part| matches!(part.data, Data::U8(_)));
    let got: Vec<f32> = parts.iter().flat_map(values).collect();
    let want_values = want.to_f32();
    let differences = got
        .iter()
        .zip(&want_values)
        .map(|(g, w)| f64::from((g - w).abs()));
    // A NaN must not vanish in a maximum.
    let max_abs_error = differences.clone().fold(
        0.0,
        |max: f64, d| if d.is_nan() || d > max { d } else { max },
    );
    let tolerance = if bytes { 1.0 } else { LAMA_TOLERANCE };
    let mut detail = format!("{:?}", want.shape());
    let mut pass = got.len() == want_values.len() && max_abs_error <= tolerance;
    if got.len() != want_values.len() {
        detail.push_str(&format!(
            ", got {} values instead of {}",
            got.len(),
            want_values.len()
        ));
    }
    if bytes {
        let equal =
            differences.filter(|d| *d == 0.0).count() as f64 / want_values.len().max(1) as f64;
        pass &= equal >= COMPOSITE_SHARE_MIN;
        detail.push_str(&format!(
            ", {:.3} % equal, at least {:.1} % wanted",
            100.0 * equal,
            100.0 * COMPOSITE_SHARE_MIN
        ));
    }
    GoldenLine {
        case,
        tensor: tensor.to_string(),
        max_abs_error,
        tolerance,
        detail,
        pass,
    }
}

fn values(tensor: &Tensor) -> Vec<f32> {
    match &tensor.data {
        Data::F32(values) => values.clone(),
        Data::U8(bytes) => bytes.iter().map(|b| f32::from(*b)).collect(),
        Data::U32(words) => words.iter().map(|w| *w as f32).collect(),
    }
}
