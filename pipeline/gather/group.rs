//! A group on the device: inputs joined, predictions parted.

use cleanplate_engine::{EngineError, Executable, Tensor};

use super::line::Ticket;

/// Runs the network once for all crops of a group; one prediction `f32 [1, 3, Hp, Wp]` each, in their order.
pub fn run(
    executable: &dyn Executable,
    group: &[Ticket],
    watch: &dyn Fn(f32) -> bool,
) -> Result<Vec<Tensor>, EngineError> {
    if let [one] = group {
        return executable
            .run_until(&[one.share.image.view(), one.share.mask.view()], watch)
            .map(|outputs| outputs.into_iter().take(1).collect());
    }
    let image = join(group.iter().map(|ticket| &ticket.share.image));
    let mask = join(group.iter().map(|ticket| &ticket.share.mask));
    let mut outputs = executable.run_until(&[image.view(), mask.view()], watch)?;
    part(outputs.pop(), group.len())
}

/// Tensors `u8 [1, ...]` of one shape as `u8 [N, ...]`.
fn join<'a>(tensors: impl Iterator<Item = &'a Tensor> + Clone) -> Tensor {
    let count = tensors.clone().count();
    let mut dims = tensors
        .clone()
        .next()
        .map(|tensor| tensor.shape.dims().to_vec())
        .unwrap_or_default();
    if let Some(first) = dims.first_mut() {
        *first = count;
    }
    let bytes: Vec<u8> = tensors
        .flat_map(|tensor| tensor.view().u8())
        .copied()
        .collect();
    Tensor::u8(&dims, bytes)
}

/// A prediction `f32 [N, 3, Hp, Wp]` as N of `f32 [1, 3, Hp, Wp]`.
fn part(prediction: Option<Tensor>, count: usize) -> Result<Vec<Tensor>, EngineError> {
    let unusable = |what: String| {
        EngineError::Graph(format!(
            "a group of {count} crops gave {what}, wanted F32 [{count}, 3, H, W]"
        ))
    };
    let prediction = prediction.ok_or_else(|| unusable("no output".to_string()))?;
    let shown = format!("{:?} {}", prediction.dtype(), prediction.shape);
    let (Some([n, channels, height, width]), Some(values)) =
        (prediction.shape.dims4(), prediction.as_f32())
    else {
        return Err(unusable(shown));
    };
    if n != count {
        return Err(unusable(shown));
    }
    let each = channels * height * width;
    Ok(values
        .chunks_exact(each)
        .map(|values| Tensor::f32(&[1, channels, height, width], values.to_vec()))
        .collect())
}
