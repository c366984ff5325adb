//! The tree of a statement in one generic form, so that no kind of node can be overlooked.
//!
//! `pg_query` has a Rust type for each of some 270 messages, all of which serialize. The
//! serializer here keeps the name of every message and field, drops what has its default, and
//! leaves out the wrappers that only say "one of". It refuses trees deeper than [`DEEPEST`], so
//! that whoever walks one may recurse.

use std::fmt;

use serde::ser::{self, Impossible, Serialize};

/// Nested messages and lists; a chain of `||` takes two for each operand.
const DEEPEST: usize = 6_000;

/// A value in the tree of a statement.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tree {
    /// Absent, or its default.
    Nothing,
    /// A flag that is set.
    Bool,
    Int(i64),
    Text(String),
    List(Vec<Tree>),
    Node(Node),
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Its type, such as `SelectStmt` or `AExpr`.
    pub(super) kind: &'static str,
    pub(super) fields: Vec<(&'static str, Tree)>,
}

impl Tree {
    /// What `message` holds.
    pub(super) fn of(message: &impl Serialize) -> Result<Tree, Unreadable> {
        message.serialize(Serializer { depth: 0 })
    }

    /// The message, where it is one.
    pub(super) fn node(&self) -> Option<&Node> {
        match self {
            Tree::Node(node) => Some(node),
            _ => None,
        }
    }

    /// The message, where it is one of this kind.
    pub(super) fn as_kind(&self, kind: &str) -> Option<&Node> {
        self.node().filter(|node| node.kind == kind)
    }

    /// What is listed; nothing where it is no list.
    pub(super) fn items(&self) -> &[Tree] {
        match self {
            Tree::List(items) => items,
            _ => &[],
        }
    }

    /// The names in a list of strings.
    pub(super) fn names(&self) -> Vec<&str> {
        self.items()
            .iter()
            .filter_map(|item| item.as_kind("String"))
            .map(|s| s.text("sval"))
            .collect()
    }

    pub(super) fn is_nothing(&self) -> bool {
        matches!(self, Tree::Nothing)
    }
}

impl Node {
    /// A field.
    pub(super) fn get(&self, name: &str) -> &Tree {
        self.fields
            .iter()
            .find(|(field, _)| *field == name)
            .map_or(&Tree::Nothing, |(_, tree)| tree)
    }

    /// A field's text; empty where it has none.
    pub(super) fn text(&self, name: &str) -> &str {
        match self.get(name) {
            Tree::Text(text) => text,
            _ => "",
        }
    }

    /// A field's number; 0 where it has none.
    pub(super) fn int(&self, name: &str) -> i64 {
        match self.get(name) {
            Tree::Int(number) => *number,
            _ => 0,
        }
    }

    /// Whether a flag is set.
    pub(super) fn is(&self, name: &str) -> bool {
        matches!(self.get(name), Tree::Bool)
    }

    /// A position in the statement, in bytes.
    pub(super) fn place(&self, name: &str) -> usize {
        usize::try_from(self.int(name)).unwrap_or_default()
    }
}

/// Why a tree cannot be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It is nested too deeply.
    Deep,
    /// It holds something that no tree of a query holds.
    Strange,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unreadable::Deep => "nested too deeply",
            Unreadable::Strange => "an unknown kind of value",
        })
    }
}

impl std::error::Error for Unreadable {}

impl ser::Error for Unreadable {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Unreadable::Strange
    }
}

#[derive(Clone, Copy)]
struct Serializer {
    depth: usize,
}

impl Serializer {
    fn below(self) -> Result<Self, Unreadable> {
        if self.depth >= DEEPEST {
            return Err(Unreadable::Deep);
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

fn number(value: i64) -> Tree {
    if value == 0 { Tree::Nothing } else { Tree::Int(value) }
}

/// A list being read.
struct Items {
    inside: Serializer,
    items: Vec<Tree>,
}

/// A message being read.
struct Fields {
    inside: Serializer,
    kind: &'static str,
    read: Vec<(&'static str, Tree)>,
}

impl ser::SerializeSeq for Items {
    type Ok = Tree;
    type Error = Unreadable;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unreadable> {
        self.items.push(value.serialize(self.inside)?);
        Ok(())
    }

    fn end(self) -> Result<Tree, Unreadable> {
        Ok(if self.items.is_empty() { Tree::Nothing } else { Tree::List(self.items) })
    }
}

impl ser::SerializeStruct for Fields {
    type Ok = Tree;
    type Error = Unreadable;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Unreadable> {
        let tree = value.serialize(self.inside)?;
        if !tree.is_nothing() {
            self.read.push((key, tree));
        }
        Ok(())
    }

    fn end(mut self) -> Result<Tree, Unreadable> {
        if self.kind == "Node" {
            return Ok(self.read.pop().map_or(Tree::Nothing, |(_, tree)| tree));
        }
        Ok(Tree::Node(Node { kind: self.kind, fields: self.read }))
    }
}

impl ser::Serializer for Serializer {
    type Ok = Tree;
    type Error = Unreadable;
    type SerializeSeq = Items;
    type SerializeStruct = Fields;
    type SerializeTuple = Impossible<Tree, Unreadable>;
    type SerializeTupleStruct = Impossible<Tree, Unreadable>;
    type SerializeTupleVariant = Impossible<Tree, Unreadable>;
    type SerializeMap = Impossible<Tree, Unreadable>;
    type SerializeStructVariant = Impossible<Tree, Unreadable>;

    fn serialize_bool(self, value: bool) -> Result<Tree, Unreadable> {
        Ok(if value { Tree::Bool } else { Tree::Nothing })
    }
    fn serialize_i8(self, value: i8) -> Result<Tree, Unreadable> {
        Ok(number(value.into()))
    }
    fn serialize_i16(self, value: i16) -> Result<Tree, Unreadable> {
        Ok(number(value.into()))
    }
    fn serialize_i32(self, value: i32) -> Result<Tree, Unreadable> {
        Ok(number(value.into()))
    }
    fn serialize_i64(self, value: i64) -> Result<Tree, Unreadable> {
        Ok(number(value))
    }
    fn serialize_u8(self, value: u8) -> Result<Tree, Unreadable> {
        Ok(number(value.into()))
    }
    fn serialize_u16(self, value: u16) -> Result<Tree, Unreadable> {
        Ok(number(value.into()))
    }
    fn serialize_u32(self, value: u32) -> Result<Tree, Unreadable> {
        Ok(number(value.into()))
    }
    fn serialize_u64(self, value: u64) -> Result<Tree, Unreadable> {
        Ok(number(i64::try_from(value).map_err(|_| Unreadable::Strange)?))
    }
    fn serialize_f32(self, _: f32) -> Result<Tree, Unreadable> {
        Err(Unreadable::Strange)
    }
    fn serialize_f64(self, _: f64) -> Result<Tree, Unreadable> {
        Err(Unreadable::Strange)
    }
    fn serialize_char(self, _: char) -> Result<Tree, Unreadable> {
        Err(Unreadable::Strange)
    }
    fn serialize_str(self, value: &str) -> Result<Tree, Unreadable> {
        Ok(if value.is_empty() { Tree::Nothing } else { Tree::Text(value.to_owned()) })
    }
    fn serialize_bytes(self, _: &[u8]) -> Result<Tree, Unreadable> {
        Err(Unreadable::Strange)
    }
    fn serialize_none(self) -> Result<Tree, Unreadable> {
        Ok(Tree::Nothing)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Tree, Unreadable> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<Tree, Unreadable> {
        Ok(Tree::Nothing)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<Tree, Unreadable> {
        Err(Unreadable::Strange)
    }
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
    ) -> Result<Tree, Unreadable> {
        Err(Unreadable::Strange)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Tree, Unreadable> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<Tree, Unreadable> {
        value.serialize(self)
    }
    fn serialize_seq(self, length: Option<usize>) -> Result<Items, Unreadable> {
        Ok(Items { inside: self.below()?, items: Vec::with_capacity(length.unwrap_or_default()) })
    }
    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Unreadable> {
        Err(Unreadable::Strange)
    }
    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, Unreadable> {
        Err(Unreadable::Strange)
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Unreadable> {
        Err(Unreadable::Strange)
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Unreadable> {
        Err(Unreadable::Strange)
    }
    fn serialize_struct(self, kind: &'static str, _: usize) -> Result<Fields, Unreadable> {
        Ok(Fields { inside: self.below()?, kind, read: Vec::new() })
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Unreadable> {
        Err(Unreadable::Strange)
    }
}
