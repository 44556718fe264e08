//! Finds the named tensors in a pickled checkpoint or TorchScript module.

use super::pickle::{Id, Pickled, TensorView, Value};
use crate::error::ImportError;
use crate::import::{Format, Limits, limit};

/// Nesting of dictionaries and modules; published networks need about ten.
const DEPTH_MAX: usize = 64;
/// Length of a tensor's full name in bytes.
const NAME_BYTES_MAX: usize = 512;

/// A tensor with its full dotted name (`state_dict.generator.model.1...`).
pub type Named<'a> = (String, &'a TensorView);

/// All tensors that are reached from the root through text keys of dictionaries and attributes of modules.
/// Tensors inside lists (optimiser states) belong to no network.
pub fn tensors<'a>(
    pickled: &'a Pickled,
    limits: &Limits,
) -> Result<(Format, Vec<Named<'a>>), ImportError> {
    let mut walk = Walk {
        pickled,
        limits,
        name: String::new(),
        visits: 0,
        found: Vec::new(),
    };
    walk.visit(pickled.root, 0)?;
    let format = if matches!(pickled.get(pickled.root), Value::Module(_)) {
        Format::TorchScript
    } else {
        Format::Checkpoint
    };
    Ok((format, walk.found))
}

struct Walk<'a, 'l> {
    pickled: &'a Pickled,
    limits: &'l Limits,
    /// Dotted name of the value being visited.
    name: String,
    /// Values visited: shared structures are visited once per path, so paths are what has to be bounded.
    visits: u64,
    found: Vec<Named<'a>>,
}

impl<'a> Walk<'a, '_> {
    fn visit(&mut self, id: Id, depth: usize) -> Result<(), ImportError> {
        self.visits += 1;
        limit(
            "values reached from the checkpoint's root",
            self.visits,
            self.limits.pickle_values_max,
        )?;
        match self.pickled.get(id) {
            Value::Dict(entries) => self.entries(entries, depth),
            Value::Module(Some(attributes)) => match self.pickled.get(*attributes) {
                Value::Dict(entries) => self.entries(entries, depth),
                _ => Ok(()),
            },
            Value::Tensor(view) => {
                limit(
                    "tensors",
                    self.found.len() as u64 + 1,
                    self.limits.tensors_max,
                )?;
                self.found.push((self.name.clone(), view));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn entries(&mut self, entries: &'a [(Id, Id)], depth: usize) -> Result<(), ImportError> {
        limit("nesting of the checkpoint", depth as u64, DEPTH_MAX as u64)?;
        for &(key, value) in entries {
            self.visits += 1;
            limit(
                "values reached from the checkpoint's root",
                self.visits,
                self.limits.pickle_values_max,
            )?;
            let (Some(key), true) = (self.pickled.text(key), self.holds_tensors(value)) else {
                continue;
            };
            let length = self.name.len();
            limit(
                "length of a tensor's name",
                (length + key.len() + 1) as u64,
                NAME_BYTES_MAX as u64,
            )?;
            if length > 0 {
                self.name.push('.');
            }
            self.name.push_str(key);
            self.visit(value, depth + 1)?;
            self.name.truncate(length);
        }
        Ok(())
    }

    fn holds_tensors(&self, id: Id) -> bool {
        matches!(
            self.pickled.get(id),
            Value::Dict(_) | Value::Module(Some(_)) | Value::Tensor(_)
        )
    }
}
