//! Times the fast CPU twins on the shapes of big-lama: `cargo run --release -p cleanplate-kernels --example
//! native_shapes -- 512 5` (side of the photo in pixels, runs per shape; optionally `portable`, `avx2` or `avx512` as
//! the greatest instruction set). Prints for each shape the best time, the mean processor time (Linux; the steadier
//! figure on a busy machine, best with RAYON_NUM_THREADS=1) and the GFLOP/s of both; then the sums over the network.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::Instant;

use cleanplate_kernels::activation::Activation;
use cleanplate_kernels::common::native::Isa;
use cleanplate_kernels::conv_transpose2d::ConvTranspose2d;
use cleanplate_kernels::conv2d::{Conv2d, Padding};
use cleanplate_kernels::fft2::{Irfft2, Rfft2};
use cleanplate_kernels::testing::Rng;
use cleanplate_kernels::{KernelError, Op, Tensor, TensorMut, TensorSpec};

/// FFC layers of big-lama.
const LAYERS: usize = 36;

struct Shape {
    name: &'static str,
    /// How often the network runs it.
    count: usize,
    op: Arc<dyn Op>,
    inputs: Vec<[usize; 3]>,
}

fn conv(ic: usize, oc: usize, k: usize, stride: usize) -> Result<Conv2d, KernelError> {
    let scale = 1.0 / ((ic * k * k) as f32).sqrt();
    let weight = Tensor::f32(
        &[oc, ic, k, k],
        Rng::new((ic * oc + k) as u64).values(oc * ic * k * k, scale),
    );
    Conv2d::new(
        &weight,
        None,
        stride,
        if k == 1 {
            Padding::Zero(0)
        } else {
            Padding::Reflect(k / 2)
        },
    )
}

fn transposed(ic: usize, oc: usize) -> Result<ConvTranspose2d, KernelError> {
    ConvTranspose2d::new(
        &Tensor::f32(
            &[ic, oc, 3, 3],
            Rng::new(ic as u64).values(ic * oc * 9, 0.02),
        ),
        None,
    )
}

fn fused(op: Option<Arc<dyn Op>>, act: Activation) -> Arc<dyn Op> {
    op.and_then(|op| op.absorb(&act))
        .unwrap_or_else(|| Arc::new(act))
}

#[rustfmt::skip]
fn shapes(side: usize) -> Result<Vec<Shape>, KernelError> {
    let relu = |op: Conv2d| fused(Some(Arc::new(op)), Activation::Relu);
    let up = |ic, oc| transposed(ic, oc).map(|op| fused(Some(Arc::new(op)), Activation::Relu));
    let (m, half) = (side / 8, side / 16 + 1);
    let local = fused(conv(128, 128, 3, 1)?.merge_add(&conv(384, 128, 3, 1)?), Activation::Relu);
    let global = fused(conv(128, 384, 3, 1)?.merge_add(&conv(192, 384, 1, 1)?), Activation::Relu);
    let residual = |op: Arc<dyn Op>| op.absorb_add().unwrap_or(op);
    Ok(vec![
        Shape { name: "stem 7x7 4->64", count: 1, op: relu(conv(4, 64, 7, 1)?), inputs: vec![[4, side, side]] },
        Shape { name: "3x3 s2 64->128", count: 1, op: relu(conv(64, 128, 3, 2)?), inputs: vec![[64, side, side]] },
        Shape { name: "3x3 s2 128->256", count: 1, op: relu(conv(128, 256, 3, 2)?), inputs: vec![[128, side / 2, side / 2]] },
        Shape { name: "3x3 s2 256->512", count: 1, op: relu(conv(256, 512, 3, 2)?), inputs: vec![[256, side / 4, side / 4]] },
        Shape { name: "3x3 128+384->128", count: LAYERS, op: residual(local), inputs: vec![[128, m, m], [384, m, m], [128, m, m]] },
        Shape { name: "3x3 128 + 1x1 192->384", count: LAYERS, op: residual(global), inputs: vec![[128, m, m], [192, m, m], [384, m, m]] },
        Shape { name: "1x1 384->192", count: LAYERS, op: relu(conv(384, 192, 1, 1)?), inputs: vec![[384, m, m]] },
        Shape { name: "rfft2 192", count: LAYERS, op: Arc::new(Rfft2), inputs: vec![[192, m, m]] },
        Shape { name: "1x1 384->384 freq", count: LAYERS, op: relu(conv(384, 384, 1, 1)?), inputs: vec![[384, m, half]] },
        Shape { name: "irfft2 192", count: LAYERS, op: residual(Arc::new(Irfft2::default())), inputs: vec![[384, m, half], [192, m, m], [192, m, m]] },
        Shape { name: "up 512->256", count: 1, op: up(512, 256)?, inputs: vec![[512, m, m]] },
        Shape { name: "up 256->128", count: 1, op: up(256, 128)?, inputs: vec![[256, 2 * m, 2 * m]] },
        Shape { name: "up 128->64", count: 1, op: up(128, 64)?, inputs: vec![[128, 4 * m, 4 * m]] },
        Shape { name: "head 7x7 64->3", count: 1, op: fused(Some(Arc::new(conv(64, 3, 7, 1)?)), Activation::Sigmoid), inputs: vec![[64, side, side]] },
    ])
}

/// Processor seconds that this process has used, 0 where the system does not tell.
fn processor_s() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let nanoseconds = |path: std::path::PathBuf| {
        std::fs::read_to_string(path)
            .ok()?
            .split(' ')
            .next()?
            .parse::<u64>()
            .ok()
    };
    tasks
        .filter_map(|t| nanoseconds(t.path().join("schedstat")))
        .sum::<u64>() as f64
        * 1e-9
}

/// Best wall-clock time and mean processor time in seconds, floating-point operations.
fn time(shape: &Shape, runs: usize) -> Result<(f64, f64, u64), KernelError> {
    let specs: Vec<_> = shape
        .inputs
        .iter()
        .map(|[c, h, w]| TensorSpec::f32(&[1, *c, *h, *w]))
        .collect();
    let output = shape.op.infer(&specs)?.remove(0);
    let tensors: Vec<_> = specs
        .iter()
        .map(|s| Tensor::f32(s.shape.dims(), Rng::new(1).values(s.shape.elements(), 1.0)))
        .collect();
    let inputs: Vec<_> = tensors.iter().map(Tensor::view).collect();
    let mut scratch = vec![0.0; shape.op.native_scratch(&specs)];
    let mut data = vec![0.0; output.shape.elements()];
    let (mut best_s, mut before_s) = (f64::INFINITY, 0.0);
    for run in 0..=runs {
        if run == 1 {
            before_s = processor_s();
        }
        let start = Instant::now();
        shape.op.native(
            &inputs,
            &mut [TensorMut::F32(&output.shape, &mut data)],
            &mut scratch,
        );
        best_s = best_s.min(start.elapsed().as_secs_f64());
    }
    // Idle workers go to sleep, which is when the system adds up their time.
    std::thread::sleep(std::time::Duration::from_millis(5));
    Ok((
        best_s,
        (processor_s() - before_s) / runs.max(1) as f64,
        shape.op.flops(&specs),
    ))
}

fn main() -> Result<(), KernelError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let side = arguments
        .first()
        .and_then(|a| a.parse().ok())
        .unwrap_or(512usize)
        .next_multiple_of(8);
    let runs = arguments.get(1).and_then(|a| a.parse().ok()).unwrap_or(5);
    if let Some(name) = arguments.get(2) {
        let known = Isa::ALL
            .into_iter()
            .find(|isa| format!("{isa:?}").eq_ignore_ascii_case(name));
        Isa::set_limit(known.unwrap_or(Isa::Avx512));
    }
    println!(
        "{side}x{side}, {:?}, {} threads",
        Isa::active(),
        rayon::current_num_threads()
    );
    let (mut total_s, mut total_cpu_s, mut total_flops) = (0.0, 0.0, 0);
    for shape in shapes(side)? {
        let (best_s, cpu_s, flops) = time(&shape, runs)?;
        let (count, gflop) = (shape.count as f64, flops as f64 * 1e-9);
        total_s += best_s * count;
        total_cpu_s += cpu_s * count;
        total_flops += flops * shape.count as u64;
        let (best_ms, cpu_ms) = (best_s * 1e3, cpu_s * 1e3);
        println!(
            "{:24} x{count:<3} best {best_ms:8.3} ms {:6.1} GFLOP/s | cpu {cpu_ms:8.3} ms {:6.1} GFLOP/s | network {:7.1} ms, cpu {:7.1} ms",
            shape.name,
            gflop / best_s,
            gflop / cpu_s,
            best_ms * count,
            cpu_ms * count
        );
    }
    println!(
        "network {:.1} ms, cpu {:.1} ms, {:.1} GFLOP/s",
        total_s * 1e3,
        total_cpu_s * 1e3,
        total_flops as f64 * 1e-9 / total_s
    );
    Ok(())
}
