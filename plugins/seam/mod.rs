//! `seam`: a gradient-domain blend of any fill into the photo.
//!
//! Inside the hole the fill's own gradients are kept; across the rim none is assumed, so the fill takes the photo's colours there
//! and the difference spreads smoothly inwards (a multigrid solve, [`cleanplate_kernels::poisson`]).

use std::sync::Arc;

use cleanplate_engine::{EngineError, Graph, Tensor, TensorSpec};
use cleanplate_kernels::Data;
use cleanplate_kernels::patchmatch::site;
use cleanplate_kernels::poisson::Poisson;
use rayon::prelude::*;
use serde::Deserialize;

use cleanplate_pictures::distance;
use cleanplate_pictures::{Mask, Rect};
use cleanplate_pipeline::Pixel;
use cleanplate_pipeline::full_size::{FullSize, for_each};
use cleanplate_pipeline::{ExecutableKey, Stage, Work};
use cleanplate_pipeline::{PluginError, PluginInfo};

/// The plugin.
pub static INFO: PluginInfo = PluginInfo::builtin::<Seam>(include_str!("plugin.toml"));

/// Photo around the crop, so that a hole at its edge has a rim.
const MARGIN_PX: usize = 2;

#[derive(Deserialize)]
struct Seam {
    reach_px: Option<usize>,
    limit: f32,
}

impl Seam {
    /// Site words: hole where the correction is solved for, known where it is zero.
    fn sites(&self, full: &FullSize) -> Vec<u32> {
        let word = |pixel: &Pixel| match pixel {
            Pixel::Void => 0,
            Pixel::Known => site::KNOWN,
            Pixel::Hole => site::HOLE,
        };
        let mut sites: Vec<u32> = full.pixels.iter().map(word).collect();
        if let Some(reach) = self.reach_px {
            let outside = full
                .pixels
                .iter()
                .map(|p| if *p == Pixel::Hole { 0 } else { 255 })
                .collect();
            let outside = Mask {
                width: full.width(),
                height: full.height(),
                data: outside,
            };
            let all = Rect {
                x0: 0,
                y0: 0,
                x1: full.width(),
                y1: full.height(),
            };
            let near = distance::squared(&outside, all, reach);
            for (site, near) in sites.iter_mut().zip(near) {
                if near == u16::MAX && *site == site::HOLE {
                    *site = site::KNOWN;
                }
            }
        }
        sites
    }

    fn blend(&self, work: &Work<'_>, full: &mut FullSize) -> Result<(), PluginError> {
        let (width, height) = (full.width(), full.height());
        let during = format!("seam, crop of {width}x{height} pixels");
        let failed = |source: EngineError| match source {
            EngineError::Cancelled => PluginError::Cancelled {
                before: format!("the end of {during}"),
            },
            source => PluginError::Engine {
                during: during.clone(),
                source: Box::new(source),
            },
        };
        let sites = self.sites(full);
        let slopes = slopes(full, &sites);
        let key = ExecutableKey {
            sha256: format!("seam {}", self.limit),
            height,
            width,
        };
        let executable = work.executables.get(key, work.backend, || {
            graph(width, height, self.limit).map_err(failed)
        })?;
        let dims = [height, width, 3];
        let image = Tensor::f32(&dims, std::mem::take(&mut full.rgb));
        let (slopes, sites) = (Tensor::f32(&dims, slopes), Tensor::u32(&dims[..2], sites));
        let observer = work.observer;
        let outputs = executable
            .run_until(&[image.view(), slopes.view(), sites.view()], &|_| {
                observer.cancelled()
            })
            .map_err(|e| {
                if e.retryable() {
                    work.executables.clear();
                }
                failed(e)
            })?;
        match outputs.into_iter().next().map(|tensor| tensor.data) {
            Some(Data::F32(mut rgb)) => {
                rgb.iter_mut().for_each(|v| *v = v.clamp(0.0, 1.0));
                full.rgb = rgb;
                Ok(())
            }
            _ => Err(PluginError::Output {
                plugin: "seam",
                detail: "the blend is missing or no f32 picture".into(),
            }),
        }
    }
}

fn graph(width: usize, height: usize, limit: f32) -> Result<Graph, EngineError> {
    let (picture, plane) = (
        TensorSpec::f32(&[height, width, 3]),
        TensorSpec::u32(&[height, width]),
    );
    let op = Poisson::new(Some(limit)).map_err(|source| EngineError::Kernel {
        layer: "seam".into(),
        source,
    })?;
    let mut graph = Graph::new();
    let given = [
        graph.input(picture.clone()),
        graph.input(picture),
        graph.input(plane),
    ];
    let out = graph.add("seam", Arc::new(op), &given)?;
    graph.output(out);
    Ok(graph)
}

/// For each hole pixel the sum over its neighbours of (own - neighbour) in the fill, `[height, width, 3]`; neighbours in the photo
/// count as equal, those beyond the reach of the correction as what they are.
fn slopes(full: &FullSize, sites: &[u32]) -> Vec<f32> {
    let (width, height, rgb) = (full.width(), full.height(), &full.rgb);
    let mut out = vec![0.0f32; rgb.len()];
    out.par_chunks_exact_mut(3 * width)
        .enumerate()
        .for_each(|(y, row)| {
            for (x, slope) in row.chunks_exact_mut(3).enumerate() {
                let at = y * width + x;
                if sites[at] != site::HOLE {
                    continue;
                }
                let around = [
                    (y > 0, at.wrapping_sub(width)),
                    (x > 0, at.wrapping_sub(1)),
                    (x + 1 < width, at + 1),
                    (y + 1 < height, at + width),
                ];
                for (_, next) in around
                    .into_iter()
                    .filter(|(inside, next)| *inside && full.pixels[*next] == Pixel::Hole)
                {
                    (0..3).for_each(|c| slope[c] += rgb[3 * at + c] - rgb[3 * next + c]);
                }
            }
        });
    out
}

impl Stage for Seam {
    fn run(&self, work: &mut Work<'_>) -> Result<(), PluginError> {
        for_each(work, "seam", MARGIN_PX, |work, full| self.blend(work, full))
    }
}
