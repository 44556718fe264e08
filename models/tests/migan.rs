//! MI-GAN against the reference implementation's stored answers, and what its files may look like.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod containers;
mod digest;
mod reference;

use std::path::{Path, PathBuf};

use cleanplate_engine::{Backend, BackendChoice, EngineOptions};
use cleanplate_kernels::Tensor;
use cleanplate_models::arch::Inpaint;
use cleanplate_models::import::{Limits, Weights};
use cleanplate_models::migan::{Migan, MiganConfig};
use cleanplate_models::registry;
use cleanplate_models::store::ModelStore;

fn golden_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("migan/golden")
        .join(name)
}

fn check(backend: &dyn Backend) {
    let file = golden_file("migan_tiny.safetensors.gz");
    let lines = registry::check_golden(&file, backend).expect("runs");
    for line in &lines {
        println!(
            "{} {}: {:.3e} <= {:.0e}, {}, pass {}",
            line.case, line.tensor, line.max_abs_error, line.tolerance, line.detail, line.pass
        );
    }
    assert_eq!(
        lines.len(),
        10,
        "three cases of four tensors, two without the largest"
    );
    assert!(lines.iter().all(|line| line.pass), "{lines:#?}");
}

fn open(backend: BackendChoice, checked_shaders: bool) -> std::sync::Arc<dyn Backend> {
    let options = EngineOptions {
        backend,
        checked_shaders,
        ..EngineOptions::default()
    };
    cleanplate_engine::open(&options).unwrap_or_else(|e| {
        panic!("{e}; on Debian: apt-get install mesa-vulkan-drivers libvulkan1")
    })
}

#[test]
fn plain_loops_reproduce_the_reference_implementation() {
    check(&reference::Reference);
}

#[test]
fn the_cpu_backend_reproduces_the_reference_implementation() {
    check(&*open(BackendChoice::Cpu, false));
}

#[test]
fn the_shaders_reproduce_the_reference_implementation() {
    check(&*open(BackendChoice::Wgpu, false));
}

#[test]
fn the_checked_shaders_reproduce_the_reference_implementation() {
    check(&*open(BackendChoice::Wgpu, true));
}

/// Of the weights in the state dict, as `python -m training.goldens.containers` reads them.
const WEIGHTS_SHA256: &str = "2748811f3c97343feacaa36cc892bd872a347c553e59c154977e6d8bc774513c";

fn state_dict() -> Weights {
    registry::read(&golden_file("migan_tiny.pt.gz"), &Limits::default()).unwrap()
}

/// The state dict with each noise as the product that is added, and no strength of 0: its noise counts for nothing.
fn with_products() -> Vec<u8> {
    let mut tensors = containers::tensors(&state_dict());
    let strengths = tensors.extract_if(.., |name, _| name.ends_with(".noise_strength"));
    let strengths: Vec<_> = strengths.collect();
    assert!(!strengths.is_empty());
    for (name, (_, strength)) in strengths {
        assert!(strength[0] != 0.0, "{name}");
        let layer = name.strip_suffix("_strength").unwrap();
        let (shape, map) = tensors.remove(&format!("{layer}_const")).unwrap();
        assert!(map.iter().any(|v| *v != 0.0), "{name}");
        let product = map.iter().map(|v| v * strength[0]).collect();
        tensors.insert(layer.to_string(), (shape, product));
    }
    containers::of_tensors(&tensors, &[])
}

#[test]
fn the_state_dict_imports_as_what_it_holds_and_survives_storing() {
    assert_eq!(
        digest::digest(&state_dict()),
        (88, WEIGHTS_SHA256.to_string())
    );
    let dir = tempfile::tempdir().unwrap();
    let store = ModelStore::open(dir.path()).unwrap();
    let tensors = dir.path().join("tensors.bin");
    std::fs::write(&tensors, containers::safetensors(&state_dict(), &[])).unwrap();
    let products = dir.path().join("products.bin");
    std::fs::write(&products, with_products()).unwrap();
    for (name, file) in [
        ("dict", golden_file("migan_tiny.pt.gz")),
        ("tensors", tensors),
        ("products", products),
    ] {
        let info = store.import(&file, name, &mut |_| {}).unwrap();
        assert!(info.present && info.arch == "migan");
        let weights = store.weights(name).unwrap();
        let derived = weights.iter().find(|(name, _)| name.contains("filter"));
        assert!(
            derived.is_none(),
            "{derived:?}: fixed filters are no weights"
        );
        let config = MiganConfig {
            resolution: 64,
            ch_base: 512,
            ch_max: 32,
        };
        assert_eq!(Migan::check(&weights).unwrap(), config);
    }
    let picture = |name: &str| {
        let graph = store.inpaint(name).unwrap().graph(1, 40, 33).unwrap();
        let image: Vec<u8> = (0..40 * 33 * 3).map(|i| (i * 7 % 256) as u8).collect();
        let mask: Vec<u8> = (0..40 * 33)
            .map(|i| if i % 5 < 2 { 255 } else { 0 })
            .collect();
        let inputs = [
            Tensor::u8(&[1, 40, 33, 3], image),
            Tensor::u8(&[1, 40, 33], mask),
        ];
        let compiled = open(BackendChoice::Cpu, false).compile(&graph).unwrap();
        compiled
            .run(&[inputs[0].view(), inputs[1].view()])
            .unwrap()
            .remove(0)
    };
    let dict = picture("dict");
    assert_eq!(dict.shape.dims(), [1, 3, 48, 48], "multiples of 64 / 4");
    let values = dict.as_f32().unwrap();
    assert!(values.iter().all(|v| (0.0..=1.0).contains(v)));
    assert!(dict == picture("tensors"));
    assert!(
        dict == picture("products"),
        "a map and its strength are not added as their product"
    );
}

#[test]
fn every_tensor_that_does_not_fit_is_named() {
    let bytes = containers::safetensors(&state_dict(), &[]);
    let header = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let text = std::str::from_utf8(&bytes[8..header]).unwrap();
    let changed = text
        .replace(
            "synthesis.b8.conv1.noise_const",
            "synthesis.b8.conv1.noise_konst",
        )
        .replace(
            "encoder.b16.conv2.conv1.bias",
            "encoder.b16.conv2.conv1.bios",
        );
    assert_eq!(changed.len(), text.len());
    let bytes = [&bytes[..8], changed.as_bytes(), &bytes[header..]].concat();
    let weights = registry::read_bytes(bytes.into(), &Limits::default()).unwrap();
    let message = Migan::from_weights(&weights).unwrap_err().to_string();
    for part in [
        "synthesis.b8.conv1.noise_const [8, 8] is missing",
        "encoder.b16.conv2.conv1.bias [32] is missing",
        "encoder.b16.conv2.conv1.bios [32] belongs to no layer",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn crops_of_a_batch_do_not_see_each_other() {
    let config = MiganConfig {
        resolution: 16,
        ch_base: 128,
        ch_max: 16,
    };
    let network = Migan::random(&config, 3).unwrap();
    assert_eq!(network.side_px_multiple(), 4);
    let backend = open(BackendChoice::Cpu, false);
    let run = |images: &[u8]| {
        let batch = images.len();
        let graph = network.graph(batch, 12, 20).unwrap();
        let fill = |seed: u8| (0..12 * 20 * 3).map(move |i| (i as u8).wrapping_mul(seed));
        let bytes = images.iter().copied().flat_map(fill).collect();
        let image = Tensor::u8(&[batch, 12, 20, 3], bytes);
        let mask = (0..batch * 240).map(|i| if i % 240 > 100 { 255 } else { 0 });
        let mask = Tensor::u8(&[batch, 12, 20], mask.collect());
        let compiled = backend.compile(&graph).unwrap();
        compiled
            .run(&[image.view(), mask.view()])
            .unwrap()
            .remove(0)
            .as_f32()
            .unwrap()
            .to_vec()
    };
    let together = run(&[7, 11]);
    let spread = together
        .iter()
        .fold((1f32, 0f32), |(lo, hi), v| (lo.min(*v), hi.max(*v)));
    assert!(spread.1 - spread.0 > 0.05, "a constant picture: {spread:?}");
    assert_eq!(together, [run(&[7]), run(&[11])].concat());
}
