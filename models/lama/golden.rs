//! Compares a backend with the published generator's stored answers.

use cleanplate_engine::Backend;
use cleanplate_kernels::{Data, Tensor};

use super::{Lama, LamaConfig, LamaGraph, LamaOutput, composite};
use crate::error::ModelError;
use crate::golden::{GoldenFile, GoldenLine};

/// Largest error in float32 arithmetic: different summation orders through the whole network.
const TOLERANCE: f64 = 1e-4;
pub(super) fn check(
    file: &GoldenFile<'_>,
    backend: &dyn Backend,
) -> Result<Vec<GoldenLine>, ModelError> {
    let network = Lama::random(&LamaConfig::stated(file.weights)?, file.seed()?)?;
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
        let composite = composite(&mut graph, taps.prediction)?;
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
            let got: Vec<f32> = parts.iter().flat_map(values).collect();
            lines.push(file.compare(&format!("case{case}"), name, &got, TOLERANCE)?);
        }
    }
    if lines.is_empty() {
        Err(file.fail("no case in it"))
    } else {
        Ok(lines)
    }
}

fn values(tensor: &Tensor) -> Vec<f32> {
    match &tensor.data {
        Data::F32(values) => values.clone(),
        Data::U8(bytes) => bytes.iter().map(|b| f32::from(*b)).collect(),
        Data::U32(words) => words.iter().map(|w| *w as f32).collect(),
    }
}
