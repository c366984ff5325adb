//! Whether a record holds anything to be redacted, without building or writing it: a serialiser
//! that only looks at strings.

use std::fmt::Display;

use serde::ser::{self, Serialize};

use super::{ARGUMENTS, Field, NAMING, Redactor, TRUSTED, VALUE};

/// Whether `record` would be changed by redaction.
pub(super) fn is_dirty(record: &impl Serialize, redactor: &Redactor) -> bool {
    // An error is how the walk ends early; a record that cannot be serialised is nobody's.
    record.serialize(Walk { redactor, place: Place::default() }).is_err()
}

/// Where a string stands.
#[derive(Clone, Copy, Default)]
struct Place<'a> {
    /// Whether the names of fields are the caller's and tell what stands under them.
    is_callers: bool,
    /// Whether only held secrets can be here.
    is_trusted: bool,
    /// The name of the caller's field.
    name: Option<&'a str>,
}

#[derive(Clone, Copy)]
struct Walk<'a> {
    redactor: &'a Redactor,
    place: Place<'a>,
}

/// Something was found.
#[derive(Debug)]
struct Dirty;

impl Display for Dirty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("to be redacted")
    }
}

impl std::error::Error for Dirty {}

impl ser::Error for Dirty {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}

type Seen = Result<(), Dirty>;

impl Walk<'_> {
    fn text(self, text: &str) -> Seen {
        let Place { is_trusted, name, .. } = self.place;
        let field = Field { name, is_trusted };
        if self.redactor.field(field, text).is_some() { Err(Dirty) } else { Ok(()) }
    }
}

macro_rules! nothing {
    ($($name:ident($type:ty)),*) => { $(fn $name(self, _: $type) -> Seen { Ok(()) })* };
}

impl<'a> ser::Serializer for Walk<'a> {
    type Ok = ();
    type Error = Dirty;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Fields<'a>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    nothing!(
        serialize_bool(bool),
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_i64(i64),
        serialize_u8(u8),
        serialize_u16(u16),
        serialize_u32(u32),
        serialize_u64(u64),
        serialize_f32(f32),
        serialize_f64(f64),
        serialize_bytes(&[u8])
    );

    fn serialize_char(self, c: char) -> Seen {
        self.text(c.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Seen {
        self.text(text)
    }

    fn serialize_none(self) -> Seen {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Seen {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Seen {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Seen {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Seen {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Seen {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Seen {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Dirty> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Dirty> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Dirty> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Dirty> {
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Fields<'a>, Dirty> {
        Ok(Fields { walk: self, name: String::new(), said: None })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Dirty> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Dirty> {
        Ok(self)
    }
}

macro_rules! elements {
    ($($trait:ident::$element:ident),*) => { $(
        impl ser::$trait for Walk<'_> {
            type Ok = ();
            type Error = Dirty;

            fn $element<T: Serialize + ?Sized>(&mut self, value: &T) -> Seen {
                value.serialize(*self)
            }

            fn end(self) -> Seen {
                Ok(())
            }
        }
    )* };
}

elements!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

macro_rules! structs {
    ($($trait:ident),*) => { $(
        impl ser::$trait for Walk<'_> {
            type Ok = ();
            type Error = Dirty;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Seen {
                let mut inner = *self;
                inner.place.is_callers |= name == ARGUMENTS;
                inner.place.is_trusted |= TRUSTED.contains(&name);
                value.serialize(inner)
            }

            fn end(self) -> Seen {
                Ok(())
            }
        }
    )* };
}

structs!(SerializeStruct, SerializeStructVariant);

/// The fields of a map.
struct Fields<'a> {
    walk: Walk<'a>,
    name: String,
    /// What `name` or `key` says, for the `value` that follows.
    said: Option<String>,
}

impl ser::SerializeMap for Fields<'_> {
    type Ok = ();
    type Error = Dirty;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Seen {
        self.name = string(key);
        let mut walk = self.walk;
        walk.place.name = None;
        walk.text(&self.name)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Seen {
        if !self.walk.place.is_callers {
            return value.serialize(self.walk);
        }
        if NAMING.contains(&self.name.as_str()) {
            self.said = Some(string(value));
        }
        let said = self.said.as_deref().filter(|_| self.name == VALUE);
        let place = Place { name: Some(said.unwrap_or(&self.name)), ..self.walk.place };
        value.serialize(Walk { place, ..self.walk })
    }

    fn end(self) -> Seen {
        Ok(())
    }
}

/// A value that is a string; of any other, nothing.
fn string<T: Serialize + ?Sized>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}
