//! What a field of a row type may be, and how it lies in its column.

use super::{Kind, Value};
use boxoffice::{EventId, OrderId};

/// A type that fits a column.
pub trait Field: Sized {
    /// What the column holds.
    const KIND: Kind;
    /// Whether it may hold nothing.
    const NULLABLE: bool = false;
    /// As it is stored.
    fn value(&self) -> Value;
    /// The same again; `None` if it is no such value.
    fn read(value: Value) -> Option<Self>;
}

/// Takes the next field of a row. The error is the name of its column.
pub fn take<T: Field>(row: &mut impl Iterator<Item = Value>, column: &str) -> Result<T, String> {
    row.next().and_then(T::read).ok_or_else(|| column.to_owned())
}

impl Field for i64 {
    const KIND: Kind = Kind::Int;

    fn value(&self) -> Value {
        Value::Int(*self)
    }

    fn read(value: Value) -> Option<i64> {
        if let Value::Int(n) = value { Some(n) } else { None }
    }
}

impl Field for u32 {
    const KIND: Kind = Kind::Int;

    fn value(&self) -> Value {
        Value::Int((*self).into())
    }

    fn read(value: Value) -> Option<u32> {
        i64::read(value)?.try_into().ok()
    }
}

impl Field for bool {
    const KIND: Kind = Kind::Int;

    fn value(&self) -> Value {
        Value::Int((*self).into())
    }

    fn read(value: Value) -> Option<bool> {
        match value {
            Value::Int(0) => Some(false),
            Value::Int(1) => Some(true),
            _ => None,
        }
    }
}

impl Field for String {
    const KIND: Kind = Kind::Text;

    fn value(&self) -> Value {
        Value::Text(self.clone())
    }

    fn read(value: Value) -> Option<String> {
        if let Value::Text(text) = value { Some(text) } else { None }
    }
}

impl Field for Vec<u8> {
    const KIND: Kind = Kind::Blob;

    fn value(&self) -> Value {
        Value::Blob(self.clone())
    }

    fn read(value: Value) -> Option<Vec<u8>> {
        if let Value::Blob(bytes) = value { Some(bytes) } else { None }
    }
}

/// An id: 16 bytes, so that they are ordered as their numbers are.
impl Field for u128 {
    const KIND: Kind = Kind::Blob;

    fn value(&self) -> Value {
        Value::Blob(self.to_be_bytes().into())
    }

    fn read(value: Value) -> Option<u128> {
        let bytes = Vec::<u8>::read(value)?;
        Some(u128::from_be_bytes(bytes.try_into().ok()?))
    }
}

impl Field for OrderId {
    const KIND: Kind = Kind::Blob;

    fn value(&self) -> Value {
        self.0.value()
    }

    fn read(value: Value) -> Option<OrderId> {
        u128::read(value).map(OrderId)
    }
}

/// The signed number with the same bits, as in all tables.
impl Field for EventId {
    const KIND: Kind = Kind::Int;

    fn value(&self) -> Value {
        Value::Int(self.0 as i64)
    }

    fn read(value: Value) -> Option<EventId> {
        i64::read(value).map(|n| EventId(n as u64))
    }
}

impl<T: Field> Field for Option<T> {
    const KIND: Kind = T::KIND;
    const NULLABLE: bool = true;

    fn value(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::value)
    }

    fn read(value: Value) -> Option<Option<T>> {
        if value == Value::Null { Some(None) } else { T::read(value).map(Some) }
    }
}
