//! The published networks' stored answers, on every backend.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod reference;

use std::path::Path;

use cleanplate_engine::{Backend, BackendChoice, EngineOptions};
use cleanplate_kernels::Tensor;
use cleanplate_models::arch::{Label, Prompt, Segment};
use cleanplate_models::sam::{DecoderConfig, EncoderConfig, Normalisation, Sam, SamConfig};

fn check(file: &str, cases: usize, backend: BackendChoice) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("sam/golden")
        .join(file);
    let options = EngineOptions {
        backend,
        ..EngineOptions::default()
    };
    let backend = cleanplate_engine::open(&options).unwrap_or_else(|e| {
        panic!("{e}; on Debian: apt-get install mesa-vulkan-drivers libvulkan1")
    });
    let lines = cleanplate_models::registry::check_golden(&path, backend.as_ref())
        .unwrap_or_else(|e| panic!("{e}"));
    for line in &lines {
        println!(
            "{} {} {:.2e} of {:.2e} {}",
            line.case, line.tensor, line.max_abs_error, line.tolerance, line.detail
        );
    }
    assert_eq!(
        lines.len(),
        cases * (1 + 3 * 3),
        "per case an embedding, and logits, quality and mask of three prompts"
    );
    let missed: Vec<_> = lines.iter().filter(|l| !l.pass).collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn mobile_sam_cpu() {
    check("mobile_sam_tiny.safetensors.gz", 1, BackendChoice::Cpu);
}

#[test]
fn vit_cpu() {
    check("sam_vit_tiny.safetensors.gz", 1, BackendChoice::Cpu);
}

#[test]
fn sam_small_cpu() {
    check("sam_small_tiny.safetensors.gz", 3, BackendChoice::Cpu);
}

#[test]
fn sam_small_wgpu() {
    check("sam_small_tiny.safetensors.gz", 3, BackendChoice::Wgpu);
}

#[test]
fn mobile_sam_wgpu() {
    check("mobile_sam_tiny.safetensors.gz", 1, BackendChoice::Wgpu);
}

#[test]
fn vit_wgpu() {
    check("sam_vit_tiny.safetensors.gz", 1, BackendChoice::Wgpu);
}

/// A network that no published one is like: another side, a narrower decoder with other heads and fewer channels inside.
fn narrow() -> SamConfig {
    let encoder = EncoderConfig::TinyVit {
        embed_dims: vec![16, 24, 32, 320],
        depths: vec![1, 1, 1, 0],
        num_heads: vec![1, 2, 2, 10],
        window_sizes: vec![1, 7, 5, 3],
        hidden_dims: vec![40, 96, 24, 64],
        neck_squeeze: 20,
    };
    let decoder = DecoderConfig {
        transformer_dim: 48,
        depth: 1,
        mlp_dim: 40,
        num_heads: 3,
        attention_downsample_rate: 4,
        iou_head_depth: 2,
        iou_head_hidden_dim: 24,
    };
    SamConfig {
        img_size: 192,
        normalisation: Normalisation {
            mean: [127.5; 3],
            std: [127.5; 3],
        },
        encoder,
        decoder,
    }
}

#[test]
fn every_size_follows_from_the_configuration() {
    let backend = cleanplate_engine::open(&EngineOptions {
        backend: BackendChoice::Cpu,
        ..EngineOptions::default()
    })
    .unwrap();
    let network = Sam::random(&narrow(), 7).unwrap();
    let photo = Tensor::u8(
        &[1, 90, 120, 3],
        (0..90 * 120 * 3).map(|i| (i * 7 % 256) as u8).collect(),
    );
    assert_eq!(network.resized(90, 120), [144, 192]);
    let maps = backend
        .compile(&network.encoder_graph([144, 192]).unwrap())
        .unwrap()
        .run(&[network.resize(&photo).unwrap().view()])
        .unwrap();
    assert_eq!(
        maps.iter().map(|m| m.shape.dims()).collect::<Vec<_>>(),
        [[1, 12, 12, 48]],
        "192 / 16, the decoder's channels"
    );
    let prompt = Prompt {
        points: vec![(60.0, 45.0, Label::Foreground)],
        rectangle: Some([110.0, 80.0, 10.0, 5.0]),
    };
    let tokens = network.tokens(&prompt, [90, 120]).unwrap();
    let decoder = backend
        .compile(&network.decoder_graph(prompt.tokens()).unwrap())
        .unwrap();
    let answer = decoder.run(&[maps[0].view(), tokens.view()]).unwrap();
    assert_eq!(
        (answer[0].shape.dims(), answer[1].shape.dims()),
        (&[1, 4, 48, 48][..], &[1, 1, 4][..]),
        "logits at a quarter of 192"
    );
    assert!(answer[0].as_f32().unwrap().iter().all(|v| v.is_finite()));
    assert_eq!(
        network
            .mask(&answer[0].as_f32().unwrap()[..48 * 48], [90, 120])
            .len(),
        90 * 120
    );
}

#[test]
fn a_stored_configuration_counts_and_a_wrong_one_is_refused() {
    let text = serde_json::to_string(&narrow()).unwrap();
    assert_eq!(serde_json::from_str::<SamConfig>(&text).unwrap(), narrow());
    assert!(narrow().validate().is_ok());
    let refused = |change: fn(&mut SamConfig)| {
        let mut config = narrow();
        change(&mut config);
        Sam::random(&config, 1).unwrap_err().to_string()
    };
    assert!(refused(|c| c.img_size = 200).contains("multiple of 32"));
    assert!(
        refused(|c| c.encoder = match c.encoder.clone() {
            EncoderConfig::TinyVit {
                depths,
                num_heads,
                window_sizes,
                hidden_dims,
                neck_squeeze,
                ..
            } => EncoderConfig::TinyVit {
                embed_dims: vec![16, 24, 32, 40],
                depths,
                num_heads,
                window_sizes,
                hidden_dims,
                neck_squeeze
            },
            other => other,
        })
        .contains("320")
    );
    assert!(refused(|c| c.decoder.num_heads = 5).contains("heads"));
    assert!(refused(|c| c.decoder.attention_downsample_rate = 0).contains("decoder"));
    assert!(refused(|c| c.normalisation.std[1] = f32::NAN).contains("normalisation"));
}

/// ViT-H has heads of 80 channels where all other published networks have 32 or 64.
#[test]
fn heads_as_wide_as_those_of_vit_h_give_the_same_on_every_backend() {
    let mut config = narrow();
    config.img_size = 128;
    config.encoder = EncoderConfig::Vit {
        embed_dim: 160,
        depth: 2,
        num_heads: 2,
        patch_size: 16,
        window_size: 5,
        global_attn_indexes: vec![1],
    };
    let network = Sam::random(&config, 5).unwrap();
    let photo = Tensor::u8(
        &[1, 100, 128, 3],
        (0..100 * 128 * 3).map(|i| (i * 11 % 256) as u8).collect(),
    );
    let embed = |backend: &dyn Backend| {
        let graph = network.encoder_graph([100, 128]).unwrap();
        let maps = backend.compile(&graph).unwrap().run(&[photo.view()]);
        maps.unwrap()[0].as_f32().unwrap().to_vec()
    };
    let want = embed(&reference::Reference);
    for choice in [BackendChoice::Cpu, BackendChoice::Wgpu] {
        let backend = cleanplate_engine::open(&EngineOptions {
            backend: choice,
            ..EngineOptions::default()
        })
        .unwrap();
        let got = embed(backend.as_ref());
        let worst = got
            .iter()
            .zip(&want)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(
            worst < 1e-3 && got.len() == want.len(),
            "{choice:?}: {worst}"
        );
    }
}

#[test]
fn every_published_file_is_within_the_limits() {
    let limit = cleanplate_models::Limits::default().file_bytes_max;
    let vit_h = 2_564_550_879;
    assert!(vit_h < limit);
    for model in cleanplate_models::MODELS {
        let file = model.parse().unwrap().file;
        assert!(file.is_none_or(|file| file.bytes < limit), "{}", model.name);
    }
}
