//! The stack machine that reads a pickle stream.

use std::collections::HashMap;

use super::globals::{self, Global};
use super::value::{Id, Pickled, TensorView, Value};
use crate::error::ImportError;
use crate::import::Limits;

/// Reads a stream to its `STOP`. Memory is bounded by `limits.pickle_values_max` and the stream's own length.
pub fn load(bytes: &[u8], limits: &Limits) -> Result<Pickled, ImportError> {
    let mut machine = Machine {
        bytes,
        at: 0,
        op_at: 0,
        values: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        budget: limits.pickle_values_max,
        budget_max: limits.pickle_values_max,
    };
    loop {
        if let Some(root) = machine.step()? {
            return Ok(Pickled { values: machine.values, root });
        }
    }
}

type Step<T> = Result<T, ImportError>;

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Offset of the opcode being executed, for messages.
    op_at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Stack heights at which a `MARK` was set.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    /// Values that may still be created, pushed or copied.
    budget: u64,
    budget_max: u64,
}

impl<'a> Machine<'a> {
    /// Executes one opcode; `Some` at `STOP`.
    fn step(&mut self) -> Step<Option<Id>> {
        self.op_at = self.at;
        let [op] = self.array()?;
        match op {
            b'.' => return self.pop().map(Some),
            0x80 => self.protocol()?,
            0x95 => drop(self.array::<8>()?),
            b'(' => self.mark()?,
            b'0' => self.discard()?,
            b'1' => drop(self.pop_to_mark()?),
            b'2' => self.push_again(*self.stack.last().ok_or_else(|| self.fail("stack is empty"))?)?,

            b'N' | 0x88 | 0x89 => self.push(Value::Opaque)?,
            b'K' => self.int::<1>()?,
            b'M' => self.int::<2>()?,
            b'J' => {
                let value = i32::from_le_bytes(self.array()?);
                self.push(Value::Int(value.into()))?;
            }
            0x8a => self.long::<1>()?,
            0x8b => self.long::<4>()?,
            b'G' => self.skip(8)?,
            b'X' => self.text::<4>()?,
            0x8c => self.text::<1>()?,
            0x8d => self.text::<8>()?,
            b'T' | b'B' => self.blob::<4>()?,
            b'U' | b'C' => self.blob::<1>()?,
            0x8e | 0x96 => self.blob::<8>()?,

            b'}' => self.push(Value::Dict(Vec::new()))?,
            b']' | 0x8f => self.push(Value::List(Vec::new()))?,
            b')' => self.push(Value::Tuple(Box::default()))?,
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Tuple(items.into()))?;
            }
            b'l' | 0x91 => {
                let items = self.pop_to_mark()?;
                self.push(Value::List(items))?;
            }
            b'd' => {
                let items = self.pop_to_mark()?;
                let pairs = self.pairs(&items)?;
                self.push(Value::Dict(pairs))?;
            }
            b'a' => {
                let item = self.pop()?;
                self.extend_list(&[item])?;
            }
            b'e' | 0x90 => {
                let items = self.pop_to_mark()?;
                self.extend_list(&items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.extend_dict(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.extend_dict(&items)?;
            }

            b'q' => {
                let [slot] = self.array()?;
                self.remember(slot.into())?;
            }
            b'r' => {
                let slot = u32::from_le_bytes(self.array()?);
                self.remember(slot)?;
            }
            0x94 => self.remember(self.memo.len() as u32)?,
            b'h' => {
                let [slot] = self.array()?;
                self.recall(slot.into())?;
            }
            b'j' => {
                let slot = u32::from_le_bytes(self.array()?);
                self.recall(slot)?;
            }

            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                let global = self.global(module, name)?;
                self.push(Value::Global(global))?;
            }
            0x93 => self.stack_global()?,
            b'i' => {
                // The opcode would make an instance; its class is named so that the message can tell it.
                let (module, name) = (self.line()?, self.line()?);
                self.global(module, name)?;
                return Err(self.fail("opcode INST is not accepted"));
            }
            b'R' => self.reduce()?,
            0x81 => self.new_object()?,
            b'b' => self.build()?,
            b'Q' => self.persistent()?,
            other => return Err(self.fail(format!("opcode 0x{other:02x} is not accepted in weight files"))),
        }
        Ok(None)
    }

    // ---- reading the stream --------------------------------------------------------------------------------

    fn fail(&self, why: impl Into<String>) -> ImportError {
        ImportError::Pickle { at: self.op_at, why: why.into() }
    }

    fn take(&mut self, length: usize) -> Step<&'a [u8]> {
        let end = self.at.checked_add(length).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or_else(|| self.fail("the stream ends inside this opcode"))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        let taken = self.take(N)?;
        taken.first_chunk().copied().ok_or_else(|| self.fail("the stream ends inside this opcode"))
    }

    /// A little-endian unsigned number of `N` bytes.
    fn unsigned<const N: usize>(&mut self) -> Step<u64> {
        let bytes: [u8; N] = self.array()?;
        Ok(bytes.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b)))
    }

    fn counted<const N: usize>(&mut self) -> Step<&'a [u8]> {
        let length = self.unsigned::<N>()?;
        let length = usize::try_from(length).map_err(|_| self.fail("length overflows"))?;
        self.take(length)
    }

    fn line(&mut self) -> Step<&'a str> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&b| b == b'\n').ok_or_else(|| self.fail("a name is not ended by a newline"))?;
        self.at += end + 1;
        std::str::from_utf8(&rest[..end]).map_err(|_| self.fail("a name is not UTF-8"))
    }

    fn protocol(&mut self) -> Step<()> {
        match self.array()? {
            [2..=5] => Ok(()),
            [version] => Err(self.fail(format!("protocol {version} is not supported, 2 to 5 are"))),
        }
    }

    // ---- stack, marks and memo -----------------------------------------------------------------------------

    fn charge(&mut self, values: usize) -> Step<()> {
        let left = self.budget.checked_sub(values as u64);
        let what = || ImportError::Limit { what: "values of the pickle stream".into(), got: self.budget_max + 1, max: self.budget_max };
        self.budget = left.ok_or_else(what)?;
        Ok(())
    }

    fn push(&mut self, value: Value) -> Step<()> {
        let id = Id(u32::try_from(self.values.len()).map_err(|_| self.fail("too many values"))?);
        self.push_again(id)?;
        self.values.push(value);
        Ok(())
    }

    fn push_again(&mut self, id: Id) -> Step<()> {
        self.charge(1)?;
        self.stack.push(id);
        Ok(())
    }

    fn pop(&mut self) -> Step<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(self.fail("takes more values than the stack has"));
        }
        self.stack.pop().ok_or_else(|| self.fail("stack is empty"))
    }

    fn mark(&mut self) -> Step<()> {
        self.charge(1)?;
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn pop_to_mark(&mut self) -> Step<Vec<Id>> {
        let mark = self.marks.pop().ok_or_else(|| self.fail("no mark on the stack"))?;
        Ok(self.stack.split_off(mark))
    }

    fn discard(&mut self) -> Step<()> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(drop)
    }

    fn remember(&mut self, slot: u32) -> Step<()> {
        self.charge(1)?;
        let top = *self.stack.last().ok_or_else(|| self.fail("stack is empty"))?;
        self.memo.insert(slot, top);
        Ok(())
    }

    fn recall(&mut self, slot: u32) -> Step<()> {
        let id = *self.memo.get(&slot).ok_or_else(|| self.fail(format!("memo slot {slot} was never set")))?;
        self.push_again(id)
    }

    fn value(&self, id: Id) -> &Value {
        &self.values[id.0 as usize]
    }

    // ---- plain values --------------------------------------------------------------------------------------

    fn int<const N: usize>(&mut self) -> Step<()> {
        let value = self.unsigned::<N>()?;
        self.push(Value::Int(value as i64))
    }

    /// A little-endian two's complement number; those over 64 bits (hashes, seeds) matter to no weight.
    fn long<const N: usize>(&mut self) -> Step<()> {
        let bytes = self.counted::<N>()?;
        if bytes.len() > 8 {
            return self.push(Value::Opaque);
        }
        let fill = if bytes.last().is_some_and(|b| b & 0x80 != 0) { 0xff } else { 0 };
        let mut full = [fill; 8];
        full[..bytes.len()].copy_from_slice(bytes);
        self.push(Value::Int(i64::from_le_bytes(full)))
    }

    fn skip(&mut self, length: usize) -> Step<()> {
        self.take(length)?;
        self.push(Value::Opaque)
    }

    fn text<const N: usize>(&mut self) -> Step<()> {
        let bytes = self.counted::<N>()?;
        let text = std::str::from_utf8(bytes).map_err(|_| self.fail("text is not UTF-8"))?;
        self.push(Value::Str(text.into()))
    }

    /// Byte strings; those of Python 2 files are text when they are ASCII.
    fn blob<const N: usize>(&mut self) -> Step<()> {
        let bytes = self.counted::<N>()?;
        match std::str::from_utf8(bytes) {
            Ok(text) if text.is_ascii() => self.push(Value::Str(text.into())),
            _ => self.push(Value::Opaque),
        }
    }

    fn tuple(&mut self, length: usize) -> Step<()> {
        let mut items = Vec::with_capacity(length);
        for _ in 0..length {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Value::Tuple(items.into()))
    }

    fn pairs(&self, items: &[Id]) -> Step<Vec<(Id, Id)>> {
        let (pairs, rest) = items.as_chunks::<2>();
        if rest.is_empty() { Ok(pairs.iter().map(|&[k, v]| (k, v)).collect()) } else { Err(self.fail("a dictionary key has no value")) }
    }

    fn top_mut(&mut self) -> Step<&mut Value> {
        let at = self.op_at;
        let top = self.stack.last().ok_or_else(|| ImportError::Pickle { at, why: "stack is empty".into() })?;
        Ok(&mut self.values[top.0 as usize])
    }

    fn extend_list(&mut self, items: &[Id]) -> Step<()> {
        match self.top_mut()? {
            Value::List(list) => list.extend_from_slice(items),
            Value::Opaque => {}
            _ => return Err(self.fail("appends to a value that is no list")),
        }
        Ok(())
    }

    fn extend_dict(&mut self, items: &[Id]) -> Step<()> {
        let pairs = self.pairs(items)?;
        match self.top_mut()? {
            Value::Dict(dict) => dict.extend(pairs),
            Value::Opaque => {}
            _ => return Err(self.fail("sets entries of a value that is no dictionary")),
        }
        Ok(())
    }

    // ---- names and what is built from them -----------------------------------------------------------------

    fn global(&self, module: &str, name: &str) -> Step<Global> {
        globals::lookup(module, name).ok_or_else(|| {
            let full: String = format!("{module} {name}").chars().take(200).collect();
            ImportError::Global { at: self.op_at, name: full.escape_debug().to_string() }
        })
    }

    fn stack_global(&mut self) -> Step<()> {
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
    fn reduce(&mut self) -> Step<()> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        let Value::Tuple(arguments) = self.value(arguments) else { return Err(self.fail("arguments are no tuple")) };
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
    fn dict_of(&mut self, entries: Option<Id>) -> Step<()> {
        let entries = match entries.map(|id| self.value(id)) {
            None => return self.push(Value::Dict(Vec::new())),
            Some(Value::List(entries)) => entries,
            Some(_) => return Err(self.fail("a dictionary is made from something other than a list")),
        };
        let pair = |id: &Id| match self.value(*id) {
            Value::Tuple(pair) => <[Id; 2]>::try_from(&**pair).ok(),
            Value::List(pair) => <[Id; 2]>::try_from(pair.as_slice()).ok(),
            _ => None,
        };
        let pairs: Option<Vec<(Id, Id)>> = entries.iter().map(|id| pair(id).map(|[k, v]| (k, v))).collect();
        let pairs = pairs.ok_or_else(|| self.fail("an entry of a dictionary is no pair"))?;
        // The list may be reached again through the memo: copying it costs budget each time.
        self.charge(pairs.len())?;
        self.push(Value::Dict(pairs))
    }

    /// `(storage, offset, size, stride, ..)`.
    fn tensor(&self, arguments: &[Id]) -> Step<TensorView> {
        let [storage, offset, shape, strides, ..] = arguments else { return Err(self.fail("a tensor has fewer than 4 arguments")) };
        let Value::Storage { dtype, key, elements } = *self.value(*storage) else { return Err(self.fail("a tensor has no storage")) };
        let Value::Int(offset) = *self.value(*offset) else { return Err(self.fail("a tensor's offset is no integer")) };
        let offset = u64::try_from(offset).map_err(|_| self.fail("a tensor's offset is negative"))?;
        Ok(TensorView { dtype, key, storage_elements: elements, offset, shape: self.dims(*shape)?, strides: self.dims(*strides)? })
    }

    fn dims(&self, id: Id) -> Step<Vec<usize>> {
        const AXES_MAX: usize = 8;
        let dim = |id: &Id| match *self.value(*id) {
            Value::Int(n) => usize::try_from(n).ok(),
            _ => None,
        };
        match self.value(id) {
            Value::Tuple(dims) if dims.len() <= AXES_MAX => dims.iter().map(dim).collect::<Option<_>>(),
            _ => None,
        }
        .ok_or_else(|| self.fail(format!("a tensor's size or stride is no tuple of at most {AXES_MAX} sizes")))
    }

    fn new_object(&mut self) -> Step<()> {
        let (_arguments, class) = (self.pop()?, self.pop()?);
        match *self.value(class) {
            Value::Global(Global::Module) => self.push(Value::Module(None)),
            Value::Global(Global::Dict) => self.push(Value::Dict(Vec::new())),
            Value::Global(Global::Inert) | Value::Opaque => self.push(Value::Opaque),
            _ => Err(self.fail("makes an object of a value that is no class")),
        }
    }

    /// Sets an object's state. Only TorchScript modules keep it: dictionaries carry nothing but bookkeeping there.
    fn build(&mut self) -> Step<()> {
        let state = self.pop()?;
        match self.top_mut()? {
            Value::Module(attributes) => *attributes = Some(state),
            Value::Dict(_) | Value::Opaque | Value::List(_) | Value::Tensor(_) => {}
            _ => return Err(self.fail("sets the state of a value that has none")),
        }
        Ok(())
    }

    /// `('storage', class, key, device, elements)`.
    fn persistent(&mut self) -> Step<()> {
        let id = self.pop()?;
        let Value::Tuple(parts) = self.value(id) else { return Err(self.fail("a persistent id is no tuple")) };
        let &[kind, class, key, _device, elements, ..] = &**parts else { return Err(self.fail("a persistent id has fewer than 5 parts")) };
        let (Value::Str(kind), Value::Global(Global::Storage(dtype))) = (self.value(kind), self.value(class)) else {
            return Err(self.fail("a persistent id names no known storage class"));
        };
        let (Value::Str(_), &Value::Int(elements), "storage") = (self.value(key), self.value(elements), &**kind) else {
            return Err(self.fail("a persistent id is not ('storage', class, key, device, elements)"));
        };
        let elements = u64::try_from(elements).map_err(|_| self.fail("a storage has a negative size"))?;
        let dtype = *dtype;
        self.push(Value::Storage { dtype, key, elements })
    }
}
