//! The same weights in three containers, and what happens when the containers lie.

#![allow(clippy::expect_used)]

mod containers;
mod digest;

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use cleanplate_models::error::ImportError;
use cleanplate_models::import::{Bytes, Format, Limits, Weights};
use cleanplate_models::registry;
use proptest::prelude::*;
use zip::write::SimpleFileOptions;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("lama/golden")
        .join(name)
}

/// The bytes of a golden file, which may be packed.
fn unpacked(name: &str) -> Vec<u8> {
    let bytes = fs::read(golden(name)).expect("golden");
    if !name.ends_with(".gz") {
        return bytes;
    }
    let mut plain = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(&bytes[..]);
    std::io::Read::read_to_end(&mut reader, &mut plain).expect("unpacks");
    plain
}

fn read(name: &str) -> Weights {
    registry::read(&golden(name), &Limits::default()).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn network(weights: &Weights) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let ours = weights.iter().filter(|(name, _)| {
        cleanplate_models::registry::under_root(name) && !name.ends_with("num_batches_tracked")
    });
    ours.map(|(name, tensor)| {
        (
            name.to_string(),
            tensor.shape().to_vec(),
            tensor.to_f32().expect("reads"),
        )
    })
    .collect()
}

/// Of the weights in both of PyTorch's files, as `python -m training.goldens.containers` reads them.
const WEIGHTS_SHA256: &str = "c08d801c9f9737e6e48d95745fc7188fd9fee8359b97cf3d4690a3dbee8eb6e1";

#[test]
fn three_containers_hold_identical_weights() {
    let checkpoint = read("lama_tiny.ckpt.gz");
    let script = read("lama_tiny_jit.pt.gz");
    let safetensors = read_bytes(containers::safetensors(&script, &[])).expect("reads");
    assert_eq!(safetensors.format(), Format::Safetensors);
    assert_eq!(checkpoint.format(), Format::Checkpoint);
    assert_eq!(script.format(), Format::TorchScript);
    for (what, weights) in [
        ("the Lightning checkpoint", &checkpoint),
        ("the TorchScript archive", &script),
        ("the safetensors file", &safetensors),
    ] {
        let expected = (133, WEIGHTS_SHA256.to_string());
        assert_eq!(digest::digest(weights), expected, "{what}");
    }
}

#[test]
fn foreign_tensors_of_a_checkpoint_are_skipped_and_listed() {
    let checkpoint = read("lama_tiny.ckpt.gz");
    assert_eq!(checkpoint.skipped().len(), 2, "{:?}", checkpoint.skipped());
    assert!(
        checkpoint
            .skipped()
            .iter()
            .any(|name| name == "state_dict.loss_resnet_pl.impl.conv1.weight")
    );
    assert!(
        checkpoint
            .iter()
            .all(|(name, _)| cleanplate_models::registry::under_root(name))
    );
}

#[test]
fn the_files_name_decides_nothing() {
    let dir = tempfile::tempdir().expect("folder");
    let misnamed = dir.path().join("weights.txt");
    fs::write(&misnamed, unpacked("lama_tiny_jit.pt.gz")).expect("write");
    assert_eq!(
        registry::read(&misnamed, &Limits::default())
            .expect("by content")
            .format(),
        Format::TorchScript
    );
}

#[test]
fn factors_hold_for_integers_only() {
    let header = r#"{"__metadata__":{"scales":"{\"weights.encoder.b4.a\":0.25,\"weights.encoder.b4.b\":0.25}"},
        "weights.encoder.b4.a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]},
        "weights.encoder.b4.b":{"dtype":"F16","shape":[1],"data_offsets":[2,4]}}"#;
    let data = [8, 0xf8, 0x00, 0x3c]; // 8 and -8, then 1 as f16
    let length = (header.len() as u64).to_le_bytes();
    let weights = read_bytes([&length[..], header.as_bytes(), &data].concat()).expect("reads");
    let values = |name: &str| weights.get(name).expect("there").to_f32().expect("reads");
    assert_eq!(values("encoder.b4.a"), [2.0, -2.0]);
    // `scales` names it too, but it holds the product already.
    assert_eq!(values("encoder.b4.b"), [1.0]);
}

fn read_bytes(bytes: Vec<u8>) -> Result<Weights, ImportError> {
    registry::read_bytes(Bytes::from(bytes), &Limits::default())
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut out, bytes).expect("in memory");
    out.finish().expect("in memory")
}

#[test]
fn gzip_is_unpacked_within_the_limits_and_once() {
    let plain = unpacked("lama_tiny.safetensors.gz");
    let packed = gzipped(&plain);
    let weights = read_bytes(packed.clone()).expect("reads");
    assert_eq!(weights.len(), read_bytes(plain).expect("reads").len());
    assert!(matches!(
        read_bytes(gzipped(&packed)),
        Err(ImportError::Unrecognised { .. })
    ));
    assert!(matches!(
        read_bytes(packed[..packed.len() / 2].to_vec()),
        Err(ImportError::Io { .. })
    ));
    let bomb = gzipped(&vec![0; 80 << 20]);
    let refused = read_bytes(bomb).expect_err("refused");
    assert!(
        matches!(refused, ImportError::Limit { got, .. } if got < 80 << 20),
        "{refused}"
    );
}

fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, data) in entries {
        zip.start_file(
            *name,
            SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated),
        )
        .expect("entry");
        zip.write_all(data).expect("data");
    }
    zip.finish().expect("zip").into_inner()
}

#[test]
fn a_checkpoint_inside_a_zip_is_found() {
    let inner = unpacked("lama_tiny.ckpt.gz");
    let weights = read_bytes(zip_of(&[
        ("big-lama/config.yaml", b"a: 1"),
        ("big-lama/models/best.ckpt", &inner),
    ]))
    .expect("nested");
    assert!(network(&weights) == network(&read("lama_tiny.ckpt.gz")));
    let nested_twice = zip_of(&[("a.pt", &zip_of(&[("b.pt", &inner)]))]);
    assert!(matches!(
        read_bytes(nested_twice),
        Err(ImportError::Archive { .. })
    ));
}

#[test]
fn zip_bombs_are_refused_before_they_unpack() {
    // One tensor of 1 GiB of zeros: about 1 MB packed.
    let zeros = vec![0u8; 1 << 30];
    let pickle =
        b"\x80\x02}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000\
                   X\x03\x00\x00\x00cpuJ\x00\x00\x00\x10tQK\x00J\x00\x00\x00\x10\x85K\x01\x85\x89}tRs.";
    let bomb = zip_of(&[("a/data.pkl", pickle), ("a/data/0", &zeros)]);
    assert!(bomb.len() < 2 << 20);
    assert!(matches!(read_bytes(bomb), Err(ImportError::Limit { .. })));
}

#[test]
fn hostile_pickles_in_archives_are_refused_by_name() {
    let archive = zip_of(&[(
        "a/data.pkl",
        b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R.",
    )]);
    let message = read_bytes(archive).expect_err("refused").to_string();
    assert!(message.contains("posix system"), "{message}");
}

#[test]
fn other_files_are_named() {
    for (bytes, word) in [
        (&b""[..], "empty"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "LFS"),
        (
            b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
            "before PyTorch 1.6",
        ),
        (b"\x89PNG\r\n\x1a\n", "starts with"),
    ] {
        let message = read_bytes(bytes.to_vec()).expect_err("refused").to_string();
        assert!(message.contains(word), "{message}");
    }
}

/// Flips some bytes of a file, near its start and end where the structure is, or cuts it.
fn mutated(file: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let bytes = unpacked(file);
    let near = 40_000.min(bytes.len());
    let length = bytes.len();
    let spot = prop_oneof![0..near, (length - near)..length];
    let flips = proptest::collection::vec((spot, any::<u8>()), 1..12);
    (flips, prop_oneof![3 => Just(length), 1 => 0..length]).prop_map(move |(flips, cut)| {
        let mut copy = bytes.clone();
        for (at, value) in flips {
            copy[at] = value;
        }
        copy.truncate(cut);
        copy
    })
}

fn exercise(bytes: Vec<u8>) {
    if let Ok(weights) = read_bytes(bytes) {
        for (_, tensor) in weights.iter() {
            assert_eq!(tensor.to_f32().expect("in memory").len(), tensor.elements());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn mutated_safetensors_never_panic(bytes in mutated("lama_tiny.safetensors.gz")) {
        exercise(bytes);
    }

    #[test]
    fn mutated_checkpoints_never_panic(bytes in mutated("lama_tiny.ckpt.gz")) {
        exercise(bytes);
    }

    #[test]
    fn mutated_scripts_never_panic(bytes in mutated("lama_tiny_jit.pt.gz")) {
        exercise(bytes);
    }

    #[test]
    fn random_bytes_never_panic(start in 0usize..4, mut bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let prefix: &[u8] = [&b""[..], b"PK\x03\x04", b"\x40\0\0\0\0\0\0\0{", b"\x80\x02"][start];
        bytes.splice(0..0, prefix.iter().copied());
        exercise(bytes);
    }
}
