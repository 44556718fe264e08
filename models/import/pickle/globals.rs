//! Which Python names a weight file may mention, and what each stands for. Everything else is refused.

use crate::import::WeightType;

/// What an accepted name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Global {
    /// `OrderedDict` and `dict`: a dictionary.
    Dict,
    /// `_rebuild_tensor_v2(storage, offset, size, stride, ..)` and its older form.
    RebuildTensor,
    /// A function whose first argument is its result, as far as weights are concerned.
    First,
    /// The class of a storage with elements of this type.
    Storage(WeightType),
    /// A class compiled by TorchScript.
    Module,
    /// A class or function beside the weights (hyper-parameters, callbacks, optimisers): it and what is built from it
    /// are passed over as opaque values.
    Inert,
}

/// Accepted names, written `module name`.
const EXACT: &[(&str, Global)] = &[
    ("collections OrderedDict", Global::Dict),
    ("torch._utils _rebuild_tensor_v2", Global::RebuildTensor),
    ("torch._utils _rebuild_tensor", Global::RebuildTensor),
    ("torch._utils _rebuild_parameter", Global::First),
    ("torch._utils _rebuild_parameter_with_state", Global::First),
    ("torch.jit._pickle build_intlist", Global::First),
    ("torch.jit._pickle build_doublelist", Global::First),
    ("torch.jit._pickle build_boollist", Global::First),
    ("torch.jit._pickle build_tensorlist", Global::First),
    ("torch.jit._pickle restore_type_tag", Global::First),
    ("torch DoubleStorage", Global::Storage(WeightType::F64)),
    ("torch FloatStorage", Global::Storage(WeightType::F32)),
    ("torch HalfStorage", Global::Storage(WeightType::F16)),
    ("torch BFloat16Storage", Global::Storage(WeightType::Bf16)),
    ("torch LongStorage", Global::Storage(WeightType::I64)),
    ("torch IntStorage", Global::Storage(WeightType::I32)),
    ("torch CharStorage", Global::Storage(WeightType::I8)),
    ("torch ByteStorage", Global::Storage(WeightType::U8)),
    ("torch BoolStorage", Global::Storage(WeightType::U8)),
    ("torch Size", Global::Inert),
    ("torch device", Global::Inert),
    ("torch float32", Global::Inert),
    ("torch float16", Global::Inert),
    ("torch bfloat16", Global::Inert),
    ("torch int64", Global::Inert),
    ("argparse Namespace", Global::Inert),
    ("collections defaultdict", Global::Inert),
    ("collections Counter", Global::Inert),
    ("pathlib PosixPath", Global::Inert),
    ("pathlib WindowsPath", Global::Inert),
    ("_codecs encode", Global::Inert),
    ("numpy dtype", Global::Inert),
    ("numpy ndarray", Global::Inert),
    ("numpy.core.multiarray scalar", Global::Inert),
    ("numpy.core.multiarray _reconstruct", Global::Inert),
    ("numpy._core.multiarray scalar", Global::Inert),
    ("numpy._core.multiarray _reconstruct", Global::Inert),
    ("typing Any", Global::Inert),
    ("typing Union", Global::Inert),
    ("typing Optional", Global::Inert),
];

/// Plain data types of Python's builtins; the module is `__builtin__` in protocol 2 and `builtins` later.
const BUILTINS: &[&str] = &[
    "bool",
    "bytearray",
    "bytes",
    "complex",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "long",
    "object",
    "set",
    "slice",
    "str",
    "tuple",
];

/// Packages whose objects training frameworks leave beside the weights.
const INERT_PACKAGES: &[&str] = &[
    "pytorch_lightning",
    "lightning",
    "lightning_fabric",
    "omegaconf",
    "torch.optim",
];

/// What `module name` stands for, `None` when a weight file has no business naming it.
pub fn lookup(module: &str, name: &str) -> Option<Global> {
    if in_package(module, "__torch__") {
        return Some(Global::Module);
    }
    if matches!(module, "builtins" | "__builtin__") {
        return BUILTINS.contains(&name).then_some(if name == "dict" {
            Global::Dict
        } else {
            Global::Inert
        });
    }
    let exact = EXACT
        .iter()
        .find(|(full, _)| full.split_once(' ') == Some((module, name)));
    let package = || {
        INERT_PACKAGES
            .iter()
            .any(|package| in_package(module, package))
    };
    exact
        .map(|(_, global)| *global)
        .or_else(|| package().then_some(Global::Inert))
}

fn in_package(module: &str, package: &str) -> bool {
    module
        .strip_prefix(package)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_names_are_accepted() {
        assert_eq!(
            lookup("torch", "HalfStorage"),
            Some(Global::Storage(WeightType::F16))
        );
        assert_eq!(
            lookup("__torch__.torch.nn.modules.conv", "Conv2d"),
            Some(Global::Module)
        );
        assert_eq!(
            lookup(
                "pytorch_lightning.callbacks.model_checkpoint",
                "ModelCheckpoint"
            ),
            Some(Global::Inert)
        );
        assert_eq!(lookup("builtins", "dict"), Some(Global::Dict));
        for (module, name) in [
            ("os", "system"),
            ("posix", "system"),
            ("nt", "system"),
            ("builtins", "eval"),
            ("builtins", "getattr"),
            ("__builtin__", "exec"),
            ("subprocess", "Popen"),
            ("torch", "load"),
            ("torch.storage", "_load_from_bytes"),
            ("__torch__evil", "X"),
            ("pytorch_lightningx", "X"),
            ("collections", "OrderedDict "),
            ("collections OrderedDict", ""),
        ] {
            assert_eq!(lookup(module, name), None, "{module} {name}");
        }
    }
}
