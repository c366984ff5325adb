//! What a tool says while it runs (progress, log messages, questions) passes the guard as its
//! result does.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::ctx::BoxFuture;
use contract::{Channel, Question, ToolError};
use serde_json::Value;

use super::{message, value};
use crate::redact::Redactor;

/// A transport's channel behind the guard.
pub(crate) struct Guarded {
    pub(crate) channel: Arc<dyn Channel>,
    pub(crate) redactor: Redactor,
}

impl Channel for Guarded {
    fn progress(&self, done: f64, total: Option<f64>, text: String) -> BoxFuture<'_, ()> {
        self.channel.progress(done, total, message(&text, &self.redactor))
    }

    fn log(&self, level: &'static str, data: Value) -> BoxFuture<'_, ()> {
        self.channel.log(level, value(data, &self.redactor))
    }

    fn ask(
        &self,
        questions: BTreeMap<String, Question>,
    ) -> BoxFuture<'_, Result<BTreeMap<String, Value>, ToolError>> {
        let guarded = questions.into_iter().map(|(key, asked)| (key, self.question(asked)));
        self.channel.ask(guarded.collect())
    }
}

impl Guarded {
    fn question(&self, question: Question) -> Question {
        match question {
            Question::Form { message: text, schema } => Question::Form {
                message: message(&text, &self.redactor),
                schema: value(schema, &self.redactor),
            },
            Question::Page { message: text, url } => Question::Page {
                message: message(&text, &self.redactor),
                url: message(&url, &self.redactor),
            },
            Question::Sample(params) => Question::Sample(value(params, &self.redactor)),
            Question::Roots => Question::Roots,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use contract::Secret;
    use futures_util::FutureExt as _;
    use serde_json::json;

    use super::*;

    /// Remembers what it was told to send.
    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Heard {
        fn hear(&self, text: String) {
            self.0.lock().expect("no panic while held").push(text);
        }
    }

    impl Channel for Heard {
        fn progress(&self, _: f64, _: Option<f64>, text: String) -> BoxFuture<'_, ()> {
            self.hear(text);
            Box::pin(std::future::ready(()))
        }

        fn log(&self, _: &'static str, data: Value) -> BoxFuture<'_, ()> {
            self.hear(data.to_string());
            Box::pin(std::future::ready(()))
        }

        fn ask(
            &self,
            questions: BTreeMap<String, Question>,
        ) -> BoxFuture<'_, Result<BTreeMap<String, Value>, ToolError>> {
            for question in questions.values() {
                self.hear(format!("{question:?}"));
            }
            Box::pin(std::future::ready(Ok(BTreeMap::new())))
        }
    }

    #[test]
    fn nothing_a_tool_says_on_the_way_gives_a_secret_away() {
        let heard = Arc::new(Heard::default());
        let redactor = Redactor::new(&[Secret::new("hunter2".to_owned())]);
        let channel: Arc<dyn Channel> = heard.clone();
        let guarded = Guarded { channel, redactor };
        let dirty = "hunter2\u{202e}";
        let said = "now or never";
        guarded.progress(1.0, None, dirty.to_owned()).now_or_never().expect(said);
        guarded.log("info", json!({"a": [dirty]})).now_or_never().expect(said);
        let form = Question::Form {
            message: dirty.to_owned(),
            schema: json!({"properties": {"a": {"description": dirty}}}),
        };
        let sample = Question::Sample(json!({"messages": [dirty]}));
        let questions = BTreeMap::from([("form".to_owned(), form), ("sample".to_owned(), sample)]);
        guarded.ask(questions).now_or_never().expect(said).expect("asked");
        let heard = heard.0.lock().expect("no panic while held");
        assert_eq!(heard.len(), 4);
        for text in heard.iter() {
            let clean = text.contains("[redacted][U+202E]");
            assert!(clean && !text.contains("hunter2") && !text.contains('\u{202e}'), "{text}");
        }
    }
}
