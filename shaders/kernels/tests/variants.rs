//! Every shader variant is valid WGSL, and programs emit only listed variants within the limits of their device.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashSet;

use cleanplate_kernels::program::{Binding, Variant};
use cleanplate_kernels::{Caps, Family, KERNELS, KernelError, TensorSpec};
use naga::valid::{Capabilities, ValidationFlags, Validator};

/// Storage bindings that every adapter has.
const STORAGE_BINDINGS_MAX: usize = 8;

/// A large discrete GPU.
fn large() -> Caps {
    Caps {
        workgroup_bytes_max: 48 << 10,
        workgroup_invocations_max: 1024,
        binding_bytes_max: 2 << 30,
        ..Caps::baseline()
    }
}

fn module(variant: &Variant) -> naga::Module {
    let text = cleanplate_kernels::variant::expand(variant).expect("the template expands");
    naga::front::wgsl::parse_str(&text)
        .unwrap_or_else(|e| panic!("{}:\n{}", variant.key(), e.emit_to_string(&text)))
}

/// Workgroup memory in bytes and invocations of the entry point `main`.
fn needs(module: &naga::Module, key: &str) -> (u32, u32) {
    let mut layouter = naga::proc::Layouter::default();
    layouter
        .update(module.to_ctx())
        .expect("types have layouts");
    let shared = module
        .global_variables
        .iter()
        .filter(|(_, v)| v.space == naga::AddressSpace::WorkGroup);
    let bytes = shared.map(|(_, v)| layouter[v.ty].size).sum();
    let main = module
        .entry_points
        .iter()
        .find(|e| e.name == "main")
        .unwrap_or_else(|| panic!("{key}: no entry point main"));
    (bytes, main.workgroup_size.iter().product())
}

#[test]
fn every_listed_variant_is_valid_and_small_enough() {
    for kernel in KERNELS {
        let variants = (kernel.variants)();
        assert!(!variants.is_empty(), "{} lists no variants", kernel.name);
        for variant in &variants {
            let key = variant.key();
            assert_eq!(variant.kernel, kernel.name);
            assert!(variant.defines.is_sorted(), "{key}: defines are not sorted");
            let module = module(variant);
            let capabilities = if variant.subgroups {
                Capabilities::SUBGROUP
            } else {
                Capabilities::empty()
            };
            let mut validator = Validator::new(ValidationFlags::all(), capabilities);
            if variant.subgroups {
                validator.subgroup_stages(naga::valid::ShaderStages::COMPUTE);
                validator.subgroup_operations(naga::valid::SubgroupOperationSet::all());
            }
            validator
                .validate(&module)
                .unwrap_or_else(|e| panic!("{key}: {e:?}"));
            let (bytes, threads) = needs(&module, &key);
            let storage = module
                .global_variables
                .iter()
                .filter(|(_, v)| matches!(v.space, naga::AddressSpace::Storage { .. }))
                .count();
            assert!(
                bytes <= 48 << 10,
                "{key}: {bytes} bytes of workgroup memory"
            );
            assert!(threads <= 256, "{key}: {threads} invocations");
            assert!(
                storage <= STORAGE_BINDINGS_MAX,
                "{key}: {storage} storage bindings"
            );
        }
        let distinct: HashSet<_> = variants.iter().collect();
        assert_eq!(
            distinct.len(),
            variants.len(),
            "{} lists a variant twice",
            kernel.name
        );
    }
}

#[test]
fn keys_tell_variants_apart() {
    let keys: Vec<String> = KERNELS
        .iter()
        .flat_map(|k| (k.variants)())
        .map(|v| v.key())
        .collect();
    let distinct: HashSet<_> = keys.iter().collect();
    assert_eq!(distinct.len(), keys.len(), "two variants share a label");
}

#[test]
fn programs_emit_listed_variants_within_limits() {
    for kernel in KERNELS {
        let listed: HashSet<_> = (kernel.variants)().into_iter().collect();
        for case in (kernel.cases)() {
            let specs = case.specs();
            let outputs = case.op.infer(&specs).expect("the case is valid").len();
            for caps in [Caps::baseline(), Caps::lavapipe(), large()] {
                let program = case
                    .op
                    .program(&specs, &caps)
                    .expect("the case fits the device");
                assert!(!program.dispatches.is_empty());
                for dispatch in &program.dispatches {
                    let label = format!(
                        "{} '{}' on {:?}: {}",
                        kernel.name,
                        case.name,
                        caps.family,
                        dispatch.variant.key()
                    );
                    assert!(listed.contains(&dispatch.variant), "{label} is not listed");
                    assert!(
                        !dispatch.variant.subgroups || caps.family == Family::CpuSimd,
                        "{label} needs subgroups"
                    );
                    assert!(
                        dispatch
                            .groups
                            .iter()
                            .all(|g| (1..=caps.workgroups_per_dimension_max).contains(g)),
                        "{label}: groups"
                    );
                    let module = module(&dispatch.variant);
                    let (bytes, threads) = needs(&module, &label);
                    assert!(
                        bytes <= caps.workgroup_bytes_max,
                        "{label}: {bytes} bytes of workgroup memory"
                    );
                    assert!(
                        threads <= caps.workgroup_invocations_max,
                        "{label}: {threads} invocations"
                    );
                    let bound = module
                        .global_variables
                        .iter()
                        .filter(|(_, v)| v.binding.is_some())
                        .count();
                    assert_eq!(
                        bound,
                        dispatch.bindings.len() + 1,
                        "{label}: bindings and params block"
                    );
                    check_bindings(
                        &dispatch.bindings,
                        specs.len(),
                        outputs,
                        program.scratch_bytes.len(),
                        &label,
                    );
                }
            }
        }
    }
}

#[test]
fn tensors_beyond_one_binding_are_refused() {
    for kernel in KERNELS {
        for case in (kernel.cases)() {
            let specs = case.specs();
            let largest = specs
                .iter()
                .map(TensorSpec::bytes)
                .max()
                .expect("a case has inputs");
            for caps in [Caps::baseline(), Caps::lavapipe()] {
                let caps = Caps {
                    binding_bytes_max: largest - 1,
                    ..caps
                };
                let refused = matches!(
                    case.op.program(&specs, &caps),
                    Err(KernelError::Limit { .. })
                );
                assert!(
                    refused,
                    "{} '{}' ignores a limit of {} bytes",
                    kernel.name,
                    case.name,
                    largest - 1
                );
            }
        }
    }
}

#[test]
fn workgroups_fold_into_the_next_dimension() {
    for kernel in KERNELS {
        for case in (kernel.cases)() {
            for caps in [Caps::baseline(), Caps::lavapipe()] {
                let wide = case
                    .op
                    .program(&case.specs(), &caps)
                    .expect("the case fits the device");
                let narrow = Caps {
                    workgroups_per_dimension_max: 40,
                    ..caps
                };
                let narrow = case
                    .op
                    .program(&case.specs(), &narrow)
                    .expect("the case fits 40 x 40 workgroups");
                for (a, b) in wide.dispatches.iter().zip(&narrow.dispatches) {
                    let (wanted, got) = (
                        a.groups.iter().product::<u32>(),
                        b.groups.iter().product::<u32>(),
                    );
                    assert!(
                        b.groups.iter().all(|g| *g <= 40) && got >= wanted,
                        "{} '{}': {:?}",
                        kernel.name,
                        case.name,
                        b.groups
                    );
                }
            }
        }
    }
}

fn check_bindings(
    bindings: &[Binding],
    inputs: usize,
    outputs: usize,
    scratch: usize,
    label: &str,
) {
    for binding in bindings {
        let exists = match binding {
            Binding::Input(i) => *i < inputs,
            Binding::Output(i) => *i < outputs,
            Binding::Scratch(i) | Binding::ScratchRead(i) => *i < scratch,
            Binding::Constant(words) => !words.is_empty(),
        };
        assert!(exists, "{label}: {binding:?} does not exist");
    }
}
