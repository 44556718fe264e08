//! Names of a pickle stream and what is built from them: the few functions and classes whose meaning is known.

use super::globals::{self, Global};
use super::machine::{Machine, Step};
use super::value::{Id, TensorView, Value};
use crate::error::ImportError;

impl Machine<'_> {
    pub(super) fn global(&self, module: &str, name: &str) -> Step<Global> {
        globals::lookup(module, name).ok_or_else(|| {
            let full: String = format!("{module} {name}").chars().take(200).collect();
            ImportError::Global {
                at: self.op_at,
                name: full.escape_debug().to_string(),
            }
        })
    }

    pub(super) fn stack_global(&mut self) -> Step<()> {
        let (name, module) = (self.pop()?, self.pop()?);
        match (self.value(module), self.value(name)) {
            (Value::Str(module), Value::Str(name)) => {
                let global = self.global(module, name)?;
                self.push(Value::Global(global))
            }
            _ => Err(self.fail("a global is not named by two texts")),
        }
    }

    /// `callable(*arguments)` for the callables of the allow-list.
    pub(super) fn reduce(&mut self) -> Step<()> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        let Value::Tuple(arguments) = self.value(arguments) else {
            return Err(self.fail("arguments are no tuple"));
        };
        let first = arguments.first().copied();
        match *self.value(callable) {
            Value::Global(Global::Dict) => self.dict_of(first),
            Value::Global(Global::First) => {
                let first = first.ok_or_else(|| self.fail("a rebuild function has no argument"))?;
                self.push_again(first)
            }
            Value::Global(Global::RebuildTensor) => {
                let view = self.tensor(arguments)?;
                self.push(Value::Tensor(Box::new(view)))
            }
            Value::Global(Global::Module) => self.push(Value::Module(None)),
            Value::Global(Global::Inert) | Value::Opaque => self.push(Value::Opaque),
            _ => Err(self.fail("calls a value that is no function")),
        }
    }

    /// `OrderedDict()` or `OrderedDict([[key, value], ..])`.
    pub(super) fn dict_of(&mut self, entries: Option<Id>) -> Step<()> {
        let entries = match entries.map(|id| self.value(id)) {
            None => return self.push(Value::Dict(Vec::new())),
            Some(Value::List(entries)) => entries,
            Some(_) => {
                return Err(self.fail("a dictionary is made from something other than a list"));
            }
        };
        let pair = |id: &Id| match self.value(*id) {
            Value::Tuple(pair) => <[Id; 2]>::try_from(&**pair).ok(),
            Value::List(pair) => <[Id; 2]>::try_from(pair.as_slice()).ok(),
            _ => None,
        };
        let pairs: Option<Vec<(Id, Id)>> = entries
            .iter()
            .map(|id| pair(id).map(|[k, v]| (k, v)))
            .collect();
        let pairs = pairs.ok_or_else(|| self.fail("an entry of a dictionary is no pair"))?;
        // The list may be reached again through the memo: copying it costs budget each time.
        self.charge(pairs.len())?;
        self.push(Value::Dict(pairs))
    }

    /// `(storage, offset, size, stride, ..)`.
    pub(super) fn tensor(&self, arguments: &[Id]) -> Step<TensorView> {
        let [storage, offset, shape, strides, ..] = arguments else {
            return Err(self.fail("a tensor has fewer than 4 arguments"));
        };
        let Value::Storage {
            dtype,
            key,
            elements,
        } = *self.value(*storage)
        else {
            return Err(self.fail("a tensor has no storage"));
        };
        let Value::Int(offset) = *self.value(*offset) else {
            return Err(self.fail("a tensor's offset is no integer"));
        };
        let offset =
            u64::try_from(offset).map_err(|_| self.fail("a tensor's offset is negative"))?;
        Ok(TensorView {
            dtype,
            key,
            storage_elements: elements,
            offset,
            shape: self.dims(*shape)?,
            strides: self.dims(*strides)?,
        })
    }

    pub(super) fn dims(&self, id: Id) -> Step<Vec<usize>> {
        const AXES_MAX: usize = 8;
        let dim = |id: &Id| match *self.value(*id) {
            Value::Int(n) => usize::try_from(n).ok(),
            _ => None,
        };
        match self.value(id) {
            Value::Tuple(dims) if dims.len() <= AXES_MAX => {
                dims.iter().map(dim).collect::<Option<_>>()
            }
            _ => None,
        }
        .ok_or_else(|| {
            self.fail(format!(
                "a tensor's size or stride is no tuple of at most {AXES_MAX} sizes"
            ))
        })
    }

    pub(super) fn new_object(&mut self) -> Step<()> {
        let (_arguments, class) = (self.pop()?, self.pop()?);
        match *self.value(class) {
            Value::Global(Global::Module) => self.push(Value::Module(None)),
            Value::Global(Global::Dict) => self.push(Value::Dict(Vec::new())),
            Value::Global(Global::Inert) | Value::Opaque => self.push(Value::Opaque),
            _ => Err(self.fail("makes an object of a value that is no class")),
        }
    }

    /// Sets an object's state. Only TorchScript modules keep it: dictionaries carry nothing but bookkeeping there.
    pub(super) fn build(&mut self) -> Step<()> {
        let state = self.pop()?;
        match self.top_mut()? {
            Value::Module(attributes) => *attributes = Some(state),
            Value::Dict(_) | Value::Opaque | Value::List(_) | Value::Tensor(_) => {}
            _ => return Err(self.fail("sets the state of a value that has none")),
        }
        Ok(())
    }

    /// `('storage', class, key, device, elements)`.
    pub(super) fn persistent(&mut self) -> Step<()> {
        let id = self.pop()?;
        let Value::Tuple(parts) = self.value(id) else {
            return Err(self.fail("a persistent id is no tuple"));
        };
        let &[kind, class, key, _device, elements, ..] = &**parts else {
            return Err(self.fail("a persistent id has fewer than 5 parts"));
        };
        let (Value::Str(kind), Value::Global(Global::Storage(dtype))) =
            (self.value(kind), self.value(class))
        else {
            return Err(self.fail("a persistent id names no known storage class"));
        };
        let (Value::Str(_), &Value::Int(elements), "storage") =
            (self.value(key), self.value(elements), &**kind)
        else {
            return Err(
                self.fail("a persistent id is not ('storage', class, key, device, elements)")
            );
        };
        let elements =
            u64::try_from(elements).map_err(|_| self.fail("a storage has a negative size"))?;
        let dtype = *dtype;
        self.push(Value::Storage {
            dtype,
            key,
            elements,
        })
    }
}
