//! The index on disk: its fields, how it is opened, and what one file becomes in it.
//!
//! A file is one *file document* (its record and outline, so that listings need no re-reading)
//! and one *passage document* for each passage, all with the same number, by which they are
//! replaced together. What the index was built by stands in the payload of its commit: an index
//! of another format, or a broken one, is thrown away and built again, for it holds nothing that
//! the collections do not.

use std::path::Path;

use sha2::{Digest as _, Sha256};
use tantivy::directory::MmapDirectory;
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing,
    TextOptions, Value as _,
};
use tantivy::tokenizer::{
    AsciiFoldingFilter, Language, LowerCaser, RemoveLongFilter, SimpleTokenizer, Stemmer,
    StopWordFilter, TextAnalyzer,
};
use tantivy::{Index, IndexReader, ReloadPolicy, TantivyDocument, TantivyError, Term, doc};

use crate::catalogue::FileRecord;
use crate::page::{Page, Passage, Section};

/// Raised with every change of fields, splitting or analysis.
const FORMAT: u32 = 1;
/// The name the analyzer is registered under.
const ANALYZER: &str = "english";
/// Longer words are no words, in bytes.
const LONGEST_WORD: usize = 80;

/// The fields of the schema.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    /// The number of the file, on every document.
    pub(crate) file: Field,
    /// 1 on file documents, absent on passages.
    pub(crate) listed: Field,
    /// The collection.
    pub(crate) collection: Field,
    /// The path as it is.
    pub(crate) path: Field,
    /// The words of the path.
    pub(crate) path_words: Field,
    /// The page's title.
    pub(crate) title: Field,
    /// The headings above.
    pub(crate) headings: Field,
    /// The anchor of the nearest heading.
    pub(crate) anchor: Field,
    /// The first line.
    pub(crate) from: Field,
    /// The last line.
    pub(crate) to: Field,
    /// The words.
    pub(crate) body: Field,
    /// The [`FileRecord`] as JSON, on file documents.
    pub(crate) record: Field,
    /// The [`Section`]s as JSON, on file documents.
    pub(crate) outline: Field,
}

/// An open index.
#[derive(Clone)]
pub(crate) struct Opened {
    /// The index.
    pub(crate) index: Index,
    /// Its reader, reloaded by hand: nothing runs while nothing is asked.
    pub(crate) reader: IndexReader,
    /// What its last commit says about itself; `None` before the first one.
    pub(crate) payload: Option<String>,
}

/// The payload of a commit: the format, and a digest of the settings the files were chosen by.
pub(crate) fn payload(settings: &str) -> String {
    format!("{FORMAT} {settings}")
}

/// The fields and their schema.
pub(crate) fn schema() -> (Schema, Fields) {
    let text = |record| {
        let indexing =
            TextFieldIndexing::default().set_tokenizer(ANALYZER).set_index_option(record);
        TextOptions::default().set_indexing_options(indexing)
    };
    let phrases = text(IndexRecordOption::WithFreqsAndPositions).set_stored();
    let mut builder = Schema::builder();
    let fields = Fields {
        file: builder.add_u64_field("file", INDEXED | FAST),
        listed: builder.add_u64_field("listed", INDEXED),
        collection: builder.add_text_field("collection", STRING | STORED),
        path: builder.add_text_field("path", STORED),
        path_words: builder.add_text_field("path_words", text(IndexRecordOption::WithFreqs)),
        title: builder.add_text_field("title", phrases.clone()),
        headings: builder.add_text_field("headings", phrases.clone()),
        anchor: builder.add_text_field("anchor", STORED),
        from: builder.add_u64_field("from", STORED),
        to: builder.add_u64_field("to", STORED),
        body: builder.add_text_field("body", phrases),
        record: builder.add_text_field("record", STORED),
        outline: builder.add_text_field("outline", STORED),
    };
    (builder.build(), fields)
}

/// Words as they are indexed and asked for: lower case, no accents, no stop words, English stems.
pub(crate) fn analyzer() -> TextAnalyzer {
    TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(RemoveLongFilter::limit(LONGEST_WORD))
        .filter(LowerCaser)
        .filter(AsciiFoldingFilter)
        .filter(StopWordFilter::new(Language::English).expect("English stop words are built in"))
        .filter(Stemmer::new(Language::English))
        .build()
}

/// Opens the index in `folder`, if one of our format is there and whole.
pub(crate) fn open(folder: &Path) -> Result<Opened, TantivyError> {
    let index = Index::open(MmapDirectory::open(folder)?)?;
    if index.schema() != schema().0 {
        return Err(TantivyError::SchemaError("another schema".to_owned()));
    }
    let payload = index.load_metas()?.payload;
    let format = payload.as_deref().and_then(|payload| payload.split(' ').next());
    if format.is_some_and(|format| format != FORMAT.to_string()) {
        return Err(TantivyError::SchemaError("another format".to_owned()));
    }
    let damaged = index.validate_checksum()?;
    if !damaged.is_empty() {
        return Err(TantivyError::InternalError(format!("damaged files: {damaged:?}")));
    }
    finish(index, payload)
}

/// Throws away what is in `folder` and makes an empty index there.
pub(crate) fn rebuild(folder: &Path) -> Result<Opened, TantivyError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    std::fs::create_dir_all(folder)?;
    finish(Index::create_in_dir(folder, schema().0)?, None)
}

fn finish(index: Index, payload: Option<String>) -> Result<Opened, TantivyError> {
    index.tokenizers().register(ANALYZER, analyzer());
    let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
    Ok(Opened { index, reader, payload })
}

/// The number of a file: 64 bits of a hash of its collection and path.
pub(crate) fn file_number(collection: &str, path: &str) -> u64 {
    let mut hash = Sha256::new();
    hash.update(collection);
    hash.update([0]);
    hash.update(path);
    let digest: [u8; 32] = hash.finalize().into();
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The term all documents of a file share.
pub(crate) fn file_term(fields: &Fields, collection: &str, path: &str) -> Term {
    Term::from_field_u64(fields.file, file_number(collection, path))
}

/// The documents of one file: first the file document, then the passages.
pub(crate) fn documents(
    fields: &Fields,
    collection: &str,
    path: &str,
    record: &FileRecord,
    page: &Page,
) -> Result<Vec<TantivyDocument>, TantivyError> {
    let number = file_number(collection, path);
    let json = |error: serde_json::Error| TantivyError::InternalError(error.to_string());
    let mut documents = vec![doc!(
        fields.file => number,
        fields.listed => 1u64,
        fields.collection => collection,
        fields.path => path,
        fields.record => serde_json::to_string(record).map_err(json)?,
        fields.outline => serde_json::to_string(&page.sections()).map_err(json)?,
    )];
    for passage in page.passages() {
        documents.push(doc!(
            fields.file => number,
            fields.collection => collection,
            fields.path => path,
            fields.path_words => path,
            fields.title => page.title.as_str(),
            fields.headings => passage.headings,
            fields.anchor => passage.anchor,
            fields.from => u64::from(passage.from),
            fields.to => u64::from(passage.to),
            fields.body => passage.body,
        ));
    }
    Ok(documents)
}

/// A stored text; empty where there is none.
pub(crate) fn stored(document: &TantivyDocument, field: Field) -> &str {
    document.get_first(field).and_then(|value| value.as_str()).unwrap_or_default()
}

/// The passage a document holds.
pub(crate) fn passage(fields: &Fields, document: &TantivyDocument) -> Passage {
    let text = |field| stored(document, field).to_owned();
    let line = |field| {
        let value = document.get_first(field).and_then(|value| value.as_u64());
        value.and_then(|value| u32::try_from(value).ok()).unwrap_or(1)
    };
    Passage {
        headings: text(fields.headings),
        anchor: text(fields.anchor),
        from: line(fields.from),
        to: line(fields.to),
        body: text(fields.body),
    }
}

/// The outline a file document holds.
pub(crate) fn outline(
    fields: &Fields,
    document: &TantivyDocument,
) -> Result<Vec<Section>, serde_json::Error> {
    serde_json::from_str(stored(document, fields.outline))
}
