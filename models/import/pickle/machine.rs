//! The stack machine that reads a pickle stream.

use std::collections::HashMap;

use super::value::{Id, Pickled, Value};
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
            return Ok(Pickled {
                values: machine.values,
                root,
            });
        }
    }
}

pub(super) type Step<T> = Result<T, ImportError>;

pub(super) struct Machine<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    /// Offset of the opcode being executed, for messages.
    pub(super) op_at: usize,
    values: Vec<Value>,
    pub(super) stack: Vec<Id>,
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
            b'2' => self.push_again(
                *self
                    .stack
                    .last()
                    .ok_or_else(|| self.fail("stack is empty"))?,
            )?,

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
            other => {
                if !(self.literal(other)? || self.collection(other)? || self.memory(other)?) {
                    return Err(self.fail(format!(
                        "opcode 0x{other:02x} is not accepted in weight files"
                    )));
                }
            }
        }
        Ok(None)
    }

    /// Executes an opcode that pushes a number, text or bytes; false if it is none of these.
    fn literal(&mut self, op: u8) -> Step<bool> {
        match op {
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
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Executes an opcode that makes or extends a list, a tuple or a dictionary; false if it is none of these.
    fn collection(&mut self, op: u8) -> Step<bool> {
        match op {
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
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Executes an opcode that stores to or reads from the memo; false if it is none of these.
    fn memory(&mut self, op: u8) -> Step<bool> {
        match op {
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
            _ => return Ok(false),
        }
        Ok(true)
    }

    // ---- stack, marks and memo -----------------------------------------------------------------------------

    pub(super) fn charge(&mut self, values: usize) -> Step<()> {
        let left = self.budget.checked_sub(values as u64);
        let what = || ImportError::Limit {
            what: "values of the pickle stream".into(),
            got: self.budget_max + 1,
            max: self.budget_max,
        };
        self.budget = left.ok_or_else(what)?;
        Ok(())
    }

    pub(super) fn push(&mut self, value: Value) -> Step<()> {
        let id = Id(u32::try_from(self.values.len()).map_err(|_| self.fail("too many values"))?);
        self.push_again(id)?;
        self.values.push(value);
        Ok(())
    }

    pub(super) fn push_again(&mut self, id: Id) -> Step<()> {
        self.charge(1)?;
        self.stack.push(id);
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Step<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(self.fail("takes more values than the stack has"));
        }
        self.stack.pop().ok_or_else(|| self.fail("stack is empty"))
    }

    pub(super) fn mark(&mut self) -> Step<()> {
        self.charge(1)?;
        self.marks.push(self.stack.len());
        Ok(())
    }

    pub(super) fn pop_to_mark(&mut self) -> Step<Vec<Id>> {
        let mark = self
            .marks
            .pop()
            .ok_or_else(|| self.fail("no mark on the stack"))?;
        Ok(self.stack.split_off(mark))
    }

    pub(super) fn discard(&mut self) -> Step<()> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(drop)
    }

    pub(super) fn remember(&mut self, slot: u32) -> Step<()> {
        self.charge(1)?;
        let top = *self
            .stack
            .last()
            .ok_or_else(|| self.fail("stack is empty"))?;
        self.memo.insert(slot, top);
        Ok(())
    }

    pub(super) fn recall(&mut self, slot: u32) -> Step<()> {
        let id = *self
            .memo
            .get(&slot)
            .ok_or_else(|| self.fail(format!("memo slot {slot} was never set")))?;
        self.push_again(id)
    }

    pub(super) fn value(&self, id: Id) -> &Value {
        &self.values[id.0 as usize]
    }

    // ---- plain values --------------------------------------------------------------------------------------

    pub(super) fn int<const N: usize>(&mut self) -> Step<()> {
        let value = self.unsigned::<N>()?;
        self.push(Value::Int(value as i64))
    }

    /// A little-endian two's complement number; those over 64 bits (hashes, seeds) matter to no weight.
    pub(super) fn long<const N: usize>(&mut self) -> Step<()> {
        let bytes = self.counted::<N>()?;
        if bytes.len() > 8 {
            return self.push(Value::Opaque);
        }
        let fill = if bytes.last().is_some_and(|b| b & 0x80 != 0) {
            0xff
        } else {
            0
        };
        let mut full = [fill; 8];
        full[..bytes.len()].copy_from_slice(bytes);
        self.push(Value::Int(i64::from_le_bytes(full)))
    }

    pub(super) fn skip(&mut self, length: usize) -> Step<()> {
        self.take(length)?;
        self.push(Value::Opaque)
    }

    pub(super) fn text<const N: usize>(&mut self) -> Step<()> {
        let bytes = self.counted::<N>()?;
        let text = std::str::from_utf8(bytes).map_err(|_| self.fail("text is not UTF-8"))?;
        self.push(Value::Str(text.into()))
    }

    /// Byte strings; those of Python 2 files are text when they are ASCII.
    pub(super) fn blob<const N: usize>(&mut self) -> Step<()> {
        let bytes = self.counted::<N>()?;
        match std::str::from_utf8(bytes) {
            Ok(text) if text.is_ascii() => self.push(Value::Str(text.into())),
            _ => self.push(Value::Opaque),
        }
    }

    pub(super) fn tuple(&mut self, length: usize) -> Step<()> {
        let mut items = Vec::with_capacity(length);
        for _ in 0..length {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Value::Tuple(items.into()))
    }

    pub(super) fn pairs(&self, items: &[Id]) -> Step<Vec<(Id, Id)>> {
        let (pairs, rest) = items.as_chunks::<2>();
        if rest.is_empty() {
            Ok(pairs.iter().map(|&[k, v]| (k, v)).collect())
        } else {
            Err(self.fail("a dictionary key has no value"))
        }
    }

    pub(super) fn top_mut(&mut self) -> Step<&mut Value> {
        let at = self.op_at;
        let top = self.stack.last().ok_or_else(|| ImportError::Pickle {
            at,
            why: "stack is empty".into(),
        })?;
        Ok(&mut self.values[top.0 as usize])
    }

    pub(super) fn extend_list(&mut self, items: &[Id]) -> Step<()> {
        match self.top_mut()? {
            Value::List(list) => list.extend_from_slice(items),
            Value::Opaque => {}
            _ => return Err(self.fail("appends to a value that is no list")),
        }
        Ok(())
    }

    pub(super) fn extend_dict(&mut self, items: &[Id]) -> Step<()> {
        let pairs = self.pairs(items)?;
        match self.top_mut()? {
            Value::Dict(dict) => dict.extend(pairs),
            Value::Opaque => {}
            _ => return Err(self.fail("sets entries of a value that is no dictionary")),
        }
        Ok(())
    }
}
