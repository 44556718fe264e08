//! One name per weight, whatever wrapper saved it.

use std::borrow::Cow;

/// Name prefixes of the networks that Cleanplate runs. A tensor under none of them is foreign.
pub const ROOTS: &[&str] = &[
    "generator.model.",
    "image_encoder.",
    "prompt_encoder.",
    "mask_decoder.",
];

/// Name components that containers and wrapper modules put in front of a network's own names.
const WRAPPERS: &[&str] = &[
    "weights",
    "state_dict",
    "model_state_dict",
    "model",
    "module",
    "net",
    "sam",
    "params",
    "params_ema",
];

/// The name under which published checkpoints store this weight: leading wrapper components are dropped, and a
/// bare LaMa generator (`model.1.ffc...`) gets its `generator.` prefix. Foreign names stay as they are.
pub fn published(stored: &str) -> Cow<'_, str> {
    let mut rest = stored;
    loop {
        if under_root(rest) {
            return Cow::Borrowed(rest);
        }
        if is_bare_generator(rest) {
            return Cow::Owned(format!("generator.{rest}"));
        }
        match rest.split_once('.') {
            Some((head, tail)) if WRAPPERS.contains(&head) => rest = tail,
            _ => return Cow::Borrowed(stored),
        }
    }
}

/// Whether a published name belongs to a network that Cleanplate runs.
pub fn under_root(name: &str) -> bool {
    ROOTS.iter().any(|root| name.starts_with(root))
}

/// `model.N.`: layer `N` of the sequence inside a LaMa generator.
fn is_bare_generator(name: &str) -> bool {
    let layer = name
        .strip_prefix("model.")
        .and_then(|rest| rest.split_once('.'));
    layer
        .is_some_and(|(digits, _)| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappers_are_dropped_and_foreign_names_kept() {
        for stored in [
            "generator.model.1.ffc.convl2l.weight",
            "model.generator.model.1.ffc.convl2l.weight",
            "weights.generator.model.1.ffc.convl2l.weight",
            "state_dict.generator.model.1.ffc.convl2l.weight",
            "module.model.generator.model.1.ffc.convl2l.weight",
            "model.1.ffc.convl2l.weight",
            "state_dict.model.1.ffc.convl2l.weight",
        ] {
            assert_eq!(
                published(stored),
                "generator.model.1.ffc.convl2l.weight",
                "{stored}"
            );
        }
        assert_eq!(
            published("model.image_encoder.pos_embed"),
            "image_encoder.pos_embed"
        );
        for foreign in [
            "loss_resnet_pl.impl.conv1.weight",
            "state_dict.discriminator.model0.0.weight",
            "case0.image",
            "model.x.y",
            "",
            "model.",
        ] {
            assert_eq!(published(foreign), foreign);
            assert!(!under_root(&published(foreign)));
        }
    }
}
