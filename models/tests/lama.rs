//! LaMa against the reference implementation's stored answers, and what happens with weights that do not fit.

#![allow(clippy::expect_used)]

mod containers;
mod reference;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use cleanplate_engine::{Backend, BackendChoice, EngineOptions};
use cleanplate_models::error::ModelError;
use cleanplate_models::import::Limits;
use cleanplate_models::lama::{Lama, LamaConfig, LamaGraph, LamaOutput, SIDE_MIN};
use cleanplate_models::registry;

fn golden_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("lama/golden")
        .join(name)
}

fn unpacked(name: &str) -> Vec<u8> {
    let packed = fs::File::open(golden_file(name)).expect("golden");
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed)
        .read_to_end(&mut bytes)
        .expect("unpacks");
    bytes
}

fn check(backend: &dyn Backend) {
    let lines =
        registry::check_golden(&golden_file("lama_tiny.safetensors.gz"), backend).expect("runs");
    for line in &lines {
        println!(
            "{} {}: {:.3e} <= {:.0e}, {}, pass {}",
            line.case, line.tensor, line.max_abs_error, line.tolerance, line.detail, line.pass
        );
    }
    assert_eq!(lines.len(), 15, "three cases of five tensors");
    assert!(lines.iter().all(|line| line.pass), "{lines:#?}");
}

#[test]
fn plain_loops_reproduce_the_reference_implementation() {
    check(&reference::Reference);
}

fn check_engine(choice: BackendChoice, checked_shaders: bool) {
    let backend = cleanplate_engine::open(&EngineOptions {
        backend: choice,
        checked_shaders,
        ..EngineOptions::default()
    })
    .expect("opens");
    println!("{:?}", backend.device());
    check(backend.as_ref());
}

#[test]
fn the_cpu_backend_reproduces_the_reference_implementation() {
    check_engine(BackendChoice::Cpu, false);
}

#[test]
fn the_shaders_reproduce_the_reference_implementation() {
    check_engine(BackendChoice::Wgpu, false);
}

#[test]
fn the_checked_shaders_reproduce_the_reference_implementation() {
    check_engine(BackendChoice::Wgpu, true);
}

#[test]
fn a_wrong_answer_fails_the_check() {
    let mut bytes = unpacked("lama_tiny.safetensors.gz");
    // The last tensors of the file are photo and mask of case 2: a changed known pixel changes every expected tensor.
    let near_end = bytes.len() - 24 * 72 - 1000;
    bytes[near_end] ^= 0x80;
    let dir = tempfile::tempdir().expect("folder");
    let file = dir.path().join("changed.safetensors");
    fs::write(&file, bytes).expect("write");
    let lines = registry::check_golden(&file, &reference::Reference).expect("runs");
    assert!(lines.iter().any(|line| !line.pass));
}

#[test]
fn files_of_other_networks_are_named() {
    let dir = tempfile::tempdir().expect("folder");
    let file = dir.path().join("sam.safetensors");
    let header = br#"{"__metadata__":{"arch":"mobile_sam"}}"#;
    fs::write(
        &file,
        [&(header.len() as u64).to_le_bytes()[..], header].concat(),
    )
    .expect("write");
    let message = registry::check_golden(&file, &reference::Reference)
        .expect_err("no such network")
        .to_string();
    assert!(message.contains("no mobile_sam network"), "{message}");
}

/// The checkpoint's weights as safetensors, with one name of the header changed; both names have the same length.
fn renamed(from: &str, to: &str) -> Result<Lama, ModelError> {
    assert_eq!(from.len(), to.len());
    let config = r#"{"input_nc": 4, "output_nc": 3, "ngf": 8, "n_downsampling": 3, "n_blocks": 2, "ratio_global": 0.75}"#;
    let weights =
        registry::read(&golden_file("lama_tiny.ckpt.gz"), &Limits::default()).expect("reads");
    let bytes = containers::safetensors(&weights, &[("arch", "lama"), ("config", config)]);
    let header = 8 + usize::try_from(u64::from_le_bytes(*bytes.first_chunk().expect("length")))
        .expect("length");
    let text = std::str::from_utf8(&bytes[8..header]).expect("JSON");
    assert!(text.contains(from));
    let changed = [
        &bytes[..8],
        text.replace(from, to).as_bytes(),
        &bytes[header..],
    ]
    .concat();
    Lama::from_weights(&registry::read_bytes(changed.into(), &Limits::default()).expect("reads"))
}

#[test]
fn every_tensor_that_does_not_fit_is_named() {
    let message = renamed(
        "model.5.conv2.ffc.convl2g.weight\":",
        "model.5.conv2.ffc.convl2q.weight\":",
    )
    .expect_err("refused")
    .to_string();
    assert!(
        message.contains("generator.model.5.conv2.ffc.convl2g.weight [48, 16, 3, 3] is missing"),
        "{message}"
    );
    assert!(
        message.contains(
            "generator.model.5.conv2.ffc.convl2q.weight [48, 16, 3, 3] belongs to no layer"
        ),
        "{message}"
    );
    let message = renamed("\"ngf\\\": 8,", "\"ngf\\\": 9,")
        .expect_err("refused")
        .to_string();
    assert!(
        message
            .contains("generator.model.1.ffc.convl2l.weight is [8, 4, 7, 7], wanted [9, 4, 7, 7]"),
        "{message}"
    );
    assert!(message.contains("more"), "{message}");
}

#[test]
fn configurations_are_read_from_the_weights() {
    for name in ["lama_tiny.ckpt.gz", "lama_tiny_jit.pt.gz"] {
        let weights = registry::read(&golden_file(name), &Limits::default()).expect("reads");
        let lama = Lama::from_weights(&weights).expect("fits");
        assert_eq!(
            lama.config(),
            &LamaConfig {
                ngf: 8,
                n_blocks: 2,
                ..LamaConfig::big_lama()
            }
        );
    }
}

#[test]
fn graphs_of_all_sizes_share_weights_and_outputs_have_the_stated_shapes() {
    let config = LamaConfig {
        ngf: 4,
        n_blocks: 1,
        ..LamaConfig::big_lama()
    };
    let lama = Lama::random(&config, 7).expect("random");
    let graph = |height, width, output| {
        lama.graph(LamaGraph {
            batch: 2,
            height,
            width,
            output,
        })
    };
    let small = graph(SIDE_MIN, 17, LamaOutput::Prediction).expect("graph");
    let large = graph(40, 33, LamaOutput::Composite).expect("graph");
    assert_eq!(small.spec(small.outputs[0]).shape.dims(), [2, 3, 16, 24]);
    assert_eq!(large.spec(large.outputs[0]).shape.dims(), [2, 40, 33, 3]);
    for node in &small.nodes {
        if node.op.weight_bytes() > 0 {
            let same = large
                .nodes
                .iter()
                .find(|other| other.name == node.name)
                .expect("same layers");
            assert!(std::sync::Arc::ptr_eq(&node.op, &same.op), "{}", node.name);
        }
    }
    assert!(matches!(
        graph(SIDE_MIN - 1, 64, LamaOutput::Composite),
        Err(ModelError::Config { .. })
    ));
    assert!(
        lama.graph(LamaGraph {
            batch: 0,
            height: 64,
            width: 64,
            output: LamaOutput::Composite
        })
        .is_err()
    );
}

#[test]
fn an_ffc_layer_is_six_operations() {
    let lama = Lama::random(
        &LamaConfig {
            ngf: 4,
            n_blocks: 3,
            ..LamaConfig::big_lama()
        },
        1,
    )
    .expect("random");
    let graph = lama
        .graph(LamaGraph {
            batch: 1,
            height: 32,
            width: 32,
            output: LamaOutput::Composite,
        })
        .expect("graph");
    // Input, stem, two downs, two halves of the split, 6 x 2 per block, three ups, head, composite.
    assert_eq!(graph.nodes.len(), 6 + 3 * 12 + 3 + 1 + 1);
}

#[test]
fn random_networks_are_reproducible_and_finite() {
    use cleanplate_kernels::Tensor;
    let run = |seed| {
        let lama = Lama::random(
            &LamaConfig {
                ngf: 4,
                n_blocks: 6,
                ..LamaConfig::big_lama()
            },
            seed,
        )
        .expect("random");
        let graph = lama
            .graph(LamaGraph {
                batch: 1,
                height: 24,
                width: 16,
                output: LamaOutput::Prediction,
            })
            .expect("graph");
        let image = Tensor::u8(
            &[1, 24, 16, 3],
            (0..24 * 16 * 3).map(|i| (i * 7 % 256) as u8).collect(),
        );
        let mask = Tensor::u8(
            &[1, 24, 16],
            (0..24 * 16)
                .map(|i| if i % 5 == 0 { 255 } else { 0 })
                .collect(),
        );
        let result = reference::Reference
            .compile(&graph)
            .expect("compiles")
            .run(&[image.view(), mask.view()])
            .expect("runs");
        result[0].as_f32().expect("floats").to_vec()
    };
    let first = run(3);
    assert!(
        first
            .iter()
            .all(|v| v.is_finite() && (0.0..=1.0).contains(v))
    );
    let spread = first
        .iter()
        .fold((1f32, 0f32), |(lo, hi), v| (lo.min(*v), hi.max(*v)));
    assert!(
        spread.1 - spread.0 > 0.05,
        "saturated or constant output: {spread:?}"
    );
    assert_eq!(first, run(3));
    assert_ne!(first, run(4));
}
