//! One name per weight, whatever wrapper saved it.

use std::borrow::Cow;

use crate::arch::{ARCHS, under_root};

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

/// The name under which published checkpoints store this weight: leading wrapper components are dropped, and a network that
/// was saved without its own prefix (a bare LaMa generator: `model.1.ffc...`) gets it. Foreign names stay as they are.
pub fn published(stored: &str) -> Cow<'_, str> {
    let mut rest = stored;
    loop {
        if under_root(rest) {
            return Cow::Borrowed(rest);
        }
        if let Some(name) = ARCHS.iter().find_map(|arch| (arch.bare)(rest)) {
            return Cow::Owned(name);
        }
        match rest.split_once('.') {
            Some((head, tail)) if WRAPPERS.contains(&head) => rest = tail,
            _ => return Cow::Borrowed(stored),
        }
    }
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
