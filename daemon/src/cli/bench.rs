//! `bench`: time, speed and memory of a network at one size.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use cleanplate_engine::{BackendChoice, Executable};
use cleanplate_kernels::{Tensor, TensorRef};
use cleanplate_models::bench::{self, BenchPart};
use cleanplate_models::weights::known;
use cleanplate_models::{ModelStore, Network, registry};
use serde_json::{Value, json};

use super::args::Bench;
use super::progress::bar;
use super::{load, open, print_json, usage};

/// Seed of random weights: equal on every run.
const SEED: u64 = 1;
/// Largest side that is measured.
const SIDE_MAX: usize = 8192;

/// Measures and reports.
pub fn run(args: &Bench) -> anyhow::Result<ExitCode> {
    let config = load(&args.place, Vec::new())?;
    let backend = open::device(&config, BackendChoice::from(args.backend))?;
    let device = backend.device();
    let sides = args.size.as_deref().map(size).transpose()?;
    let network = network(args, &*open::models(&config)?)?;
    let measured = bench::of(&network, sides, args.batch as usize)?;
    let [height, width] = measured.size;
    let mut rows = Vec::with_capacity(measured.parts.len());
    for part in &measured.parts {
        rows.push(row(part, &*backend.compile(&part.graph)?, args)?);
    }
    if args.output.json {
        let mut report = json!({
            "model": args.model, "backend": device.backend, "device": device.name, "size": measured.size, "batch": args.batch, "runs": args.runs,
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

fn row(part: &BenchPart, executable: &dyn Executable, args: &Bench) -> anyhow::Result<Value> {
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

fn size(text: &str) -> anyhow::Result<[usize; 2]> {
    let side = |part: &str| {
        part.parse::<usize>()
            .ok()
            .filter(|side| (16..=SIDE_MAX).contains(side))
    };
    let pair = text
        .split_once('x')
        .and_then(|(height, width)| Some([side(height)?, side(width)?]));
    usage(
        "--size",
        text,
        &format!("HEIGHTxWIDTH, each from 16 to {SIDE_MAX}"),
        pair,
    )
}

/// The network of a model, or one of its sizes with random weights: those that its manifest states, or that its weights have.
fn network(args: &Bench, models: &ModelStore) -> anyhow::Result<Network> {
    if !args.random_weights {
        return Ok(models.network(&args.model)?);
    }
    let (arch, sizes) = match known(&args.model) {
        Some(model) => {
            let manifest = model.parse()?;
            (manifest.arch, manifest.sizes()?)
        }
        None => {
            let weights = models.weights(&args.model)?;
            let arch = registry::identify(&weights).context("weights of no known architecture")?;
            (arch, (arch.check)(&weights)?)
        }
    };
    Ok((arch.random)(&sizes, SEED)?)
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
