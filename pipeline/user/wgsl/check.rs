//! Checks a user's shader without a device: syntax, validity, bindings, sizes. Every error names line and text.

use std::error::Error;

use naga::front::wgsl;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{
    AddressSpace, GlobalVariable, Module, ScalarKind, ShaderStage, SourceLocation, StorageAccess,
    TypeInner,
};

use super::WgslTable;

/// Most invocations in a workgroup: every WebGPU device has these.
const INVOCATIONS_MAX: u32 = 256;
/// Most bytes of workgroup memory: every WebGPU device has these.
const WORKGROUP_BYTES_MAX: u32 = 16 << 10;
/// Most bytes of variables that each invocation has for itself.
const PRIVATE_BYTES_MAX: u32 = 16 << 10;

/// Checks `text`, called `file` in errors, against what the manifest declares.
pub fn check(file: &str, text: &str, table: &WgslTable) -> Result<(), String> {
    let module =
        wgsl::parse_str(text).map_err(|e| at(file, text, e.location(text), e.message()))?;
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
    if let Err(error) = validator.validate(&module) {
        let location = error.location(text);
        return Err(at(file, text, location, &chain(error.as_inner())));
    }
    entry_point(&module)?;
    let located =
        |detail: String, span: naga::Span| at(file, text, Some(span.location(text)), &detail);
    if let Some((handle, _)) = module.overrides.iter().next() {
        return Err(located(
            "constants with override are not supported; use const".to_string(),
            module.overrides.get_span(handle),
        ));
    }
    let mut workgroup_bytes = 0u32;
    for (handle, variable) in module.global_variables.iter() {
        let span = module.global_variables.get_span(handle);
        let bytes = size(&module, variable.ty);
        match variable.space {
            AddressSpace::WorkGroup => workgroup_bytes = workgroup_bytes.saturating_add(bytes),
            AddressSpace::Private if bytes > PRIVATE_BYTES_MAX => {
                return Err(located(private(bytes), span));
            }
            AddressSpace::Private => {}
            _ => binding(&module, variable, table).map_err(|detail| located(detail, span))?,
        }
        if workgroup_bytes > WORKGROUP_BYTES_MAX {
            return Err(located(
                format!(
                    "{workgroup_bytes} bytes of workgroup memory, at most {WORKGROUP_BYTES_MAX}"
                ),
                span,
            ));
        }
    }
    let functions = module
        .functions
        .iter()
        .map(|(_, function)| function)
        .chain(module.entry_points.iter().map(|e| &e.function));
    for (handle, variable) in functions.flat_map(|f| {
        f.local_variables
            .iter()
            .map(move |(h, v)| (f.local_variables.get_span(h), v))
    }) {
        let bytes = size(&module, variable.ty);
        if bytes > PRIVATE_BYTES_MAX {
            return Err(located(private(bytes), handle));
        }
    }
    Ok(())
}

fn private(bytes: u32) -> String {
    format!("a variable of {bytes} bytes in each invocation, at most {PRIVATE_BYTES_MAX}")
}

fn size(module: &Module, ty: naga::Handle<naga::Type>) -> u32 {
    module.types[ty].inner.size(module.to_ctx())
}

/// `FILE:LINE:COLUMN: what; the offending text`.
fn at(file: &str, text: &str, location: Option<SourceLocation>, detail: &str) -> String {
    let Some(place) = location else {
        return detail.to_string();
    };
    let line = text
        .lines()
        .nth(place.line_number.saturating_sub(1) as usize)
        .unwrap_or_default()
        .trim();
    let short: String = line.chars().take(160).collect();
    let name = file.rsplit('/').next().unwrap_or(file);
    format!(
        "{name}:{}:{}: {detail}: `{short}`",
        place.line_number, place.line_position
    )
}

/// An error with its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    text
}

fn entry_point(module: &Module) -> Result<(), String> {
    let [entry] = module.entry_points.as_slice() else {
        return Err(format!(
            "{} entry points, expected exactly one: @compute fn main",
            module.entry_points.len()
        ));
    };
    if entry.name != "main" || entry.stage != ShaderStage::Compute {
        return Err(format!(
            "the entry point is {:?} ({:?}), expected @compute fn main",
            entry.name, entry.stage
        ));
    }
    let invocations = entry
        .workgroup_size
        .iter()
        .fold(1u32, |product, n| product.saturating_mul(*n));
    if invocations > INVOCATIONS_MAX || entry.workgroup_size[2] > 64 {
        return Err(format!(
            "@workgroup_size{:?}: at most {INVOCATIONS_MAX} invocations, and 64 in z",
            entry.workgroup_size
        ));
    }
    Ok(())
}

/// A variable with a binding must be one that the manifest declares, of its kind.
fn binding(module: &Module, variable: &GlobalVariable, table: &WgslTable) -> Result<(), String> {
    let result = table.result_binding();
    let Some(place) = variable
        .binding
        .as_ref()
        .filter(|b| b.group == 0 && b.binding <= result + 1)
    else {
        return Err(format!(
            "bindings are @group(0) @binding(0) to @binding({}) by wgsl.images",
            result + 1
        ));
    };
    let inner = &module.types[variable.ty].inner;
    let floats = |inner: &TypeInner| match inner {
        TypeInner::Array {
            base,
            size: naga::ArraySize::Dynamic,
            ..
        } => {
            matches!(module.types[*base].inner, TypeInner::Scalar(s) if s.kind == ScalarKind::Float && s.width == 4)
        }
        _ => false,
    };
    match variable.space {
        AddressSpace::Storage { access } if place.binding < result => {
            let wanted = floats(inner) && !access.contains(StorageAccess::STORE);
            let name = table.images.get(place.binding as usize);
            wanted.then_some(()).ok_or_else(|| {
                format!(
                    "binding {} is image {name:?}: expected var<storage, read> of array<f32>",
                    place.binding
                )
            })
        }
        AddressSpace::Storage { access } if place.binding == result => {
            let wanted = floats(inner) && access.contains(StorageAccess::STORE);
            wanted.then_some(()).ok_or_else(|| format!("binding {result} is the result: expected var<storage, read_write> of array<f32>"))
        }
        AddressSpace::Uniform if place.binding == result + 1 => {
            let (given, wanted) = (
                4 * (2 + table.parameters.len() as u32),
                size(module, variable.ty),
            );
            let fits = wanted.div_ceil(16) <= given.div_ceil(16);
            fits.then_some(()).ok_or_else(|| {
                format!("the uniform block has {wanted} bytes; width, height and {} parameters are {given}", table.parameters.len())
            })
        }
        space => Err(format!(
            "binding {} cannot be {space:?}: images and the result are storage, binding {} is uniform",
            place.binding,
            result + 1
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Image;
    use super::*;

    const GOOD: &str = include_str!("../../../plugins/examples/film-grain/film-grain.wgsl");

    fn table() -> WgslTable {
        let parameters = ["strength", "size_px", "seed"].map(String::from).to_vec();
        WgslTable {
            shader: "x.wgsl".into(),
            images: vec![Image::Hole],
            parameters,
            group_px: [16, 16],
            megapixels_max: 8,
            time_s_max: 30,
            memory_mib_max: 1024,
        }
    }

    fn error(text: &str) -> String {
        check("folder/x.wgsl", text, &table()).unwrap_err()
    }

    #[test]
    fn the_example_is_valid() {
        check("x.wgsl", GOOD, &table()).unwrap();
    }

    #[test]
    fn errors_name_line_and_text() {
        let line = GOOD.lines().position(|l| l.contains("fn main")).unwrap() + 1;
        let syntax = error(&GOOD.replace("fn main(", "fn main[("));
        assert!(
            syntax.contains(&format!("x.wgsl:{line}:")) && syntax.contains("fn main[("),
            "{syntax}"
        );
        let types = error(&GOOD.replace(
            "fn main(",
            "fn wrong() -> f32 { return 1u; }\n@compute @workgroup_size(16, 16)\nfn main(",
        ));
        assert!(
            types.contains("x.wgsl:") && types.contains("return 1u"),
            "{types}"
        );
    }

    #[test]
    fn bindings_must_be_the_declared_ones() {
        assert!(
            error(&GOOD.replace("@binding(0)", "@binding(7)"))
                .contains("@binding(0) to @binding(2)")
        );
        assert!(
            error(&GOOD.replace("storage, read>", "storage, read_write>"))
                .contains("storage, read>")
        );
        assert!(
            error(&GOOD.replace("strength: f32", "strength: f32, a: vec4<f32>, b: vec4<f32>"))
                .contains("uniform block")
        );
        let integers = "@group(0) @binding(1) var<storage, read_write> r: array<u32>;\n@compute @workgroup_size(1) fn main() { r[0] = 1u; }";
        assert!(error(integers).contains("array<f32>"));
    }

    #[test]
    fn sizes_are_bounded() {
        let main = "@compute @workgroup_size(1) fn main() {}";
        assert!(error("@compute @workgroup_size(64, 64) fn main() {}").contains("256"));
        assert!(
            error(&format!("var<workgroup> w: array<f32, 5000>;\n{main}"))
                .contains("workgroup memory")
        );
        assert!(
            error(&format!("var<private> w: array<f32, 5000>;\n{main}"))
                .contains("each invocation")
        );
        assert!(
            error("@compute @workgroup_size(1) fn main() { var a: array<f32, 5000>; a[0] = 1.0; }")
                .contains("each invocation")
        );
        assert!(
            error("override n: u32 = 4;\n@compute @workgroup_size(1) fn main() {}")
                .contains("override")
        );
        assert!(error("fn main() {}").contains("exactly one"));
    }
}
