//! `bench`: time, speed and memory of a network at one size.

mod sam;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use cleanplate_engine::{Backend, BackendChoice, Executable};
use cleanplate_kernels::{Tensor, TensorRef};
use cleanplate_models::Arch;
use cleanplate_models::lama::{Lama, LamaConfig, LamaGraph, LamaOutput};
use cleanplate_models::manifest::{known, sam_config};
use serde_json::{Value, json};

use super::args::Bench;
use super::progress::bar;
use super::{load, open, print_json, usage};
use crate::config::Config;

/// Seed of random weights and inputs: equal on every run.
const SEED: u64 = 1;
/// Largest side that is measured.
const SIDE_MAX: usize = 8192;

/// Measures and reports.
pub fn run(args: &Bench) -> anyhow::Result<ExitCode> {
    let config = load(&args.place, Vec::new())?;
    let backend = open::device(&config, BackendChoice::from(args.backend))?;
    let device = backend.device();
    let (size, parts) = if is_sam(args, &config)? {
        sam::parts(args, &config, &*backend)?
    } else {
        lama(args, &config, &*backend)?
    };
    let [height, width] = size;
    let mut rows = Vec::with_capacity(parts.len());
    for part in &parts {
        rows.push(row(part, args)?);
    }
    if args.output.json {
        let mut report = json!({
            "model": args.model, "backend": device.backend, "device": device.name, "size": size, "batch": args.batch, "runs": args.runs,
            "random_weights": args.random_weights,
        });
        // The first part is the network itself, or what is run once a photo; the others are listed behind it.
        let mut rows = rows.into_iter();
        if let (Some(report), Some(Value::Object(first))) = (report.as_object_mut(), rows.next()) {
            report.extend(first);
            report.insert("others".into(), rows.collect());
        }
        print_json(&report)?;
    } else {
        println!(
            "{} at {height}x{width}, batch {}, on {} ({})",
            args.model, args.batch, device.name, device.backend
        );
        for row in &rows {
            println!(
                "{}: median {:.2} ms, min {:.2} ms, {:.2} GFLOP, {:.1} GFLOP/s, peak {} bytes",
                row["part"].as_str().unwrap_or_default(),
                row["median_ms"].as_f64().unwrap_or_default(),
                row["min_ms"].as_f64().unwrap_or_default(),
                row["gflop"].as_f64().unwrap_or_default(),
                row["gflop_per_s"].as_f64().unwrap_or_default(),
                row["peak_bytes"],
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A graph with inputs, measured on its own.
struct Part {
    name: &'static str,
    executable: Arc<dyn Executable>,
    inputs: Vec<Tensor>,
}

fn row(part: &Part, args: &Bench) -> anyhow::Result<Value> {
    let executable = &*part.executable;
    if args.explain {
        executable
            .explain()
            .iter()
            .for_each(|line| eprintln!("{line}"));
    }
    let views: Vec<_> = part.inputs.iter().map(Tensor::view).collect();
    executable.run(&views).context("warming up")?;
    if args.profile {
        profile(executable, &views)?;
    }
    let mut times = measure(executable, &views, args.runs)?;
    times.sort_by(f64::total_cmp);
    let (median_ms, gflop) = (times[times.len() / 2], executable.flops() as f64 / 1e9);
    Ok(json!({
        "part": part.name, "median_ms": median_ms, "min_ms": times[0], "gflop": gflop,
        "gflop_per_s": gflop / (median_ms / 1000.0), "peak_bytes": executable.peak_bytes(),
    }))
}

/// Whether the model is of the SAM family: by its name, or by what is stored under it.
fn is_sam(args: &Bench, config: &Config) -> anyhow::Result<bool> {
    if args.random_weights && known(&args.model).is_some() {
        return Ok(sam_config(&args.model).is_ok());
    }
    Ok(open::models(config)?.info(&args.model)?.arch != Arch::Lama.name())
}

fn lama(
    args: &Bench,
    config: &Config,
    backend: &dyn Backend,
) -> anyhow::Result<([usize; 2], Vec<Part>)> {
    let text = args.size.as_deref().unwrap_or("512x512");
    let (height, width) = size(text)?;
    let batch = args.batch as usize;
    let graph = network(args, config)?.graph(LamaGraph {
        batch,
        height,
        width,
        output: LamaOutput::Composite,
    })?;
    let (image, mask) = inputs(batch, height, width);
    Ok((
        [height, width],
        vec![Part {
            name: "network",
            executable: backend.compile(&graph)?,
            inputs: vec![image, mask],
        }],
    ))
}

fn size(text: &str) -> anyhow::Result<(usize, usize)> {
    let side = |part: &str| {
        part.parse::<usize>()
            .ok()
            .filter(|side| (16..=SIDE_MAX).contains(side))
    };
    let pair = text
        .split_once('x')
        .and_then(|(height, width)| Some((side(height)?, side(width)?)));
    usage(
        "--size",
        text,
        &format!("HEIGHTxWIDTH, each from 16 to {SIDE_MAX}"),
        pair,
    )
}

fn network(args: &Bench, config: &Config) -> anyhow::Result<Arc<Lama>> {
    if !args.random_weights {
        return Ok(open::models(config)?.lama(&args.model)?);
    }
    let shape = match args.model.as_str() {
        "big-lama" => LamaConfig::big_lama(),
        "lama-fourier" => LamaConfig::lama_fourier(),
        // The shape of a shipped or imported network is that of its weights.
        other => open::models(config)?.lama(other)?.config().clone(),
    };
    Ok(Arc::new(Lama::random(&shape, SEED)?))
}

/// A photo of noise `[N, H, W, 3]` and a mask `[N, H, W]` with a square hole of a quarter of each side.
fn inputs(batch: usize, height: usize, width: usize) -> (Tensor, Tensor) {
    let mut state = SEED;
    let mut byte = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let image = (0..batch * height * width * 3).map(|_| byte()).collect();
    let hole = |at: usize, side: usize| (side * 3 / 8..side * 5 / 8).contains(&at);
    let one = (0..height * width).map(|i| {
        if hole(i / width, height) && hole(i % width, width) {
            255
        } else {
            0
        }
    });
    let mask: Vec<u8> = std::iter::repeat_n(one.collect::<Vec<u8>>(), batch)
        .flatten()
        .collect();
    (
        Tensor::u8(&[batch, height, width, 3], image),
        Tensor::u8(&[batch, height, width], mask),
    )
}

fn measure(
    executable: &dyn Executable,
    inputs: &[TensorRef<'_>],
    runs: u32,
) -> anyhow::Result<Vec<f64>> {
    let bar = bar(u64::from(runs), "{pos}/{len} [{bar:40}] {elapsed}");
    let mut times = Vec::with_capacity(runs as usize);
    for _ in 0..runs {
        let started = Instant::now();
        executable.run(inputs)?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(times)
}

/// Dispatches by time, longest first.
fn profile(executable: &dyn Executable, inputs: &[TensorRef<'_>]) -> anyhow::Result<()> {
    let mut rows = executable.profile(inputs)?;
    let total_us: f64 = rows.iter().map(|(_, us, _)| us).sum();
    rows.sort_by(|a, b| b.1.total_cmp(&a.1));
    eprintln!("{:>10} {:>6} {:>9}  DISPATCH", "US", "SHARE", "GFLOP/S");
    for (label, us, flops) in rows {
        eprintln!(
            "{us:>10.1} {:>5.1}% {:>9.1}  {label}",
            100.0 * us / total_us.max(1e-9),
            flops as f64 / us.max(1e-9) / 1000.0
        );
    }
    eprintln!("{total_us:>10.1} 100.0%            total");
    Ok(())
}
