//! The messages of Arrow IPC as flat buffers: `Schema.fbs`, `Message.fbs` and `File.fbs` of the
//! specification. A slot is a field of a table, counted from 0.

use flatbuffers::{
    FlatBufferBuilder, TableFinishedWIPOffset, UnionWIPOffset, VOffsetT, Vector, WIPOffset,
};

use super::column::Node;
use crate::engine::{Column, Kind};

/// What ends the messages of a file: a message without metadata.
pub(super) const END: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// What begins every message.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// `MetadataVersion.V5`.
const VERSION: i16 = 4;
/// Members of `MessageHeader`.
const SCHEMA: u8 = 1;
const RECORD_BATCH: u8 = 3;
/// To which every message and buffer is filled up.
const ALIGNMENT: usize = 8;

type Builder = FlatBufferBuilder<'static>;
type Table = WIPOffset<TableFinishedWIPOffset>;

/// Where a batch is in the file, and how long its two parts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) offset: u64,
    pub(super) metadata: u64,
    pub(super) body: u64,
}

/// The message that describes the columns.
pub(super) fn schema(columns: &[Column]) -> Vec<u8> {
    let mut builder = Builder::new();
    let schema = schema_table(&mut builder, columns);
    framed(builder, SCHEMA, schema, 0)
}

/// The message of one batch, and its body.
pub(super) fn batch(rows: usize, nodes: &[Node], buffers: &[Vec<u8>]) -> (Vec<u8>, Vec<u8>) {
    let mut body = Vec::with_capacity(buffers.iter().map(|buffer| buffer.len() + 8).sum());
    let mut places: Vec<u64> = Vec::with_capacity(buffers.len() * 2);
    for buffer in buffers {
        places.extend([word(body.len()), word(buffer.len())]);
        body.extend(buffer);
        fill(&mut body);
    }
    let counts: Vec<u64> =
        nodes.iter().flat_map(|node| [word(node.length), word(node.nulls)]).collect();
    let mut builder = Builder::new();
    let nodes = structs(&mut builder, &counts, 2);
    let places = structs(&mut builder, &places, 2);
    let table = builder.start_table();
    builder.push_slot_always(slot(0), word(rows));
    builder.push_slot_always(slot(1), nodes);
    builder.push_slot_always(slot(2), places);
    let table = builder.end_table(table);
    (framed(builder, RECORD_BATCH, table, body.len()), body)
}

/// What stands at the end of a file.
pub(super) fn footer(columns: &[Column], blocks: &[Block]) -> Vec<u8> {
    let mut builder = Builder::new();
    let schema = schema_table(&mut builder, columns);
    let dictionaries = structs(&mut builder, &[], 3);
    // `metaDataLength` has 32 bits, and 32 bits of padding behind it.
    let words: Vec<u64> =
        blocks.iter().flat_map(|block| [block.offset, block.metadata, block.body]).collect();
    let blocks = structs(&mut builder, &words, 3);
    let table = builder.start_table();
    builder.push_slot_always(slot(0), VERSION);
    builder.push_slot_always(slot(1), schema);
    builder.push_slot_always(slot(2), dictionaries);
    builder.push_slot_always(slot(3), blocks);
    let table = builder.end_table(table);
    builder.finish(table, None);
    builder.finished_data().to_vec()
}

/// Puts a message around its header: its length, filled up, and what it is.
fn framed(mut builder: Builder, kind: u8, header: Table, body: usize) -> Vec<u8> {
    let table = builder.start_table();
    builder.push_slot_always(slot(0), VERSION);
    builder.push_slot_always(slot(1), kind);
    builder.push_slot_always(slot(2), header);
    builder.push_slot_always(slot(3), word(body));
    let table = builder.end_table(table);
    builder.finish(table, None);
    let mut metadata = builder.finished_data().to_vec();
    fill(&mut metadata);
    let length = u32::try_from(metadata.len()).unwrap_or(u32::MAX);
    let mut message = CONTINUATION.to_vec();
    message.extend(length.to_le_bytes());
    message.extend(metadata);
    message
}

fn schema_table(builder: &mut Builder, columns: &[Column]) -> Table {
    let fields: Vec<Table> = columns.iter().map(|column| field(builder, column)).collect();
    let fields = builder.create_vector(&fields);
    let table = builder.start_table();
    builder.push_slot_always(slot(1), fields);
    builder.end_table(table)
}

/// One column: every one may be null, and says which type the database has it in.
fn field(builder: &mut Builder, column: &Column) -> Table {
    let name = builder.create_string(&column.name);
    let (key, value) = (builder.create_string("type"), builder.create_string(&column.type_name));
    let pair = builder.start_table();
    builder.push_slot_always(slot(0), key);
    builder.push_slot_always(slot(1), value);
    let pair = builder.end_table(pair);
    let metadata = builder.create_vector(&[pair]);
    let children = builder.create_vector::<Table>(&[]);
    let (member, kind) = kind(builder, column.kind);
    let table = builder.start_table();
    builder.push_slot_always(slot(0), name);
    builder.push_slot_always(slot(1), true);
    builder.push_slot_always(slot(2), member);
    builder.push_slot_always(slot(3), WIPOffset::<UnionWIPOffset>::new(kind.value()));
    builder.push_slot_always(slot(5), children);
    builder.push_slot_always(slot(6), metadata);
    builder.end_table(table)
}

/// The member of the union `Type`, and its table.
fn kind(builder: &mut Builder, kind: Kind) -> (u8, Table) {
    let table = builder.start_table();
    let member = match kind {
        Kind::Integer => {
            builder.push_slot_always(slot(0), 64i32);
            builder.push_slot_always(slot(1), true);
            2
        }
        Kind::Float => {
            // `Precision.DOUBLE`.
            builder.push_slot_always(slot(0), 2i16);
            3
        }
        Kind::Bytes => 4,
        Kind::Decimal | Kind::Json | Kind::Text => 5,
        Kind::Bool => 6,
    };
    (member, builder.end_table(table))
}

/// A vector of structs that are so many words of 64 bits each.
fn structs(builder: &mut Builder, words: &[u64], width: usize) -> WIPOffset<Vector<'static, u64>> {
    builder.start_vector::<u64>(words.len());
    for word in words.iter().rev() {
        builder.push(*word);
    }
    builder.end_vector(words.len() / width)
}

/// Where a table keeps a field: behind its own two entries of two bytes.
const fn slot(field: VOffsetT) -> VOffsetT {
    4 + 2 * field
}

fn word(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn fill(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
}
