//! Runs a user's shader on every crop.

use std::sync::Arc;
use std::time::Duration;

use cleanplate_engine::{EngineError, Graph, TensorSpec};
use cleanplate_kernels::{Op, Tensor};

use super::op::UserOp;
use super::{Image, Shader};
use crate::PluginError;
use crate::manifest::StageKind;
use crate::parameter::{Value, Values};
use crate::user::{Sheet, for_each_crop};
use crate::{Stage, Work, is_memory};

/// A shader with its values, ready to run.
pub(crate) struct WgslStage {
    shader: Arc<Shader>,
    stage: StageKind,
    op: Arc<dyn Op>,
}

impl WgslStage {
    pub fn new(
        shader: Arc<Shader>,
        stage: StageKind,
        values: &Values,
        choices: impl Fn(&str) -> Vec<String>,
    ) -> Self {
        let number = |name: &String| match values
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
        {
            Some(Value::Number(n)) => *n as f32,
            Some(Value::Boolean(flag)) => f32::from(u8::from(*flag)),
            Some(Value::Text(word)) => choices(name)
                .iter()
                .position(|choice| choice == word)
                .unwrap_or(0) as f32,
            None => 0.0,
        };
        let numbers = shader.table.parameters.iter().map(number).collect();
        let op = Arc::new(UserOp {
            shader: shader.clone(),
            numbers,
        });
        WgslStage { shader, stage, op }
    }

    fn run_crop(&self, work: &Work<'_>, sheet: &Sheet) -> Result<Vec<f32>, PluginError> {
        let during = format!(
            "{}, crop of {}x{} pixels",
            self.shader.name, sheet.width, sheet.height
        );
        let failed = |source: EngineError| match source {
            EngineError::Cancelled => PluginError::Cancelled {
                before: format!("the end of {during}"),
            },
            // Not tried again on a new device: the shader would most likely hang that too.
            EngineError::DeviceLost { detail, .. } => {
                work.executables.clear();
                let detail = format!(
                    "the device was lost while its shader ran ({detail}); look for a loop that does not end, or raise wgsl.time_s_max ({} s)",
                    self.shader.table.time_s_max
                );
                PluginError::User {
                    plugin: self.shader.name.to_string(),
                    detail,
                }
            }
            source => PluginError::Engine {
                during: during.clone(),
                source: Box::new(source),
            },
        };
        let images: Vec<Tensor> = UserOp::inputs(&self.shader)
            .map(|image| tensor(sheet, image))
            .collect();
        let graph = self.graph(&images).map_err(failed)?;
        // Crops differ in size, so nothing is kept; the compiled shader is, by the device.
        let executable = match work.backend.compile(&graph) {
            Err(e) if is_memory(&e) && work.executables.clear() > 0 => work.backend.compile(&graph),
            other => other,
        };
        let views: Vec<_> = images.iter().map(Tensor::view).collect();
        let wait = Duration::from_secs(self.shader.table.time_s_max);
        let outputs = executable
            .and_then(|e| e.run_within(&views, &|_| work.observer.cancelled(), wait))
            .map_err(failed)?;
        Ok(outputs
            .first()
            .and_then(Tensor::as_f32)
            .map(<[f32]>::to_vec)
            .unwrap_or_default())
    }

    fn graph(&self, images: &[Tensor]) -> Result<Graph, EngineError> {
        let mut graph = Graph::new();
        let inputs: Vec<_> = images
            .iter()
            .map(|image| graph.input(TensorSpec::f32(image.shape.dims())))
            .collect();
        let result = graph.add(self.shader.name, self.op.clone(), &inputs)?;
        graph.output(result);
        Ok(graph)
    }
}

impl Stage for WgslStage {
    fn run(&self, work: &mut Work<'_>) -> Result<(), PluginError> {
        let device = work.backend.device();
        if device.backend == "cpu" {
            return Err(PluginError::Unavailable {
                what: format!("plugin {:?} on the cpu backend", self.shader.name),
                remedy: "a wgsl plugin is a shader and needs the wgpu backend: engine.backend = \"wgpu\" or --backend wgpu".to_string(),
            });
        }
        let pixels_max = self.shader.table.pixels_max();
        for_each_crop(
            work,
            self.shader.name,
            self.stage,
            pixels_max,
            |work, sheet| self.run_crop(work, sheet),
        )
    }
}

fn tensor(sheet: &Sheet, image: Image) -> Tensor {
    let (height, width) = (sheet.height, sheet.width);
    match image {
        Image::Photo => Tensor::f32(&[height, width, 3], sheet.photo.clone()),
        Image::Fill => Tensor::f32(&[height, width, 3], sheet.fill.clone()),
        Image::Hole => Tensor::f32(
            &[height, width],
            sheet
                .hole
                .iter()
                .map(|v| f32::from(u8::from(*v != 0)))
                .collect(),
        ),
    }
}
